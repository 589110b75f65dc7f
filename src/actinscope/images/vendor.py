"""CZI, ND2, LIF and OME-Zarr, through bioio, an optional dependency."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.errors import ImageTooLarge, ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Header, Stored, check_scene, check_size

#: Each is a file to open: some 20 seconds.
_MOST_CHUNKS = 1 << 17
#: What a compressed chunk may take beyond its pixels.
_SPARE_BYTES = 1 << 16
_INSTALL = 'Install the readers with: pip install "actinscope[formats]"'


@contextmanager
def open_vendor(path: Path, kind: str, options: ReadOptions) -> Iterator[Header]:
    """One scene of a microscope vendor's file or of an OME-Zarr folder.

    Raises:
        ImageUnreadable: bioio or its reader for this kind is not installed, or it fails.
        AmbiguousAxes: several scenes and no choice.
    """
    if kind == "OME-Zarr":
        _check_chunks(path, options)
    opened = _open(path, kind, options)
    shape, declared = tuple(int(length) for length in opened.shape), str(opened.dims.order)

    def decode(axes: str) -> Stored:
        samples = shape[declared.index("S")] if "S" in declared else 0
        return Stored(
            opened.data,
            axes,
            is_colour=samples == 3,
            channel_names=tuple(str(name) for name in opened.channel_names or ()),
        )

    size = _pixel_size(opened.physical_pixel_sizes)
    yield Header(shape, declared, opened.dtype, decode, pixel_size_um=size)


def _check_chunks(path: Path, options: ReadOptions) -> None:
    """Count and measure the chunks of an OME-Zarr image before any is opened.

    Raises:
        ImageTooLarge: too many chunks, or chunks that are too large.
        ImageUnreadable: a chunk takes more bytes than its pixels would without compression.
    """
    names = (".zarray", "zarr.json")
    places = (f"{below}{name}" for below in ("", "*/", "*/*/") for name in names)
    for file in sorted(file for place in places for file in path.glob(place)):
        told = json.loads(file.read_bytes())
        if "shape" not in told:
            continue  # a group
        grid = told.get("chunk_grid", {}).get("configuration", {})
        sides = tuple(map(int, told.get("chunks") or grid["chunk_shape"]))
        dtype = np.dtype(told.get("dtype") or told["data_type"])
        check_size(path, sides, dtype, options)
        count = math.prod(
            -(-int(length) // side) for length, side in zip(told["shape"], sides, strict=True)
        )
        if count > _MOST_CHUNKS:
            raise ImageTooLarge(
                f"the image lies in {count:,} chunks of {' x '.join(map(str, sides))}",
                where=path,
                remedy="Save it in larger chunks, or crop it",
            )
        most = math.prod(sides) * dtype.itemsize + _SPARE_BYTES
        if any(chunk.stat().st_size > most for chunk in file.parent.rglob("*") if chunk.is_file()):
            raise ImageUnreadable(
                "a chunk of the image holds more than it says",
                where=path,
                remedy="Copy or export the image again",
            )


def _open(path: Path, kind: str, options: ReadOptions) -> Any:
    """The file as bioio opens it, at the scene that ``options`` choose."""
    try:
        from bioio import BioImage
    except ImportError as error:
        raise ImageUnreadable(
            f"{kind} files need the package bioio, which is not installed",
            where=path,
            remedy=_INSTALL,
        ) from error
    try:
        opened = BioImage(path)
    except Exception as error:
        raise ImageUnreadable(
            f"bioio cannot open this {kind} file ({type(error).__name__}: {error})",
            where=path,
            remedy=f"If its reader is missing: {_INSTALL}. Else export the file as OME-TIFF",
        ) from error
    scenes = list(opened.scenes)
    opened.set_scene(scenes[check_scene(path, len(scenes), options.scene)])
    return opened


def _pixel_size(sizes: Any) -> tuple[float, float] | None:
    """Pixel size (y, x); bioio gives micrometres by its convention, or None."""
    y, x = getattr(sizes, "Y", None), getattr(sizes, "X", None)
    if not y or not x:
        return None
    return float(y), float(x)
