"""Running a network: one interface over OpenVINO and ONNX Runtime, CPU only.

Every image goes through the network alone, never in a batch with others. A batch
would let the result for an image depend, in its last digits, on how many neighbours
it has; and on a CPU it gains nothing, because several images run side by side, one
per core, instead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.runtimes import import_onnxruntime, import_openvino
from actinscope.errors import BundleError, UsageError

Backend = Literal["auto", "openvino", "onnxruntime"]
BACKENDS: tuple[str, ...] = get_args(Backend)

INPUT = "image"
PROBABILITIES = "probabilities"
EMBEDDING = "embedding"
CLASS_MAPS = "class_maps"


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What a network says about N images.

    Attributes:
        probabilities: (N, K) float64, rows sum to 1 up to float32 rounding.
        embedding: (N, D) float32, the features before the classifier, or None.
        class_maps: (N, h, w, K) float32, the class evidence at each place, or None.
    """

    probabilities: NDArray[np.float64]
    embedding: NDArray[np.float32] | None
    class_maps: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.probabilities)


class InferenceSession:
    """A network loaded for inference, to be used from any thread.

    ``backend="auto"`` takes OpenVINO, and ONNX Runtime where OpenVINO is missing or
    refuses the network; :attr:`backend` says which one runs, :attr:`fallback` why it
    is not OpenVINO. Weights and arithmetic are float32 in both.

    Args:
        model: the bytes of an ONNX file with an input ``image`` (N, S, S, C) and
            outputs ``probabilities``, and optionally ``embedding`` and ``class_maps``.
        backend: ``auto``, ``openvino`` or ``onnxruntime``.
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
        backend: str = "auto",
        where: str = "model.onnx",
        threads: int | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise UsageError(
                f"there is no backend {backend!r}", remedy=f"Choose one of {', '.join(BACKENDS)}"
            )
        self.fallback = ""
        self._where = where
        self._lock = threading.Lock()
        cores = threads or _usable_cores()
        runner: _OpenVino | _OnnxRuntime | None = None
        if backend in ("auto", "openvino"):
            try:
                runner = _OpenVino(model, cores)
            except (ImportError, OSError, RuntimeError) as error:
                if backend == "openvino":
                    raise _cannot_load(where, "OpenVINO", error) from error
                self.fallback = f"OpenVINO does not load the network ({_first_line(error)})"
        self._runner = runner or _load_onnxruntime(model, cores, where)
        self.backend: str = self._runner.name

    def run(self, batch: NDArray[np.float32]) -> NetworkOutput:
        """The outputs for ``batch``, (N, S, S, C) float32 in the network's range.

        Raises:
            BundleError: the batch does not fit the network.
        """
        array = np.ascontiguousarray(batch, dtype=np.float32)
        expected = self._runner.shape
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
        with self._lock:
            rows = self._runner.run(array)
        return _stack(rows, self._runner.outputs, self._runner.classes)


class _OpenVino:
    """OpenVINO on the CPU: as many images side by side as its throughput mode finds best."""

    name = "openvino"

    def __init__(self, model: bytes, cores: int) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        network = core.read_model(model=model, weights=b"")
        _, *self.shape = _openvino_shape(network.input(INPUT).partial_shape)
        # A fixed batch of one lets OpenVINO choose its kernels once, for every image.
        network.reshape({INPUT: [1, *[-1 if size is None else size for size in self.shape]]})
        # CACHE_DIR stays unset: OpenVINO then writes no compiled network to the disk.
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": cores,
        }
        self._compiled = core.compile_model(network, "CPU", settings)
        self._queue = openvino.AsyncInferQueue(self._compiled)
        names = {name for port in self._compiled.outputs for name in port.get_names()}
        self.outputs = _known_outputs(names)
        shape = self._compiled.output(PROBABILITIES).partial_shape
        self.classes = _openvino_shape(shape)[-1]
        self._results: list[dict[str, NDArray[np.float32]] | None] = []
        self._queue.set_callback(self._keep)

    def _keep(self, request: Any, place: int) -> None:
        self._results[place] = {
            name: np.array(request.get_tensor(name).data, copy=True) for name in self.outputs
        }

    def run(self, array: NDArray[np.float32]) -> list[dict[str, NDArray[np.float32]]]:
        self._results = [None] * len(array)
        for place in range(len(array)):
            self._queue.start_async({INPUT: array[place : place + 1]}, place)
        self._queue.wait_all()
        results, self._results = self._results, []
        return [row for row in results if row is not None]


class _OnnxRuntime:
    """ONNX Runtime on the CPU: one image at a time, its layers spread over the cores."""

    name = "onnxruntime"

    def __init__(self, model: bytes, cores: int) -> None:
        runtime = import_onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = cores
        # Waiting threads sleep, so that the threads which decode images get the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(
            model, sess_options=options, providers=["CPUExecutionProvider"]
        )
        shape = self._session.get_inputs()[0].shape[1:]
        self.shape = [size if isinstance(size, int) else None for size in shape]
        outputs = {port.name: port.shape for port in self._session.get_outputs()}
        self.outputs = _known_outputs(set(outputs))
        size = outputs[PROBABILITIES][-1]
        self.classes = size if isinstance(size, int) else None

    def run(self, array: NDArray[np.float32]) -> list[dict[str, NDArray[np.float32]]]:
        rows = []
        for place in range(len(array)):
            values = self._session.run(list(self.outputs), {INPUT: array[place : place + 1]})
            rows.append(dict(zip(self.outputs, values, strict=True)))
        return rows


def _load_onnxruntime(model: bytes, cores: int, where: str) -> _OnnxRuntime:
    try:
        return _OnnxRuntime(model, cores)
    except Exception as error:  # its own exceptions have no other base
        raise _cannot_load(where, "ONNX Runtime", error) from error


def _cannot_load(where: str, runtime: str, error: BaseException) -> BundleError:
    return BundleError(
        f"{runtime} cannot load the network ({_first_line(error)})",
        where=where,
        remedy="Copy the bundle again, or update openvino and onnxruntime",
    )


def _stack(
    rows: Sequence[dict[str, NDArray[np.float32]]],
    outputs: tuple[str, ...],
    classes: int | None,
) -> NetworkOutput:
    if not rows:
        return NetworkOutput(np.zeros((0, classes or 0)), None, None)
    stacked = {name: np.concatenate([row[name] for row in rows]) for name in outputs}
    embedding, maps = stacked.get(EMBEDDING), stacked.get(CLASS_MAPS)
    return NetworkOutput(
        probabilities=stacked[PROBABILITIES].astype(np.float64),
        embedding=None if embedding is None else embedding.astype(np.float32, copy=False),
        class_maps=None if maps is None else maps.astype(np.float32, copy=False),
    )


def _known_outputs(names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in (PROBABILITIES, EMBEDDING, CLASS_MAPS) if name in names)


def _openvino_shape(shape: Any) -> list[int | None]:
    return [size.get_length() if size.is_static else None for size in shape]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
