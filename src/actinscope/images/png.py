"""PNG of 1 to 16 bits a sample: the structure is checked here, libpng decodes.

Values come as stored: 1-, 2- and 4-bit grey stays 0..1, 0..3 and 0..15, palettes
become their RGB colours, 16-bit RGB keeps 16 bits, alpha is dropped with a note,
and no gamma or colour profile is applied.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Layout, Stored, check_size, settle_axes

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 3, _GREY_ALPHA: 1, _RGBA: 3}
_DEPTHS = {
    _GREY: {1, 2, 4, 8, 16},
    _RGB: {8, 16},
    _PALETTE: {1, 2, 4, 8},
    _GREY_ALPHA: {8, 16},
    _RGBA: {8, 16},
}
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int


def read_png(path: Path, options: ReadOptions, *, as_mask: bool = False) -> Stored:
    """Decode one PNG file; see the module for what is done to its values.

    ``as_mask`` keeps the numbers of a palette picture instead of its colours.

    Raises:
        ImageUnreadable: damaged, cut short, or animated.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: from the header alone.
    """
    import imagecodecs

    with path.open("rb") as stream:
        header = _read_header(path, stream.read(33))
        keep_indices = as_mask and header.colour == _PALETTE
        layout = _layout(path, header, options, keep_indices=keep_indices)
        stream.seek(0)
        data = stream.read()
    chunks = _check_chunks(path, data)
    array = _palette_indices(data) if keep_indices else imagecodecs.png_decode(data)
    if array.shape[:2] != layout.shape[:2]:
        raise ImageUnreadable(
            "the decoded picture has another size than its header",
            where=path,
            remedy="Export the image again, or leave it out",
        )
    notes: list[str] = []
    samples = array.shape[2] if array.ndim == 3 else 1
    if samples in (2, 4):
        notes.append("alpha channel dropped")
        array = array[..., 0] if samples == 2 else array[..., :3]
    if header.colour == _PALETTE and not keep_indices:
        notes.append("palette replaced by its colours")
    if header.colour == _GREY and header.depth < 8:
        # libpng stretches few bits to 8 by a whole factor; dividing gives the stored values.
        array = array // np.uint8(255 // (2**header.depth - 1))
    if b"eXIf" in chunks:
        notes.append("EXIF block not applied (a rotation flag, if any, is ignored)")
    bits = header.depth if header.colour == _GREY else None
    is_colour = len(layout.shape) == 3
    return Stored(array, layout.axes, bits=bits, is_colour=is_colour, notes=tuple(notes))


def png_layout(path: Path, options: ReadOptions) -> Layout:
    """Shape and axes of what :func:`read_png` reads, from the header alone.

    Raises:
        ImageUnreadable, ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_png`.
    """
    with path.open("rb") as stream:
        return _layout(path, _read_header(path, stream.read(33)), options)


def _layout(
    path: Path, header: _Header, options: ReadOptions, *, keep_indices: bool = False
) -> Layout:
    is_colour = _SAMPLES[header.colour] == 3 and not keep_indices
    shape = (header.height, header.width, 3) if is_colour else (header.height, header.width)
    check_size(path, shape, options.max_pixels)
    return Layout(shape, settle_axes(path, shape, "YXS" if is_colour else "YX", options))


def _palette_indices(data: bytes) -> NDArray[Any]:
    """Palette numbers as stored; libpng by way of imagecodecs gives only the colours."""
    from PIL import Image as PillowImage

    with PillowImage.open(io.BytesIO(data), formats=["PNG"]) as opened:
        return np.asarray(opened)


def _read_header(path: Path, start: bytes) -> _Header:
    if len(start) < 33 or start[12:16] != b"IHDR":
        raise _cut_short(path)
    if struct.unpack(">I", start[29:33])[0] != zlib.crc32(start[12:29]):
        raise ImageUnreadable("the PNG header is damaged", where=path, remedy=_COPY_AGAIN)
    width, height, depth, colour = struct.unpack(">IIBB", start[16:26])
    if depth not in _DEPTHS.get(colour, ()):
        raise ImageUnreadable(
            f"no PNG has {depth} bits with colour type {colour}", where=path, remedy=_COPY_AGAIN
        )
    return _Header(width, height, depth, colour)


def _check_chunks(path: Path, data: bytes) -> set[bytes]:
    """Names of all chunks; every critical one must be whole, up to the end mark."""
    names: set[bytes] = set()
    at = 8
    view = memoryview(data)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if name in _CRITICAL:
            (stored,) = struct.unpack_from(">I", data, end - 4)
            if stored != zlib.crc32(view[at + 4 : end - 4]):
                raise ImageUnreadable(
                    f"the PNG file is damaged (checksum of {name.decode()} is wrong)",
                    where=path,
                    remedy=_COPY_AGAIN,
                )
        if name == b"acTL":
            raise ImageUnreadable(
                "an animated PNG holds several pictures",
                where=path,
                remedy="Save its frames as separate files",
            )
        names.add(name)
        if name == b"IEND":
            return names
        at = end
    raise _cut_short(path)


_COPY_AGAIN = "Copy or export the file again"


def _cut_short(path: Path) -> ImageUnreadable:
    return ImageUnreadable("the PNG file is cut short", where=path, remedy=_COPY_AGAIN)
