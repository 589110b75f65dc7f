"""Resizing without aliasing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray


def resize_plane(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize one plane, values kept in 0..1.

    A separable cubic filter: along an axis that shrinks it is widened by the shrink
    factor, so that detail too fine for the new grid is averaged away instead of turning
    into false stripes; along an axis that grows it interpolates.

    Args:
        plane: (Y, X) float32 in 0..1.
        height: new Y.
        width: new X.
    """
    if plane.shape == (height, width):
        return plane
    from PIL import Image as PillowImage

    picture = PillowImage.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    resized = picture.resize((width, height), PillowImage.Resampling.BICUBIC)
    # The cubic's negative lobes overshoot at sharp edges.
    return np.clip(np.asarray(resized, dtype=np.float32), 0.0, 1.0)


def fit_to_square(
    plane: NDArray[np.float32], size: int, how: Literal["stretch", "pad"]
) -> NDArray[np.float32]:
    """Bring one plane (Y, X) to (size, size), stretched or centred on a ground of 0."""
    if how == "stretch":
        return resize_plane(plane, size, size)
    height, width = plane.shape
    longest = max(height, width)
    new_height = max(1, round(height * size / longest))
    new_width = max(1, round(width * size / longest))
    square = np.zeros((size, size), dtype=np.float32)
    top, left = (size - new_height) // 2, (size - new_width) // 2
    square[top : top + new_height, left : left + new_width] = resize_plane(
        plane, new_height, new_width
    )
    return square
