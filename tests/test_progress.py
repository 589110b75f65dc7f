"""What is said while several models are trained one after the other."""

from __future__ import annotations

import time

import pytest

from actinscope.progress import FoldProgress, Silent


class Heard(Silent):
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def phase(self, name: str, total: int) -> None:
        self.shown.append(name)

    def say(self, message: str) -> None:
        self.shown.append(message)


def test_the_time_left_is_that_of_all_folds_once_the_first_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four models of 100 s each; a fold that was there already tells nothing of the time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heard = Heard()
    progress = FoldProgress(heard, 5)
    progress.begin("fold 1 of 4")
    progress.end(trained=False)
    progress.begin("fold 2 of 4")
    progress.phase("Training", 8)
    progress.say("note: JPEG is lossy")
    now[0] = 100
    progress.end(trained=True)
    progress.begin("fold 3 of 4")
    progress.say("note: JPEG is lossy")
    progress.phase("Training", 8)
    now[0] = 140
    progress.phase("Predicting", 8)
    now[0] = 250
    progress.end(trained=True)
    progress.begin("fold 4 of 4")
    now[0] = 310
    progress.phase("Training", 8)
    progress.end(trained=True)
    progress.begin("last model")
    progress.phase("Training", 8)
    now[0] = 400  # it takes longer than the last one: nobody knows
    progress.phase("Predicting", 8)
    assert heard.shown == [
        "fold 2 of 4: Training",
        "note: JPEG is lossy",
        "fold 3 of 4, 5 min left: Training",
        "fold 3 of 4, 4 min left: Predicting",
        "fold 4 of 4, 4 min left: Training",
        "last model, 60 s left: Training",
        "last model: Predicting",
    ]
