"""Scaled images as pictures that a screen can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def displayed(scaled: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Scaled planes (H, W, K) as a picture: grey (H, W), or (H, W, 3) of the first three."""
    planes = np.round(scaled * 255).astype(np.uint8)
    if planes.shape[2] == 1:
        return planes[:, :, 0]
    if planes.shape[2] == 2:
        return np.dstack([planes, np.zeros_like(planes[:, :, :1])])
    return planes[:, :, :3]
