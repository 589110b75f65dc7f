"""The layers that are new for every task: from the last feature map to the probabilities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from actinscope.errors import SettingsError
from actinscope.networks.backend import keras_backend

HeadKind = Literal["pooled", "dense"]
PREDICTIONS = "predictions"
#: What a head of fully connected layers is where neither the network nor the user says it.
DENSE_UNITS = (256, 256)
DENSE_DROPOUT = 0.5

# No body of Keras Applications has a layer of these names; files with an ImageNet head do.
_HEAD_NAMES = re.compile(r"predictions|fc\d+(_dropout)?|avg_pool|top_dropout|flatten")


@dataclass(frozen=True)
class Head:
    """What stands between the last feature map (N, h, w, D) and the probabilities (N, K).

    Attributes:
        units: of the fully connected layers (ReLU) before the last one; empty for the pooled
            head, which is global average pooling and one dense layer.
        dropout: rate before the last layer, and after every fully connected one.
        flatten: give the fully connected layers every position of the feature map instead
            of the mean over its positions.
        wide_start: the last layer's random kernel is drawn as EfficientNet's is in Keras
            (uniform, scaled by the number of classes); otherwise after Glorot and Bengio 2010.
    """

    units: tuple[int, ...] = ()
    dropout: float = 0.0
    flatten: bool = False
    wide_start: bool = False

    @property
    def kind(self) -> HeadKind:
        """``dense`` where there are fully connected layers before the last one."""
        return "dense" if self.units else "pooled"

    @property
    def layer_count(self) -> int:
        """Keras layers of the head on a feature map: pooling, dense and dropout layers."""
        dropouts = max(1, len(self.units)) if self.dropout else 0
        return 1 + len(self.units) + dropouts + 1


def settle_head(
    default: Head,
    *,
    kind: HeadKind | None = None,
    units: Sequence[int] | None = None,
    dropout: float | None = None,
    flatten: bool | None = None,
) -> Head:
    """The head that the settings ask for; what is None is taken from ``default``.

    Raises:
        SettingsError: settings of fully connected layers where there are none.
    """
    kind = kind or ("dense" if units else default.kind)
    if kind == "pooled":
        if units or flatten:
            raise SettingsError(
                "head_units and head_flatten do nothing with head = 'pooled'",
                where="network.head",
                remedy="Leave them out, or set head to 'dense'",
            )
        own = default.dropout if default.kind == "pooled" else 0.0
        rate = own if dropout is None else dropout
        return Head(dropout=rate, wide_start=default.wide_start)
    if units is not None and not units:
        raise SettingsError(
            "head = 'dense' needs at least one fully connected layer",
            where="network.head_units",
            remedy="Give the units of each, such as [256, 256], or set head to 'pooled'",
        )
    same = default if default.kind == "dense" else Head(DENSE_UNITS, DENSE_DROPOUT)
    return Head(
        units=same.units if units is None else tuple(units),
        dropout=same.dropout if dropout is None else dropout,
        flatten=same.flatten if flatten is None else flatten,
    )


def is_head_layer(name: str) -> bool:
    """Whether a layer of this name belongs to a head, of ours or in a file with its top."""
    return _HEAD_NAMES.fullmatch(name) is not None


def attach_head(body: Any, head: Head, classes: int) -> Any:
    """``body``, a Keras model to a feature map (N, h, w, D), with a new head to softmax (N, K)."""
    keras = keras_backend()
    layers = keras.layers
    pooling = layers.GlobalAveragePooling2D(name="avg_pool")
    x = (layers.Flatten(name="flatten") if head.flatten else pooling)(body.output)
    for number, units in enumerate(head.units, start=1):
        x = layers.Dense(units, activation="relu", name=f"fc{number}")(x)
        if head.dropout:
            x = layers.Dropout(head.dropout, name=f"fc{number}_dropout")(x)
    if head.dropout and not head.units:
        x = layers.Dropout(head.dropout, name="top_dropout")(x)
    initial: Any = "glorot_uniform"
    if head.wide_start:
        initial = keras.initializers.VarianceScaling(1 / 3, mode="fan_out", distribution="uniform")
    # Probabilities of float16 would be too coarse.
    last = layers.Dense(
        classes, activation="softmax", kernel_initializer=initial, name=PREDICTIONS, dtype="float32"
    )
    return keras.Model(body.input, last(x), name=body.name)


def embedding_of(model: Any) -> Any:
    """The Keras tensor (N, D) that the last layer reads, before any dropout."""
    tensor = model.layers[-1].input
    while isinstance(maker := _maker(model, tensor), keras_backend().layers.Dropout):
        tensor = maker.input
    return tensor


def mapped_features(model: Any) -> Any:
    """The feature map (N, h, w, D) whose mean the last layer reads, or None.

    Only where there is one can the last layer's kernel be applied to every position, which
    gives class activation maps.
    """
    pooling = _maker(model, embedding_of(model))
    pooled = isinstance(pooling, keras_backend().layers.GlobalAveragePooling2D)
    return pooling.input if pooled and not pooling.keepdims else None


def _maker(model: Any, tensor: Any) -> Any:
    tree = keras_backend().tree
    for operation in reversed(model.operations):
        if any(made is tensor for made in tree.flatten(operation.output)):
            return operation
    return None
