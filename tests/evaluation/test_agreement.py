"""Many tests, numbers of images, folds and agreement, against figures computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.errors import StudyError
from actinscope.evaluation import corrected_resampled_t, exact_mcnemar, images_for_half_width
from actinscope.evaluation.comparison import (
    all_wrong_images,
    cohen_kappa,
    contested_images,
)
from actinscope.evaluation.intervals import wilson
from actinscope.evaluation.paired import holm
from actinscope.evaluation.sample_size import fewest_for_mcnemar, pairs_for_mcnemar

Z = 1.959963984540054


def test_holm_by_hand() -> None:
    # In order: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which must not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.5]) == (1.0, 1.0)
    assert holm([0.2]) == (0.2,)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_only_makes_larger(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=lambda place: values[place])
    sorted_ones = [adjusted[place] for place in order]
    assert sorted_ones == sorted(sorted_ones)
    # Never gentler than none, never stricter than Bonferroni.
    assert all(q <= min(1, len(values) * p) + 1e-12 for p, q in zip(values, adjusted, strict=True))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_p_value(wrong: float) -> None:
    with pytest.raises(ValueError, match="is not a p value"):
        holm([0.5, wrong])


def test_images_for_mcnemar_by_hand() -> None:
    # psi = 0.3, delta = 0.1: (1.95996 x 0.547723 + 0.841621 x 0.538516)^2 / 0.01 = 233.09.
    assert pairs_for_mcnemar(0.2, 0.1) == pairs_for_mcnemar(0.1, 0.2) == 234
    # psi = delta = 0.1: (1.95996 x 0.316228 + 0.841621 x 0.3)^2 / 0.01 = 76.07.
    assert pairs_for_mcnemar(0.1, 0) == 77
    assert pairs_for_mcnemar(0.1, 0.1) is None
    assert pairs_for_mcnemar(0, 0) is None


def test_the_paper_s_networks_would_need_many_more_images() -> None:
    """53 and 51 of 54: at best two images tell them apart, and McNemar's p is 0.5."""
    assert exact_mcnemar(2, 0) == 0.5
    needed = pairs_for_mcnemar(2 / 54, 0)
    assert needed is not None
    delta = 2 / 54
    by_hand = (Z * math.sqrt(delta) + 0.8416212335729143 * math.sqrt(delta - delta**2)) ** 2
    assert needed == math.ceil(by_hand / delta**2) == 210


def test_more_power_needs_more_images() -> None:
    needed = [pairs_for_mcnemar(0.08, 0.03, power=power) for power in (0.5, 0.8, 0.95)]
    assert needed == sorted(needed, key=lambda n: n or 0)
    assert len(set(needed)) == 3


@pytest.mark.parametrize(("one", "other"), [(-0.1, 0.2), (0.6, 0.5), (math.nan, 0.1)])
def test_shares_must_be_shares(one: float, other: float) -> None:
    with pytest.raises(ValueError, match="not shares"):
        pairs_for_mcnemar(one, other)


def test_power_and_level_must_lie_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        pairs_for_mcnemar(0.2, 0.1, power=1)


@pytest.mark.parametrize(("alpha", "fewest"), [(0.05, 6), (0.01, 8), (0.5, 3)])
def test_the_fewest_images_that_can_tell_two_apart(alpha: float, fewest: int) -> None:
    assert fewest_for_mcnemar(alpha) == fewest
    assert exact_mcnemar(fewest, 0) < alpha <= exact_mcnemar(fewest - 1, 0)


def test_about_750_images_for_one_point_at_98_percent() -> None:
    """Wald's 1.96^2 x 0.98 x 0.02 / 0.01^2 = 753; Wilson's interval is wider."""
    assert math.ceil(Z**2 * 0.98 * 0.02 / 0.01**2) == 753
    found = images_for_half_width(0.98, 0.01)
    assert found == 792
    for n, enough in ((found, True), (found - 1, False)):
        low, high = wilson(0.98, n, quantile=Z)
        assert (high - low <= 0.02) == enough


@settings(max_examples=50)
@given(st.floats(0, 1), st.floats(0.01, 0.4))
def test_the_half_width_is_kept_and_no_image_wasted(share: float, half: float) -> None:
    n = images_for_half_width(share, half)

    def width(images: int) -> float:
        low, high = wilson(share, images, quantile=Z)
        return (high - low) / 2

    assert width(n) <= half + 1e-12
    assert n == 1 or width(n - 1) > half - 1e-12


@pytest.mark.parametrize(("share", "half"), [(1.1, 0.1), (0.5, 0), (0.5, 0.5), (math.nan, 0.1)])
def test_half_widths_out_of_range(share: float, half: float) -> None:
    with pytest.raises(ValueError, match="out of its range"):
        images_for_half_width(share, half)


def test_corrected_resampled_t_by_hand() -> None:
    """Five folds: variance 0.00025, factor 1/5 + 1/4, t = 0.03 / sqrt(0.0001125) = 2 sqrt(2)."""
    found = corrected_resampled_t([0.02, 0.04, 0.03, 0.05, 0.01], test_share=0.2)
    assert found.mean == pytest.approx(0.03)
    assert found.statistic == pytest.approx(2 * math.sqrt(2))
    # Four degrees of freedom: F = 1/2 + 3/8 u (1 - u^2 / 12) with u = t / sqrt(1 + t^2 / 4).
    u = 2 * math.sqrt(2) / math.sqrt(3)
    assert found.p == pytest.approx(1 - 2 * 3 / 8 * u * (1 - u**2 / 12))
    assert found.p == pytest.approx(0.04742, abs=1e-5)
    half = 2.776445 * math.sqrt(0.0001125)
    assert (found.low, found.high) == pytest.approx((0.03 - half, 0.03 + half), abs=1e-7)
    assert found.folds == 5


def test_the_correction_makes_a_plain_t_test_less_sure() -> None:
    from scipy.stats import ttest_1samp

    values = [0.02, 0.04, 0.03, 0.05, 0.01]
    plain = ttest_1samp(values, 0)
    found = corrected_resampled_t(values, test_share=0.2)
    assert found.statistic == pytest.approx(plain.statistic / math.sqrt(1 + 5 / 4))
    assert found.p > plain.pvalue


def test_equal_differences() -> None:
    same = corrected_resampled_t([0.1, 0.1], test_share=0.5)
    assert (same.statistic, same.p) == (math.inf, 0.0)
    none = corrected_resampled_t([0.0, 0.0, 0.0], test_share=0.5)
    assert math.isnan(none.statistic)
    assert none.p == 1


@pytest.mark.parametrize("values", [[], [0.1], [0.1, math.nan]])
def test_too_few_folds(values: list[float]) -> None:
    with pytest.raises(StudyError, match="no basis for a test"):
        corrected_resampled_t(values, test_share=0.2)


@pytest.mark.parametrize("share", [0, 1, -0.2])
def test_the_share_of_test_images(share: float) -> None:
    with pytest.raises(StudyError, match="no share of test images"):
        corrected_resampled_t([0.1, 0.2], test_share=share)


def test_kappa_by_hand() -> None:
    # 50 answers: 20 both 0, 5 and 10 different, 15 both 1. Observed 0.7, expected 0.5.
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(first, first) == 1
    assert cohen_kappa(first, 1 - first) < 0


def test_kappa_of_two_that_always_say_the_same() -> None:
    always = np.full(5, 2)
    assert math.isnan(cohen_kappa(always, always))


def test_contested_images_come_most_contested_first() -> None:
    # Three runs, two classes; probabilities of class 1.
    of_one = np.array(
        [
            [0.9, 0.4, 0.10, 0.6],
            [0.8, 0.6, 0.95, 0.7],
            [0.7, 0.6, 0.90, 0.9],
        ]
    )
    probabilities = np.stack([1 - of_one, of_one], axis=2)
    # Images 1 and 2 split two of three pairs; in image 2 the runs are farther apart.
    assert contested_images(probabilities).tolist() == [2, 1]


def test_all_wrong_images_begin_with_the_surest() -> None:
    labels = np.array([0, 0, 1, 1])
    of_one = np.array([[0.6, 0.9, 0.2, 0.7], [0.7, 0.8, 0.9, 0.1]])
    probabilities = np.stack([1 - of_one, of_one], axis=2)
    assert all_wrong_images(labels, probabilities).tolist() == [1, 0]
