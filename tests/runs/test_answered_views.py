"""How many views a delivered model averages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from actinscope.bundle import NetworkOutput
from actinscope.progress import Silent
from actinscope.runs import calibrate, choose_answered_views

IMAGES = 200
LABELS = np.arange(IMAGES) % 2


class Views:
    """Stands for a predictor whose view v gives the label's class the logit ``rows[v]`` (N,)."""

    def __init__(self, rows: np.ndarray) -> None:
        info = SimpleNamespace(views=tuple(range(len(rows))))
        self.bundle = SimpleNamespace(info=info)
        self.rows = rows
        self.view = 0

    def with_views(self, views: Sequence[int]) -> Views:
        other = Views(self.rows)
        (other.view,) = views
        return other


def chosen(monkeypatch: pytest.MonkeyPatch, rows: np.ndarray, *, most: int = 8) -> int:
    def predict(predictor: Views, records: Any, manifest: Any, **_: Any) -> SimpleNamespace:
        own = 1 / (1 + np.exp(-predictor.rows[predictor.view]))
        both = np.where(LABELS[:, None] == [0, 1], own[:, None], 1 - own[:, None])
        return SimpleNamespace(labels=LABELS, output=NetworkOutput(both, None, None))

    monkeypatch.setattr(calibrate, "predict_labelled", predict)
    nothing: Any = Path()
    return choose_answered_views(
        Views(rows),  # type: ignore[arg-type]
        [nothing] * IMAGES,
        nothing,
        images=nothing,
        progress=Silent(),
        most=most,
    )


def test_views_that_all_say_the_same_are_not_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    one = np.random.default_rng(0).normal(1, 1, IMAGES)
    assert chosen(monkeypatch, np.tile(one, (8, 1))) == 1


def test_views_that_err_apart_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise of 3 about a logit of 1: the mean of eight has noise of about 1."""
    assert chosen(monkeypatch, np.random.default_rng(0).normal(1, 3, (8, IMAGES))) == 8


def test_no_more_are_averaged_than_were_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, np.random.default_rng(0).normal(1, 3, (8, IMAGES)), most=4) == 4


def test_where_there_are_two_views_at_most_two_are_averaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(monkeypatch, np.random.default_rng(0).normal(1, 3, (2, IMAGES))) == 2
