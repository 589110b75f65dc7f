"""NumPy's NPY files, never with pickled objects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from actinscope.errors import AmbiguousAxes, ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Layout, Stored, check_size, check_type, settle_axes


def read_npy(path: Path, options: ReadOptions) -> Stored:
    """Read one NPY file: (Y, X) as it is, more axes only where ``options.axes`` names them.

    Raises:
        ImageUnreadable: Python objects, records, complex numbers, one axis, cut short.
        ImageTooLarge, ImageEmpty: from the header alone.
        AmbiguousAxes: three or more axes and no ``axes`` option.
    """
    with path.open("rb") as stream:
        shape, fortran, dtype = _read_header(stream)
        if dtype.hasobject:
            raise ImageUnreadable(
                "the file holds pickled Python objects, which are never loaded",
                where=path,
                remedy="Save a plain numeric array with numpy.save",
            )
        check_type(path, dtype)
        check_size(path, shape, options.max_pixels)
        axes = _axes(path, shape, options)
        count = int(np.prod(shape, dtype=np.int64))
        present = (os.fstat(stream.fileno()).st_size - stream.tell()) // dtype.itemsize
        if present < count:
            raise ImageUnreadable(
                f"the NPY file is cut short ({present:,} of {count:,} values)",
                where=path,
                remedy="Copy or save the file again",
            )
        array = np.fromfile(stream, dtype=dtype, count=count)
    return Stored(array.reshape(shape, order="F" if fortran else "C"), axes)


def npy_layout(path: Path, options: ReadOptions) -> Layout:
    """Shape and axes of what :func:`read_npy` reads, from the header alone.

    Raises:
        ImageUnreadable, ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_npy`.
    """
    with path.open("rb") as stream:
        shape, _, _ = _read_header(stream)
    check_size(path, shape, options.max_pixels)
    return Layout(shape, _axes(path, shape, options))


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 only in the text encoding of record names.
    if version[0] == 1:
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _axes(path: Path, shape: tuple[int, ...], options: ReadOptions) -> str:
    if len(shape) < 2:
        raise ImageUnreadable(
            f"an array with {len(shape)} axes is no picture",
            where=path,
            remedy="Save an array of rows and columns",
        )
    if len(shape) > 2 and options.axes is None:
        sizes = " x ".join(map(str, shape))
        raise AmbiguousAxes(
            f"an NPY file does not say what its {len(shape)} axes ({sizes}) are",
            where=path,
            remedy="Say it with --axes, such as --axes CYX, --axes ZYX or --axes YXS (colour)",
        )
    declared = "Q" * (len(shape) - 2) + "YX"
    return settle_axes(path, shape, declared, options)
