"""What a run was computed with: versions and machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class RunContext:
    """When and with what a run was made: taken once, and the same in all that it writes.

    Attributes:
        created: when it began or was last gone on with, ISO 8601 in UTC.
        environment: versions and platform.
        command: the command line.
        version: of actinscope.
    """

    created: str
    environment: Mapping[str, str]
    command: str
    version: str

    @classmethod
    def now(cls, command: str) -> RunContext:
        """Of a run that ``command`` starts at this moment."""
        return cls(now_utc(), describe_environment(), command, __version__)


def now_utc() -> str:
    """The present moment, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
