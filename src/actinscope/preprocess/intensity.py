"""Where black and white lie: ranges of pixel values, and scaling to 0..1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Values beyond this are treated as this, so that differences stay finite in float64.
_LARGEST = 1e300
_PIXELS_PER_IMAGE = 1 << 14
_PIXELS_IN_POOL = 1 << 22
_EXACT_PIXELS = 1 << 22


class PixelPool:
    """A bounded, deterministic sample of the pixels of many images, one pool per plane.

    Every image gives the same number of pixels whatever its size, spread evenly. When
    the pool is full every second value is dropped and later images give half as many,
    so memory stays below 2**22 values a plane for any number of images.
    Lowest and highest value are exact, over all finite pixels.
    """

    def __init__(self, planes: int) -> None:
        self._samples: list[list[NDArray[np.float64]]] = [[] for _ in range(planes)]
        self._per_image = _PIXELS_PER_IMAGE
        self.lowest = [math.inf] * planes
        self.highest = [-math.inf] * planes

    def add(self, planes: NDArray[Any]) -> None:
        """Take in one image, (planes, Y, X) of any real dtype."""
        for index, plane in enumerate(planes):
            low, high = _extremes(plane)
            self.lowest[index] = min(self.lowest[index], low)
            self.highest[index] = max(self.highest[index], high)
            self._samples[index].append(_finite(spread_sample(plane, self._per_image)))
        if max(sum(map(len, pool)) for pool in self._samples) > _PIXELS_IN_POOL:
            self._samples = [[np.concatenate(pool)[::2].copy()] for pool in self._samples]
            self._per_image = max(self._per_image // 2, 1)

    def percentiles(self, low: float, high: float, *, joint: bool) -> list[tuple[float, float]]:
        """Low and high percentile per plane; with ``joint`` one pair for all planes."""
        return _percentiles([np.concatenate(pool) for pool in self._samples], low, high, joint)


def image_percentiles(
    planes: NDArray[Any], low: float, high: float, *, joint: bool
) -> list[tuple[float, float]]:
    """Percentiles of one image, (planes, Y, X), per plane or over all planes ``joint``.

    Exact up to four million pixels a plane, of an even sample of that size above.
    A plane without finite values gives (0, 0).
    """
    pools = [_finite(spread_sample(plane, _EXACT_PIXELS)) for plane in planes]
    return _percentiles(pools, low, high, joint)


def scale_plane(plane: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Map ``low``..``high`` to 0..1 and clip; non-finite pixels become 0.

    ``plane`` is (Y, X) of any real dtype; where ``high`` is not above ``low`` the result is all 0.
    """
    if not high > low:
        return np.zeros(plane.shape, dtype=np.float32)
    # Integers of up to 16 bits and their differences are exact in float32.
    narrow = plane.dtype.kind in "biu" and plane.dtype.itemsize <= 2 and high - low >= 1
    if narrow:
        return _stretch(plane.astype(np.float32), np.float32(low), np.float32(high))
    values = plane.astype(np.float64)
    if plane.dtype.kind == "f":
        values[~np.isfinite(values)] = low
    return _stretch(values, np.float64(low), np.float64(high)).astype(np.float32)


def _stretch(
    values: NDArray[np.floating[Any]], low: np.floating[Any], high: np.floating[Any]
) -> NDArray[Any]:
    # In place: fields can be large.
    np.clip(values, low, high, out=values)
    np.subtract(values, low, out=values)
    np.divide(values, high - low, out=values)
    return np.clip(values, 0, 1, out=values)


def spread_sample(plane: NDArray[Any], count: int) -> NDArray[Any]:
    """About ``count`` (and at most twice as many) pixels at even steps through a plane."""
    flat = plane.reshape(-1)
    step = max(flat.size // count, 1)
    # A step that shares a factor with the width would visit some columns only.
    while step > 1 and math.gcd(step, plane.shape[-1]) > 1:
        step += 1
    return flat[::step]


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    if values.dtype.kind == "f":
        wide = wide[np.isfinite(wide)]
        np.clip(wide, -_LARGEST, _LARGEST, out=wide)
    return wide


def _extremes(plane: NDArray[Any]) -> tuple[float, float]:
    if plane.dtype.kind == "f":
        plane = plane[np.isfinite(plane)]
    if plane.size == 0:
        return (math.inf, -math.inf)
    return (float(plane.min()), float(plane.max()))


def _percentiles(
    pools: list[NDArray[np.float64]], low: float, high: float, joint: bool
) -> list[tuple[float, float]]:
    """Of each pool, or for each of them those of all; (0, 0) of no values."""
    found = []
    for values in [np.concatenate(pools)] if joint else pools:
        bottom, top = np.percentile(values, [low, high]) if values.size else (0.0, 0.0)
        found.append((float(bottom), float(top)))
    return found * len(pools) if joint else found
