"""The step size, by hand."""

from __future__ import annotations

import math

import pytest

from actinscope.training.loop import learning_rate_at
from actinscope.training.recipe import TrainingSettings


def _settings(schedule: str, warmup: float, epochs: int = 10) -> TrainingSettings:
    return TrainingSettings.model_validate(
        {
            "epochs": epochs,
            "learning_rate": 0.1,
            "schedule": schedule,
            "warmup_epochs": warmup,
        }
    )


@pytest.mark.parametrize("progress", [0.0, 0.5, 9.99, 10.0])
def test_constant(progress: float) -> None:
    assert learning_rate_at(_settings("constant", 0.0), progress) == 0.1


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.0), (0.5, 0.025), (1.0, 0.05), (2.0, 0.1), (7.0, 0.1)]
)
def test_constant_after_warm_up(progress: float, expected: float) -> None:
    assert learning_rate_at(_settings("constant", 2.0), progress) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, 0.1),
        (2.5, 0.05 * (1 + math.sqrt(0.5))),  # an eighth of a turn
        (5.0, 0.05),
        (7.5, 0.05 * (1 - math.sqrt(0.5))),
        (10.0, 0.0),
        (11.0, 0.0),
    ],
)
def test_cosine(progress: float, expected: float) -> None:
    rate = learning_rate_at(_settings("cosine", 0.0), progress)
    assert rate == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("progress", "expected"), [(1.0, 0.05), (2.0, 0.1), (6.0, 0.05), (10.0, 0.0)]
)
def test_cosine_begins_where_the_warm_up_ends(progress: float, expected: float) -> None:
    rate = learning_rate_at(_settings("cosine", 2.0), progress)
    assert rate == pytest.approx(expected, abs=1e-15)


def test_one_epoch_of_warm_up_only() -> None:
    settings = _settings("cosine", 1.0, epochs=1)
    assert learning_rate_at(settings, 0.25) == pytest.approx(0.025)
    assert learning_rate_at(settings, 1.0) == pytest.approx(0.0)
