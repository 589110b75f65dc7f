"""The only reader of image files: any supported file in, one :class:`Image` out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageError, ImageUnreadable
from actinscope.images.image_sets import channels_of, files_of, is_set
from actinscope.images.kinds import KIND_OF_SUFFIX, kind_of
from actinscope.images.model import Image, ReadOptions
from actinscope.images.npy import open_npy
from actinscope.images.planes import (
    NOTHING_SHOWN,
    Header,
    Stored,
    check_size,
    settle_axes,
    to_image,
)
from actinscope.images.raster import open_bmp, open_gif, open_jpeg, open_png, open_webp
from actinscope.images.tiff import open_tiff
from actinscope.images.vendor import open_vendor

_DEFAULT = ReadOptions()
_RASTERS = {"PNG": open_png, "JPEG": open_jpeg, "BMP": open_bmp}
_SAME_AS_MASK = {"GIF": open_gif, "WebP": open_webp}


def read_image(path: Path, options: ReadOptions = _DEFAULT) -> Image:
    """Read one picture with the values its file holds, or its files where it is an image set.

    The kind of file is recognised by its content. Nothing is scaled, stretched or
    converted; ``Image.notes`` lists what was dropped or projected.

    Raises:
        ImageUnreadable: missing, forbidden, damaged, cut short, or no image.
        ImageTooLarge: more values than ``options.max_pixels``, by its header.
        ImageEmpty: no pixels, no finite value, or every pixel the same value (unless
            ``options.allow_constant``).
        AmbiguousAxes: a time series, several scenes or axes without a meaning, and
            ``options`` do not choose.
    """
    path = Path(path)
    if is_set(path):
        return to_image(path, _read_set(path, options), options)
    return _read(path, options, as_mask=False)


def image_shape(path: Path, options: ReadOptions = _DEFAULT) -> tuple[int, int]:
    """Rows and columns of what :func:`read_image` gives, without decoding a pixel.

    Raises:
        ImageUnreadable: missing, forbidden, no image, or a damaged header.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_image`, by the header.
    """
    path = files_of(Path(path))[0]
    kind = kind_of(path)
    with _one_error(path, kind), _open(path, kind, options) as header:
        axes = settle_axes(path, header, options)
        return header.shape[axes.index("Y")], header.shape[axes.index("X")]


def read_label_mask(path: Path) -> NDArray[Any]:
    """Read a label mask: (Y, X) integers, 0 for background, n for object n.

    The stored numbers are taken as they are, whatever palette comes with them; a
    boolean mask becomes 0 and 1. Floats that are whole numbers, as some programs save
    labels, become integers. In a coloured mask each colour is an object, numbered by
    65536 red + 256 green + blue, and black is background; where all are grey, the grey
    is the number.

    Raises:
        ImageUnreadable: as :func:`read_image`, and for several channels, negative labels
            or values that are no whole numbers, or too large for a float to tell apart.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_image`.
    """
    path = Path(path)
    image = _read(path, ReadOptions(allow_constant=True), as_mask=True)
    mask = image.pixels
    remedy = "Give a mask of whole numbers, one channel, 0 for background"
    if image.is_colour and mask.dtype == np.uint8:
        mask = _numbered_colours(mask)
    if len(mask) != 1:
        what = "deep colours" if image.is_colour else f"{len(mask)} channels"
        raise ImageUnreadable(f"the label mask has {what}", where=path, remedy=remedy)
    if mask.dtype.kind == "f":
        largest = 2.0 ** (np.finfo(mask.dtype).nmant + 1)
        if not (np.isfinite(mask).all() and (mask == np.round(mask)).all()) or mask.max() > largest:
            raise ImageUnreadable(
                "the label mask holds values that are no whole numbers, or too large ones",
                where=path,
                remedy=remedy,
            )
        mask = mask.astype(np.int64)
    if mask.min() < 0:
        raise ImageUnreadable("the label mask holds negative labels", where=path, remedy=remedy)
    labels: NDArray[Any] = mask[0].astype(np.uint8) if mask.dtype == np.bool_ else mask[0]
    return labels


def _read_set(path: Path, options: ReadOptions) -> Stored:
    """The files of an image set on top of each other; all have one size and type."""
    channels, files = channels_of(path), files_of(path)
    each = options.model_copy(update={"allow_constant": True})
    images: list[Image] = []
    for file in files:
        try:
            image = _read(file, each, as_mask=False)
        except ImageError as error:
            what = f"its file {file.name}: {error.what}"
            raise type(error)(what, where=path, remedy=error.remedy) from error
        if len(channels) > 1:
            image = _one_channel(path, image)
        images.append(image)
        check_size(path, (len(files), *image.pixels.shape), image.pixels.dtype, options)
        made, first = _made(image), _made(images[0])
        if made != first:
            raise ImageUnreadable(
                f"its file {file.name} has {made}, {files[0].name} {first}",
                where=path,
                remedy="Export all files of an image with the same size and type",
            )
    stack = np.stack([image.pixels for image in images])
    several, (_, *shape) = len(channels) > 1, stack.shape
    bits = max(int(image.value_range[1]).bit_length() for image in images)
    sizes = {image.pixel_size_um for image in images}
    return Stored(
        stack.reshape(len(channels), -1, *shape[1:]) if several else stack,
        "CZYX" if several else ("ZSYX" if images[0].is_colour else "ZCYX"),
        bits=bits,
        is_colour=images[0].is_colour and not several,
        channel_names=tuple(name for name, _ in channels) if several else images[0].channel_names,
        pixel_size_um=sizes.pop() if len(sizes) == 1 else None,
        # Of an empty channel to_image speaks itself.
        notes=tuple(
            dict.fromkeys(note for image in images for note in image.notes if note != NOTHING_SHOWN)
        ),
    )


def _made(image: Image) -> str:
    channels, height, width = image.pixels.shape
    several = f"{channels} channels of " if channels > 1 else ""
    return f"{several}{height} x {width} pixels of {image.pixels.dtype}"


def _one_channel(path: Path, image: Image) -> Image:
    """A file that is one channel; of a picture in false colour, the brightest of its colours."""
    if image.is_colour:
        note = "channel saved in colour: the brightest of red, green and blue is taken"
        pixels = image.pixels.max(axis=0, keepdims=True)
        return replace(image, pixels=pixels, is_colour=False, notes=(*image.notes, note))
    if len(image.pixels) > 1:
        raise ImageUnreadable(
            f"its file {image.path.name} has {len(image.pixels)} channels, and stands for one",
            where=path,
            remedy="Give --channel-pattern none if every file holds all channels",
        )
    return image


def _numbered_colours(mask: NDArray[np.uint8]) -> NDArray[Any]:
    """(1, Y, X) a number for each colour of (3, Y, X); the grey where all are grey."""
    if (mask == mask[:1]).all():
        return mask[:1]
    wide = mask.astype(np.int64)
    numbers: NDArray[np.int64] = 65536 * wide[:1] + 256 * wide[1:2] + wide[2:]
    return numbers


def _read(path: Path, options: ReadOptions, *, as_mask: bool) -> Image:
    kind = kind_of(path)
    with _one_error(path, kind):
        with _open(path, kind, options, as_mask=as_mask) as header:
            stored = header.decode(settle_axes(path, header, options))
            stored = replace(stored, pixel_size_um=header.pixel_size_um)
        claimed = KIND_OF_SUFFIX.get(path.suffix.lower(), kind)
        if claimed != kind:
            note = f"the name says {claimed}, the content is {kind}: read as {kind}"
            stored = replace(stored, notes=(note, *stored.notes))
        return to_image(path, stored, options)


def _open(
    path: Path, kind: str, options: ReadOptions, *, as_mask: bool = False
) -> AbstractContextManager[Header]:
    if kind == "TIFF":
        return open_tiff(path, options, as_mask=as_mask)
    if kind in _RASTERS:
        return _RASTERS[kind](path, as_mask=as_mask)
    if kind in _SAME_AS_MASK:
        return _SAME_AS_MASK[kind](path)
    if kind == "NPY":
        return open_npy(path, options)
    return open_vendor(path, kind, options)


@contextmanager
def _one_error(path: Path, kind: str) -> Iterator[None]:
    """Whatever a decoder raises becomes one clear error that names the file."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageUnreadable(
            "the image does not fit into memory", where=path, remedy="Crop or split the image"
        ) from error
    except Exception as error:
        # Decoders raise many kinds (struct.error, zlib.error, their own); the cause is kept.
        if isinstance(error, OSError) and error.strerror:
            raise ImageUnreadable(
                f"the file cannot be read ({error.strerror})",
                where=path,
                remedy="Check that you may read the file, then copy or export it again",
            ) from error
        raise ImageUnreadable(
            f"the {kind} file is cut short, damaged or of an unsupported kind "
            f"({type(error).__name__}: {error})",
            where=path,
            remedy="Copy or export the file again",
        ) from error
