"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DATA = "ACTINSCOPE_SHARED_DATA"

# What the package sets before it imports these libraries. Some tests import them directly,
# and whichever test of a worker process does so first decides for all that follow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def _find_shared_data() -> Path | None:
    named = os.environ.get(_DATA)
    if named:
        return Path(named)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return beside if beside.is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real cell images, which are not part of the repository."""
    found = _find_shared_data()
    if found is None or not found.is_dir():
        pytest.skip(f"real cell images are not at hand (../shared/data, or set {_DATA})")
    return found
