"""Fixtures shared by all tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

_DATA = "ACTINSCOPE_SHARED_DATA"

# What the package sets before it imports these libraries. Some tests import them directly,
# and whichever test of a worker process does so first decides for all that follow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# No test measures time: an example may take long on a machine that is busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A worker keeps to one processor: the thread pools of two workers on two would wait for each other.
_worker = os.environ.get("PYTEST_XDIST_WORKER")
if _worker is not None and hasattr(os, "sched_setaffinity"):
    _processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_processors[int(_worker.removeprefix("gw")) % len(_processors)]})


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


@pytest.fixture(scope="module")
def unrendered_figures() -> Iterator[None]:
    """Figures are drawn but not rendered: empty pictures take their place.

    For modules that make whole runs and look at their numbers; rendering would take most of their
    time. ``tests/report`` and ``tests/test_golden.py`` render what these leave out.
    """
    from matplotlib.figure import Figure

    def save(self: Figure, to: Any, *, format: str, **_: Any) -> None:
        empty = b"\x89PNG" if format == "png" else b'<svg viewBox="0 0 1 1"></svg>'
        if isinstance(to, io.StringIO):
            to.write(empty.decode())
        else:
            Path(to).write_bytes(empty)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save)
        patch.setattr(Figure, "draw_without_rendering", lambda _: None)
        yield
