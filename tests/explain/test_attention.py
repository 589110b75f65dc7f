"""Shares of maps inside cells, and their means, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from actinscope.explain import Attention, attention_inside, attention_sentence, judge_attention

HALF = np.array([[True, True], [False, False]])


def judged(shares: list[float], areas: list[float], groups: list[str] | None = None) -> Attention:
    found = judge_attention(
        np.array(shares), np.array(areas), groups, cells_from="the label mask", seed=0
    )
    assert found is not None
    return found


def test_a_share_by_hand() -> None:
    heat = np.array([[1.0, 2.0], [0.0, 1.0]])
    assert attention_inside(heat, HALF) == 0.75


def test_no_share_without_evidence_or_cell() -> None:
    assert math.isnan(attention_inside(np.zeros((2, 2)), HALF))
    assert math.isnan(attention_inside(np.ones((2, 2)), np.zeros((2, 2), bool)))


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="does not fit a mask"):
        attention_inside(np.zeros((3, 3)), HALF)


@given(arrays(np.float64, (3, 4), elements=st.floats(0, 1e3)), arrays(np.bool_, (3, 4)))
def test_inside_and_outside_make_a_whole(heat: np.ndarray, inside: np.ndarray) -> None:
    share = attention_inside(heat, inside)
    other = attention_inside(heat, ~inside)
    if not math.isnan(share) and not math.isnan(other):
        assert 0 <= share <= 1
        assert share + other == pytest.approx(1)


def test_the_mean_counts_images_and_leaves_out_what_is_missing() -> None:
    found = judged([0.5, 0.9, math.nan], [0.1, 0.3, 0.2])
    assert (found.images, found.left_out) == (2, 1)
    assert found.inside.value == pytest.approx(0.7)
    assert found.area.value == pytest.approx(0.2)
    assert found.ahead.value == pytest.approx(0.5)
    assert not found.inside.has_interval
    assert "cannot be told" in attention_sentence(found)


def test_nothing_to_judge() -> None:
    nan = np.array([math.nan])
    assert judge_attention(nan, np.array([0.1]), None, cells_from="x", seed=0) is None


def test_attention_at_the_cells_is_no_warning() -> None:
    found = judged([0.7, 0.8, 0.75, 0.9, 0.6, 0.8], [0.2] * 6, list("abcdef"))
    assert found.ahead.low > 0.3
    assert not found.is_doubtful
    assert not found.mostly_outside
    sentence = attention_sentence(found)
    assert "76 % of the evidence lies inside the cell" in sentence
    assert "would give 20 %: more than that is shown." in sentence


def test_attention_beside_the_cells_is_a_warning() -> None:
    found = judged([0.1, 0.2, 0.1, 0.15, 0.05, 0.2], [0.5] * 6, list("abcdef"))
    assert found.ahead.high < 0
    assert found.is_doubtful
    assert found.mostly_outside
    assert "less than that is shown" in attention_sentence(found)


def test_small_cells_may_get_under_half_and_still_be_looked_at() -> None:
    found = judged([0.3, 0.4, 0.35, 0.3, 0.4, 0.45], [0.05] * 6, list("abcdef"))
    assert found.mostly_outside
    assert not found.is_doubtful


def test_the_interval_counts_groups_not_images() -> None:
    """Copies of images in the same groups bring no certainty."""
    shares = [0.2, 0.9, 0.4, 0.8, 0.6, 0.7]
    one = judged(shares, [0.2] * 6, list("abcdef"))
    copies = judged(shares * 20, [0.2] * 120, list("abcdef") * 20)
    assert copies.inside.high - copies.inside.low == pytest.approx(
        one.inside.high - one.inside.low, rel=0.1
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    shares = [0.2, 0.9, 0.4, 0.8, 0.6, 0.7]
    # As text: it may hold NaN, which equals nothing.
    assert repr(judged(shares, [0.2] * 6)) == repr(judged(shares, [0.2] * 6))
