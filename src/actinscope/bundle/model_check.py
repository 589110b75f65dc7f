"""Refusing an ONNX file that is not a plain network with the expected ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actinscope.bundle.session import INPUT, PROBABILITIES
from actinscope.errors import BundleError

_STANDARD_DOMAINS = ("", "ai.onnx")


def check_model(model: bytes, *, where: Path, classes: int) -> None:
    """Raise BundleError unless ``model`` is a self-contained network with known ends.

    Refused are weights in other files (their paths could name any file of the
    machine) and operators outside the ONNX standard (they need foreign libraries).

    Args:
        model: the bytes of model.onnx.
        where: the file, for messages.
        classes: how many probabilities it must give.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        network = onnx.load_model_from_string(model)
    except (DecodeError, ValueError) as error:
        raise BundleError(
            "this is no ONNX file", where=where, remedy="Copy the bundle again"
        ) from error
    for message in _messages(network):
        _refuse_foreign(message, where, external=onnx.TensorProto.EXTERNAL)
    _check_ends(network.graph, where, classes)


def _messages(message: Any) -> Iterator[Any]:
    # Every message at any depth: subgraphs, functions and attributes hold tensors too.
    stack = [message]
    while stack:
        current = stack.pop()
        yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                stack.extend([value] if hasattr(value, "ListFields") else value)


def _refuse_foreign(message: Any, where: Path, *, external: int) -> None:
    kind = message.DESCRIPTOR.name
    if kind == "TensorProto" and (message.data_location == external or message.external_data):
        raise BundleError(
            f"the weights {message.name!r} are stored outside of the file",
            where=where,
            remedy="Do not use it; a bundle's network holds all its weights itself",
        )
    if kind in ("NodeProto", "FunctionProto") and message.domain not in _STANDARD_DOMAINS:
        raise BundleError(
            f"the network uses an operator of the foreign set {message.domain!r}",
            where=where,
            remedy="Do not use it; a bundle's network uses standard ONNX operators only",
        )


def _check_ends(graph: Any, where: Path, classes: int) -> None:
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [port for port in graph.input if port.name not in stored]
    outputs = {port.name: port for port in graph.output}
    if [port.name for port in inputs] != [INPUT] or PROBABILITIES not in outputs:
        raise BundleError(
            f"the network must have the input {INPUT!r} and the output {PROBABILITIES!r}, "
            f"it has {[port.name for port in inputs]} and {list(outputs)}",
            where=where,
            remedy="Use the model.onnx that belongs to this bundle",
        )
    if len(inputs[0].type.tensor_type.shape.dim) != 4:
        raise BundleError(
            f"the input {INPUT!r} must have four axes (images, rows, columns, channels)",
            where=where,
            remedy="Use the model.onnx that belongs to this bundle",
        )
    sizes = [dim.dim_value for dim in outputs[PROBABILITIES].type.tensor_type.shape.dim]
    if sizes and sizes[-1] not in (0, classes):  # 0: the file leaves the size open
        raise BundleError(
            f"the network gives {sizes[-1]} probabilities, bundle.json names {classes} classes",
            where=where,
            remedy="Use the model.onnx that belongs to this bundle",
        )
