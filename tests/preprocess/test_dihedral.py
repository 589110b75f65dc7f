"""Turning and mirroring without changing a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.preprocess import AugmentSettings, dihedral_views, turned, turned_back

CORNERS = np.array([[1, 2], [3, 4]])[:, :, np.newaxis]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (0, [[1, 2], [3, 4]]),
        (1, [[2, 4], [1, 3]]),
        (2, [[4, 3], [2, 1]]),
        (4, [[2, 1], [4, 3]]),
        (6, [[3, 4], [1, 2]]),
    ],
)
def test_where_the_corners_go(view: int, expected: list[list[int]]) -> None:
    assert turned(CORNERS, view)[:, :, 0].tolist() == expected


@given(view=st.integers(0, 7), side=st.integers(1, 6), batch=st.integers(0, 2))
def test_turning_back_gives_the_image(view: int, side: int, batch: int) -> None:
    shape = (batch, side, side, 2) if batch else (side, side, 2)
    image = np.arange(np.prod(shape)).reshape(shape)
    assert (turned_back(turned(image, view), view) == image).all()


def test_eight_views_are_eight_images() -> None:
    assert len({turned(CORNERS, view).tobytes() for view in range(8)}) == 8


@pytest.mark.parametrize(
    ("settings", "views"),
    [
        (AugmentSettings(), {0, 1, 2, 3, 4, 5, 6, 7}),
        (AugmentSettings.off(), {0}),
        (AugmentSettings(horizontal_flip=False, vertical_flip=False), {0, 1, 2, 3}),
        (AugmentSettings(vertical_flip=False, rotation_degrees=20), {0, 4}),
        (AugmentSettings(horizontal_flip=False, rotation_degrees=20), {0, 6}),
        (AugmentSettings(rotation_degrees=20), {0, 2, 4, 6}),
    ],
)
def test_views_are_those_that_augmentation_allows(
    settings: AugmentSettings, views: set[int]
) -> None:
    found = dihedral_views(settings)
    assert found[0] == 0
    assert set(found) == views
