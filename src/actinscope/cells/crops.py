"""Images and regions of fields: cutting regions out, and decoding each file only once."""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageEmpty
from actinscope.images import Image, ReadOptions, Region, file_state, read_image
from actinscope.temporary import nearest_folder

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
    if (region.height, region.width) != (
        _inside(region.y, region.height, height),
        _inside(region.x, region.width, width),
    ):
        notes = (*notes, "cut off by the border of the field, and continued as a mirror image")
    return replace(image, pixels=pixels, notes=notes)


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


#: Size and time of change of a file, and which region of it.
_Key = tuple[Path, int, int, Region | None]
#: Of the free space on the disk, what decoded pixels may take: training needs the most of it.
_DISK_SHARE = 0.25


class CropReader:
    """Reads whole images or regions of them; safe to use from several threads.

    The last few fields that regions were cut from stay in memory, so that forty crops
    of one field read its file once. Whole images are not kept in memory. A file that
    changes on disk (size or time of change) is read anew.

    Args:
        options: how every file is read.
        cache_bytes: most bytes of pixels of fields that are kept in memory; the field in
            use may be larger.
        keep_in: a folder for a temporary file that keeps the pixels of everything that is
            read, so that reading it again does not decode it again; None keeps nothing.
            The file is gone with the reader, also after a crash. It takes at most a
            quarter of the free disk; what does not fit is decoded again.
    """

    def __init__(
        self,
        options: ReadOptions = _DEFAULT,
        cache_bytes: int = 512 * 2**20,
        *,
        keep_in: Path | None = None,
    ) -> None:
        self.options = options
        self.cache_bytes = cache_bytes
        self._fields: OrderedDict[tuple[Path, int, int], Image] = OrderedDict()
        self._lock = threading.Lock()
        self._busy: dict[Path, threading.Lock] = {}
        self._kept = None if keep_in is None else _PixelFile(keep_in)

    def read(self, path: Path, region: Region | None = None) -> Image:
        """The image at ``path``, or the part of it that ``region`` names.

        Raises:
            ImageError: as :func:`read_image` and :func:`crop`.
        """
        path = Path(path)
        if self._kept is None:
            return self._decode(path, region)
        key = (*_state(path), region)
        image = self._kept.get(key)
        if image is None:
            image = self._decode(path, region)
            self._kept.put(key, image)
        return image

    def _decode(self, path: Path, region: Region | None) -> Image:
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
        # Worker processes start with an empty cache; locks and files do not cross borders.
        return (CropReader, (self.options, self.cache_bytes))


def _state(path: Path) -> tuple[Path, int, int]:
    try:
        return path, *file_state(path)
    except (OSError, ValueError):
        # read_image says clearly what is wrong with this name.
        return path, -1, -1


class _PixelFile:
    """Decoded images in a nameless temporary file.

    It is read and written, not mapped: mapped pages would count as memory of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._end = self._most = 0
        #: Where the pixels begin, their type and shape, and the image without them.
        self._places: dict[_Key, tuple[int, np.dtype[Any], tuple[int, ...], Image]] = {}
        self._lock = threading.Lock()
        existing = nearest_folder(folder)
        try:
            self._file = tempfile.TemporaryFile(dir=existing, buffering=0)  # noqa: SIM115 - open as long as this
            self._most = int(_DISK_SHARE * shutil.disk_usage(existing).free)
        except OSError:
            return  # whether the folder can be written to is for those who must
        weakref.finalize(self, self._file.close)

    def get(self, key: _Key) -> Image | None:
        """The image as it was put in; None where it is not held."""
        if key not in self._places:
            return None
        start, dtype, shape, image = self._places[key]
        pixels = np.empty(shape, dtype)
        rest = pixels.reshape(-1).view(np.uint8).data
        with self._lock:
            self._file.seek(start)
            while rest:
                rest = rest[self._file.readinto(rest) :]
        return replace(image, pixels=pixels)

    def put(self, key: _Key, image: Image) -> None:
        """Keep ``image`` if there is room for it."""
        pixels = image.pixels
        rest = pixels.reshape(-1).view(np.uint8).data
        with self._lock:
            if self._end + len(rest) > self._most:
                return
            try:
                self._file.seek(self._end)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:  # others have filled the disk
                self._most = 0
                return
            without = replace(image, pixels=np.empty(0, pixels.dtype))
            self._places[key] = (self._end, pixels.dtype, pixels.shape, without)
            self._end += pixels.nbytes
