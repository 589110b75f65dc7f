"""Which layers are trained."""

from __future__ import annotations

from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks.backend import keras_backend


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
        raise SettingsError(
            f"with {layers} of {count} layers frozen nothing is left to train",
            where=model.name,
            remedy=f"Freeze at most {_most(model)} layers",
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


def trained_layers(model: Any) -> int:
    """Number of layers that are not frozen, with or without weights of their own."""
    return sum(bool(layer.trainable) for layer in model.layers)


def _most(model: Any) -> int:
    return max(index for index, layer in enumerate(model.layers) if layer.weights)
