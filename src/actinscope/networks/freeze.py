"""Which layers are trained, and where a network can be frozen: at the ends of its blocks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks.backend import keras_backend
from actinscope.networks.partition import boundary_tensors


def freeze(model: Any, layers: int) -> None:
    """Make the first ``layers`` of ``model.layers`` not trainable and all others trainable.

    The input counts as a layer, as in Keras' own count. A frozen batch normalisation
    uses its stored mean and variance also during training and does not change them.

    Raises:
        SettingsError: ``layers`` is negative or larger than the network, or no weight
            would be left to train.
    """
    count = len(model.layers)
    if not 0 <= layers <= count:
        raise SettingsError(
            f"cannot freeze {layers} layers of a network that has {count}",
            where=model.name,
            remedy=f"Choose between 0 and {count - 1} layers to freeze",
        )
    if not any(layer.weights for layer in model.layers[layers:]):
        most = max(index for index, layer in enumerate(model.layers) if layer.weights)
        raise SettingsError(
            f"with {layers} of {count} layers frozen nothing is left to train",
            where=model.name,
            remedy=f"Freeze at most {most} layers",
        )
    model.trainable = True
    for index, layer in enumerate(model.layers):
        layer.trainable = index >= layers


def freeze_batch_norm(model: Any) -> None:
    """Keep every batch normalisation in inference mode, with its statistics and weights."""
    keras = keras_backend()
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def block_ends(model: Any) -> tuple[int, ...]:
    """Numbers of first layers after which a block ends, in rising order.

    A block ends where a single tensor crosses and the next layer either opens a skip
    connection (several tensors cross) or widens it. Before the last layer comes one more:
    the cut where the smallest tensor crosses, so that nothing but the end is trained.
    """
    sizes = [_crossing_size(model, layers) for layers in range(1, len(model.layers))]
    ends = {
        layers
        for layers, (size, following) in enumerate(pairwise(sizes), start=1)
        if size is not None and layers > 1 and (following is None or following > size)
    }
    known = {layers: size for layers, size in enumerate(sizes, start=1) if size is not None}
    if known:
        ends.add(min(known, key=known.__getitem__))  # the first of the smallest
    return tuple(sorted(ends))


def freeze_points(model: Any, frozen: int) -> tuple[int, ...]:
    """A few cuts to choose from: ``frozen``, one before it, one after it, and the last.

    The one after lies about halfway between ``frozen`` and the last, the one before about
    as far on the other side.
    """
    ends = block_ends(model)
    last = max((*ends, frozen))
    half = (last - frozen) / 2
    points = {frozen, last}
    if after := [end for end in ends if frozen < end < last]:
        points.add(min(after, key=lambda end: abs(end - frozen - half)))
    if before := [end for end in ends if end < frozen]:
        points.add(min(before, key=lambda end: abs(frozen - half - end)))
    return tuple(sorted(points))


def _crossing_size(model: Any, layers: int) -> int | None:
    """Values of the one tensor that crosses a cut, or None where several cross."""
    crossing = boundary_tensors(model, layers)
    return math.prod(crossing[0].shape[1:]) if len(crossing) == 1 else None
