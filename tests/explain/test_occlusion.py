"""Occlusion on toy models whose attention is known."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.explain import heat_map
from actinscope.explain.occlusion import background_level, log_odds, occlude

SIDE = 16


def bright_corner() -> np.ndarray:
    """Dark, with a bright square of 4 pixels in the corner at the top left, and one elsewhere."""
    scaled = np.full((SIDE, SIDE, 1), 0.1, np.float32)
    scaled[:4, :4] = 0.9
    scaled[10:14, 10:14] = 0.9
    return scaled


def looks_at_corner(scaled_images: np.ndarray) -> np.ndarray:
    """A model whose log odds of class 1 are 10 times the mean of the corner's 4 x 4 pixels."""
    odds = 10 * scaled_images[:, :4, :4, 0].mean(axis=(1, 2)).astype(np.float64)
    share = 1 / (1 + np.exp(-odds))
    return np.stack([1 - share, share], axis=1)


def test_only_the_corner_counts() -> None:
    drop = occlude(bright_corner(), looks_at_corner, predicted=1, positions=4)
    # Patches of 8 pixels around centres 2, 6, 10, 14: rows -2..5, 2..9, 6..13, 10..17. The
    # first covers the corner, 0.9 becomes 0.1; the second half its rows (or columns).
    expected = np.zeros((4, 4))
    expected[:2, :2] = [[8.0, 4.0], [4.0, 2.0]]
    assert drop == pytest.approx(expected, abs=1e-5)


def test_the_background_takes_the_place() -> None:
    """The median outside the bright squares, plane by plane."""
    scaled = np.repeat(bright_corner(), 2, axis=2)
    scaled[:, :, 1] = 0.4
    assert background_level(scaled) == pytest.approx([0.1, 0.4])


def test_a_flat_image_is_its_own_background() -> None:
    assert background_level(np.full((SIDE, SIDE, 1), 0.3, np.float32)) == pytest.approx([0.3])


def test_covering_can_help() -> None:
    """Followed for the other class, the same drop turns its sign."""
    drop = occlude(bright_corner(), looks_at_corner, predicted=0, positions=4)
    assert drop[0, 0] == pytest.approx(-8.0, abs=1e-5)


def test_the_model_is_called_twice() -> None:
    sizes: list[int] = []

    def counted(scaled_images: np.ndarray) -> np.ndarray:
        sizes.append(len(scaled_images))
        return looks_at_corner(scaled_images)

    occlude(bright_corner(), counted, predicted=1, positions=5)
    assert sizes == [1, 25]


def test_the_image_stays_as_it_was() -> None:
    scaled = bright_corner()
    before = scaled.copy()
    occlude(scaled, looks_at_corner, predicted=1, positions=4)
    assert np.array_equal(scaled, before)


def test_log_odds_are_finite_at_the_ends() -> None:
    odds = log_odds(np.array([[0.0, 1.0], [0.25, 0.75]]), 1)
    assert odds == pytest.approx([np.log(1e6), np.log(3)], rel=1e-5)


def test_the_map_is_drawn_like_a_class_map() -> None:
    drop = occlude(bright_corner(), looks_at_corner, predicted=1, positions=4)
    maps = np.zeros((4, 4, 2), np.float32)
    maps[:, :, 1] = drop
    heat = heat_map(maps, 1, size=(SIDE, SIDE))
    assert heat[0, 0] == 1.0
    assert heat[12, 12] == 0.0


@pytest.mark.parametrize("positions", [1, 17])
def test_a_grid_that_does_not_fit_is_refused(positions: int) -> None:
    with pytest.raises(ValueError, match="do not fit 16 pixels"):
        occlude(bright_corner(), looks_at_corner, predicted=1, positions=positions)


def test_an_image_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(S, S, planes\)"):
        occlude(np.zeros((4, 5, 1), np.float32), looks_at_corner, predicted=1)
