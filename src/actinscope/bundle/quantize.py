"""An 8-bit copy of a network, in standard ONNX operators that both runtimes compute with.

Convolutions, and the additions and clippings between them, get 8-bit activations (one range a
layer, from calibration images) and weights that use 7 of 8 bits (symmetric, one scale a
channel). With all 8 bits of the weights, processors without VNNI instructions overflow when
they add two products in 16 bits: their probabilities differed by up to 0.29 from those of a
processor with them. With 7 bits the kinds of x86 processor that were tried give the
same with one runtime, so the accuracy that was measured on one holds on the others.

Three things keep the accuracy (measured with EfficientNet-Lite0 on real cells; error of the
embedding relative to its mean, with 8 bits; 0.13 with 7 bits and all three):

* The biases are corrected: rounding the weights of a layer shifts its mean output, and the
  shift can be computed from the mean input (error 0.32 without, 0.12 with). Nagel et al.,
  "Data-free quantization through weight equalization and bias correction", ICCV 2019.
* The first two convolutions stay float32: they add up so few values that rounding errors do
  not average out (0.12 -> 0.09, at no cost in time that could be measured).
* The head stays float32, and so do squeeze-excite layers, which are tiny and only cost
  conversions there and back.

Tried and of no use there: percentile and entropy ranges, moving averages, signed activations.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.output import CLASS_MAPS, INPUT, PROBABILITIES
from actinscope.errors import BundleError
from actinscope.runtimes import import_onnxruntime, import_quantization

_QUANTIZED = ("Conv", "Add", "Clip", "Relu")
_FLOAT_CONVOLUTIONS = 2
_STANDARD_DOMAINS = ("", "ai.onnx")


def quantize_network(model: bytes, inputs: NDArray[np.float32]) -> bytes:
    """The bytes of an ONNX file that computes with 8 bits what ``model`` does with 32.

    ``model`` is an ONNX file as :class:`~actinscope.bundle.session.InferenceSession` takes it;
    the ranges are taken from the prepared images ``inputs``, (n, S, S, C).

    Raises:
        BundleError: there is nothing in the network to quantise, or no image.
    """
    import onnx

    if not len(inputs):
        raise BundleError("there are no images to take the ranges of the layers from")
    prepared = _prepared(model)
    kept = _float_nodes(prepared.graph)
    convolutions = [node for node in prepared.graph.node if node.op_type == "Conv"]
    if all(node.name in kept for node in convolutions):
        raise BundleError(
            f"the network has {len(convolutions)} convolutions, too few to gain from INT8",
            remedy="Use float32",
        )
    quantized = onnx.load_model_from_string(_quantize(prepared, inputs, kept))
    _correct_biases(quantized.graph, prepared, inputs)
    _drop_unused_domains(quantized)
    return bytes(quantized.SerializeToString())


def _prepared(model: bytes) -> Any:
    """The network with folded constants, the shape of every tensor and a name for every node."""
    import onnx

    quantization = import_quantization()
    with tempfile.TemporaryDirectory(prefix="actinscope-") as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(model)
        # Symbolic shapes would need sympy; the network is fixed but for the images.
        quantization.shape_inference.quant_pre_process(
            str(before), str(after), skip_symbolic_shape=True
        )
        network = onnx.load(str(after))
    for place, node in enumerate(network.graph.node):
        node.name = node.name or f"node_{place}"
    return network


def _float_nodes(graph: Any) -> set[str]:
    """Names of the nodes that stay float32."""
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    kept = {node.name for node in convolutions[:_FLOAT_CONVOLUTIONS]}
    # A 1 x 1 map is a squeeze-excite layer: one vector an image.
    kept |= {node.name for node in convolutions if shapes.get(node.output[0], [])[2:] == [1, 1]}
    return kept | (_upstream(graph, CLASS_MAPS) - _upstream(graph, PROBABILITIES))


def _upstream(graph: Any, output: str) -> set[str]:
    """Names of the nodes that ``output`` is computed from."""
    maker = {name: node for node in graph.node for name in node.output}
    wanted, found = [output], set()
    while wanted:
        node = maker.get(wanted.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            wanted.extend(node.input)
    return found


def _quantize(prepared: Any, inputs: NDArray[np.float32], kept: set[str]) -> bytes:
    quantization = import_quantization()
    with tempfile.TemporaryDirectory(prefix="actinscope-") as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(prepared.SerializeToString())
        quantization.quantize_static(
            str(before),
            str(after),
            _OneByOne(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            reduce_range=True,  # see the head of this file
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=sorted(kept),
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        return after.read_bytes()


class _OneByOne:
    """Hands the calibration images (n, S, S, C) to ONNX Runtime, which asks for the next."""

    def __init__(self, inputs: NDArray[np.float32]) -> None:
        self._feeds = ({INPUT: image[np.newaxis]} for image in inputs)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The network's input (1, S, S, C), None at the end."""
        return next(self._feeds, None)


def _correct_biases(graph: Any, prepared: Any, inputs: NDArray[np.float32]) -> None:
    """Take from every 8-bit convolution's bias what the rounding of its weights adds on average.

    ``graph`` is changed in place; ``prepared`` is the float32 network that it was made from.
    """
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}
    exact = {tensor.name: tensor for tensor in prepared.graph.initializer}
    float_nodes = {node.name: node for node in prepared.graph.node if node.op_type == "Conv"}
    means = _mean_inputs(prepared, inputs)
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) < 3:
            continue
        weights, bias = (maker.get(name) for name in node.input[1:3])
        if weights is None or bias is None:
            continue  # a convolution that stays float32
        original = float_nodes[node.name]
        values, scale = (numpy_helper.to_array(tensors[name]) for name in weights.input[:2])
        rounded = values.astype(np.float64) * scale.reshape(-1, *[1] * (values.ndim - 1))
        error = (rounded - numpy_helper.to_array(exact[original.input[1]])).sum(axis=(2, 3))
        groups = next((int(one.i) for one in node.attribute if one.name == "group"), 1)
        shift = _applied(error, means[original.input[0]], groups=groups)
        stored = tensors[bias.input[0]]
        steps = np.rint(shift / numpy_helper.to_array(tensors[bias.input[1]]))
        limits = np.iinfo(np.int32)
        corrected = np.clip(numpy_helper.to_array(stored) - steps, limits.min, limits.max)
        stored.CopyFrom(numpy_helper.from_array(corrected.astype(np.int32), stored.name))


def _applied(
    error: NDArray[np.float64], mean: NDArray[np.float64], *, groups: int
) -> NDArray[np.float64]:
    """(O,) mean shift of the outputs: error (O, I / groups) of the weights times mean (I,)."""
    seen = mean.reshape(groups, -1).repeat(len(error) // groups, axis=0)  # (O, I / groups)
    return np.asarray((error * seen).sum(axis=1))


def _mean_inputs(prepared: Any, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """For each convolution's input tensor the mean (C,) over images and places."""
    import onnx
    from onnx import helper

    runtime = import_onnxruntime()
    network = onnx.ModelProto()
    network.CopyFrom(prepared)
    graph = network.graph
    names = sorted({node.input[0] for node in graph.node if node.op_type == "Conv"})
    outputs = [f"actinscope_mean_{place}" for place in range(len(names))]
    for name, output in zip(names, outputs, strict=True):
        graph.node.append(helper.make_node("GlobalAveragePool", [name], [output]))
        graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    session = runtime.InferenceSession(
        network.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    sums = [np.zeros(1) for _ in names]
    for image in inputs:
        found = session.run(outputs, {INPUT: image[np.newaxis]})
        sums = [one + two.reshape(-1) for one, two in zip(sums, found, strict=True)]
    return {name: total / len(inputs) for name, total in zip(names, sums, strict=True)}


def _drop_unused_domains(network: Any) -> None:
    """The optimiser announces all operator sets that it knows, also those not in use."""
    used = {node.domain for node in network.graph.node} | set(_STANDARD_DOMAINS)
    kept = [one for one in network.opset_import if one.domain in used]
    del network.opset_import[:]
    network.opset_import.extend(kept)
