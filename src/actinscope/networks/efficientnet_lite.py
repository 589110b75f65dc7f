"""EfficientNet-Lite 0, 1 and 2, which Keras does not have.

EfficientNet-Lite is EfficientNet without squeeze-and-excitation, with ReLU6 instead of
swish, and with a stem (32) and a head (1280) that are not scaled in width; the first and
the last stage are not scaled in depth (https://github.com/tensorflow/tpu, efficientnet/lite).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import WeightsCorrupt
from actinscope.networks.backend import keras_backend

# Batch normalisation of the original: TensorFlow's momentum and epsilon.
_MOMENTUM = 0.99
EPSILON = 1e-3
_NORM = ("weight", "bias", "running_mean", "running_var")  # in torch
_STEM = 32
_HEAD = 1280


@dataclass(frozen=True)
class Stage:
    """One row of the EfficientNet-B0 table (Tan and Le 2019, table 1)."""

    kernel: int
    repeats: int
    filters: int
    expansion: int
    stride: int


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 2, 24, 6, 2),
    Stage(5, 2, 40, 6, 2),
    Stage(3, 3, 80, 6, 2),
    Stage(5, 3, 112, 6, 1),
    Stage(5, 4, 192, 6, 2),
    Stage(3, 1, 320, 6, 1),
)


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck with its final sizes."""

    name: str
    kernel: int
    filters: int
    expansion: int
    stride: int


@dataclass(frozen=True)
class LiteBuilder:
    """Builds one member of the family as a Keras model called ``name``."""

    name: str
    width: float  # factor on the number of filters
    depth: float  # factor on the number of blocks in the stages 2 to 6

    def __call__(self, shape: tuple[int, int, int]) -> Any:
        """Keras model from (N, S, S, C) to the last feature map, randomly initialised."""
        keras = keras_backend()
        layers = keras.layers
        image = keras.Input(shape, name="image")
        x = _conv(layers, image, _STEM, 3, stride=2, name="stem_conv")
        x = _norm_relu(layers, x, "stem")
        for block in self.blocks():
            x = _bottleneck(layers, x, block)
        x = _conv(layers, x, _HEAD, 1, stride=1, name="top_conv")
        x = _norm_relu(layers, x, "top")
        return keras.Model(image, x, name=self.name)

    def blocks(self) -> tuple[Block, ...]:
        """All blocks in order, named like Keras' own: block1a, block2a, block2b, ..."""
        found: list[Block] = []
        for number, stage in enumerate(STAGES, start=1):
            scaled = number not in (1, len(STAGES))
            repeats = math.ceil(stage.repeats * self.depth) if scaled else stage.repeats
            found.extend(
                Block(
                    name=f"block{number}{chr(ord('a') + index)}",
                    kernel=stage.kernel,
                    filters=_scaled_filters(stage.filters, self.width),
                    expansion=stage.expansion,
                    stride=stage.stride if index == 0 else 1,
                )
                for index in range(repeats)
            )
        return tuple(found)

    def from_torch(self, state: dict[str, NDArray[Any]]) -> dict[str, list[NDArray[Any]]]:
        """Sort a torch state dict into Keras' layers, weights in Keras' order and layout.

        Raises:
            WeightsCorrupt: a tensor is missing or left over.
        """
        rest = {key: value for key, value in state.items() if "num_batches_tracked" not in key}
        found: dict[str, list[NDArray[Any]]] = {}
        for conv, bn, target_conv, target_bn in self._layer_names():
            depthwise = conv.endswith("_depthwise_conv")
            # torch (out, in, y, x), Keras (y, x, in, out); depthwise (C, 1, y, x), (y, x, C, 1).
            order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
            kernel = _take(rest, f"{conv}.weight", rank=4).transpose(order)
            found[target_conv] = [np.ascontiguousarray(kernel)]
            found[target_bn] = [_take(rest, f"{bn}.{part}", rank=1) for part in _NORM]
        head = _take(rest, "_fc.weight", rank=2)
        found["predictions"] = [np.ascontiguousarray(head.T), _take(rest, "_fc.bias", rank=1)]
        if rest:
            raise WeightsCorrupt(
                f"the file has {len(rest)} tensors that {self.name} does not, "
                f"for example {sorted(rest)[0]!r}"
            )
        return found

    def _layer_names(self) -> Iterator[tuple[str, str, str, str]]:
        """Convolution and batch normalisation in torch, and the same in Keras, in order."""
        yield "_conv_stem", "_bn0", "stem_conv", "stem_bn"
        for index, block in enumerate(self.blocks()):
            torch, name = f"_blocks.{index}.", block.name
            if block.expansion != 1:
                yield (
                    f"{torch}_expand_conv", f"{torch}_bn0",
                    f"{name}_expand_conv", f"{name}_expand_bn",
                )  # fmt: skip
            yield f"{torch}_depthwise_conv", f"{torch}_bn1", f"{name}_dwconv", f"{name}_bn"
            yield (
                f"{torch}_project_conv", f"{torch}_bn2",
                f"{name}_project_conv", f"{name}_project_bn",
            )  # fmt: skip
        yield "_conv_head", "_bn1", "top_conv", "top_bn"


def _scaled_filters(filters: int, width: float) -> int:
    # Rounded to a multiple of 8, but never by more than 10 % downwards.
    wanted = filters * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _bottleneck(layers: Any, x: Any, block: Block) -> Any:
    entrance, name = x, block.name
    if block.expansion != 1:
        wide = entrance.shape[-1] * block.expansion
        x = _conv(layers, x, wide, 1, stride=1, name=f"{name}_expand_conv")
        x = _norm_relu(layers, x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        block.kernel,
        strides=block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_dwconv",
    )(x)
    x = _norm_relu(layers, x, name)
    x = _conv(layers, x, block.filters, 1, stride=1, name=f"{name}_project_conv")
    x = _norm(layers, x, f"{name}_project_bn")
    if block.stride == 1 and entrance.shape[-1] == block.filters:
        x = layers.Add(name=f"{name}_add")([x, entrance])
    return x


def _conv(layers: Any, x: Any, filters: int, kernel: int, *, stride: int, name: str) -> Any:
    return layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _norm(layers: Any, x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=_MOMENTUM, epsilon=EPSILON, name=name)(x)


def _norm_relu(layers: Any, x: Any, prefix: str) -> Any:
    x = _norm(layers, x, f"{prefix}_bn")
    return layers.ReLU(max_value=6.0, name=f"{prefix}_activation")(x)


def _take(rest: dict[str, NDArray[Any]], key: str, *, rank: int) -> NDArray[Any]:
    if key not in rest:
        raise WeightsCorrupt(f"the tensor {key!r} is missing")
    tensor = rest.pop(key)
    if tensor.ndim != rank:
        raise WeightsCorrupt(f"the tensor {key!r} has {tensor.ndim} axes instead of {rank}")
    return tensor
