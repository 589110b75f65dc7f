"""The likeness of maps, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.explain import SanityStep, sanity_sentence
from actinscope.explain.sanity_checks import MapSimilarity, map_similarity

GRADED = np.arange(9.0).reshape(3, 3) - 4


def test_the_same_map_is_wholly_alike() -> None:
    found = map_similarity([GRADED], [GRADED * 5])
    assert (found.rank, found.strength) == pytest.approx((1, 1))


def test_the_opposite_map_is_as_strong_in_the_same_places() -> None:
    found = map_similarity([GRADED], [-GRADED])
    assert found.rank == pytest.approx(-1)
    assert found.strength == pytest.approx(1)


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
    return SanityStep("the head", MapSimilarity(rank, strength, images))


def test_what_the_sanity_test_says() -> None:
    assert "hardly change" in sanity_sentence([step(0.1), step(0.7)])
    told = sanity_sentence([step(0.1)])
    assert told.startswith("The maps change")
    assert "same places stay strong" not in told
    assert "same places stay strong (rank correlation 0.80)" in sanity_sentence(
        [step(0.1, strength=0.8)]
    )
    assert "could not be compared" in sanity_sentence([step(np.nan, images=0)])
