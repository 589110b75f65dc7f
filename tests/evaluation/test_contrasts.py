"""Differences of proportions: values from the literature and by hand."""

from __future__ import annotations

import math

import pytest

from actinscope.evaluation import Estimate, linear_contrast, proportion_of_images
from actinscope.evaluation.intervals import without_interval


def test_newcombes_example() -> None:
    """Newcombe 1998, Table II, example (a), method 10: 56/70 against 48/80."""
    terms = (proportion_of_images(56, 70), proportion_of_images(48, 80))
    found = linear_contrast((1, -1), terms)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )
    assert found.n == 150


def test_four_terms_by_hand() -> None:
    """Distances to the limits 0.1 (below) and 0.2 (above), with signs as they are."""
    one = Estimate(0.5, 0.4, 0.7, 10, 5, "given")
    found = linear_contrast((1, -1, -1, 1), (one, one, one, one))
    # Below: 0.1 twice and, for the negative terms, 0.2 twice.
    reach = math.sqrt(2 * 0.1**2 + 2 * 0.2**2)
    assert found.value == pytest.approx(0)
    assert (found.low, found.high) == (pytest.approx(-reach), pytest.approx(reach))


def test_a_perfect_score_still_has_an_interval() -> None:
    found = linear_contrast((1, -1), (proportion_of_images(20, 20), proportion_of_images(20, 20)))
    assert found.value == 0
    assert found.low < 0 < found.high


def test_a_term_without_interval_leaves_none() -> None:
    bare = without_interval(0.5, 3, why="3 groups, fewer than 5")
    found = linear_contrast((1, -1), (proportion_of_images(3, 4), bare))
    assert found.value == pytest.approx(0.25)
    assert not found.has_interval
    assert found.method == "no interval: 3 groups, fewer than 5"
