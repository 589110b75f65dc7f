"""The two runtimes behind one face: images in, one array for each output.

Every image goes through the network alone, never in a batch with others. A batch
would let the result for an image depend, in its last digits, on how many neighbours
it has; and on a CPU it gains nothing, because several images run side by side, one
per core, instead. Both engines may be called from several threads at once; that is
how images get side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.runtimes.imports import import_onnxruntime, import_openvino

Arrays = list[NDArray[np.float32]]


class OpenVinoEngine:
    """OpenVINO on the CPU: as many images side by side as its throughput mode finds best.

    Args:
        network: an ``openvino.Model`` with one input of four axes, or the bytes of an
            ONNX file.
        cores: processor cores to use.
        outputs: names of the outputs to return, in order; those that the network lacks
            are left out. None for all in their order.
        bf16: multiply bfloat16 numbers, where the processor does that by itself.

    Attributes:
        outputs: the names of what :meth:`run` returns; empty where all was asked for.
        side_by_side: how many images can be in the network at the same time.

    Raises:
        ImportError: OpenVINO is missing.
        RuntimeError: it refuses the network.
    """

    name = "openvino"

    def __init__(
        self,
        network: Any,
        cores: int,
        outputs: Sequence[str] | None = None,
        *,
        bf16: bool = False,
    ) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        if isinstance(network, bytes):
            network = core.read_model(model=network, weights=b"")
        _, *self.shape = _static_sizes(network.input(0).partial_shape)
        # A fixed batch of one lets OpenVINO choose its kernels once, for every image.
        network.reshape([1, *[-1 if size is None else size for size in self.shape]])
        # CACHE_DIR stays unset: OpenVINO then writes no compiled network to the disk.
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": cores,
        }
        self._compiled = core.compile_model(network, "CPU", settings)
        self._tensor = openvino.Tensor
        self.outputs, self._ports = self._chosen(outputs)
        self.side_by_side = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        # One more than can run, so that the next image is ready when one has finished.
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.side_by_side + 1):
            self._idle.put(self._compiled.create_infer_request())

    def _chosen(self, names: Sequence[str] | None) -> tuple[tuple[str, ...], list[int]]:
        ports = self._compiled.outputs
        if names is None:
            return (), list(range(len(ports)))
        place_of = {name: place for place, port in enumerate(ports) for name in port.get_names()}
        found = tuple(name for name in names if name in place_of)
        return found, [place_of[name] for name in found]

    def size_of(self, output: str) -> int | None:
        """Length of the last axis of an output, None where the network leaves it open."""
        return _static_sizes(self._compiled.output(output).partial_shape)[-1]

    def run_one(self, image: NDArray[np.float32], first: int | None = None) -> Arrays:
        """For one image (1, S, S, C), C-contiguous: one array (1, ...) for each output.

        Waits while as many other threads as possible use the network; only the ``first`` outputs
        are copied.
        """
        request = self._idle.get()
        try:
            request.set_input_tensor(self._tensor(image, shared_memory=True))
            request.start_async()
            request.wait()
            ports = self._ports[:first]
            return [np.array(request.get_output_tensor(port).data, copy=True) for port in ports]
        finally:
            self._idle.put(request)

    def run(self, array: NDArray[np.float32]) -> Arrays:
        """For images (N, S, S, C): one array (N, ...) for each output; N is not 0."""
        return _run_all(self.run_one, array, self.side_by_side + 1)


class OnnxRuntimeEngine:
    """ONNX Runtime on the CPU: each image on one core, in the thread that asks for it.

    Args:
        network: the bytes of an ONNX file with one input of four axes.
        cores: processor cores to use.
        outputs: names of the outputs to return, as for :class:`OpenVinoEngine`.

    Raises:
        ImportError: ONNX Runtime is missing.
        Exception: of no common kind, where it refuses the network.
    """

    name = "onnxruntime"

    def __init__(self, network: bytes, cores: int, outputs: Sequence[str] | None = None) -> None:
        self._session = _onnxruntime_session(network)
        self._input = self._session.get_inputs()[0].name
        self.shape = [_size(size) for size in self._session.get_inputs()[0].shape[1:]]
        self._shapes = {port.name: port.shape for port in self._session.get_outputs()}
        wanted = tuple(self._shapes) if outputs is None else outputs
        self.outputs = tuple(name for name in wanted if name in self._shapes)
        self.side_by_side = cores

    def size_of(self, output: str) -> int | None:
        """Length of the last axis of an output, None where the network leaves it open."""
        return _size(self._shapes[output][-1])

    def run_one(self, image: NDArray[np.float32], first: int | None = None) -> Arrays:
        """For one image (1, S, S, C): as :meth:`OpenVinoEngine.run_one`."""
        return list(self._session.run(list(self.outputs[:first]), {self._input: image}))

    def run(self, array: NDArray[np.float32]) -> Arrays:
        """For images (N, S, S, C): one array (N, ...) for each output; N is not 0."""
        return _run_all(self.run_one, array, self.side_by_side)


def quickest_engine(network: bytes) -> OpenVinoEngine | OnnxRuntimeEngine:
    """OpenVINO on all cores, ONNX Runtime where that is missing or refuses the ONNX file."""
    try:
        return OpenVinoEngine(network, usable_cores())
    except (ImportError, RuntimeError):
        return OnnxRuntimeEngine(network, usable_cores())


class OnnxRuntimeTable:
    """A table of features through ONNX Runtime on the CPU, from any thread, on one core each.

    Args:
        model: the bytes of an ONNX file with one input (N, D) and one output (N, K).

    Raises:
        ImportError: ONNX Runtime is missing.
        Exception: of no common kind, where it refuses the file.
    """

    def __init__(self, model: bytes) -> None:
        self._session = _onnxruntime_session(model)
        self._input = self._session.get_inputs()[0]
        self.columns = _size(self._input.shape[1])
        self.answers = _size(self._session.get_outputs()[0].shape[1])

    def run(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, K) for (N, D) float32."""
        return np.asarray(self._session.run(None, {self._input.name: table})[0])


def _run_all(
    run_one: Callable[[NDArray[np.float32]], Arrays], array: NDArray[np.float32], threads: int
) -> Arrays:
    """Every image of (N, S, S, C) through ``run_one``, side by side; joined in order."""
    images = [array[place : place + 1] for place in range(len(array))]
    if len(images) == 1:
        return run_one(images[0])
    with ThreadPoolExecutor(min(threads, len(images)), "actinscope-network") as pool:
        rows = list(pool.map(run_one, images))
    return [np.concatenate(output) for output in zip(*rows, strict=True)]


@cache
def has_native_bf16() -> bool:
    """Whether OpenVINO is there and the processor multiplies bfloat16 numbers by itself.

    Networks then run about twice as fast as in float32 (AVX-512 BF16, AMX).
    """
    try:
        capabilities = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ImportError, RuntimeError):
        return False
    return "BF16" in capabilities


def usable_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _static_sizes(shape: Any) -> list[int | None]:
    return [size.get_length() if size.is_static else None for size in shape]


def _size(size: Any) -> int | None:
    return size if isinstance(size, int) else None


def _onnxruntime_session(model: bytes) -> Any:
    """On one core of the CPU: callers ask from several threads instead."""
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong, it raises as well
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return runtime.InferenceSession(
        model,
        sess_options=options,
        providers=["CPUExecutionProvider"],
        enable_fallback=0,  # it would print, and try the same again
    )


def run_by_onnxruntime(
    network: bytes, images: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Every output of an ONNX file by name, for images (N, S, S, C)."""
    engine = OnnxRuntimeEngine(network, usable_cores())
    return dict(zip(engine.outputs, engine.run(images), strict=True))
