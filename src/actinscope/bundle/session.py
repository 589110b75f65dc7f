"""Running the networks of a bundle: one interface over OpenVINO and ONNX Runtime, CPU only."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.archive import reading
from actinscope.bundle.load import Bundle
from actinscope.bundle.output import (
    CLASS_MAPS,
    EARLY_FEATURES,
    EMBEDDING,
    PROBABILITIES,
    NetworkOutput,
    calibrated,
)
from actinscope.errors import BundleError, UsageError
from actinscope.runtimes import OnnxRuntimeEngine, OnnxRuntimeTable, OpenVinoEngine, usable_cores

Backend = Literal["auto", "openvino", "onnxruntime"]
BACKENDS: tuple[str, ...] = get_args(Backend)

_UPDATE = "Copy the bundle again, or update openvino and onnxruntime"
# By their place: the first alone, or the first two, are what predictions of files need.
_OUTPUTS = (PROBABILITIES, EARLY_FEATURES, EMBEDDING, CLASS_MAPS)


class InferenceSession:
    """A network loaded for inference, to be used from any thread.

    ``backend="auto"`` takes OpenVINO, and ONNX Runtime where OpenVINO is missing or
    refuses the network; :attr:`backend` says which one runs, :attr:`fallback` why it
    is not OpenVINO. Weights and arithmetic are float32 in both.

    Args:
        model: the bytes of an ONNX file with an input ``image`` (N, S, S, C) and
            outputs ``probabilities``, and optionally ``embedding`` and ``class_maps``.
        trees: the bytes of an ONNX file from ``embedding`` (N, D) to ``probabilities``
            (N, K), which names the class instead of the network. OpenVINO has no trees, so
            ONNX Runtime runs this part, whatever runs the network.
        backend: ``auto``, ``openvino`` or ``onnxruntime``.
        bf16: multiply bfloat16 numbers, on OpenVINO and where the processor does so by itself.
        where: name of the file, for messages.
        threads: processor cores to use; None for all that this process may use.

    Raises:
        BundleError: no runtime can load the network.
        UsageError: an unknown backend.
    """

    def __init__(
        self,
        model: bytes,
        *,
        trees: bytes | None = None,
        backend: str = "auto",
        bf16: bool = False,
        where: str = "model.onnx",
        threads: int | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise UsageError(
                f"there is no backend {backend!r}", remedy=f"Choose one of {', '.join(BACKENDS)}"
            )
        self.fallback = ""
        self._where = where
        cores = threads or usable_cores()
        engine: OpenVinoEngine | OnnxRuntimeEngine | None = None
        if backend in ("auto", "openvino"):
            try:
                with reading("OpenVINO does not load the network", where, _UPDATE):
                    engine = OpenVinoEngine(model, cores, _OUTPUTS, bf16=bf16)
            except BundleError as error:
                if backend == "openvino":
                    raise
                self.fallback = error.what
        if engine is None:
            with reading("ONNX Runtime does not load the network", where, _UPDATE):
                engine = OnnxRuntimeEngine(model, cores, _OUTPUTS)
        self._engine = engine
        self.backend: str = engine.name
        self._trees = None if trees is None else _load_trees(trees, engine, where)

    @property
    def side_by_side(self) -> int:
        """How many images can be in the network at the same time."""
        return self._engine.side_by_side

    def run(self, batch: NDArray[np.float32]) -> NetworkOutput:
        """The outputs for ``batch``, (N, S, S, C) float32 in the network's range.

        Raises:
            BundleError: the batch does not fit the network.
        """
        array = self._fitting(batch)
        if not len(array):
            classes = self._trees.answers if self._trees else self._engine.size_of(PROBABILITIES)
            return NetworkOutput(np.zeros((0, classes or 0)), None, None)
        with self._running():
            return self._named(self._engine.run(array))

    def classify(self, embedding: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """What the trees alone make of (N, D): (N, K); None where there are none."""
        if self._trees is None:
            return None
        with self._running():
            return self._trees.run(embedding)

    def run_one(
        self,
        image: NDArray[np.float32],
        *,
        probabilities_only: bool = False,
        early_features: bool = False,
    ) -> NetworkOutput:
        """The outputs (N = 1) for one image, (S, S, C) float32 in the network's range.

        Called from ``side_by_side`` threads at once, it keeps all cores at work. With
        ``probabilities_only`` the other outputs are None, but for ``early_features`` where
        these are wanted too.

        Raises:
            BundleError: the image does not fit the network.
        """
        array = self._fitting(image[np.newaxis])
        # The trees need the embedding, which is dropped again where it was not asked for.
        first = 1 + early_features if probabilities_only and self._trees is None else None
        with self._running():
            output = self._named(self._engine.run_one(array, first))
        if not probabilities_only or self._trees is None:
            return output
        kept = output.early_features if early_features else None
        return replace(output, embedding=None, early_features=kept)

    def _running(self) -> AbstractContextManager[None]:
        return reading("the network cannot be run", self._where, _UPDATE)

    def _fitting(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        array = np.require(batch, np.float32, ("C", "W"))  # OpenVINO takes nothing read-only
        expected = self._engine.shape
        if array.ndim != 4 or any(
            size is not None and size != got
            for size, got in zip(expected, array.shape[1:], strict=False)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in expected)
            raise BundleError(
                f"the network takes images of shape ({wanted}), not {array.shape[1:]}",
                where=self._where,
                remedy="The preprocessing of the bundle does not fit its network",
            )
        return array

    def _named(self, arrays: list[NDArray[np.float32]]) -> NetworkOutput:
        # Fewer arrays than names where only the first outputs were asked for.
        found = dict(zip(self._engine.outputs, arrays, strict=False))
        if self._trees is not None:
            found[PROBABILITIES] = self._trees.run(found[EMBEDDING])
            found.pop(CLASS_MAPS, None)
        probabilities = found.pop(PROBABILITIES).astype(np.float64)
        others = {name: array.astype(np.float32, copy=False) for name, array in found.items()}
        return NetworkOutput(
            probabilities,
            others.get(EMBEDDING),
            others.get(CLASS_MAPS),
            others.get(EARLY_FEATURES),
        )


def _load_trees(
    trees: bytes, network: OpenVinoEngine | OnnxRuntimeEngine, where: str
) -> OnnxRuntimeTable:
    with reading("ONNX Runtime does not load the trees", where, _UPDATE):
        table = OnnxRuntimeTable(trees)
    if network.size_of(EMBEDDING) not in (None, table.columns):
        raise BundleError(
            f"the trees look at {table.columns} features, the network gives "
            f"{network.size_of(EMBEDDING)}",
            where=where,
            remedy="Use the trees.onnx that belongs to this bundle",
        )
    return table


def open_sessions(
    bundle: Bundle, *, precision: str = "float32", backend: str = "auto"
) -> tuple[InferenceSession, ...]:
    """A session for each of ``bundle.networks``, with its trees where it has some.

    Raises:
        BundleError: no runtime can load a network.
        UsageError: an unknown backend, or a precision that the bundle does not offer.
    """
    bundle.network(precision)  # an ensemble offers less than its members do
    return tuple(
        InferenceSession(
            one.network(precision),
            trees=one.trees,
            backend=backend,
            bf16=precision == "bf16",
            where=str(one.path),
        )
        for one in bundle.networks
    )


def joint_output(networks: Sequence[Bundle], outputs: Sequence[NetworkOutput]) -> NetworkOutput:
    """What the networks of a bundle say of the same N images.

    One network alone speaks for itself: its output stays as it is. Of several the
    probabilities are averaged after each has been calibrated with its own temperature, where
    it has one, so that a network that is too sure does not outvote the others. They have no
    embedding and no class maps in common: both are None, and those of the members are not kept.
    """
    if len(networks) == 1:
        return outputs[0]
    pairs = zip(networks, outputs, strict=True)
    return NetworkOutput(
        np.mean([_calibrated(network, output) for network, output in pairs], axis=0),
        None,
        None,
        members=tuple(replace(output, embedding=None, class_maps=None) for output in outputs),
    )


def _calibrated(network: Bundle, output: NetworkOutput) -> NDArray[np.float64]:
    rules, given = network.info.reliability, output.probabilities
    return given if rules is None else calibrated(given, rules.temperature)
