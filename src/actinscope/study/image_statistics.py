"""What one look at an image keeps of it: a sketch, its corners, a few plain measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.images import Image, file_facts, file_state
from actinscope.study.records import Record
from actinscope.study.thumbnails import Thumbnail, thumbnail_of

MEASURES = (
    "mean",
    "bright",
    "background",
    "noise",
    "signal",
    "saturated",
    "focus",
    "height",
    "width",
    "bytes",
)
"""Names of the columns of :attr:`ImageStatistics.measures`."""

CORNER = 8
"""A corner of an image is kept as 8 x 8 pixels."""

_CORNER_SHARE = 0.1  # of the image's side
_MOST_PIXELS = 1 << 20  # of an image that measures are taken from


@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """What is kept of one image.

    Attributes:
        sketch: for the search of copies.
        corners: (4, 8, 8) float32, 0..1 of the picture's own range: top left, top right,
            bottom left, bottom right; each spans a tenth of the side, at least 8 pixels.
        measures: (10,) float64, see :data:`MEASURES`: mean, 99.5th and 5th percentile, standard
            deviation of the noise (values of the file); ``signal`` is (bright - median) / noise;
            share of pixels at the highest value that the type can hold, 0..1; log10 of the
            Laplacian's variance over that of the image; sides in pixels; size of the file.
        facts: how the file was written, by name: ``file kind``, ``pixel type``, ...
    """

    sketch: Thumbnail
    corners: NDArray[np.float32]
    measures: NDArray[np.float64]
    facts: Mapping[str, str]


def measure_statistics(record: Record, image: Image) -> ImageStatistics:
    """Look once at an image that has been read."""
    facts, size = _of_file(record.path)
    low, high = (int(value) if float(value).is_integer() else value for value in image.value_range)
    facts = {
        **facts,
        "pixel type": f"{image.pixels.dtype.name}, {low} to {high}",
        "channels": str(len(image.pixels)),
    }
    if image.pixel_size_um is not None:
        facts["pixel size"] = "{:.4g} x {:.4g} um".format(*image.pixel_size_um)
    sketched = thumbnail_of(image.pixels)
    return ImageStatistics(sketched, _corners(image.pixels), _measures(image, size), facts)


@lru_cache(maxsize=64)  # many cells come from one field, one after the other
def _of_file(path: Path) -> tuple[Mapping[str, str], int]:
    try:
        return file_facts(path), file_state(path)[0]
    except OSError:
        return {}, 0


def _measures(image: Image, size: int) -> NDArray[np.float64]:
    import cv2

    pixels = image.pixels
    height, width = pixels.shape[1:]
    step = max(1, math.isqrt(height * width // _MOST_PIXELS))
    plane = pixels[:, ::step, ::step].mean(axis=0, dtype=np.float32)
    plane = np.nan_to_num(plane, posinf=0.0, neginf=0.0)
    background, median, bright = np.percentile(plane, (5.0, 50.0, 99.5))
    noise = _noise(plane)
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.0)
    edges = cv2.Laplacian(smooth, cv2.CV_32F)
    sharp = float(edges.var()) / max(float(smooth.var()), 1e-12)
    values = {
        "mean": float(plane.mean()),
        "bright": float(bright),
        "background": float(background),
        "noise": noise,
        "signal": float(bright - median) / max(noise, 1e-6 * max(1.0, abs(float(bright)))),
        "saturated": float((pixels >= image.value_range[1]).mean())
        if pixels.dtype.kind in "ui"
        else 0.0,
        "focus": math.log10(max(sharp, 1e-9)),
        "height": height,
        "width": width,
        "bytes": size,
    }
    return np.array([values[name] for name in MEASURES], dtype=np.float64)


def _noise(plane: NDArray[np.float32]) -> float:
    """Standard deviation of the noise from differences that cancel planes and edges.

    Immerkaer, Fast noise variance estimation, Computer Vision and Image Understanding 64,
    1996; the median instead of the mean keeps cells from counting as noise.
    """
    import cv2

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(plane, cv2.CV_32F, kernel))
    return float(np.median(response)) / (0.6745 * 6.0)


def _corners(pixels: NDArray[Any]) -> NDArray[np.float32]:
    import cv2

    plane = np.nan_to_num(pixels.mean(axis=0, dtype=np.float32), posinf=0.0, neginf=0.0)
    low, high = np.percentile(plane, (0.5, 99.5))
    height, width = plane.shape
    rows, columns = (min(side, max(CORNER, round(side * _CORNER_SHARE))) for side in plane.shape)
    pieces = [
        plane[y : y + rows, x : x + columns]
        for y in (0, height - rows)
        for x in (0, width - columns)
    ]
    small = [cv2.resize(one, (CORNER, CORNER), interpolation=cv2.INTER_AREA) for one in pieces]
    scaled = (np.stack(small) - low) / max(float(high - low), 1e-12)
    corners: NDArray[np.float32] = np.clip(scaled, 0.0, 1.0).astype(np.float32)
    return corners
