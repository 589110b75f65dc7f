"""The same network with shuffled weights: to test whether a map depends on what was learned.

Every array of weights keeps its values, in random order. So the scale of each layer stays
as it was, batch normalisation that was folded into weights included, and the network
computes numbers of the usual size; but nothing that it learned is left in the layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import EMBEDDING, Bundle
from actinscope.errors import BundleError

_LAYERS = ("Conv", "MatMul", "Gemm", "ConvTranspose")
_LAST = 1 / 3


@dataclass(frozen=True)
class RandomizedNetwork:
    """A network part of whose weights were shuffled.

    Attributes:
        shuffled: which, in words.
        bundle: the bundle with that network in memory; the one on disk is untouched.
    """

    shuffled: str
    bundle: Bundle


def randomized_networks(bundle: Bundle, *, seed: int) -> tuple[RandomizedNetwork, ...]:
    """The float32 network with more and more of its weights shuffled, from the head down.

    The head; head and the last third of the layers with weights; all layers. What the
    head and its class maps share is shuffled alike, so that the maps stay the maps of the
    shuffled head. The same seed gives the same networks.

    Raises:
        BundleError: the network holds no weights to shuffle.
    """
    head, body = _weights_in_order(bundle.model)
    last = body[len(body) - max(1, round(_LAST * len(body))) :] if body else []
    steps = (
        ("the head", head),
        ("the head and the last third of the layers", [*last, *head]),
        ("all layers", [*body, *head]),
    )
    found: list[RandomizedNetwork] = []
    used: set[frozenset[str]] = {frozenset()}
    for words, layers in steps:
        names = frozenset(name for layer in layers for name in layer)
        if names not in used:
            used.add(names)
            model = _shuffled(bundle.model, names, seed)
            found.append(RandomizedNetwork(words, replace(bundle, model=model)))
    if not found:
        raise BundleError("the network holds no weights to shuffle", where=bundle.path)
    return tuple(found)


def _weights_in_order(model: bytes) -> tuple[list[list[str]], list[list[str]]]:
    """Names of the float arrays of each layer, of the head and of what comes before it.

    A layer is a node that multiplies with weights, and the nodes behind it up to the next.
    """
    import onnx

    graph = onnx.load_model_from_string(model).graph
    sizes = {
        tensor.name: int(np.prod(tensor.dims))
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and not _averages(tensor)
    }
    # Before the head is what the features are computed from; without that output, what
    # comes before the last layer.
    trunk = _upstream(graph, [port.name for port in graph.output if port.name == EMBEDDING])
    layers: list[tuple[bool, list[str]]] = []
    for place, node in enumerate(graph.node):
        own = [name for name in node.input if sizes.get(name, 0) > 1]
        if not own:
            continue
        if node.op_type in _LAYERS or not layers:
            layers.append((place in trunk, own))
        else:
            layers[-1][1].extend(own)
    if not trunk and layers:
        layers = [(place < len(layers) - 1, own) for place, (_, own) in enumerate(layers)]
    head, body = ([own for before, own in layers if before == side] for side in (False, True))
    return head, body


def _averages(tensor: Any) -> bool:
    """Whether a matrix takes means, as that of a class map over areas: nobody learned it."""
    import onnx

    values = onnx.numpy_helper.to_array(tensor)
    if values.ndim != 2 or values.min() < 0:
        return False
    return any(np.allclose(values.sum(axis=axis), 1, atol=1e-4) for axis in (0, 1))


def _upstream(graph: Any, outputs: Iterable[str]) -> set[int]:
    """Places of the nodes that ``outputs`` are computed from."""
    maker = {output: place for place, node in enumerate(graph.node) for output in node.output}
    wanted, found = list(outputs), set()
    while wanted:
        place = maker.get(wanted.pop())
        if place is not None and place not in found:
            found.add(place)
            wanted.extend(graph.node[place].input)
    return found


def _shuffled(model: bytes, names: frozenset[str], seed: int) -> bytes:
    import onnx

    network = onnx.load_model_from_string(model)
    chosen = [tensor for tensor in network.graph.initializer if tensor.name in names]
    done: list[tuple[NDArray[Any], NDArray[Any]]] = []
    # The converter names, orders and joins equal arrays otherwise in every process, so the
    # random order of an array is made to depend on its values alone.
    for tensor in sorted(chosen, key=_content):
        before = onnx.numpy_helper.to_array(tensor)
        after = _as_twin(before, done)
        if after is None:
            rng = np.random.default_rng([seed, 11, crc32(before.tobytes())])
            after = rng.permutation(before.ravel()).reshape(before.shape)
            done.append((before, after))
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(after), tensor.name))
    result: bytes = network.SerializeToString()
    return result


def _content(tensor: Any) -> tuple[list[int], bytes]:
    import onnx

    return list(tensor.dims), onnx.numpy_helper.to_array(tensor).tobytes()


def _as_twin(
    array: NDArray[Any], done: Iterable[tuple[NDArray[Any], NDArray[Any]]]
) -> NDArray[Any] | None:
    """The head's kernel (D, K) is stored a second time as a convolution (K, D, 1, 1)."""
    for before, after in done:
        for turn in (False, True):
            one, two = np.squeeze(before), np.squeeze(after)
            one, two = (one.T, two.T) if turn else (one, two)
            if one.ndim == 2 and np.array_equal(one, np.squeeze(array)):
                return two.reshape(array.shape)
    return None
