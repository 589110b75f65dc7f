"""How large and how bright images are before any scaling: new ones against those of training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from actinscope.errors import ImageError
from actinscope.images import Image

#: Ratios beyond which a difference is said; brightness varies more than the size of a pixel.
_SIZES_DIFFER, _PIXELS_DIFFER, _BRIGHTNESS_DIFFERS = 1.1, 1.05, 1.5
#: Share of unfamiliar images from which a reason is looked for in their brightness.
_MANY = 0.2


class Appearance(BaseModel):
    """Medians over the images of a study.

    Attributes:
        height: of an image or crop, in pixels.
        width: in pixels.
        brightness: mean of its pixels, as the file holds them.
        pixel_size_um: side of a pixel in micrometres, None where the files do not say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: float = Field(gt=0)
    width: float = Field(gt=0)
    brightness: float
    pixel_size_um: float | None = Field(default=None, gt=0)


class AppearanceCounter:
    """Looks at images on their way; may be called from several threads."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float, float]] = []

    def __call__(self, image: Image) -> Image:
        """``image`` itself, when it was looked at."""
        _, height, width = image.pixels.shape
        side = np.sqrt(np.prod(image.pixel_size_um)) if image.pixel_size_um else np.nan
        self._rows.append((height, width, float(side), float(image.pixels.mean())))
        return image

    @property
    def found(self) -> Appearance | None:
        """Medians of what was seen; None before the first image."""
        if not self._rows:
            return None
        height, width, side, brightness = np.median(self._rows, axis=0).tolist()
        # Files that say no size may be of any: the median is then NaN.
        known = side if np.isfinite(side) else None
        return Appearance(height=height, width=width, brightness=brightness, pixel_size_um=known)

    def unlike(self, trained: Appearance | None, *, unfamiliar: int, total: int) -> Iterator[str]:
        """In which plain ways these images differ from those of the training, a sentence each.

        Sizes are always said, of few images only where most have the very size of the training:
        where cells are cut out each in its own size, no size means anything. Brightness is said
        where many images are unfamiliar, as it varies by itself.

        Args:
            unfamiliar: how many of ``total`` predicted images are.
        """
        new = self.found
        if new is None or trained is None:
            return
        rows = np.array(self._rows)
        others = _others(rows[:, :2], (trained.height, trained.width), _SIZES_DIFFER)
        if others.any():
            height, width = np.median(rows[others, :2], axis=0)
            yield (
                f"{_who(others)} {height:.0f} x {width:.0f} pixels, the model was trained on "
                f"{trained.height:.0f} x {trained.width:.0f} (rows x columns): crop them alike, or "
                "cells appear larger or smaller than in training"
            )
        others = _others(rows[:, 2:3], (trained.pixel_size_um or np.nan,), _PIXELS_DIFFER)
        if others.any():
            yield (
                f"{_who(others)} {np.median(rows[others, 2]):.3g} um a pixel, the training images "
                f"were {trained.pixel_size_um:.3g} um: --match-pixel-size brings them to that scale"
            )
        if not unfamiliar or unfamiliar < _MANY * total:
            return
        times = _ratio(new.brightness, trained.brightness)
        if times > _BRIGHTNESS_DIFFERS:
            how = "brighter" if new.brightness > trained.brightness else "darker"
            yield (
                f"{unfamiliar} of {total} images are unfamiliar: they are {times:.1f} times {how} "
                "than in training"
            )


def _others(found: np.ndarray, trained: tuple[float, ...], limit: float) -> np.ndarray:
    """(N,) which rows of (N, sides) differ from the training; none where most vary anyway."""
    ratios = found / np.array(trained)
    differ = np.asarray((np.maximum(ratios, 1 / ratios) > limit).any(axis=1))
    alike = np.isclose(ratios, 1, rtol=1e-3).all(axis=1)
    typical = np.median(ratios, axis=0)
    if alike.mean() >= 0.5 or (np.maximum(typical, 1 / typical) > limit).any():
        return differ
    return np.zeros_like(differ)


def _who(chosen: np.ndarray) -> str:
    if chosen.all():
        return "these images are"
    return f"{chosen.sum()} of {len(chosen)} images are"


def appearance_of(images: Iterable[Image]) -> Appearance | None:
    """Medians over ``images``; None where there is none."""
    counter = AppearanceCounter()
    for image in images:
        counter(image)
    return counter.found


def _ratio(a: float, b: float) -> float:
    return max(a, b) / min(a, b) if min(a, b) > 0 else 1.0  # 1 where one is not known


def matched(image: Image, trained: Appearance) -> Image:
    """``image`` with the pixel size of the training, cut or padded to the size trained on.

    What is missing at the sides is filled with the median of the image's edge.

    Raises:
        ImageError: the file or the training has no pixel size.
    """
    if image.pixel_size_um is None or trained.pixel_size_um is None:
        raise ImageError(
            "its pixel size is not known, so it cannot be brought to the scale of the training",
            where=image.path,
            remedy="Leave out --match-pixel-size, or export the image with its pixel size",
        )
    import cv2

    factors = [size / trained.pixel_size_um for size in image.pixel_size_um]
    height, width = (
        max(1, round(side * factor))
        for side, factor in zip(image.pixels.shape[1:], factors, strict=True)
    )
    shrinks = min(factors) < 1
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    planes = [
        cv2.resize(plane.astype(np.float32), (width, height), interpolation=how)
        for plane in image.pixels
    ]
    wanted = (round(trained.height), round(trained.width))
    fitted = np.stack([_centred(plane, wanted) for plane in planes])
    if image.pixels.dtype.kind != "f":
        fitted = np.rint(fitted)
    pixels = np.ascontiguousarray(fitted.astype(image.pixels.dtype))
    side = trained.pixel_size_um
    return replace(image, pixels=pixels, pixel_size_um=(side, side))


def _centred(plane: np.ndarray, wanted: tuple[int, int]) -> np.ndarray:
    edge = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
    result = np.full(wanted, np.median(edge), dtype=plane.dtype)
    taken, put = [], []
    for have, want in zip(plane.shape, wanted, strict=True):
        size = min(have, want)
        taken.append(slice((have - size) // 2, (have - size) // 2 + size))
        put.append(slice((want - size) // 2, (want - size) // 2 + size))
    result[tuple(put)] = plane[tuple(taken)]
    return result
