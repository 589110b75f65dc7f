"""What is asked of the computer before Keras is imported."""

from __future__ import annotations

import sys

import pytest

from actinscope.errors import TrainingError
from actinscope.networks import require_framework

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")


@posix
@pytest.mark.parametrize("limit", [-1, 8 * 10**9])
def test_enough_memory(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (limit, limit))
    require_framework()


@posix
def test_too_little_memory_is_refused_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (1_500_000_000, -1))
    with pytest.raises(TrainingError, match=r"1\.5 GB of memory, and training takes 6\.0 GB"):
        require_framework()
