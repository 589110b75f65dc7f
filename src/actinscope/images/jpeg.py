"""JPEG: the markers are walked here, libjpeg decodes.

JPEG is lossy: the values are not those that the camera measured, which a note says.
Pixels stay as stored; an EXIF rotation flag is reported and not applied, so that
label masks and coordinates keep fitting. CMYK is refused.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Layout, Stored, check_size, settle_axes

_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}
# In compressed data FF is followed by 00 (stuffing), D0..D7 (restart) or FF (fill).
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_COPY_AGAIN = "Copy or export the file again"


@dataclass(frozen=True)
class _Frame:
    bits: int
    layout: Layout
    rotated: bool


def read_jpeg(path: Path, options: ReadOptions) -> Stored:
    """Decode one JPEG file of one or three components, 8, 12 or (lossless) 16 bits.

    Raises:
        ImageUnreadable: damaged, cut short, CMYK.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: from the header alone.
    """
    import imagecodecs

    data = path.read_bytes()
    frame = _walk(path, data, options)
    array = imagecodecs.jpeg_decode(data)
    if array.shape != frame.layout.shape:
        raise ImageUnreadable("the JPEG file is damaged", where=path, remedy=_COPY_AGAIN)
    notes = ["JPEG is lossy: values are not exactly those that were measured"]
    if frame.rotated:
        notes.append("EXIF rotation flag not applied: pixels are as stored")
    return Stored(
        array,
        frame.layout.axes,
        bits=frame.bits,
        is_colour=len(frame.layout.shape) == 3,
        notes=tuple(notes),
    )


def jpeg_layout(path: Path, options: ReadOptions) -> Layout:
    """Shape and axes of what :func:`read_jpeg` reads; the markers are walked, nothing is decoded.

    Raises:
        ImageUnreadable, ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_jpeg`.
    """
    return _walk(path, path.read_bytes(), options).layout


def _walk(path: Path, data: bytes, options: ReadOptions) -> _Frame:
    """Header of the picture, after following every segment to the end mark."""
    frame: _Frame | None = None
    rotated = False
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            raise ImageUnreadable("the JPEG file is damaged", where=path, remedy=_COPY_AGAIN)
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            if frame is None:
                raise ImageUnreadable(
                    "the JPEG file holds no picture",
                    where=path,
                    remedy="Export the image again, or leave it out",
                )
            return _Frame(frame.bits, frame.layout, rotated)
        if marker in _NO_LENGTH:
            at += 2
            continue
        if at + 4 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in _FRAME_MARKERS and frame is None:
            frame = _read_frame(path, segment, options)
        elif marker == 0xE1:
            rotated = rotated or _is_rotated(segment)
        elif marker == 0xDA:
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                break
            at = found.start()
    raise ImageUnreadable("the JPEG file is cut short", where=path, remedy=_COPY_AGAIN)


def _read_frame(path: Path, segment: bytes, options: ReadOptions) -> _Frame:
    bits, height, width, samples = struct.unpack_from(">BHHB", segment)
    if samples not in (1, 3):
        kind = "a CMYK picture (for print)" if samples == 4 else f"{samples} components"
        raise ImageUnreadable(
            f"the JPEG file holds {kind}",
            where=path,
            remedy="Export the original image as TIFF or PNG, in grey or RGB",
        )
    shape = (height, width) if samples == 1 else (height, width, 3)
    check_size(path, shape, options.max_pixels)
    axes = settle_axes(path, shape, "YX" if samples == 1 else "YXS", options)
    return _Frame(bits, Layout(shape, axes), rotated=False)


def _is_rotated(segment: bytes) -> bool:
    """Whether an APP1 segment is an EXIF block whose orientation (tag 274) is not 1."""
    if not segment.startswith(b"Exif\0\0"):
        return False
    exif = segment[6:]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return False
        (offset,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, offset)
        for index in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, offset + 2 + 12 * index)
            if tag == 274:
                return bool(value != 1)
    except struct.error:
        # A broken EXIF block says nothing about the picture beside it.
        return False
    return False
