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
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import AmbiguousAxes, ImageUnreadable
from actinscope.images import tiff_metadata
from actinscope.images.model import ReadOptions
from actinscope.images.ome import OmeScene, UnusableOmeError, open_alone, open_scene
from actinscope.images.planes import (
    COLOURS,
    Header,
    Stored,
    check_scene,
    check_size,
    refuse_colour_channels,
)

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
    with _collect_log(path) as messages, ExitStack() as files:
        tif = files.enter_context(open_alone(path))
        found, lacking = _find(path, tif, options, files)
        page = found.page
        if page.dtype is None:
            raise ImageUnreadable("pixels of an unknown type", where=path, remedy=_COPY_AGAIN)

        def decode(axes: str) -> Stored:
            _check_photometric(path, page)
            array, notes = found.decode()
            stored = Stored(
                array,
                axes,
                bits=tiff_metadata.significant_bits(page, found.ome),
                channel_names=tiff_metadata.channel_names(tif, found.shape, found.axes, found.ome),
                notes=(*lacking, *notes),
            )
            is_display = tif.is_imagej or found.ome is not None or bool(lacking)
            stored = _interpret(path, stored, page, options, as_mask=as_mask, is_display=is_display)
            extra = (f"TIFF reader: {message}" for message in messages)
            return replace(stored, notes=(*stored.notes, *extra))

        size = tiff_metadata.pixel_size_um(tif, page, found.ome)
        yield Header(found.shape, found.axes, page.dtype, decode, pixel_size_um=size)


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


@dataclass(frozen=True, eq=False)
class _Picture:
    """The picture of a file that was chosen.

    ``page`` is one of its pages, like all others; ``decode`` gives pixels of ``shape``, and notes;
    ``ome`` are the Pixels that OME-XML describes.
    """

    page: Any
    shape: tuple[int, ...]
    axes: str
    decode: Callable[[], tuple[NDArray[Any], list[str]]]
    ome: Element | None = None


def _find(
    path: Path, tif: Any, options: ReadOptions, files: ExitStack
) -> tuple[_Picture, tuple[str, ...]]:
    """The chosen picture, and a note where OME-XML could not be used."""
    if not tif.pages:
        raise ImageUnreadable("the TIFF file holds no picture", where=path, remedy=_COPY_AGAIN)
    lacking: tuple[str, ...] = ()
    try:
        scene = open_scene(path, tif, options.scene, files)
    except UnusableOmeError as error:
        scene = None
        lacking = (
            f"OME metadata not used ({error}): names of channels and pixel size may be missing",
        )
    if scene is None:
        return _of_series(path, _choose_series(path, tif, options), options), lacking
    return _of_scene(path, scene, options), lacking


def _of_scene(path: Path, scene: OmeScene, options: ReadOptions) -> _Picture:
    page = scene.page

    def decode() -> tuple[NDArray[Any], list[str]]:
        array = np.empty((math.prod(scene.lengths), *page.shape), page.dtype)
        empty = 0
        for plane, one in scene.pages():
            empty += _check_page(path, one, options)
            array[plane] = one.asarray(maxworkers=1)
        return array.reshape(*scene.lengths, *page.shape), _empty_tiles(empty)

    return _Picture(
        page, (*scene.lengths, *page.shape), scene.axes + page.axes, decode, scene.pixels
    )


def _of_series(path: Path, series: Any, options: ReadOptions) -> _Picture:
    def decode() -> tuple[NDArray[Any], list[str]]:
        if series.dataoffset is not None:  # one block of data; further pages are virtual
            if series.dataoffset + series.nbytes > series.parent.filehandle.size:
                raise _cut_short(path)
            empty = 0
        else:
            empty = sum(_check_page(path, page, options, of=series.keyframe) for page in series)
        return series.asarray(maxworkers=1).reshape(series.shape), _empty_tiles(empty)

    return _Picture(series.keyframe, series.shape, series.axes, decode)


def _choose_series(path: Path, tif: Any, options: ReadOptions) -> Any:
    everything = list(tif.series)
    # Thumbnails, masks and further pyramid levels are marked in the subfile type.
    scenes = [series for series in everything if not series.keyframe.subfiletype & 0b101]
    scenes = scenes or everything[:1]
    if not scenes:
        raise ImageUnreadable("the TIFF file holds no picture", where=path, remedy=_COPY_AGAIN)
    return scenes[check_scene(path, len(scenes), options.scene)].levels[0]


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


def _check_page(path: Path, page: Any, options: ReadOptions, *, of: Any = None) -> int:
    """Every strip or tile must lie within its file; returns how many are empty.

    A page of a series is decoded like its first, ``of``, and must be like it.
    """
    if page is None:
        raise ImageUnreadable("planes of the picture are missing", where=path, remedy=_COPY_AGAIN)
    if of is not None and page is not of and page.aspage().hash != of.hash:
        raise ImageUnreadable(
            "the planes of the picture differ in size or type", where=path, remedy=_COPY_AGAIN
        )
    key = page.keyframe
    if key.is_tiled:  # a small picture may claim enormous tiles; each is decoded whole
        shape = (key.tiledepth, key.tilelength, key.tilewidth, key.samplesperpixel)
        check_size(path, [side for side in shape if side != 1] or [1], key.dtype, options)
    size, empty = page.parent.filehandle.size, 0
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if count == 0 or offset == 0:
            empty += 1
        elif offset + count > size:
            raise _cut_short(path)
    if len(page.dataoffsets) == 0:
        raise ImageUnreadable("a page has no data", where=path, remedy=_COPY_AGAIN)
    if empty and not key.is_tiled:
        raise ImageUnreadable(
            f"{empty} strips of the picture were never written", where=path, remedy=_COPY_AGAIN
        )
    return empty


def _empty_tiles(count: int) -> list[str]:
    return [f"{count} empty tiles read as 0"] if count else []


def _cut_short(path: Path) -> ImageUnreadable:
    return ImageUnreadable("the TIFF file is cut short", where=path, remedy=_COPY_AGAIN)


def _interpret(
    path: Path, stored: Stored, page: Any, options: ReadOptions, *, as_mask: bool, is_display: bool
) -> Stored:
    """Apply what the TIFF tags say about the meaning of the numbers.

    ``is_display``: a lookup table is there to show a grey picture in a colour.
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
        if is_display or stored.array.dtype.kind != "u" or _is_one_hue(page.colormap):
            notes.append("display colours (lookup table) not applied: values are as stored")
        else:
            stored = _apply_palette(path, stored, page, options)
            notes.append("palette replaced by its colours")
    # Otherwise the word of a user who named the axes holds.
    elif "S" in stored.axes and (photometric in (_RGB, _YCBCR) or options.axes is None):
        stored = _by_samples(path, stored, page, notes)
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


def _apply_palette(path: Path, stored: Stored, page: Any, options: ReadOptions) -> Stored:
    table = page.colormap
    # Tables hold 16 bits; 8-bit colours are written there times 257 or times 256.
    if not np.any(table % 257):
        table = (table // 257).astype(np.uint8)
    elif not np.any(table % 256):
        table = (table // 256).astype(np.uint8)
    axes, shape = stored.axes + "S", (*stored.array.shape, len(table))
    refuse_colour_channels(path, axes, shape)
    check_size(path, shape, table.dtype, options)
    colours = np.moveaxis(table[:, stored.array], 0, -1)
    return replace(stored, array=colours, axes=axes, bits=None, is_colour=True)


def _is_one_hue(table: NDArray[Any] | None) -> bool:
    """Whether entry i of the table is i times one colour: a display ramp, not a palette."""
    if table is None:
        return True
    steps = np.linspace(0, 1, table.shape[1])
    ramp = steps * table[:, -1:].astype(np.float64)
    return bool(table[:, -1].any() and np.abs(table - ramp).max() <= 257)


def _by_samples(path: Path, stored: Stored, page: Any, notes: list[str]) -> Stored:
    """Samples are colours or channels, except those that the file marks as alpha (1 or 2)."""
    at = stored.axes.index("S")
    count = stored.array.shape[at]
    extra = [int(one) for one in page.extrasamples] if count == page.samplesperpixel else []
    alpha = {count - len(extra) + n for n, kind in enumerate(extra) if kind in (1, 2)}
    keep = [index for index in range(count) if index not in alpha]
    array = stored.array
    if alpha:
        notes.append("alpha channel dropped")
        array = array.take(keep, axis=at)
    if int(page.photometric) not in (_RGB, _YCBCR):
        return replace(stored, array=array, axes=stored.axes.replace("S", "C"))
    if len(keep) < 3:
        raise AmbiguousAxes(
            f"an RGB picture with {count} samples a pixel",
            where=path,
            remedy="Say what the axes are with --axes, such as --axes YXC for channels",
        )
    if len(keep) == 3:
        return replace(stored, array=array, is_colour=True)
    notes.append("a sample beyond red, green and blue is not marked as alpha: kept as a channel")
    names = (*COLOURS, *[""] * (len(keep) - 3))
    return replace(stored, array=array, axes=stored.axes.replace("S", "C"), channel_names=names)
