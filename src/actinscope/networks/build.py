"""Building a network: pretrained body, new head."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, WeightsCorrupt
from actinscope.networks.backend import keras_backend
from actinscope.networks.device import Precision, dtype_policy
from actinscope.networks.efficientnet_lite import LiteBuilder
from actinscope.networks.entry import NetworkEntry
from actinscope.networks.head import Head, attach_head, is_head_layer
from actinscope.networks.keras_file import StoredLayer, StoredLayers, read_keras_layers
from actinscope.networks.torch_file import read_torch_state
from actinscope.networks.weights import ResolvedWeights


def build_network(
    entry: NetworkEntry,
    *,
    classes: int,
    weights: ResolvedWeights,
    input_size: int | None = None,
    input_channels: int = 3,
    precision: Precision = "float32",
    head: Head | None = None,
    seed: int,
) -> Any:
    """Keras model of ``entry`` with a new head: ``head``, or the network's own.

    The input is (N, S, S, C) float32 in the network's own range (``entry.input``), the output
    (N, classes) float32 probabilities. The head, and for weights "none" everything,
    is initialised from ``seed``; the same seed gives the same numbers. Only the body is
    taken from the weights: a head in the file is left out.

    With more than three input channels the first convolution gives every channel the mean
    of the red, green and blue kernels times 3/C: an image that is the same in all channels
    gets the response that it would get as a grey image.

    With ``precision`` mixed (``auto``: on a GPU) the layers compute in float16; weights and
    probabilities stay float32.

    Raises:
        SettingsError: fewer than two classes, or an impossible size or channel count.
        WeightsCorrupt: the file lacks a layer, has one too many or one of another shape.
    """
    size = entry.input.size if input_size is None else input_size
    _check_request(entry, classes=classes, size=size, channels=input_channels)
    with _making_layers(seed, dtype_policy(precision)):
        body = entry.builder((size, size, input_channels))
        model = attach_head(body, head or entry.head, classes)
    if weights.path is not None:
        # A file with the published hash is the one that Keras itself reads by order alone.
        _load(model, entry, weights.path, by_order=weights.kind == "imagenet")
    return model


def _check_request(entry: NetworkEntry, *, classes: int, size: int, channels: int) -> None:
    if classes < 2:
        raise SettingsError(
            f"a classifier needs at least two classes, not {classes}", where=entry.name
        )
    if size < entry.smallest:
        raise SettingsError(
            f"the input size {size} is too small",
            where=entry.name,
            remedy=f"Choose at least {entry.smallest} pixels",
        )
    if channels < 3:
        raise SettingsError(
            f"the network takes 3 or more input channels, not {channels}",
            where=entry.name,
            remedy="Repeat a single channel three times",
        )


@contextmanager
def _making_layers(seed: int, policy: str) -> Iterator[None]:
    # Keras draws the seed of every initialiser and dropout layer from Python's generator, and
    # so does its own import: it has to be behind us before the generator is seeded.
    config = keras_backend().config
    before, state = config.dtype_policy(), random.getstate()
    config.set_dtype_policy(policy)
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
        config.set_dtype_policy(before)


def _load(model: Any, entry: NetworkEntry, path: Path, *, by_order: bool) -> None:
    try:
        _assign(model, _stored_layers(entry, path), by_order=by_order)
    except WeightsCorrupt as error:
        if error.where is not None:
            raise
        remedy = f"Use weights that belong to {entry.title}"
        raise WeightsCorrupt(error.what, where=path, remedy=remedy) from error


def _stored_layers(entry: NetworkEntry, path: Path) -> StoredLayers:
    if path.suffix.lower() == ".pth" and isinstance(entry.builder, LiteBuilder):
        arrays = entry.builder.from_torch(read_torch_state(path))
        layers = {name: StoredLayer(("",) * len(a), tuple(a)) for name, a in arrays.items()}
        return StoredLayers(layers, ordered=True)
    return read_keras_layers(path)


def _assign(model: Any, stored: StoredLayers, *, by_order: bool) -> None:
    """Give every layer of the body its weights; nothing may be missing or left over.

    Layers are matched by name; where the names differ and ``by_order`` is true, by order.
    """
    layers = [one for one in model.layers if one.weights and not is_head_layer(one.name)]
    present = {
        name: layer
        for name, layer in stored.layers.items()
        if not is_head_layer(name) and not _RESCALING.fullmatch(name)
    }
    pairs = _matched(layers, present, by_order=by_order, ordered=stored.ordered)
    convolution = keras_backend().layers.Conv2D
    first = next(layer for layer in model.layers if isinstance(layer, convolution))
    for layer, found in zip(layers, pairs, strict=True):
        arrays = _in_order(layer, found)
        if layer is first:
            arrays = [adapted_kernel(arrays[0], int(layer.kernel.shape[2])), *arrays[1:]]
        shapes = [tuple(variable.shape) for variable in layer.weights]
        if shapes != [array.shape for array in arrays]:
            raise WeightsCorrupt(
                f"the layer {layer.name!r} needs arrays of the shapes {shapes}, "
                f"not {[array.shape for array in arrays]}"
            )
        if not all(bool(np.isfinite(array).all()) for array in arrays):
            raise WeightsCorrupt(f"the layer {layer.name!r} has values that are not finite")
        for variable, array in zip(layer.weights, arrays, strict=True):
            variable.assign(array)


# Statistics of the layer that standardises the image, which the preprocessing does here.
_RESCALING = re.compile(r"normalization(_\d+)?")


def _matched(
    layers: list[Any], present: dict[str, StoredLayer], *, by_order: bool, ordered: bool
) -> list[StoredLayer]:
    wanted = [layer.name for layer in layers]
    missing = [name for name in wanted if name not in present]
    extra = sorted(set(present) - set(wanted))
    counted = any(_is_numbered(name) for name in wanted)
    # Networks whose layers Keras numbers by itself (conv2d_17) get other numbers in every
    # session, and a number that is there by chance means nothing in a published file.
    if not missing and not extra and not (by_order and counted):
        return [present[name] for name in wanted]
    if ordered and by_order and len(present) == len(layers):
        return list(present.values())
    if all(_is_numbered(name) for name in (*missing, *extra)) and len(present) == len(layers):
        ranked = dict(zip(_ranked(present), present.values(), strict=True))
        keys = _ranked(wanted)
        if set(keys) <= set(ranked):
            return [ranked[key] for key in keys]
    parts = []
    if missing:
        parts.append(f"{len(missing)} layers are missing, for example {missing[0]!r}")
    if extra:
        parts.append(f"{len(extra)} layers are foreign, for example {extra[0]!r}")
    raise WeightsCorrupt(" and ".join(parts))


_AUTOMATIC = (
    "conv2d",
    "batch_normalization",
    "separable_conv2d",
    "depthwise_conv2d",
    "dense",
)


def _is_numbered(name: str) -> bool:
    return _stem(name)[0] in _AUTOMATIC


def _stem(name: str) -> tuple[str, int]:
    """``conv2d_17`` as (conv2d, 17); names without a number have 0."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if number.isdecimal() else (name, 0)


def _ranked(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each name as (stem, rank): numbers that Keras gave become 0, 1, 2, ... in their order.

    Keras counts upwards as layers are made, so that the rank is that of the making.
    """
    names = list(names)
    numbers: dict[str, list[int]] = {}
    for stem, number in sorted(_stem(name) for name in names if _is_numbered(name)):
        numbers.setdefault(stem, []).append(number)
    return [
        (stem, numbers[stem].index(number)) if stem in _AUTOMATIC else (name, -1)
        for name in names
        for stem, number in [_stem(name)]
    ]


def _in_order(layer: Any, found: StoredLayer) -> list[NDArray[Any]]:
    wanted = [variable.name for variable in layer.weights]
    if len(found.arrays) != len(wanted):
        raise WeightsCorrupt(
            f"the layer {layer.name!r} needs {len(wanted)} arrays, not {len(found.arrays)}"
        )
    if len(set(wanted)) == len(wanted) and set(found.names) == set(wanted):
        by_name = dict(zip(found.names, found.arrays, strict=True))
        return [by_name[name] for name in wanted]
    return list(found.arrays)


def adapted_kernel(kernel: NDArray[Any], channels: int) -> NDArray[Any]:
    """The kernel (y, x, 3, C) of a first convolution for an image of so many channels."""
    if kernel.ndim != 4 or kernel.shape[2] != 3 or channels == 3:
        return kernel
    mean = kernel.mean(axis=2, keepdims=True) * (3.0 / channels)
    return np.repeat(mean, channels, axis=2).astype(kernel.dtype)
