"""Refusing an ONNX file that is not a plain network with the expected ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actinscope.bundle.output import EMBEDDING, INPUT, PROBABILITIES
from actinscope.errors import BundleError

_STANDARD_DOMAINS = ("", "ai.onnx")


def check_model(model: bytes, *, where: Path, classes: int | None) -> None:
    """Raise BundleError unless ``model`` is a self-contained network with known ends.

    Refused are weights in other files (their paths could name any file of the
    machine) and operators outside the ONNX standard (they need foreign libraries).

    It must give ``classes`` probabilities, or where that is None the embedding, to something else
    that names the class.
    """
    network = _loaded(model, where, domains=_STANDARD_DOMAINS)
    output = PROBABILITIES if classes is not None else EMBEDDING
    _check_ends(network.graph, where, output=output, classes=classes or 0)


def check_trees(model: bytes, *, where: Path, classes: int) -> None:
    """Raise BundleError unless ``model`` is trees and a softmax over ``classes``, nothing else.

    Every child comes after its parent, so that no row can go round in a circle.
    """
    network = _loaded(model, where, domains=(*_STANDARD_DOMAINS, "ai.onnx.ml"))
    graph = network.graph
    ends = [port.name for port in graph.input], [port.name for port in graph.output]
    operators = [(node.domain, node.op_type) for node in graph.node]
    if (
        ends != ([EMBEDDING], [PROBABILITIES])
        or operators != [("ai.onnx.ml", "TreeEnsembleRegressor"), ("", "Softmax")]
        or len(graph.input[0].type.tensor_type.shape.dim) != 2
    ):
        raise _no_trees(where, "it holds something else")
    values = {one.name: one for one in graph.node[0].attribute}
    if "n_targets" not in values or values["n_targets"].i != classes:
        raise _no_trees(where, f"it does not answer with {classes} classes")
    _check_branches(values, where)


def _check_branches(values: Mapping[str, Any], where: Path) -> None:
    names = ("treeids", "nodeids", "truenodeids", "falsenodeids")
    columns = [list(values[f"nodes_{name}"].ints) for name in names if f"nodes_{name}" in values]
    modes = list(values["nodes_modes"].strings) if "nodes_modes" in values else []
    if len(columns) != len(names) or {len(column) for column in columns} != {len(modes)}:
        raise _no_trees(where, "its nodes are incomplete")
    known = set(zip(columns[0], columns[1], strict=True))
    for mode, tree, node, *children in zip(modes, *columns, strict=True):
        if mode == b"LEAF":
            continue
        if mode != b"BRANCH_LT" or any(
            child <= node or (tree, child) not in known for child in children
        ):
            raise _no_trees(where, f"node {node} of tree {tree} leads nowhere")


def _no_trees(where: Path, why: str) -> BundleError:
    return BundleError(
        f"these are no boosted trees as actinscope writes them: {why}",
        where=where,
        remedy="Use the trees.onnx that belongs to this bundle",
    )


def _loaded(model: bytes, where: Path, *, domains: Sequence[str]) -> Any:
    """The ONNX file, with nothing in it that leads out of it."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        network = onnx.load_model_from_string(model)
    except (DecodeError, ValueError) as error:
        raise BundleError(
            "this is no ONNX file", where=where, remedy="Copy the bundle again"
        ) from error
    for message in _messages(network):
        _refuse_foreign(message, where, external=onnx.TensorProto.EXTERNAL, domains=domains)
    return network


def _messages(message: Any) -> Iterator[Any]:
    # Every message at any depth: subgraphs, functions and attributes hold tensors too.
    stack = [message]
    while stack:
        current = stack.pop()
        yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                stack.extend([value] if hasattr(value, "ListFields") else value)


def _refuse_foreign(message: Any, where: Path, *, external: int, domains: Sequence[str]) -> None:
    kind = message.DESCRIPTOR.name
    if kind == "TensorProto" and (message.data_location == external or message.external_data):
        raise BundleError(
            f"the weights {message.name!r} are stored outside of the file",
            where=where,
            remedy="Do not use it; a bundle's network holds all its weights itself",
        )
    if kind in ("NodeProto", "FunctionProto") and message.domain not in domains:
        raise BundleError(
            f"the network uses an operator of the foreign set {message.domain!r}",
            where=where,
            remedy="Do not use it; a bundle's network uses standard ONNX operators only",
        )


def _check_ends(graph: Any, where: Path, *, output: str, classes: int) -> None:
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [port for port in graph.input if port.name not in stored]
    outputs = {port.name: port for port in graph.output}
    wrong = ""
    if [port.name for port in inputs] != [INPUT] or output not in outputs:
        wrong = (
            f"the network must have the input {INPUT!r} and the output {output!r}, "
            f"it has {[port.name for port in inputs]} and {list(outputs)}"
        )
    elif len(inputs[0].type.tensor_type.shape.dim) != 4:
        wrong = f"the input {INPUT!r} must have four axes (images, rows, columns, channels)"
    elif output == PROBABILITIES:
        sizes = [dim.dim_value for dim in outputs[output].type.tensor_type.shape.dim]
        if sizes and sizes[-1] not in (0, classes):  # 0: the file leaves the size open
            wrong = (
                f"the network gives {sizes[-1]} probabilities, bundle.json names {classes} classes"
            )
    if wrong:
        raise BundleError(
            wrong, where=where, remedy="Use the model.onnx that belongs to this bundle"
        )
