"""TIFF in all its dialects: plain, BigTIFF, OME-TIFF, ImageJ hyperstack, LSM, tifffile's own.

tifffile reads; this module asks it what the axes are, refuses what it only guessed,
and turns everything it would merely log about damage into an error; bioio, which reads TIFF
too, goes by the guess. Values are those that are stored, except that a min-is-white picture
is inverted (so that more light is always a larger number) and that a palette of real
colours becomes RGB. The lookup table that ImageJ and microscopes attach to show a grey
picture in one hue is not applied. Orientation flags are reported, not applied.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import AmbiguousAxes, ImageUnreadable
from actinscope.images import tiff_metadata
from actinscope.images.model import ReadOptions
from actinscope.images.planes import Header, Stored, check_scene, check_size, refuse_colour_channels

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG_COMPRESSIONS = {6, 7, 33007, 34892, 33003, 33005, 34712}
_COPY_AGAIN = "Copy or export the file again"
_FIRST_PRIVATE_TAG = 32768


@contextmanager
def open_tiff(path: Path, options: ReadOptions, *, as_mask: bool = False) -> Iterator[Header]:
    """One scene of a TIFF file; ``as_mask`` keeps the stored numbers in any case.

    Raises:
        ImageUnreadable: damaged, cut short, or of a kind that is not an intensity image.
        AmbiguousAxes: several scenes and no choice.
    """
    import tifffile

    with _collect_log(path) as messages, tifffile.TiffFile(path) as tif:
        series = _choose_series(path, tif, options)
        page = series.keyframe
        if series.dtype is None:
            raise ImageUnreadable("pixels of an unknown type", where=path, remedy=_COPY_AGAIN)

        def decode(axes: str) -> Stored:
            _check_segment_sizes(path, page, options)
            _check_photometric(path, page)
            notes = _check_segments(path, tif, series)
            array = series.asarray(maxworkers=1)
            scene = options.scene or 0
            stored = Stored(
                array.reshape(series.shape),
                axes,
                bits=tiff_metadata.significant_bits(tif, page, scene),
                channel_names=tiff_metadata.channel_names(tif, series, scene),
                pixel_size_um=tiff_metadata.pixel_size_um(tif, page, scene),
                notes=tuple(notes),
            )
            by_user = options.axes is not None
            stored = _interpret(path, stored, tif, page, as_mask=as_mask, by_user=by_user)
            extra = (f"TIFF reader: {message}" for message in messages)
            return replace(stored, notes=(*stored.notes, *extra))

        yield Header(series.shape, series.axes, series.dtype, decode)


@contextmanager
def _collect_log(path: Path) -> Iterator[list[str]]:
    """Catch what tifffile logs in this thread; its errors become ImageUnreadable.

    tifffile goes on after damage, with fewer pages or zeros, and says so only in its
    log: a picture read in spite of that would be silently wrong.
    """
    messages: list[str] = []
    thread = threading.get_ident()
    errors: list[str] = []

    class _Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread != thread:
                return
            text = record.getMessage()
            is_error = record.levelno >= logging.ERROR and not _is_private_tag(text)
            (errors if is_error else messages).append(text)

    collector = _Collector(logging.WARNING)
    logger = logging.getLogger("tifffile")
    logger.addHandler(collector)
    try:
        yield messages
    finally:
        logger.removeHandler(collector)
    if errors:
        raise ImageUnreadable(
            f"the TIFF file is damaged ({errors[0]})", where=path, remedy=_COPY_AGAIN
        )


def _is_private_tag(message: str) -> bool:
    """Whether a message is about one broken vendor's tag, which has no say in the pixels."""
    found = re.search(r"TiffTag.fromfile.*TiffTag (\d+) ", message)
    return found is not None and int(found.group(1)) >= _FIRST_PRIVATE_TAG


def _choose_series(path: Path, tif: Any, options: ReadOptions) -> Any:
    everything = list(tif.series)
    # Thumbnails, masks and further pyramid levels are marked in the subfile type.
    scenes = [series for series in everything if not series.keyframe.subfiletype & 0b101]
    scenes = scenes or everything[:1]
    if not scenes:
        raise ImageUnreadable("the TIFF file holds no picture", where=path, remedy=_COPY_AGAIN)
    return scenes[check_scene(path, len(scenes), options.scene)].levels[0]


def _check_segment_sizes(path: Path, page: Any, options: ReadOptions) -> None:
    """A small picture may claim enormous tiles; each is decoded whole."""
    if page.is_tiled:
        shape = (page.tiledepth, page.tilelength, page.tilewidth, page.samplesperpixel)
        check_size(path, [side for side in shape if side != 1] or [1], options.max_pixels)


def _check_photometric(path: Path, page: Any) -> None:
    photometric = int(page.photometric)
    if photometric in (_MINISWHITE, _MINISBLACK, _RGB, _PALETTE):
        return
    if photometric == _YCBCR and int(page.compression) in _JPEG_COMPRESSIONS:
        return
    raise ImageUnreadable(
        f"a TIFF picture of the kind {getattr(page.photometric, 'name', photometric)} "
        "is neither grey nor RGB",
        where=path,
        remedy="Export the original image as grey or RGB TIFF",
    )


def _check_segments(path: Path, tif: Any, series: Any) -> list[str]:
    """Every strip or tile must lie within its file; returns a note on empty ones."""
    if series.dataoffset is not None and series.dataoffset + series.nbytes > tif.filehandle.size:
        raise _cut_short(path)
    empty = 0
    for page in series.pages:
        if page is None:
            raise ImageUnreadable(
                "planes that the TIFF metadata lists are missing",
                where=path,
                remedy="Keep all files of one OME-TIFF set together, or export again",
            )
        if series.dataoffset is not None:
            continue  # one block of data, checked above; pages are virtual
        size = page.parent.filehandle.size
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if count == 0 or offset == 0:
                empty += 1
            elif offset + count > size:
                raise _cut_short(path)
        if len(page.dataoffsets) == 0:
            raise ImageUnreadable("a page has no data", where=path, remedy=_COPY_AGAIN)
    if empty and not series.keyframe.is_tiled:
        raise ImageUnreadable(
            f"{empty} strips of the picture were never written", where=path, remedy=_COPY_AGAIN
        )
    return [f"{empty} empty tiles read as 0"] if empty else []


def _cut_short(path: Path) -> ImageUnreadable:
    return ImageUnreadable("the TIFF file is cut short", where=path, remedy=_COPY_AGAIN)


def _interpret(
    path: Path, stored: Stored, tif: Any, page: Any, *, as_mask: bool, by_user: bool
) -> Stored:
    """Apply what the TIFF tags say about the meaning of the numbers.

    ``by_user``: the axes were named by the user, whose word on colour samples holds.
    """
    notes = list(stored.notes)
    photometric = int(page.photometric)
    if page.tags.valueof(274, default=1) not in (0, 1):
        notes.append("TIFF orientation flag not applied: pixels are as stored")
    if int(page.compression) in (6, 7, 33007):
        notes.append("JPEG is lossy: values are not exactly those that were measured")
    if photometric == _MINISWHITE and not as_mask:
        stored = _min_is_white(stored, page.bitspersample, notes)
    elif photometric == _PALETTE and not as_mask:
        stored = _apply_palette(path, stored, tif, page, notes)
    elif photometric in (_RGB, _YCBCR):
        stored = _colour_samples(path, stored, notes)
    elif "S" in stored.axes and not by_user:
        stored = _drop_alpha(stored, page.extrasamples, notes)
    return replace(stored, notes=tuple(notes))


def _min_is_white(stored: Stored, bits: int, notes: list[str]) -> Stored:
    array = stored.array
    if array.dtype.kind == "b":
        inverted: NDArray[Any] = ~array
    elif array.dtype.kind == "u":
        inverted = np.subtract(array.dtype.type(2**bits - 1), array)
    else:
        notes.append("min-is-white flag ignored: it has no meaning for this pixel type")
        return stored
    notes.append("min-is-white picture inverted: larger values are brighter")
    return replace(stored, array=inverted)


def _apply_palette(path: Path, stored: Stored, tif: Any, page: Any, notes: list[str]) -> Stored:
    table = page.colormap
    is_display = tif.is_imagej or tif.is_ome or _is_one_hue(table)
    if table is None or is_display or stored.array.dtype.kind != "u":
        notes.append("display colours (lookup table) not applied: values are as stored")
        return stored
    # Tables hold 16 bits; 8-bit colours are written there times 257 or times 256.
    if not np.any(table % 257):
        table = (table // 257).astype(np.uint8)
    elif not np.any(table % 256):
        table = (table // 256).astype(np.uint8)
    notes.append("palette replaced by its colours")
    colours = np.moveaxis(table[:, stored.array], 0, -1)
    axes = stored.axes + "S"
    refuse_colour_channels(path, axes, colours.shape)
    return replace(stored, array=colours, axes=axes, bits=None, is_colour=True)


def _is_one_hue(table: NDArray[Any] | None) -> bool:
    """Whether entry i of the table is i times one colour: a display ramp, not a palette."""
    if table is None:
        return False
    steps = np.linspace(0, 1, table.shape[1])
    ramp = steps * table[:, -1:].astype(np.float64)
    return bool(table[:, -1].any() and np.abs(table - ramp).max() <= 257)


def _colour_samples(path: Path, stored: Stored, notes: list[str]) -> Stored:
    """RGB; a fourth sample is alpha. Axes named otherwise by the user are left alone."""
    if "S" not in stored.axes:
        return stored
    at = stored.axes.index("S")
    samples = stored.array.shape[at]
    if samples not in (3, 4):
        raise AmbiguousAxes(
            f"an RGB picture with {samples} samples a pixel",
            where=path,
            remedy="Say what the axes are with --axes, such as --axes YXC for channels",
        )
    array = stored.array
    if samples == 4:
        notes.append("fourth sample (alpha) dropped")
        array = array.take(range(3), axis=at)
    return replace(stored, array=array, is_colour=True)


def _drop_alpha(stored: Stored, extrasamples: tuple[int, ...], notes: list[str]) -> Stored:
    """Grey samples are channels, except those that the file marks as alpha (1 or 2)."""
    at = stored.axes.index("S")
    count = stored.array.shape[at]
    first_extra = count - len(extrasamples)
    keep = [
        index
        for index in range(count)
        if index < first_extra or int(extrasamples[index - first_extra]) not in (1, 2)
    ]
    array = stored.array
    if len(keep) < count:
        notes.append("alpha channel dropped")
        array = array.take(keep, axis=at)
    return replace(stored, array=array, axes=stored.axes.replace("S", "C"))
