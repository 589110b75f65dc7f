"""Images with a texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def texture(seed: int, side: int = 96) -> NDArray[np.uint8]:
    """A picture with structure of several scales; every seed another one."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), sigma) * sigma
        for sigma in (1.5, 3.0, 6.0)
    ]
    total = np.sum(layers, axis=0)
    scaled = 255 * (total - total.min()) / (total.max() - total.min())
    return scaled.astype(np.uint8)
