"""Class activation maps and the choice of examples."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.errors import StudyError
from actinscope.evaluation import typical_examples, worst_errors
from actinscope.explain import heat_map
from actinscope.explain.class_activation import contrast_map


def _maps(seed: int = 0, k: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(7, 5, k)).astype(np.float32)


def test_contrast_of_two_classes_averages_to_the_log_odds() -> None:
    maps = _maps(k=2)
    logits = maps.mean(axis=(0, 1))
    chance = np.exp(logits) / np.exp(logits).sum()
    contrast = contrast_map(maps, 1)
    assert contrast.dtype == np.float32
    assert contrast.mean() == pytest.approx(np.log(chance[1] / chance[0]), abs=1e-5)


def test_contrast_by_hand_and_blind_to_what_all_classes_share() -> None:
    maps = np.array([[[4.0, 1.0, 3.0]]])
    assert contrast_map(maps, 0).tolist() == [[2.0]]
    assert contrast_map(maps, 1).tolist() == [[-2.5]]
    shared = np.random.default_rng(1).normal(size=(7, 5, 1))
    np.testing.assert_allclose(
        contrast_map(_maps() + shared, 2), contrast_map(_maps(), 2), atol=1e-6
    )


@pytest.mark.parametrize("size", [(224, 224), (88, 78), (7, 5), (3, 2), (1, 1)])
def test_maps_have_the_size_of_the_image(size: tuple[int, int]) -> None:
    heat = heat_map(_maps(), 0, size=size)
    assert heat.shape == size
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() <= 1


def test_a_hot_cell_is_hot_where_it_lies() -> None:
    maps = np.zeros((7, 7, 2))
    maps[1, 5, 0] = 3.0
    heat = heat_map(maps, 0, size=(224, 224))
    # Centre of cell (1, 5), 32 pixels a cell: 48, 176.
    rows, columns = np.nonzero(heat > 0.5)
    assert (rows.mean(), columns.mean()) == pytest.approx((47.5, 175.5))
    assert heat[47, 175] == pytest.approx(1, abs=0.05)
    assert heat_map(maps, 1, size=(224, 224)).max() == 0


def test_unchanged_at_its_own_size() -> None:
    contrast = contrast_map(_maps(), 1)
    expected = np.maximum(contrast, 0) / np.abs(contrast).max()
    np.testing.assert_allclose(heat_map(_maps(), 1, size=(7, 5)), expected, atol=1e-6)


def test_flat_maps_stay_dark() -> None:
    flat = np.full((7, 7, 3), 2.5)
    assert heat_map(flat, 0, size=(20, 20)).max() == 0


@pytest.mark.parametrize(
    ("maps", "k", "message"),
    [
        (np.zeros((7, 7)), 0, "class maps must be"),
        (np.zeros((7, 7, 1)), 0, "two classes or more"),
        (np.zeros((0, 7, 2)), 0, "class maps must be"),
        (np.zeros((7, 7, 2)), 2, "class index 2 is not one of 0 to 1"),
        (np.zeros((7, 7, 2)), -1, "class index -1"),
        (np.full((7, 7, 2), np.nan), 0, "not finite"),
    ],
)
def test_bad_maps_are_refused(maps: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrast_map(maps, k)


def test_a_map_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="0 x 5 pixels"):
        heat_map(_maps(), 0, size=(0, 5))


def test_worst_errors_come_in_order_of_confidence() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    second = np.array([0.6, 0.1, 0.05, 0.9, 0.3])
    probabilities = np.column_stack([1 - second, second])
    assert worst_errors(labels, probabilities, n=10).tolist() == [2, 4, 0]
    assert worst_errors(labels, probabilities, n=1).tolist() == [2]
    assert worst_errors(labels, probabilities, n=0).tolist() == []


def test_typical_examples_spread_over_groups() -> None:
    labels = np.array([0] * 20 + [2] * 3)
    groups = ["big"] * 16 + ["b", "c", "d", "d"] + ["x", "x", "y"]
    chosen = typical_examples(labels, groups, seed=3, n=4)
    assert set(chosen) == {0, 2}
    assert {groups[i] for i in chosen[0]} == {"big", "b", "c", "d"}
    assert set(chosen[2].tolist()) == {20, 21, 22}
    assert {groups[i] for i in chosen[2][:2]} == {"x", "y"}
    for k, indices in chosen.items():
        assert (labels[indices] == k).all()
        assert len(set(indices.tolist())) == len(indices)


def test_typical_examples_follow_the_seed() -> None:
    labels = np.zeros(100, dtype=int)
    first, again, other = (
        typical_examples(labels, None, seed=seed, n=5)[0].tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 5


def test_typical_examples_need_a_group_for_each_image() -> None:
    with pytest.raises(StudyError, match="1 groups for 2 images"):
        typical_examples(np.array([0, 1]), ["a"], seed=0, n=1)
