"""Two classifiers on the same images, against figures computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from actinscope.errors import StudyError
from actinscope.evaluation import compare_pairs, exact_mcnemar
from actinscope.evaluation.paired import agresti_min


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (0, 5, 2 / 32),
        (2, 6, 2 * (1 + 8 + 28) / 256),
        (3, 3, 1.0),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_exact_mcnemar_by_hand(only_first: int, only_second: int, p: float) -> None:
    assert exact_mcnemar(only_first, only_second) == pytest.approx(p)


@given(st.integers(0, 300), st.integers(0, 300))
def test_exact_mcnemar_is_the_binomial_test(only_first: int, only_second: int) -> None:
    both = only_first + only_second
    expected = binomtest(only_first, both, 0.5).pvalue if both else 1.0
    assert exact_mcnemar(only_first, only_second) == pytest.approx(expected, abs=1e-9)


def test_agresti_min_by_hand() -> None:
    # 98 images, 9 got worse and 1 better: the added table has 100, 9.5 and 1.5.
    estimate = agresti_min(9, 1, 98)
    half = 1.959964 * math.sqrt(11 - 64 / 100) / 100
    assert estimate.value == pytest.approx(-8 / 98)
    assert (estimate.low, estimate.high) == pytest.approx((-0.08 - half, -0.08 + half))
    assert estimate.method == "Agresti and Min, 98 images"


def test_without_any_difference_there_is_still_an_interval() -> None:
    estimate = agresti_min(0, 0, 62)
    assert estimate.value == 0
    assert (estimate.low, estimate.high) == pytest.approx((-1.959964 / 64, 1.959964 / 64))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_agresti_min_holds_the_value(worse: int, better: int, same: int) -> None:
    n = worse + better + same
    if n:
        estimate = agresti_min(worse, better, n)
        assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_comparison_counts_what_tells_the_two_apart() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    first = np.array([0, 0, 1, 0, 0, 1])
    second = np.array([0, 1, 1, 1, 1, 1])
    found = compare_pairs(labels, first, second, groups=None, seed=0)
    assert (found.only_first_right, found.only_second_right) == (1, 1)
    assert found.changed == 3  # one of them wrong both times
    assert found.difference.value == 0
    assert found.mcnemar_p == 1
    assert found.difference.method == "Agresti and Min, 6 images"


def test_groups_that_differ_widen_the_interval() -> None:
    """Ten groups of ten: one loses all its images, the others none."""
    labels, first = np.zeros(100, dtype=int), np.zeros(100, dtype=int)
    second = np.repeat([1] + [0] * 9, 10)
    groups = [f"g{number}" for number in np.repeat(range(10), 10)]
    alone = compare_pairs(labels, first, second, groups=None, seed=0).difference
    grouped = compare_pairs(labels, first, second, groups=groups, seed=0).difference
    assert alone.value == grouped.value == pytest.approx(-0.1)
    # A resample draws the losing group 0, 1, 2, ... times of 10.
    assert grouped.low <= -0.3 < alone.low
    assert grouped.high >= alone.high
    assert "Agresti and Min" in grouped.method and "10 groups" in grouped.method


def test_few_groups_leave_the_interval_of_images() -> None:
    labels = np.zeros(8, dtype=int)
    second = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    found = compare_pairs(labels, labels, second, groups=list("aabbccdd"), seed=0)
    assert found.difference.method == "Agresti and Min, 8 images"


def test_lengths_must_fit() -> None:
    three, four = np.zeros(3, dtype=int), np.zeros(4, dtype=int)
    with pytest.raises(StudyError, match="do not fit"):
        compare_pairs(three, three, four, groups=None, seed=0)
    with pytest.raises(StudyError, match="do not fit"):
        compare_pairs(three, three, three, groups=["a"], seed=0)
    with pytest.raises(StudyError, match="do not fit"):
        compare_pairs(three[:0], three[:0], three[:0], groups=None, seed=0)
