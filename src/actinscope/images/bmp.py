"""Windows bitmaps, uncompressed: 1, 4, 8, 24 and 32 bits a pixel.

A bitmap has no grey type: a palette of greys gives one channel with those greys, any
other palette its RGB colours. The fourth byte of 32-bit pixels is dropped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Layout, Stored, check_size, settle_axes

_SAVE_OTHERWISE = "Save it as an uncompressed bitmap, PNG or TIFF"
_COPY_AGAIN = "Copy or export the file again"
_LONGEST_HEADER = 14 + 124 + 4 * 256


@dataclass(frozen=True)
class _Header:
    offset: int  # of the pixels, from the start of the file
    width: int
    height: int
    top_down: bool
    bits: int
    palette: NDArray[Any] | None  # (n, 3) uint8, RGB


def read_bmp(path: Path, options: ReadOptions, *, as_mask: bool = False) -> Stored:
    """Read one uncompressed bitmap; ``as_mask`` keeps the numbers of a palette.

    Raises:
        ImageUnreadable: cut short, damaged, run-length compressed or 16-bit packed.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: from the header alone.
    """
    with path.open("rb") as stream:
        header = _read_header(path, stream.read(_LONGEST_HEADER))
        greys = _grey_palette(header.palette)
        if as_mask and header.palette is not None:
            greys = np.arange(len(header.palette), dtype=np.uint8)
        layout = _layout(path, header, options, is_colour=greys is None)
        row_bytes = (header.width * header.bits + 31) // 32 * 4
        stream.seek(header.offset)
        data = stream.read(row_bytes * header.height)
    if len(data) < row_bytes * header.height:
        raise ImageUnreadable("the bitmap is cut short", where=path, remedy=_COPY_AGAIN)
    rows = np.frombuffer(data, np.uint8).reshape(header.height, row_bytes)
    rows = rows if header.top_down else rows[::-1]
    array, notes = _pixels(path, rows, header, greys)
    return Stored(array, layout.axes, is_colour=greys is None, notes=notes)


def bmp_layout(path: Path, options: ReadOptions) -> Layout:
    """Shape and axes of what :func:`read_bmp` reads, from the header alone.

    Raises:
        ImageUnreadable, ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_bmp`.
    """
    with path.open("rb") as stream:
        header = _read_header(path, stream.read(_LONGEST_HEADER))
    return _layout(path, header, options, is_colour=_grey_palette(header.palette) is None)


def _layout(path: Path, header: _Header, options: ReadOptions, *, is_colour: bool) -> Layout:
    shape = (header.height, header.width, 3) if is_colour else (header.height, header.width)
    check_size(path, shape, options.max_pixels)
    return Layout(shape, settle_axes(path, shape, "YXS" if is_colour else "YX", options))


def _pixels(
    path: Path, rows: NDArray[Any], header: _Header, greys: NDArray[Any] | None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    if header.palette is None:
        samples = header.bits // 8
        packed = rows[:, : header.width * samples].reshape(header.height, header.width, samples)
        # Stored as blue, green, red (and alpha or nothing).
        return packed[..., 2::-1], ("fourth byte (alpha) dropped",) if samples == 4 else ()
    if header.bits == 8:
        indices = rows
    elif header.bits == 4:
        indices = np.stack([rows >> 4, rows & 15], axis=-1).reshape(header.height, -1)
    else:
        indices = np.unpackbits(rows, axis=1)
    indices = indices[:, : header.width]
    if indices.max() >= len(header.palette):
        raise ImageUnreadable(
            "the bitmap uses colours that its palette lacks", where=path, remedy=_COPY_AGAIN
        )
    if greys is not None:
        return greys[indices], ()
    return header.palette[indices], ("palette replaced by its colours",)


def _grey_palette(palette: NDArray[Any] | None) -> NDArray[Any] | None:
    if palette is None or np.any(palette != palette[:, :1]):
        return None
    return palette[:, 0]


def _read_header(path: Path, start: bytes) -> _Header:
    if len(start) < 54:
        raise ImageUnreadable("the bitmap is cut short", where=path, remedy=_COPY_AGAIN)
    offset, size, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", start, 10)
    if size < 40:
        raise ImageUnreadable("a bitmap of the OS/2 kind", where=path, remedy=_SAVE_OTHERWISE)
    plain = (
        compression == 0
        or (
            compression == 3
            and bits == 32
            # The colour masks follow the first 40 bytes of the header.
            and start[54:66] == struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
        )
    )
    if bits not in (1, 4, 8, 24, 32) or not plain:
        raise ImageUnreadable(
            f"a bitmap of {bits} bits with compression {compression} is not supported",
            where=path,
            remedy=_SAVE_OTHERWISE,
        )
    palette = None
    if bits <= 8:
        (used,) = struct.unpack_from("<I", start, 46)
        entries = used or 2**bits
        raw = start[14 + size : 14 + size + 4 * entries]
        if entries > 256 or len(raw) < 4 * entries or offset < 14 + size + 4 * entries:
            raise ImageUnreadable("the bitmap's palette is damaged", where=path, remedy=_COPY_AGAIN)
        palette = np.frombuffer(raw, np.uint8).reshape(-1, 4)[:, 2::-1]
    return _Header(offset, width, abs(height), height < 0, bits, palette)
