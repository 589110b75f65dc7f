"""A pretrained EfficientNet-Lite as an ONNX graph, and a linear head on all of its stages.

Texture lives in early stages of a network and shape in late ones; both are computed for every
image anyway. The graph is written from the weights file alone, without a training framework. Each
batch normalisation is part of the convolution before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError
from actinscope.networks.build import adapted_kernel
from actinscope.networks.efficientnet_lite import EPSILON, Block, LiteBuilder
from actinscope.networks.entry import NetworkEntry
from actinscope.networks.export import (
    CLASS_MAPS,
    EARLY_FEATURES,
    EMBEDDING,
    INPUT_NAME,
    OPSET,
    PROBABILITIES,
)
from actinscope.networks.torch_file import read_torch_state
from actinscope.networks.weights import ResolvedWeights

Arrays = dict[str, list[NDArray[Any]]]


def has_stage_graph(entry: NetworkEntry, weights: ResolvedWeights) -> bool:
    """Whether :class:`StageGraph` can be made: an EfficientNet-Lite with its published file."""
    path = weights.path
    return (
        isinstance(entry.builder, LiteBuilder)
        and path is not None
        and path.suffix.lower() == ".pth"
    )


@dataclass(frozen=True)
class _Stage:
    """The map at the end of a stage, (N, C, side, side)."""

    name: str
    channels: int
    side: int


@dataclass
class StageGraph:
    """The body of a network up to the means of its stages, as ONNX nodes.

    They are the map of the first convolution, of each of the seven stages the widened map of its
    last block (after its depthwise convolution) and the map that the block ends in, and the last
    map. ``embedding`` is the mean of each over its positions, one behind the other.

    Attributes:
        size, channels: of the input (N, size, size, channels), in the network's range.
        features: length of the embedding.
        parameters: how many weights the body has, batch normalisation included.
    """

    size: int
    channels: int
    features: int = 0
    parameters: int = 0
    _nodes: list[Any] = field(default_factory=list)
    _weights: list[Any] = field(default_factory=list)
    _stages: list[_Stage] = field(default_factory=list)
    _early: str = ""

    @classmethod
    def of(
        cls, entry: NetworkEntry, weights: ResolvedWeights, *, size: int, channels: int
    ) -> StageGraph:
        """The graph of ``entry``.

        Raises:
            SettingsError: the input is too small.
            WeightsCorrupt: the file does not hold this network.
        """
        builder, path = entry.builder, weights.path
        assert isinstance(builder, LiteBuilder) and path is not None
        if size < entry.smallest:
            raise SettingsError(
                f"the input size {size} is too small",
                where=entry.name,
                remedy=f"Choose at least {entry.smallest} pixels",
            )
        graph = cls(size, channels)
        graph._write_body(builder.from_torch(read_torch_state(path)), builder.blocks())
        return graph

    @property
    def stages(self) -> tuple[tuple[str, int], ...]:
        """Name and channels of each map, in the order in which the embedding has their means."""
        return tuple((stage.name, stage.channels) for stage in self._stages)

    def features_model(self) -> bytes:
        """ONNX file from ``image`` to ``embedding`` (N, D)."""
        nodes = [*self._nodes, *self._embedding_nodes()]
        return _serialised(nodes, self._weights, self._input(), [(EMBEDDING, ["N", self.features])])

    def classifier(self, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> bytes:
        """ONNX file with a softmax over ``kernel`` (D, K) and ``bias`` (K,) on the embedding.

        Its outputs are those that `export_onnx` describes. ``class_maps`` (N, h, w, K), of the size
        of the last map, add up the evidence of all stages: each finer map is averaged over areas,
        a coarser one does not occur, so that the mean of a class map plus the bias is the logit.
        """
        classes = kernel.shape[1]
        helper = _onnx().helper
        nodes = [*self._nodes, *self._embedding_nodes()]
        weights = [*self._weights, _array("kernel", kernel), _array("bias", bias)]
        nodes.append(helper.make_node("Gemm", [EMBEDDING, "kernel", "bias"], ["logits"]))
        nodes.append(helper.make_node("Softmax", ["logits"], [PROBABILITIES], axis=1))
        if self._early:
            nodes.append(
                helper.make_node(
                    "ReduceMean", [self._early], [EARLY_FEATURES], axes=[2, 3], keepdims=0
                )
            )
        # The maps read the kernel of the head itself: whoever changes one changes both.
        weights += [_numbers("channels", 1), _numbers("places", 2, 3)]
        nodes.append(helper.make_node("Transpose", ["kernel"], ["kernel_rows"], perm=[1, 0]))
        nodes.append(helper.make_node("Unsqueeze", ["kernel_rows", "places"], ["kernel_maps"]))
        start, evidence = 0, []
        last = self._stages[-1].side
        for stage in self._stages:
            name = f"{stage.name}_evidence"
            part = [f"{name}_start", f"{name}_end"]
            weights += [_numbers(part[0], start), _numbers(part[1], start + stage.channels)]
            start += stage.channels
            nodes += [
                helper.make_node("Slice", ["kernel_maps", *part, "channels"], [f"{name}_kernel"]),
                helper.make_node("Conv", [stage.name, f"{name}_kernel"], [name]),
            ]
            if stage.side != last:
                areas = area_means(stage.side, last)
                weights += [_array(f"{name}_rows", areas), _array(f"{name}_columns", areas.T)]
                nodes += [
                    helper.make_node("MatMul", [f"{name}_rows", name], [f"{name}_lower"]),
                    helper.make_node(
                        "MatMul", [f"{name}_lower", f"{name}_columns"], [f"{name}_mean"]
                    ),
                ]
                name = f"{name}_mean"
            evidence.append(name)
        total = evidence[0]
        for number, other in enumerate(evidence[1:]):
            nodes.append(helper.make_node("Add", [total, other], [f"evidence_{number}"]))
            total = f"evidence_{number}"
        nodes.append(helper.make_node("Transpose", [total], [CLASS_MAPS], perm=[0, 2, 3, 1]))
        outputs: list[tuple[str, list[Any]]] = [
            (PROBABILITIES, ["N", classes]),
            (EMBEDDING, ["N", self.features]),
            (CLASS_MAPS, ["N", last, last, classes]),
        ]
        if self._early:
            outputs.append((EARLY_FEATURES, ["N", None]))
        return _serialised(nodes, weights, self._input(), outputs)

    def _input(self) -> list[Any]:
        return ["N", self.size, self.size, self.channels]

    def _embedding_nodes(self) -> list[Any]:
        helper = _onnx().helper
        means = [f"{stage.name}_mean" for stage in self._stages]
        pooled = [
            helper.make_node("ReduceMean", [stage.name], [mean], axes=[2, 3], keepdims=0)
            for stage, mean in zip(self._stages, means, strict=True)
        ]
        return [*pooled, helper.make_node("Concat", means, [EMBEDDING], axis=1)]

    def _write_body(self, arrays: Arrays, blocks: Sequence[Block]) -> None:
        arrays = arrays | {"stem_conv": [adapted_kernel(arrays["stem_conv"][0], self.channels)]}
        self.parameters = sum(one.size for name, part in arrays.items() if name != "predictions"
                              for one in part)  # fmt: skip
        nodes = self._nodes
        nodes.append(_onnx().helper.make_node("Transpose", [INPUT_NAME], ["x"], perm=[0, 3, 1, 2]))
        self._weights += [_array("zero", np.float32(0)), _array("six", np.float32(6))]
        now = self._conv(_Stage("x", self.channels, self.size), "stem", arrays, stride=2)
        self._end_stage(now)
        last_of_stage = [
            one is blocks[-1] or one.name[:-1] != after.name[:-1]
            for one, after in zip(blocks, [*blocks[1:], blocks[-1]], strict=True)
        ]
        for block, is_last in zip(blocks, last_of_stage, strict=True):
            entrance, name = now, block.name
            if block.expansion != 1:
                now = self._conv(now, f"{name}_expand", arrays)
            now = self._conv(now, name, arrays, stride=block.stride, depthwise=True)
            if is_last:
                self._end_stage(now)
            now = self._conv(now, f"{name}_project", arrays, bounded=False)
            if block.stride == 1 and entrance.channels == block.filters:
                add = _onnx().helper.make_node("Add", [now.name, entrance.name], [f"{name}_add"])
                nodes.append(add)
                now = self._made(f"{name}_add", now.channels, now.side)
            if is_last:
                self._end_stage(now)
        self._end_stage(self._conv(now, "top", arrays))

    def _made(self, name: str, channels: int, side: int) -> _Stage:
        """A map, which is the early one if none of an eighth of the input's side follows."""
        if side == -(-self.size // 8):
            self._early = name
        return _Stage(name, channels, side)

    def _end_stage(self, stage: _Stage) -> None:
        self._stages.append(stage)
        self.features += stage.channels

    def _conv(
        self,
        below: _Stage,
        name: str,
        arrays: Arrays,
        *,
        stride: int = 1,
        depthwise: bool = False,
        bounded: bool = True,
    ) -> _Stage:
        """A convolution with its batch normalisation, and ReLU6 where it is ``bounded``."""
        helper = _onnx().helper
        kernel = arrays[f"{name}_dwconv" if depthwise else f"{name}_conv"][0].astype(np.float64)
        gamma, beta, mean, variance = (
            one.astype(np.float64) for one in arrays[f"{name}_bn"]
        )  # in Keras' order
        scale = gamma / np.sqrt(variance + EPSILON)
        # Keras (y, x, in, out), depthwise (y, x, C, 1); ONNX (out, in, y, x).
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        self._weights += [
            _array(f"{name}_kernel", kernel * scale[:, np.newaxis, np.newaxis, np.newaxis]),
            _array(f"{name}_bias", beta - mean * scale),
        ]
        side, before, after = _same_padding(below.side, kernel.shape[2], stride)
        out = f"{name}_linear" if bounded else f"{name}_map"
        self._nodes.append(
            helper.make_node(
                "Conv",
                [below.name, f"{name}_kernel", f"{name}_bias"],
                [out],
                kernel_shape=list(kernel.shape[2:]),
                strides=[stride, stride],
                pads=[before, before, after, after],
                group=below.channels if depthwise else 1,
            )
        )
        if bounded:
            self._nodes.append(helper.make_node("Clip", [out, "zero", "six"], [f"{name}_map"]))
        return self._made(f"{name}_map", len(scale), side)


def area_means(side: int, fewer: int) -> NDArray[np.float32]:
    """(fewer, side): means over equal areas along one axis; a pixel on a border counts in part.

    The mean over all areas is that over all pixels, exactly.
    """
    edges = np.linspace(0, side, fewer + 1)
    pixels = np.arange(side)
    shares = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(
        edges[:-1, np.newaxis], pixels
    )
    return np.asarray(np.clip(shares, 0, None) * fewer / side, np.float32)


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """Side of the output, and the borders of zeros before and after, as TensorFlow has them."""
    out = -(-side // stride)
    total = max((out - 1) * stride + kernel - side, 0)
    return out, total // 2, total - total // 2


def _array(name: str, values: Any) -> Any:
    return _onnx().numpy_helper.from_array(
        np.ascontiguousarray(values, dtype=np.float32).reshape(np.shape(values)), name
    )


def _numbers(name: str, *values: int) -> Any:
    return _onnx().numpy_helper.from_array(np.array(values, np.int64), name)


def _serialised(
    nodes: Sequence[Any],
    weights: Sequence[Any],
    shape: Sequence[Any],
    outputs: Sequence[tuple[str, Sequence[Any]]],
) -> bytes:
    onnx = _onnx()
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        list(nodes),
        "actinscope",
        [helper.make_tensor_value_info(INPUT_NAME, kind, list(shape))],
        [helper.make_tensor_value_info(name, kind, list(sizes)) for name, sizes in outputs],
        list(weights),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    return bytes(model.SerializeToString())


def _onnx() -> Any:
    import onnx

    return onnx
