"""Refusing an ONNX file that is not a network as actinscope exports them.

A runtime does what a file says: it loops without end, asks for terabytes, or crashes and takes the
process along. So a file may hold only the operators of our own exports, with their attributes in
range and all weights in it, and before a runtime sees it the size of every tensor and the work for
an image are computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actinscope.bundle.archive import DO_NOT_USE, reading
from actinscope.bundle.info import BundleInfo
from actinscope.bundle.output import CLASS_MAPS, EARLY_FEATURES, EMBEDDING, INPUT, PROBABILITIES

_WRONG = "this is no network as actinscope writes it"
#: What exports of all networks of the registry consist of, INT8 too.
_OPERATORS = frozenset((
    "Add", "AveragePool", "Clip", "Concat", "Conv", "DequantizeLinear", "Div", "Erf", "Flatten",
    "Gemm", "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "MatMul", "Max",
    "MaxPool", "Min", "Mul", "Neg", "Pad", "QuantizeLinear", "Reciprocal", "ReduceMean", "Relu",
    "Reshape", "Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose",
    "Unsqueeze",
))  # fmt: skip
#: The values of their attributes; others can only be plain numbers.
_VALUES: Mapping[str, range | tuple[bytes, ...]] = {
    "allowzero": range(1),
    "auto_pad": (b"NOTSET",),
    "axes": range(-4, 4),
    "axis": range(-4, 4),
    "ceil_mode": range(2),
    "count_include_pad": range(2),
    "dilations": range(1, 33),
    "group": range(1, 1 << 16),
    "keepdims": range(2),
    "kernel_shape": range(1, 65),
    "mode": (b"constant",),
    "pads": range(65),
    "perm": range(4),
    "storage_order": range(1),
    "strides": range(1, 33),
    "transA": range(2),
    "transB": range(2),
}
_OPSETS: Mapping[str, range] = {"": range(13, 18), "ai.onnx": range(13, 18), "ai.onnx.ml": range(4)}
_MOST_NODES = 10_000
#: Sides of tensors that stand in the file as numbers: shapes, borders, ends of slices.
_LARGEST_NUMBER = 1 << 20
_TO_THE_END = (1 << 63) - 1  # how NASNet's slices say it
#: Above this a tensor is weights; below it may say what shape something gets.
_FEW = 64
_MOST_SIDE = 1024  # as for --input-size
#: Values of one tensor, of all that are needed at the same time, and multiplications of an image.
#: VGG-19 on 1024 x 1024 pixels, the largest that can be trained, takes at most half of each.
_MOST_VALUES = 1 << 27
_MOST_AT_ONCE = 1 << 29
_MOST_WORK = 1 << 40
_AXES = {PROBABILITIES: 2, EMBEDDING: 2, CLASS_MAPS: 4, EARLY_FEATURES: 2}


def check_model(model: bytes, info: BundleInfo, *, where: Path) -> None:
    """Raise BundleError unless ``model`` is a network as we export them that fits bundle.json.

    It must take the images that the preprocessing makes and give a probability of each class;
    where trees name the class, the embedding.
    """
    with reading(_WRONG, where, DO_NOT_USE):
        network = _loaded(model, where)
        size, channels = info.preprocess.size, info.preprocess.network_channels
        classes = len(info.classes) if info.head == "softmax" else None
        answer = EMBEDDING if classes is None else PROBABILITIES
        _check_ends(network.graph, [size, size, channels], answer)
        shapes = _shapes(network, (1, size, size, channels))
        _check_outputs(network.graph, shapes, classes)
        _check_work(network.graph, shapes)


def check_trees(model: bytes, *, where: Path, classes: int) -> None:
    """Raise BundleError unless ``model`` is trees and a softmax over ``classes``, nothing else.

    Every child comes after its parent, so that no row can go round in a circle.
    """
    with reading("these are no boosted trees as actinscope writes them", where, DO_NOT_USE):
        graph = _loaded(model, where, trees=True).graph
        ends = [port.name for port in graph.input], [port.name for port in graph.output]
        operators = [(node.domain, node.op_type) for node in graph.node]
        dims = [dim for port in graph.input for dim in port.type.tensor_type.shape.dim]
        if (
            ends != ([EMBEDDING], [PROBABILITIES])
            or operators != [("ai.onnx.ml", "TreeEnsembleRegressor"), ("", "Softmax")]
            or len(dims) != 2
            or len(graph.initializer)
        ):
            raise ValueError("it holds something else")
        _check_branches(graph.node[0], features=dims[1].dim_value, classes=classes)


_TREE_WORDS = {"aggregate_function": b"SUM", "post_transform": b"NONE"}
_NODES = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
_NODE_LISTS = {f"nodes_{name}" for name in (*_NODES, "missing_value_tracks_true", "values")}
_LEAF_LISTS = {f"target_{name}" for name in ("treeids", "nodeids", "ids", "weights")}


def _check_branches(trees: Any, *, features: int, classes: int) -> None:
    from onnx import helper

    values = {one.name: helper.get_attribute_value(one) for one in trees.attribute}
    known = {"n_targets", "base_values", "nodes_modes", *_TREE_WORDS, *_NODE_LISTS, *_LEAF_LISTS}
    if values.keys() != known or any(values[name] != word for name, word in _TREE_WORDS.items()):
        raise ValueError("it holds something else")
    if values["n_targets"] != classes or len(values["base_values"]) != classes:
        raise ValueError(f"it does not answer with {classes} classes")
    modes = values["nodes_modes"]
    if {len(values[name]) for name in _NODE_LISTS} != {len(modes)} or len(
        {len(values[name]) for name in _LEAF_LISTS}
    ) != 1:
        raise ValueError("its nodes are incomplete")
    columns = [values[f"nodes_{name}"] for name in _NODES]
    nodes = dict(zip(zip(*columns[:2], strict=True), modes, strict=True))
    for mode, tree, node, feature, *children in zip(modes, *columns, strict=True):
        if mode == b"LEAF":
            continue
        if mode != b"BRANCH_LT" or any(
            child <= node or (tree, child) not in nodes for child in children
        ):
            raise ValueError(f"node {node} of tree {tree} leads nowhere")
        if not 0 <= feature < features:
            raise ValueError(f"node {node} of tree {tree} looks at a feature that is not there")
    leaves = zip(values["target_treeids"], values["target_nodeids"], strict=True)
    if len(nodes) != len(modes) or any(nodes.get(leaf) != b"LEAF" for leaf in leaves):
        raise ValueError("its leaves are no leaves")
    if not set(values["target_ids"]) <= set(range(classes)):
        raise ValueError(f"it does not answer with {classes} classes")


def _loaded(model: bytes, where: Path, *, trees: bool = False) -> Any:
    """The ONNX file: one plain graph with its weights in it, of operators that we use."""
    import onnx

    with reading("this is no ONNX file", where):
        network = onnx.load_model_from_string(model)
    graph = network.graph
    if network.functions or network.training_info or graph.sparse_initializer:
        raise ValueError("it holds more than a graph")
    if len(graph.node) > _MOST_NODES:
        raise ValueError(f"it has {len(graph.node)} layers")
    for one in network.opset_import:
        if one.version not in _OPSETS.get(one.domain, ()):
            raise ValueError(f"it uses the foreign set {one.domain!r}, version {one.version}")
    ends = _ends_of_slices(graph)
    for tensor in graph.initializer:
        _check_tensor(tensor, largest=_TO_THE_END if tensor.name in ends else _LARGEST_NUMBER)
    for node in graph.node if not trees else ():
        _check_node(node)
    return network


def _ends_of_slices(graph: Any) -> set[str]:
    """Names of the tensors that say where slices end, and nothing else."""
    uses: tuple[set[str], set[str]] = set(), set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            uses[(node.op_type, place) == ("Slice", 2)].add(name)
    return uses[True] - uses[False]


def _check_tensor(tensor: Any, *, largest: int) -> None:
    from onnx import TensorProto, helper, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError(f"the weights {tensor.name!r} are stored outside of the file")
    kinds = ("FLOAT", "UINT8", "INT8", "INT32", "INT64")
    if tensor.data_type not in [TensorProto.DataType.Value(kind) for kind in kinds]:
        raise ValueError(f"the weights {tensor.name!r} are of an unusual type")
    if tensor.raw_data:
        held = len(tensor.raw_data) / helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    else:
        held = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
    if min(tensor.dims, default=1) < 1 or math.prod(tensor.dims) != held:
        raise ValueError(f"the weights {tensor.name!r} are incomplete")
    if tensor.data_type == TensorProto.INT64:
        numbers = numpy_helper.to_array(tensor).ravel()
        if held > _FEW or not -_LARGEST_NUMBER <= numbers.min() <= numbers.max() <= largest:
            raise ValueError(f"the numbers {tensor.name!r} are out of range")


def _check_node(node: Any) -> None:
    from onnx import helper

    if node.domain not in ("", "ai.onnx"):
        raise ValueError(f"it uses an operator of the foreign set {node.domain!r}")
    if node.op_type not in _OPERATORS:
        raise ValueError(f"it uses the operator {node.op_type!r}")
    for one in node.attribute:
        value = helper.get_attribute_value(one)
        possible = _VALUES.get(one.name)
        if possible is None:
            good = isinstance(value, float) and math.isfinite(value)
        else:
            listed = value if isinstance(value, list) else [value]
            good = len(listed) <= 8 and all(each in possible for each in listed)
        if not good:
            raise ValueError(f"{one.name} of its operator {node.op_type!r} is out of range")


def _shapes(network: Any, image: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor for one image; raises where one of them is left open."""
    import onnx
    from onnx import TensorProto, helper

    # Without the weights: of these only the shapes matter, and the library copies what it is given.
    graph = onnx.GraphProto(name="checked", node=network.graph.node)
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, image))
    for tensor in network.graph.initializer:
        if math.prod(tensor.dims) <= _FEW:
            graph.initializer.append(tensor)
        else:
            port = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(port)
    for port in network.graph.output:
        axes = [None] * _AXES[port.name]
        graph.output.append(helper.make_tensor_value_info(port.name, TensorProto.FLOAT, axes))
    light = onnx.ModelProto(
        ir_version=network.ir_version, opset_import=network.opset_import, graph=graph
    )
    onnx.checker.check_model(light)
    inferred = onnx.shape_inference.infer_shapes(
        light, check_type=True, strict_mode=True, data_prop=True
    ).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    computed = {name for node in network.graph.node for name in node.output}
    for port in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = port.type.tensor_type
        if port.name in computed and kind.elem_type not in _COMPUTED:
            raise ValueError(f"{port.name!r} is of an unusual type")
        shapes[port.name] = tuple(dim.dim_value for dim in kind.shape.dim)
        if min(shapes[port.name], default=1) < 1:
            raise ValueError(f"the size of {port.name!r} is left open")
    return shapes


_COMPUTED = (1, 2, 3)  # FLOAT, UINT8, INT8


def _check_ends(graph: Any, wanted: list[int], answer: str) -> None:
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [port for port in graph.input if port.name not in stored]
    ends = [port.name for port in inputs], [port.name for port in graph.output]
    if ends[0] != [INPUT] or answer not in ends[1] or not set(ends[1]) <= _AXES.keys():
        raise ValueError(
            f"it must have the input {INPUT!r} and the output {answer!r}, it has {ends[0]} and "
            f"{ends[1]}"
        )
    sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim][1:]
    if sizes != wanted:
        raise ValueError(f"it takes images of shape {sizes}, bundle.json says {wanted}")
    if sizes[0] > _MOST_SIDE:
        raise ValueError(f"its images have {sizes[0]} pixels a side, at most {_MOST_SIDE} can be")


def _check_outputs(graph: Any, shapes: Mapping[str, tuple[int, ...]], classes: int | None) -> None:
    for name in (port.name for port in graph.output):
        shape = shapes[name]
        if len(shape) != _AXES[name] or shape[0] != 1:
            raise ValueError(f"its output {name!r} has the shape {shape}")
        if name in (PROBABILITIES, CLASS_MAPS) and shape[-1] != classes:
            raise ValueError(f"it gives {shape[-1]} {name}, bundle.json names {classes} classes")


def _check_work(graph: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    last_use = {name: place for place, node in enumerate(graph.node) for name in node.input}
    sizes = {INPUT: math.prod(shapes[INPUT])}  # of what has been computed and is still needed
    work = 0
    for place, node in enumerate(graph.node):
        made = {name: math.prod(shapes[name]) for name in node.output if name}
        sizes |= made
        inputs = [shapes.get(name, ()) for name in node.input]
        work += _work(node, inputs, sum(made.values()))
        if (
            max(made.values(), default=0) > _MOST_VALUES
            or sum(sizes.values()) > _MOST_AT_ONCE
            or work > _MOST_WORK
        ):
            raise ValueError(f"its operator {node.op_type!r} asks for more than an image can need")
        for name in node.input:
            if last_use[name] == place:
                sizes.pop(name, None)


def _work(node: Any, inputs: Sequence[tuple[int, ...]], made: int) -> int:
    """Multiplications for the ``made`` values that ``node`` gives, at most."""
    values: dict[str, tuple[int, ...]] = {
        one.name: tuple(one.ints) or (one.i,) for one in node.attribute
    }
    if node.op_type == "Conv":
        image, kernel = inputs[:2]
        (groups,) = values.get("group", (1,))
        if len(image) != 4 or image[1] != kernel[1] * groups or kernel[0] % groups:
            raise ValueError(f"a kernel of shape {kernel} does not fit {image}")
        return made * math.prod(kernel[1:])
    if node.op_type in ("MatMul", "Gemm"):
        return made * max(inputs[0])
    return made * math.prod(values.get("kernel_shape", ())) + sum(map(math.prod, inputs))
