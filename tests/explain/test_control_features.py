"""Prototypes, nearest images, maps of features and the likeness of maps, by hand."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from actinscope.errors import UsageError
from actinscope.explain import SanityStep, sanity_sentence
from actinscope.explain.embedding_map import has_umap, principal_map, umap_map
from actinscope.explain.prototypes import nearest_images, prototypes
from actinscope.explain.sanity_checks import MapSimilarity, map_similarity


def at(*degrees: float) -> np.ndarray:
    """Features of length 2 in these directions of a plane."""
    angles = np.radians(degrees)
    return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_first_prototype_lies_in_the_middle() -> None:
    found = prototypes(at(0, 10, 20, 30, 40), np.zeros(5, int), n=1, seed=0)
    assert [(one.index, one.label, one.stands_for) for one in found] == [(2, 0, 1.0)]
    expected = np.mean([1 - np.cos(np.radians(d)) for d in (20, 10, 0, 10, 20)])
    assert found[0].distance == pytest.approx(expected)


def test_further_prototypes_are_spread_over_the_class() -> None:
    """Three near 0, two near 90: the second stands for the two."""
    found = prototypes(at(0, 1, 2, 90, 91), np.zeros(5, int), n=2, seed=0)
    assert [one.index for one in found] == [2, 3]
    assert [one.stands_for for one in found] == pytest.approx([0.6, 0.4])


def test_each_class_has_its_own() -> None:
    found = prototypes(at(0, 180, 5, 185, 10, 190), np.array([1, 0] * 3), n=1, seed=0)
    assert [(one.label, one.index) for one in found] == [(0, 3), (1, 2)]


def test_copies_need_one_prototype() -> None:
    assert len(prototypes(at(30, 30, 30), np.zeros(3, int), n=3, seed=0)) == 1


def test_features_of_zero_are_no_fault() -> None:
    found = prototypes(np.zeros((3, 2)), np.zeros(3, int), n=1, seed=0)
    assert found[0].index == 0


def test_nearest_images_by_hand() -> None:
    rows, distances = nearest_images(at(0, 90, 45), at(40, 100), n=2)
    assert rows.tolist() == [[2, 0], [1, 2]]
    expected = 1 - np.cos(np.radians([[5, 40], [10, 55]]))
    assert distances == pytest.approx(expected)


def test_there_are_no_more_neighbours_than_images() -> None:
    rows, _ = nearest_images(at(0, 90), at(1), n=3)
    assert rows.tolist() == [[0, 1]]


def test_bad_features_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        nearest_images(np.array([[np.nan, 1.0]]), at(1), n=1)
    with pytest.raises(ValueError, match="must be"):
        principal_map(np.zeros(3))
    with pytest.raises(ValueError, match="no images"):
        principal_map(np.zeros((0, 3)))


def test_principal_axes_of_known_points() -> None:
    """Along (3, 4) / 5 with variance 8, across it with variance 2."""
    along, across = np.array([3.0, 4.0]) / 5, np.array([4.0, -3.0]) / 5
    points = np.stack([2 * along, -2 * along, across, -across]) + np.array([10.0, -7.0])
    found = principal_map(points, np.array([[10.0, -7.0]]) + 3 * along)
    assert found.explained == pytest.approx((0.8, 0.2))
    assert found.fitted == pytest.approx(np.array([[2, 0], [-2, 0], [0, 1], [0, -1.0]]), abs=1e-9)
    assert found.others == pytest.approx(np.array([[3.0, 0.0]]), abs=1e-9)


def test_test_images_do_not_shape_the_map() -> None:
    points = at(0, 30, 70)
    alone = principal_map(points)
    crowded = principal_map(points, np.full((5, 2), 1e6))
    assert np.array_equal(alone.fitted, crowded.fitted)


def test_an_axis_without_variance_is_zero() -> None:
    found = principal_map(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert found.explained == pytest.approx((1.0, 0.0))
    assert found.fitted == pytest.approx(np.array([[-1.0, 0.0], [1.0, 0.0]]))
    same = principal_map(np.ones((3, 2)))
    assert same.explained == (0.0, 0.0)
    assert np.all(same.fitted == 0)


def test_umap_is_optional() -> None:
    if has_umap():
        pytest.skip("umap-learn is installed")
    with pytest.raises(UsageError, match="umap-learn is not installed"):
        umap_map(at(0, 1, 2, 3), seed=0)


def test_umap_is_asked_for_a_repeatable_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in: what it is given, and what becomes of its answer."""
    asked: dict[str, Any] = {}

    class Stand:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def fit_transform(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, :2] * 10

        def transform(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, :2] * 10 + 1

    module = ModuleType("umap")
    module.UMAP = Stand  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", module)
    monkeypatch.setattr("actinscope.explain.embedding_map.has_umap", lambda: True)
    found = umap_map(at(0, 10, 20, 30), at(5), seed=7)
    assert asked["random_state"] == 7
    assert asked["n_neighbors"] == 3
    assert asked["metric"] == "cosine"
    assert found.fitted == pytest.approx(at(0, 10, 20, 30) * 10)
    assert found.others == pytest.approx(at(5) * 10 + 1)
    assert (found.method, found.explained) == ("umap", None)
    with pytest.raises(ValueError, match="too few for UMAP"):
        umap_map(at(0, 10), seed=0)


GRADED = np.arange(9.0).reshape(3, 3) - 4


def test_the_same_map_is_wholly_alike() -> None:
    found = map_similarity([GRADED], [GRADED * 5])
    assert (found.rank, found.strength, found.ssim) == pytest.approx((1, 1, 1))


def test_the_opposite_map_is_as_strong_in_the_same_places() -> None:
    found = map_similarity([GRADED], [-GRADED])
    assert found.rank == pytest.approx(-1)
    assert found.strength == pytest.approx(1)
    assert found.ssim < 0.3


def test_a_rank_correlation_by_hand() -> None:
    """Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 x 4 / (4 x 15) = 0.6."""
    first, second = np.array([[1.0, 2], [3, 4]]), np.array([[20.0, 10], [40, 30]])
    assert map_similarity([first], [second]).rank == pytest.approx(0.6)


def test_flat_maps_are_left_out() -> None:
    found = map_similarity([GRADED, GRADED], [np.zeros((3, 3)), GRADED])
    assert (found.images, found.rank) == (1, pytest.approx(1))
    assert map_similarity([GRADED], [np.full((3, 3), np.nan)]).images == 0


def test_maps_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        map_similarity([GRADED], [])
    with pytest.raises(ValueError, match="cannot be compared"):
        map_similarity([GRADED], [np.zeros((2, 2))])


def step(rank: float, *, strength: float = 0.1, images: int = 9) -> SanityStep:
    return SanityStep("the head", MapSimilarity(rank, strength, 0.1, images))


def test_what_the_sanity_test_says() -> None:
    assert "hardly change" in sanity_sentence([step(0.1), step(0.7)])
    told = sanity_sentence([step(0.1)])
    assert told.startswith("The maps change")
    assert "same places stay strong" not in told
    assert "same places stay strong (rank correlation 0.80)" in sanity_sentence(
        [step(0.1, strength=0.8)]
    )
    assert "could not be compared" in sanity_sentence([step(np.nan, images=0)])
