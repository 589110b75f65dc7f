"""PNG, JPEG, BMP, GIF and WebP: Pillow checks the file, the values come as they are stored.

Pillow alone would keep 8 bits of 16-bit RGB PNG and refuses JPEG of more than 8 bits; these
are decoded by imagecodecs. 1-, 2- and 4-bit grey stays 0..1, 0..3 and 0..15, palettes become
their RGB colours (one channel where all of a bitmap's are grey), alpha is dropped with a
note, and no gamma, colour profile or rotation flag is applied, so that label masks and
coordinates keep fitting.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageTooLarge, ImageUnreadable
from actinscope.images.planes import Header, Stored

# A broken EXIF block says nothing about the picture beside it.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")
# Sizes are checked here, by a limit of our own.
warnings.filterwarnings("ignore", message="Image size .* exceeds limit", category=RuntimeWarning)

_GREY, _PALETTE = 0, 3  # PNG colour types
_PNG_COLOURS = {2, _PALETTE, 6}
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}
# In compressed data FF is followed by 00 (stuffing), D0..D7 (restart) or FF (fill).
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_LOSSY = "JPEG is lossy: values are not exactly those that were measured"
_MOST_SCANS = 64
_NOT_TURNED = "EXIF rotation flag not applied: pixels are as stored"
_ORIENTATION = 274
# The modes in which Pillow unpacks a bitmap's pixels correctly. It takes 8-bit pixels for
# 1-bit ones where the palette is black and white, and 4-bit ones for 8 where it is 0..15.
_BITMAP_MODES = {1: {"1", "P"}, 4: {"P"}, 8: {"L", "P"}, 24: {"RGB"}, 32: {"RGB", "RGBA"}}


@contextmanager
def open_png(path: Path, *, as_mask: bool = False) -> Iterator[Header]:
    """A PNG file; ``as_mask`` keeps the numbers of a palette picture instead of its colours.

    Raises:
        ImageUnreadable: animated.
    """
    from PIL.PngImagePlugin import PngImageFile

    with path.open("rb") as stream:
        depth, colour = stream.read(26)[24:26]
        stream.seek(0)
        picture = PngImageFile(stream)
        _refuse_animation(path, picture, "PNG")
        keep_numbers = as_mask and colour == _PALETTE
        is_colour = colour in _PNG_COLOURS and not keep_numbers

        def decode(axes: str) -> Stored:
            import imagecodecs

            picture.verify()  # the checksums of all chunks
            stream.seek(0)
            numbers = (
                PngImageFile(stream) if keep_numbers else imagecodecs.png_decode(stream.read())
            )
            array, notes = _without_alpha(np.asarray(numbers))
            if colour == _PALETTE and not keep_numbers:
                notes.append("palette replaced by its colours")
            if colour == _GREY and depth < 8:
                # libpng stretches few bits to 8 by a whole factor; dividing undoes it.
                array = array // np.uint8(255 // (2**depth - 1))
            if "exif" in picture.info:
                notes.append("EXIF block not applied (a rotation flag, if any, is ignored)")
            bits = depth if colour == _GREY else None
            return Stored(array, axes, bits=bits, is_colour=is_colour, notes=tuple(notes))

        dtype = np.dtype(np.uint16 if depth == 16 else np.uint8)
        yield _header(picture.height, picture.width, dtype, decode, is_colour=is_colour)


@contextmanager
def open_jpeg(path: Path, *, as_mask: bool = False) -> Iterator[Header]:
    """A JPEG file of one or three components, of 8, 12 or (lossless) 16 bits.

    Raises:
        ImageUnreadable: cut short or damaged before its size is given, CMYK, or a mask.
    """
    if as_mask:
        raise ImageUnreadable(
            "a label mask in JPEG has false labels, because JPEG is lossy",
            where=path,
            remedy="Save the mask as TIFF or PNG",
        )
    data = path.read_bytes()
    bits, height, width, samples = _jpeg_frame(data)
    if samples not in (1, 3):
        kind = "a CMYK picture (for print)" if samples == 4 else f"{samples} components"
        raise ImageUnreadable(
            f"the JPEG file holds {kind}",
            where=path,
            remedy="Export the original image as TIFF or PNG, in grey or RGB",
        )

    def decode(axes: str) -> Stored:
        import imagecodecs
        from PIL.JpegImagePlugin import JpegImageFile

        notes = [_LOSSY]
        if bits == 8:
            picture = JpegImageFile(io.BytesIO(data))
            array = np.asarray(picture)
            if picture.getexif().get(_ORIENTATION, 1) != 1:
                notes.append(_NOT_TURNED)
        else:
            array = imagecodecs.jpeg_decode(data)
        return Stored(array, axes, bits=bits, is_colour=samples == 3, notes=tuple(notes))

    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    yield _header(height, width, dtype, decode, is_colour=samples == 3)


@contextmanager
def open_bmp(path: Path, *, as_mask: bool = False) -> Iterator[Header]:
    """A Windows bitmap of 1, 4, 8, 24 or 32 bits; ``as_mask`` keeps the numbers of a palette.

    Raises:
        ImageUnreadable: 16-bit packed, or a palette that Pillow reads wrongly.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    with path.open("rb") as stream:
        start = stream.read(54)
        offset, size, _, _, _, bits, _, _, _, _, used = struct.unpack_from(
            "<IIiiHHIIiiI", start, 10
        )
        colours = (used or 2**bits) if bits <= 8 else 0
        stream.seek(0)
        picture = BmpImageFile(stream)
        if (
            picture.mode not in _BITMAP_MODES.get(bits, ())
            or colours > 256
            or (colours and offset < 14 + size + 4 * colours)
        ):
            raise ImageUnreadable(
                f"a bitmap of {bits} bits that is damaged or stored in an unusual way",
                where=path,
                remedy="Save it as PNG or TIFF, or as a bitmap of 8 or 24 bits",
            )
        table = _palette(picture) if picture.mode == "P" and not as_mask else None
        is_colour = picture.mode.startswith("RGB") or (table is not None and table.ndim == 2)

        def decode(axes: str) -> Stored:
            array, _ = _without_alpha(np.asarray(picture))
            if colours and array.max() >= colours:
                raise ValueError("pixels have colours that the palette lacks")
            if picture.mode == "1" and not as_mask:
                array = array * np.uint8(255)
            if table is not None:
                array = table[array]
            notes = ["fourth byte (alpha) dropped"] if bits == 32 else []
            if table is not None and is_colour:
                notes.append("palette replaced by its colours")
            return Stored(array, axes, is_colour=is_colour, notes=tuple(notes))

        yield _header(
            picture.height, picture.width, np.dtype(np.uint8), decode, is_colour=is_colour
        )


@contextmanager
def open_gif(path: Path) -> Iterator[Header]:
    """A GIF file of one frame: its colours, or one channel where all of them are grey.

    Raises:
        ImageUnreadable: animated.
    """
    from PIL.GifImagePlugin import GifImageFile

    with path.open("rb") as stream:
        picture = GifImageFile(stream)
        _refuse_animation(path, picture, "GIF")
        table = np.array(picture.getpalette() or [], np.uint8).reshape(-1, 3)
        is_colour = bool(np.any(table != table[:, :1]))

        def decode(axes: str) -> Stored:
            array = np.asarray(picture.convert("RGB" if is_colour else "L"))
            notes = ("GIF keeps at most 256 colours or greys of what was measured",)
            return Stored(array, axes, is_colour=is_colour, notes=notes)

        dtype = np.dtype(np.uint8)
        yield _header(picture.height, picture.width, dtype, decode, is_colour=is_colour)


@contextmanager
def open_webp(path: Path) -> Iterator[Header]:
    """A WebP file of one frame, always in colour.

    Raises:
        ImageUnreadable: animated.
    """
    from PIL.Image import DecompressionBombError
    from PIL.WebPImagePlugin import WebPImageFile

    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise EOFError("it is shorter than it says")
    try:
        picture = WebPImageFile(io.BytesIO(data))
    except DecompressionBombError as error:
        raise ImageTooLarge(
            f"the picture is larger than WebP files are read ({error})",
            where=path,
            remedy="Save it as TIFF or PNG",
        ) from error
    _refuse_animation(path, picture, "WebP")

    def decode(axes: str) -> Stored:
        array, notes = _without_alpha(np.asarray(picture))
        if b"VP8L" not in data[:4096]:
            notes.append("WebP is lossy: values are not exactly those that were measured")
        return Stored(array, axes, is_colour=True, notes=tuple(notes))

    yield _header(picture.height, picture.width, np.dtype(np.uint8), decode, is_colour=True)


def _refuse_animation(path: Path, picture: Any, kind: str) -> None:
    if picture.is_animated:
        raise ImageUnreadable(
            f"an animated {kind} holds several pictures",
            where=path,
            remedy="Save its frames as separate files",
        )


def _palette(picture: Any) -> NDArray[np.uint8]:
    """(n, 3) colours, or (n,) where all of them are grey."""
    raw_mode, data = picture.palette.getdata()  # BGR, or BGRX with a byte of padding
    colours = np.frombuffer(data, np.uint8).reshape(-1, len(raw_mode))[:, 2::-1]
    return colours if np.any(colours != colours[:, :1]) else colours[:, 0]


def _header(
    height: int,
    width: int,
    dtype: np.dtype[Any],
    decode: Callable[[str], Stored],
    *,
    is_colour: bool,
) -> Header:
    shape = (height, width, 3) if is_colour else (height, width)

    def checked(axes: str) -> Stored:
        stored = decode(axes)
        if stored.array.shape != shape:
            raise ValueError(f"decoded as {stored.array.shape}, where the header says {shape}")
        return stored

    return Header(shape, "YXS" if is_colour else "YX", dtype, checked)


def _without_alpha(array: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Grey (Y, X) or RGB (Y, X, 3) of a picture of one to four samples, and what was dropped."""
    if array.ndim == 2 or array.shape[2] == 3:
        return array, []
    return array[..., 0] if array.shape[2] == 2 else array[..., :3], ["alpha channel dropped"]


def _jpeg_frame(data: bytes) -> tuple[int, int, int, int]:
    """Bits, height, width and number of components, from the first frame header.

    All segments are followed to the end mark: libjpeg fills what is missing with grey, and
    skips what does not fit.
    """
    frame, at, scans = None, 2, 0
    while data[at : at + 2] != b"\xff\xd9":
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise ValueError("a segment does not begin where the one before it ends")
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES and frame is None:
            frame = struct.unpack_from(">BHHB", data, at + 4)
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + length
        if marker == 0xDA:
            scans += 1
            if scans > _MOST_SCANS:  # each goes over all pixels
                raise ValueError(f"it has more than {_MOST_SCANS} scans")
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                raise EOFError("there is no end mark")
            at = found.start()
    if frame is None:
        raise ValueError("there is no picture")
    return frame
