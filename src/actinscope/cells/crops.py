"""Regions of fields: cutting them out, and reading each field once for many of them."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageEmpty
from actinscope.images import Image, ReadOptions, Region, read_image

_DEFAULT = ReadOptions()


def crop(image: Image, region: Region) -> Image:
    """The part of ``image`` around a centre, exactly ``region.height`` x ``region.width``.

    The centre is rounded to the nearest pixel c (halves upwards), which becomes pixel
    ``size // 2`` of the crop: rows c - height // 2 and on. Inside the image the values
    are exactly those of the image; beyond its border they are mirrored at the border
    pixel, or repeat the border pixel where the image is too small to mirror. The pixels
    are a copy of the same type.

    Raises:
        ImageEmpty: the region has no size, or lies outside the image altogether.
    """
    _, height, width = image.pixels.shape
    rows = _indices(region.y, region.height, height)
    columns = _indices(region.x, region.width, width)
    if rows is None or columns is None:
        raise ImageEmpty(
            f"the region of {region.height} x {region.width} pixels around y {region.y:g}, "
            f"x {region.x:g} does not touch the image of {height} x {width} pixels",
            where=image.path,
            remedy="Check the coordinates, and that they are pixels of this image",
        )
    pixels = _take(image.pixels, rows, columns)
    notes = image.notes
    beyond = region.height * region.width - _inside(region.y, region.height, height) * _inside(
        region.x, region.width, width
    )
    if beyond:
        notes = (*notes, f"{beyond} of {region.height * region.width} pixels lie beyond the border")
    return Image(**{**image.__dict__, "pixels": pixels, "notes": notes})


def _start(centre: float, size: int) -> int:
    return math.floor(centre + 0.5) - size // 2


def _inside(centre: float, size: int, length: int) -> int:
    """How many of the crop's rows (or columns) lie within the image."""
    first = _start(centre, size)
    return max(0, min(first + size, length) - max(first, 0))


def _indices(centre: float, size: int, length: int) -> NDArray[np.intp] | None:
    """Image row for each row of the crop; None where no row lies within the image."""
    if size < 1 or not math.isfinite(centre) or _inside(centre, size, length) == 0:
        return None
    first = _start(centre, size)
    before, after = max(0, -first), max(0, first + size - length)
    inside = np.arange(max(first, 0), min(first + size, length), dtype=np.intp)
    if not before and not after:
        return inside
    everything = np.arange(length, dtype=np.intp)
    mode: Any = "reflect" if max(before, after) < length else "edge"
    padded = np.pad(everything, (before, after), mode=mode)
    start = max(first, 0)
    return padded[start : start + size]


def _take(pixels: NDArray[Any], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[Any]:
    is_block = (
        rows[-1] - rows[0] + 1 == len(rows)
        and columns[-1] - columns[0] + 1 == len(columns)
        and np.all(np.diff(rows) == 1)
        and np.all(np.diff(columns) == 1)
    )
    if is_block:
        return pixels[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return np.ascontiguousarray(pixels[:, rows[:, None], columns[None, :]])


class CropReader:
    """Reads whole images or regions of them; safe to use from several threads.

    The last few fields that regions were cut from stay in memory, so that forty crops
    of one field read its file once. Whole images are not kept. A file that changes on
    disk (size or time of change) is read anew.

    Args:
        options: how every file is read.
        cache_bytes: most bytes of pixels that are kept; the field in use may be larger.
    """

    def __init__(self, options: ReadOptions = _DEFAULT, cache_bytes: int = 512 * 2**20) -> None:
        self.options = options
        self.cache_bytes = cache_bytes
        self._fields: OrderedDict[tuple[Path, int, int], Image] = OrderedDict()
        self._lock = threading.Lock()
        self._busy: dict[Path, threading.Lock] = {}

    def read(self, path: Path, region: Region | None = None) -> Image:
        """The image at ``path``, or the part of it that ``region`` names.

        Raises:
            ImageError: as :func:`read_image` and :func:`crop`.
        """
        path = Path(path)
        if region is None:
            return read_image(path, self.options)
        return crop(self._field(path), region)

    def shape_of(self, path: Path) -> tuple[int, int]:
        """Rows and columns of a field from which crops are read: read once for both.

        Raises:
            ImageError: as :func:`read_image`.
        """
        rows, columns = self._field(Path(path)).pixels.shape[1:]
        return rows, columns

    def _field(self, path: Path) -> Image:
        key = _state(path)
        with self._lock:
            if key in self._fields:
                self._fields.move_to_end(key)
                return self._fields[key]
            busy = self._busy.setdefault(path, threading.Lock())
        # One thread reads a field; others that want the same one wait for it.
        with busy:
            with self._lock:
                if key in self._fields:
                    return self._fields[key]
            try:
                image = read_image(path, self.options)
            except BaseException:
                with self._lock:
                    self._busy.pop(path, None)
                raise
            # Together: between the two a third thread would find neither and read again.
            with self._lock:
                self._keep(key, image)
                self._busy.pop(path, None)
        return image

    def _keep(self, key: tuple[Path, int, int], image: Image) -> None:
        for stale in [kept for kept in self._fields if kept[0] == key[0]]:
            del self._fields[stale]
        self._fields[key] = image
        held = sum(field.pixels.nbytes for field in self._fields.values())
        while held > self.cache_bytes and len(self._fields) > 1:
            _, dropped = self._fields.popitem(last=False)
            held -= dropped.pixels.nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes start with an empty cache; locks do not cross process borders.
        return (CropReader, (self.options, self.cache_bytes))


def _state(path: Path) -> tuple[Path, int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        # read_image says clearly what is wrong with this name.
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns
