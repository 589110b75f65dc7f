"""How large and how bright images are before any scaling: new ones against those of training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from actinscope.errors import ImageError
from actinscope.images import Image

#: Ratios beyond which a difference is said; brightness varies more than the size of a pixel.
_SIZES_DIFFER, _PIXELS_DIFFER, _BRIGHTNESS_DIFFERS = 1.1, 1.05, 1.5
_MOST_IMAGES = 10_000
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
        if len(self._rows) < _MOST_IMAGES:
            _, height, width = image.pixels.shape
            side = np.sqrt(np.prod(image.pixel_size_um)) if image.pixel_size_um else np.nan
            self._rows.append((height, width, float(image.pixels.mean()), float(side)))
        return image

    @property
    def found(self) -> Appearance | None:
        """What was seen; None before the first image."""
        if not self._rows:
            return None
        rows = np.array(self._rows)
        sides = rows[np.isfinite(rows[:, 3]), 3]
        height, width, brightness = np.median(rows[:, :3], axis=0).tolist()
        # Files that say no size may be of any.
        known = float(np.median(sides)) if len(sides) == len(rows) else None
        return Appearance(height=height, width=width, brightness=brightness, pixel_size_um=known)


def appearance_of(images: Sequence[Image]) -> Appearance | None:
    """Medians over ``images``; None where there is none."""
    counter = AppearanceCounter()
    for image in images:
        counter(image)
    return counter.found


def unlike_training(
    new: Appearance | None, trained: Appearance | None, *, unfamiliar: int, total: int
) -> Iterator[str]:
    """In which plain ways new images differ from those of the training, a sentence each.

    Sizes are always said, brightness where many images are unfamiliar, as it varies by itself.
    """
    if new is None or trained is None:
        return
    if max(_ratio(new.height, trained.height), _ratio(new.width, trained.width)) > _SIZES_DIFFER:
        yield (
            f"these images are {new.height:.0f} x {new.width:.0f} pixels, the model was trained on "
            f"{trained.height:.0f} x {trained.width:.0f} (rows x columns): crop them alike, or "
            "cells appear larger or smaller than in training"
        )
    if _ratio(new.pixel_size_um or 0, trained.pixel_size_um or 0) > _PIXELS_DIFFER:
        yield (
            f"a pixel of these images is {new.pixel_size_um:.3g} um wide, in training it was "
            f"{trained.pixel_size_um:.3g} um: --match-pixel-size brings them to that scale"
        )
    if not unfamiliar or unfamiliar < _MANY * total:
        return
    times = _ratio(new.brightness, trained.brightness)
    if times > _BRIGHTNESS_DIFFERS:
        how = "brighter" if new.brightness > trained.brightness else "darker"
        yield (
            f"{unfamiliar} of {total} images are unfamiliar: they are {times:.1f} times {how} than "
            "in training"
        )


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
