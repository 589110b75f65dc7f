"""Intervals: published values, hand-computed ones, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from actinscope.evaluation import Clusters, bootstrap_estimate, proportion_of_images
from actinscope.evaluation.intervals import (
    bounded_estimate,
    degrees_of_freedom,
    draw_weights,
    expanded_level,
    grouped_proportion,
    wilson,
)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(53, 54, 90.2, 99.7), (51, 54, 84.9, 98.1), (0, 10, 0.0, 27.8), (10, 10, 72.2, 100.0)],
)
def test_wilson_intervals(count: int, n: int, low: float, high: float) -> None:
    estimate = proportion_of_images(count, n)
    assert estimate.low * 100 == pytest.approx(low, abs=0.05)
    assert estimate.high * 100 == pytest.approx(high, abs=0.05)
    assert (estimate.value, estimate.n, estimate.count) == (count / n, n, count)


def test_wilson_ends_solve_the_score_equation() -> None:
    for end in wilson(0.3, 40, quantile=1.7):
        assert (0.3 - end) ** 2 == pytest.approx(1.7**2 * end * (1 - end) / 40)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_value(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    estimate = proportion_of_images(count, n)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_no_images_give_no_proportion() -> None:
    estimate = proportion_of_images(0, 0)
    assert math.isnan(estimate.value)
    assert not estimate.has_interval
    assert estimate.method == "no interval: no images"


def test_grouped_proportion_by_hand() -> None:
    # Five groups of four images with 4, 4, 3, 2, 2 hits: p = 0.75; residuals 1, 1, 0, -1, -1.
    # Three groups have a miss: 3 degrees of freedom.
    units = np.repeat([7, 3, 5, 1, 9], 4)
    hits = np.array([1, 1, 1, 1] * 2 + [1, 1, 1, 0] + [1, 1, 0, 0] * 2, dtype=bool)
    estimate = grouped_proportion(hits, units)
    variance = 5 / 4 * 4 / 20**2
    effective = 0.75 * 0.25 / variance * (1.959964 / 3.182446) ** 2
    low, high = wilson(0.75, effective, quantile=norm.ppf(0.975))
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert (estimate.value, estimate.n, estimate.count) == (0.75, 20, 15)
    assert estimate.method == "Wilson with n = 5.7 (effective, 20 images in 5 groups)"


def test_groups_that_stand_or_fall_together_widen_the_interval() -> None:
    units = np.repeat(np.arange(10), 10)
    alike = grouped_proportion(np.isin(units, range(8)), units)
    mixed = grouped_proportion(np.tile(np.arange(10) < 8, 10) ^ (np.arange(100) % 37 == 0), units)
    assert alike.high - alike.low > 1.5 * (mixed.high - mixed.low)


def test_all_correct_counts_groups_not_images() -> None:
    estimate = grouped_proportion(np.ones(60, dtype=bool), np.repeat(np.arange(6), 10))
    assert (estimate.low, estimate.high) == wilson(1.0, 6, quantile=norm.ppf(0.975))
    assert estimate.low == pytest.approx(0.610, abs=0.001)
    assert estimate.high == 1
    assert "n = 6 groups" in estimate.method


def test_four_groups_give_no_interval() -> None:
    estimate = grouped_proportion(np.arange(40) > 3, np.repeat(np.arange(4), 10))
    assert estimate.value == 0.9
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)
    assert estimate.method == "no interval: 4 groups, fewer than 5"


def test_expanded_levels() -> None:
    assert expanded_level(100_000) == pytest.approx(0.025, abs=1e-4)
    assert expanded_level(5) == pytest.approx(norm.cdf(-math.sqrt(1.25) * 2.776445), rel=1e-5)
    levels = [expanded_level(units) for units in range(2, 60)]
    assert levels == sorted(levels)


def test_draws_keep_groups_whole() -> None:
    units = np.array([0, 1, 1, 2, 0, 2, 2, 3, 4])
    weights = draw_weights(units, 400, np.random.default_rng(0))
    assert weights.shape == (9, 400)
    _, first = np.unique(units, return_index=True)
    np.testing.assert_array_equal(weights, weights[first][units])
    np.testing.assert_array_equal(weights[first].sum(axis=0), 5)
    assert weights.mean() == pytest.approx(1, abs=0.05)


def _groups(count: int) -> Clusters:
    return Clusters(np.arange(count), by_group=True)


def test_bootstrap_of_a_mean_agrees_with_students_t() -> None:
    rng = np.random.default_rng(4)
    sample = rng.normal(size=12)
    weights = draw_weights(np.arange(12), 40_000, rng)
    estimate = bootstrap_estimate(
        float(sample.mean()), sample @ weights / 12, clusters=_groups(12), n=12
    )
    half = t.ppf(0.975, 11) * sample.std(ddof=1) / math.sqrt(12)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.06)


@pytest.mark.parametrize(
    ("value", "resampled", "units", "why"),
    [
        (math.nan, [0.1, 0.2], 9, "the figure is not defined"),
        (0.5, [], 4, "4 groups, fewer than 5"),
        (0.5, [0.1, 0.2, 0.3, math.nan], 9, "not defined in over a tenth of the resamples"),
        (1.0, [1.0, 1.0, 1.0], 9, "all resamples give the same value"),
    ],
)
def test_reasons_for_no_interval(value: float, resampled: list, units: int, why: str) -> None:
    drawn = np.array(resampled, dtype=float)
    estimate = bootstrap_estimate(value, drawn, clusters=_groups(units), n=20)
    assert not estimate.has_interval
    assert estimate.method == f"no interval: {why}"


def test_a_bounded_figure_takes_the_interval_of_a_proportion_with_its_variance() -> None:
    # Resamples of variance 0.0099 * 10 / 9 = 0.011: 0.9 * 0.1 / 0.011 = 8.18 images.
    drawn = 0.9 + math.sqrt(0.0099) * np.array([-1.0, 1.0])
    estimate = bounded_estimate(0.9, drawn, clusters=_groups(10), n=40)
    assert (estimate.low, estimate.high) == pytest.approx(
        wilson(0.9, 0.09 / 0.011, quantile=t.ppf(0.975, 9)), rel=1e-9
    )
    assert estimate.method == "Wilson with n = 6.1 (effective, from 2 resamples of 10 groups)"


def test_few_groups_that_tell_widen_the_interval_of_a_bounded_figure() -> None:
    drawn = 0.9 + math.sqrt(0.0099) * np.array([-1.0, 1.0])
    estimate = bounded_estimate(0.9, drawn, clusters=_groups(10), n=40, freedom=3)
    assert (estimate.low, estimate.high) == pytest.approx(
        wilson(0.9, 0.09 / 0.011, quantile=3.182446), rel=1e-5
    )


@pytest.mark.parametrize(
    ("misses", "expected"),
    [
        ([1, 1, 1, 0, 0, 0], 3),  # three groups have a miss
        ([1, 0, 0, 0, 0, 0], 2),  # never fewer than two
        ([1, 1, 1, 1, 1, 1], 5),  # every group has one: groups - 1
        ([4, 4, 4, 4, 0, 0], 2),  # two groups have a hit
    ],
)
def test_degrees_of_freedom_are_those_of_the_groups_that_tell(misses: list, expected: int) -> None:
    hits = np.concatenate([np.arange(4) >= missed for missed in misses])
    assert degrees_of_freedom(hits, np.repeat(np.arange(6), 4)) == expected


def test_bounds_stretch_the_interval() -> None:
    drawn = np.array([0.7, 0.8, 0.9])
    share = bounded_estimate(0.8, drawn, clusters=_groups(10), n=40)
    twice = bounded_estimate(0.6, 2 * drawn - 1, clusters=_groups(10), n=40, bounds=(-1.0, 1.0))
    assert (twice.low, twice.high) == pytest.approx((2 * share.low - 1, 2 * share.high - 1))


def test_a_perfect_figure_rests_on_its_groups() -> None:
    estimate = bounded_estimate(1.0, np.ones(50), clusters=_groups(9), n=300)
    square = norm.ppf(0.975) ** 2
    assert (estimate.low, estimate.high) == pytest.approx((9 / (9 + square), 1.0))


def test_a_biased_distribution_still_holds_the_value() -> None:
    drawn = np.linspace(0.2, 0.4, 100)
    estimate = bootstrap_estimate(0.6, drawn, clusters=_groups(30), n=30)
    assert estimate.low < 0.25
    assert estimate.high == 0.6


@pytest.mark.parametrize(("groups", "size", "correlation"), [(6, 6, 0.1), (10, 10, 0.2)])
def test_coverage_with_correlated_groups(groups: int, size: int, correlation: float) -> None:
    """True accuracy 0.85: the interval holds it as promised, one blind to groups does not."""
    rng = np.random.default_rng(11)
    true, studies = 0.85, 400
    spread = (1 - correlation) / correlation
    units = np.repeat(np.arange(groups), size)
    held = blind = 0
    for _ in range(studies):
        chance = rng.beta(true * spread, (1 - true) * spread, size=groups)
        hits = rng.random(groups * size) < chance[units]
        clustered = grouped_proportion(hits, units)
        independent = proportion_of_images(int(hits.sum()), len(hits))
        held += clustered.low <= true <= clustered.high
        blind += independent.low <= true <= independent.high
    assert held / studies > 0.92
    assert blind < held - 0.04 * studies


def test_an_interval_of_no_width_is_none() -> None:
    drawn = np.ones(2000)
    drawn[0] = 0.0  # one resample in 2000 is beyond every percentile that is used
    found = bootstrap_estimate(1.0, drawn, clusters=Clusters.of(None, 8), n=8)
    assert not found.has_interval
    assert found.method == "no interval: nearly all resamples give the same value"
