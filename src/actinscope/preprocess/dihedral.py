"""The eight ways to turn and mirror a square image without changing a pixel.

A cell on a slide has no up and no left, so all of them are images of the same cell. View v turns
by v % 4 quarters of a circle; from 4 on the result is mirrored, left to right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.preprocess.augmentation import AugmentSettings

#: In this order the first 2, 4 and 8 are as unlike each other as they can be.
_ORDER = (0, 5, 2, 7, 1, 3, 4, 6)
_HALF_TURN, _MIRRORED_ROWS, _MIRRORED_COLUMNS = 2, 6, 4
_QUARTER_DEGREES = 90


def dihedral_views(settings: AugmentSettings) -> tuple[int, ...]:
    """The views that ``settings`` allow, of which 0 is the image as it is; unlike ones first.

    Quarter turns need ``rotation_degrees`` of 90 or more, and mirroring its flip.
    """
    columns, rows = settings.horizontal_flip, settings.vertical_flip
    if settings.rotation_degrees >= _QUARTER_DEGREES:
        mirrored = columns or rows
        return tuple(view for view in _ORDER if view < 4 or mirrored)
    allowed = {0}
    allowed |= {_MIRRORED_COLUMNS} if columns else set()
    allowed |= {_MIRRORED_ROWS} if rows else set()
    allowed |= {_HALF_TURN} if columns and rows else set()
    return tuple(view for view in _ORDER if view in allowed)


def turned(image: NDArray[Any], view: int) -> NDArray[Any]:
    """A view of (..., S, S, C), contiguous; the image itself where ``view`` is 0."""
    if view == 0:
        return image
    result = np.rot90(image, view % 4, axes=(-3, -2))
    return np.ascontiguousarray(result[..., ::-1, :] if view >= 4 else result)


def turned_back(image: NDArray[Any], view: int) -> NDArray[Any]:
    """What :func:`turned` made of an image, or a map (..., h, w, C) of it, as it was before."""
    if view >= 4:
        image = image[..., ::-1, :]
    return np.ascontiguousarray(np.rot90(image, -(view % 4), axes=(-3, -2)))
