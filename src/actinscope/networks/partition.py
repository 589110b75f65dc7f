"""Cutting a network where the frozen layers end.

The first layers of a network never change while the rest is trained, so what they
put out for an image needs to be computed only once. A cut can fall inside a block
with a skip connection; then several tensors cross it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks.backend import keras_backend


@dataclass(frozen=True)
class PartitionedNetwork:
    """One network as two: ``prefix`` (frozen) and ``tail`` (trained), sharing its layers.

    ``prefix`` is a Keras model from the image (N, S, S, C) to the list of crossing tensors, or to
    the tensor itself where only one crosses; ``tail`` goes on to the network's output.
    """

    prefix: Any
    tail: Any
    layers: int  # of the whole network that are in ``prefix``
    crossing: tuple[Any, ...]  # Keras tensors of the whole network
    shapes: tuple[tuple[int, ...], ...]  # of each crossing tensor, without the batch axis
    operations: tuple[Any, ...]  # of ``tail`` in topological order: layers, and others


def boundary_tensors(model: Any, layers: int) -> list[Any]:
    """Keras tensors that the first ``layers`` layers make and later layers read.

    ``model.operations`` of a functional model is in topological order and holds its layers
    as well as other operations (a sum written with +), so the first n layers never
    depend on a later one and the cut is well defined for every n.

    Raises:
        SettingsError: ``layers`` is not between 1 and the number of layers less one.
    """
    flatten = keras_backend().tree.flatten
    if not 1 <= layers < len(model.layers):
        raise SettingsError(
            f"cannot cut after layer {layers} of {len(model.layers)}",
            where=model.name,
            remedy=f"Choose between 1 and {len(model.layers) - 1} frozen layers",
        )
    before, after = _divided(model, layers)
    made = {id(tensor) for one in before for tensor in flatten(one.output)}
    read = {id(tensor): tensor for one in after for tensor in flatten(one.input)}
    return [tensor for key, tensor in read.items() if key in made]


def _divided(model: Any, layers: int) -> tuple[list[Any], list[Any]]:
    """All operations before the first one of the tail, and the rest."""
    place = next(i for i, one in enumerate(model.operations) if one is model.layers[layers])
    return list(model.operations[:place]), list(model.operations[place:])


def partition_network(model: Any, layers: int) -> PartitionedNetwork:
    """Split ``model`` after its first ``layers`` layers; both parts share its weights.

    Raises:
        SettingsError: as for :func:`boundary_tensors`, or the network applies a layer
            more than once, or an operation that is no layer, across the cut.
    """
    keras = keras_backend()
    crossing = boundary_tensors(model, layers)
    # Keras warns when a model of a list of one tensor is called with that tensor alone.
    border = crossing[0] if len(crossing) == 1 else crossing
    try:
        prefix = keras.Model(model.input, border, name="prefix")
        tail = keras.Model(border, model.output, name="tail")
    except ValueError as error:  # a path from the first layers to the output was not seen
        raise SettingsError(
            f"cannot be cut after layer {layers}: what crosses there is not "
            "the output of one layer, used once",
            where=model.name,
            remedy="Choose another number of frozen layers",
        ) from error
    return PartitionedNetwork(
        prefix=prefix,
        tail=tail,
        layers=layers,
        crossing=tuple(crossing),
        shapes=tuple(tuple(int(side) for side in tensor.shape[1:]) for tensor in crossing),
        operations=tuple(_divided(model, layers)[1]),
    )
