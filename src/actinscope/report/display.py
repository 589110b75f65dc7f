"""Units as pictures that a screen can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def displayed(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Unit planes (H, W, K) as a picture: grey (H, W), or (H, W, 3) of the first three."""
    planes = np.round(unit * 255).astype(np.uint8)
    if planes.shape[2] == 1:
        return planes[:, :, 0]
    if planes.shape[2] == 2:
        return np.dstack([planes, np.zeros_like(planes[:, :, :1])])
    return planes[:, :, :3]
