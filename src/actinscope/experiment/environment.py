"""What a run was computed with: versions and machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata

from actinscope import __version__

_DISTRIBUTIONS = (
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "numpy",
    "openvino",
    "onnxruntime",
    "opencv-python-headless",
    "tifffile",
    "scikit-learn",
    "xgboost",
    "xgboost-cpu",
)


def describe_environment() -> dict[str, str]:
    """Versions, platform, cores and time; no user name, host name or path."""
    described = {
        "actinscope": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count() or 0),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }
    for name in _DISTRIBUTIONS:
        try:
            described[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return described


def now_utc() -> str:
    """The present moment, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
