"""NumPy's NPY files, never with pickled objects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from actinscope.errors import AmbiguousAxes, ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Header, Stored


@contextmanager
def open_npy(path: Path, options: ReadOptions) -> Iterator[Header]:
    """An NPY file: (Y, X) as it is, more axes only where ``options.axes`` names them.

    Raises:
        ImageUnreadable: Python objects, or fewer than two axes.
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
        if len(shape) < 2:
            raise ImageUnreadable(
                f"an array with {len(shape)} axes is not a picture",
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

        def decode(axes: str) -> Stored:
            array = np.fromfile(stream, dtype=dtype, count=math.prod(shape))
            # Fewer values than promised do not fit the shape, which is an error.
            return Stored(array.reshape(shape, order="F" if fortran else "C"), axes)

        yield Header(shape, "Q" * (len(shape) - 2) + "YX", dtype, decode)


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 only in the text encoding of record names.
    if version[0] == 1:
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)
