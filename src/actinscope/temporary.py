"""Temporary files for what may be larger than the memory, such as arrays mapped into it.

What was read or written stays in the computer's file cache as long as there is room, and
is not counted as memory of this process once it is released.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from actinscope.errors import OutputError
from actinscope.wording import data_size

#: Mapped bytes that may have been touched before they are released.
RELEASE_BYTES = 256 * 2**20
#: Arrays up to this size are kept in memory.
IN_MEMORY_BYTES = 256 * 2**20


def temporary_array(
    shape: Sequence[int], dtype: DTypeLike, folder: Path | None = None
) -> NDArray[Any]:
    """An array to fill: in memory if it is small, else in a nameless temporary file.

    The file is gone with the array, also after a crash. It lies in ``folder``, or where None in
    the system's folder for temporary files.

    Raises:
        OutputError: the disk lacks the space.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(tuple(shape), dtype)
    place = Path(tempfile.gettempdir()) if folder is None else folder
    require_space(place, size)
    try:
        with tempfile.TemporaryFile(dir=place) as stream:
            reserve(stream.fileno(), size)
            return np.memmap(stream, dtype=dtype, mode="r+", shape=tuple(shape))
    except OSError as error:
        raise OutputError(
            f"a temporary file of {data_size(size)} cannot be made ({error.strerror})",
            where=place,
            remedy="Check that the folder is writable and has space left",
        ) from error


def gathered(
    count: int, pieces: Iterable[tuple[NDArray[np.int64], Sequence[NDArray[Any]]]], folder: Path
) -> list[NDArray[Any]]:
    """Arrays (count, ...) put together from ``pieces``; large ones are files in ``folder``.

    A piece is the numbers of some rows, and these rows of each array.

    Raises:
        OutputError: the disk lacks the space.
    """
    arrays: list[NDArray[Any]] = []
    for rows, values in pieces:
        if not arrays:
            arrays = [temporary_array((count, *one.shape[1:]), one.dtype, folder) for one in values]
        for array, value in zip(arrays, values, strict=True):
            array[rows] = value
    return arrays


def require_space(folder: Path, size: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        OutputError: fewer than ``size`` bytes are free where ``folder`` is.
    """
    free = shutil.disk_usage(nearest_folder(folder)).free
    if free < size:
        raise OutputError(
            f"needs {data_size(size)} for temporary files, {data_size(free)} are free",
            where=folder,
            remedy="Free some space, or write the run to another disk",
        )


def nearest_folder(folder: Path) -> Path:
    """``folder`` or, where it is not made yet, the folder that exists nearest above it."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def reserve(file: int, size: int) -> None:
    """Have ``size`` bytes of the disk set aside for an open file.

    A hole in a mapped file that finds no space when it is written to kills the process.

    Raises:
        OSError: there is no space.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    os.ftruncate(file, size)  # systems that cannot say so beforehand


def release(array: NDArray[Any]) -> None:
    """Let go of the memory that a mapped array takes; its values stay in the file."""
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mapped, "madvise"):  # not on Windows, which trims by itself
        mapped.madvise(mmap.MADV_DONTNEED)


class Releaser:
    """Releases mapped arrays whenever enough of them has been touched; others are left alone."""

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._touched = 0

    def touched(self, size: int) -> None:
        """So many more bytes were read or written."""
        self._touched += size
        if self._touched >= RELEASE_BYTES:
            self._touched = 0
            for array in self._arrays:
                release(array)
