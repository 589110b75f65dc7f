"""The loss beside the cross-entropy: images of a class close together, classes apart."""

from __future__ import annotations

from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks import embedding_of, keras_backend

_SMALLEST = 1e-12


def class_structure(embedding: Any, targets: Any, margin: float) -> Any:
    """How far the embedding of a batch is from compact classes that lie apart; a scalar >= 0.

    With z_i the embedding of image i divided by its length and d_ij = |z_i - z_j|^2, from 0
    to 4, it is the mean of d_ij over all pairs of different images of one class, plus the
    mean of max(0, margin - d_ij) over all pairs of two classes. A mean over no pairs is 0.

    The formula is ours, in the spirit of class-structure-aware training and of the
    contrastive loss of Hadsell, Chopra and LeCun (2006).

    Args:
        embedding: (B, D) tensor.
        targets: (B, K) tensor, one-hot, float32.
        margin: squared distance from which on two classes no longer push each other.
    """
    ops = keras_backend().ops
    embedding = ops.cast(embedding, "float32")
    squares = ops.sum(ops.square(embedding), axis=1, keepdims=True)
    unit = embedding * ops.rsqrt(ops.maximum(squares, _SMALLEST))
    distances = 2.0 - 2.0 * ops.matmul(unit, ops.transpose(unit))  # (B, B)
    alike = ops.matmul(targets, ops.transpose(targets))
    pairs = alike * (1.0 - ops.eye(ops.shape(targets)[0], dtype="float32"))
    together = _mean_over(distances, pairs)
    apart = _mean_over(ops.maximum(margin - distances, 0.0), 1.0 - alike)
    return together + apart


def _mean_over(values: Any, chosen: Any) -> Any:
    ops = keras_backend().ops
    return ops.sum(values * chosen) / ops.maximum(ops.sum(chosen), 1.0)


def structure_tensor(model: Any, frozen_layers: int) -> Any:
    """The embedding that the term acts on: what the last layer is given, before any dropout.

    Raises:
        SettingsError: no layer on the way to it is trained, so the term would do nothing.
    """
    if not any(layer.trainable_weights for layer in model.layers[frozen_layers:-1]):
        raise SettingsError(
            "all layers before the last are frozen, so the class structure cannot change",
            where="training.loss",
            remedy="Set training.loss to cross_entropy, or freeze fewer layers",
        )
    return embedding_of(model)


def structure_loss(margin: float) -> Any:
    """:func:`class_structure` as a Keras loss of (targets, embedding)."""
    keras = keras_backend()

    class ClassStructure(keras.losses.Loss):  # type: ignore[misc, name-defined]
        """A loss of the whole batch: every image counts with all others."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return class_structure(y_pred, y_true, margin)

    return ClassStructure()
