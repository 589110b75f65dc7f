"""Importing the two inference runtimes without letting them call home.

Both report usage by default, from the import on:

* ``import openvino`` (2026.4) starts a session of the package ``openvino-telemetry``,
  which writes a client number to ``~/intel`` and sends events to Google Analytics.
  Where that package cannot be imported, OpenVINO takes an empty stand-in that it ships;
  so the package is hidden while OpenVINO is imported. The runtime itself sends nothing.
* ONNX Runtime from 1.29 on sends events to Microsoft on every platform, the first one
  when its library is loaded, which is before ``disable_telemetry_events()`` can be
  called. The environment variable ``ORT_DISABLE_TELEMETRY`` stops all of it if it is
  set before the import; the call is kept for the Windows builds that ignore the variable.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

_TELEMETRY = "openvino_telemetry"
_importing = threading.Lock()


def import_openvino() -> Any:
    """The module ``openvino``, imported so that it sends nothing.

    Raises:
        ImportError: OpenVINO is not installed or does not run on this machine.
    """
    with _importing:
        if "openvino" in sys.modules:
            import openvino

            return openvino
        names = [name for name in sys.modules if f"{name}.".startswith(f"{_TELEMETRY}.")]
        hidden = {name: sys.modules.pop(name) for name in names}
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # "cannot be imported"
        try:
            import openvino
        finally:
            del sys.modules[_TELEMETRY]
            sys.modules.update(hidden)
        return openvino


def import_onnxruntime() -> Any:
    """The module ``onnxruntime``, imported so that it sends nothing.

    Raises:
        ImportError: ONNX Runtime is not installed or does not run on this machine.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_quantization() -> Any:
    """The module ``onnxruntime.quantization``, imported so that it sends nothing.

    It appends a folder full of modules with everyday names to ``sys.path``, where they could
    be taken for others; the path is put back as it was.

    Raises:
        ImportError: ONNX Runtime is not installed or does not run on this machine.
    """
    import_onnxruntime()
    before = list(sys.path)
    try:
        import onnxruntime.quantization
        import onnxruntime.quantization.shape_inference
    finally:
        sys.path[:] = before
    return onnxruntime.quantization
