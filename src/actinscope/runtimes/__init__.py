"""Running a finished graph on the CPU, fast, and without letting a runtime call home."""

from __future__ import annotations

from actinscope.runtimes.engines import (
    OnnxRuntimeEngine,
    OnnxRuntimeTable,
    OpenVinoEngine,
    has_native_bf16,
    quickest_engine,
    run_by_onnxruntime,
    usable_cores,
)
from actinscope.runtimes.imports import import_onnxruntime, import_openvino, import_quantization

__all__ = [
    "OnnxRuntimeEngine",
    "OnnxRuntimeTable",
    "OpenVinoEngine",
    "has_native_bf16",
    "import_onnxruntime",
    "import_openvino",
    "import_quantization",
    "quickest_engine",
    "run_by_onnxruntime",
    "usable_cores",
]
