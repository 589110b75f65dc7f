"""The only reader of image files: any supported file in, one :class:`Image` out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from actinscope.errors import ImageError, ImageUnreadable
from actinscope.images.kinds import KIND_OF_SUFFIX, kind_of
from actinscope.images.model import Image, ReadOptions
from actinscope.images.npy import open_npy
from actinscope.images.planes import Header, settle_axes, to_image
from actinscope.images.raster import open_bmp, open_gif, open_jpeg, open_png, open_webp
from actinscope.images.tiff import open_tiff
from actinscope.images.vendor import open_vendor

_DEFAULT = ReadOptions()
_RASTERS = {"PNG": open_png, "JPEG": open_jpeg, "BMP": open_bmp}
_SAME_AS_MASK = {"GIF": open_gif, "WebP": open_webp}


def read_image(path: Path, options: ReadOptions = _DEFAULT) -> Image:
    """Read one picture with the values its file holds.

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
    return _read(Path(path), options, as_mask=False)


def image_shape(path: Path, options: ReadOptions = _DEFAULT) -> tuple[int, int]:
    """Rows and columns of what :func:`read_image` gives, without decoding a pixel.

    Raises:
        ImageUnreadable: missing, forbidden, no image, or a damaged header.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_image`, by the header.
    """
    path = Path(path)
    kind = kind_of(path)
    with _one_error(path, kind), _open(path, kind, options) as header:
        axes = settle_axes(path, header, options)
        return header.shape[axes.index("Y")], header.shape[axes.index("X")]


def image_pixel_size(path: Path, options: ReadOptions = _DEFAULT) -> tuple[float, float] | None:
    """``Image.pixel_size_um`` of what :func:`read_image` gives, without decoding a pixel.

    Raises:
        ImageUnreadable, AmbiguousAxes: as :func:`read_image`, by the header.
    """
    path = Path(path)
    kind = kind_of(path)
    with _one_error(path, kind), _open(path, kind, options) as header:
        return header.pixel_size_um


def read_label_mask(path: Path) -> NDArray[Any]:
    """Read a label mask: (Y, X) integers, 0 for background, n for object n.

    The stored numbers are taken as they are, whatever palette comes with them; a
    boolean mask becomes 0 and 1.

    Raises:
        ImageUnreadable: as :func:`read_image`, and for several channels, colours,
            negative labels or values that are not integers.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_image`.
    """
    path = Path(path)
    image = _read(path, ReadOptions(allow_constant=True), as_mask=True)
    mask = image.pixels
    remedy = "Give a mask of whole numbers, one channel, 0 for background"
    if len(mask) != 1:
        what = "colours" if image.is_colour else f"{len(mask)} channels"
        raise ImageUnreadable(f"the label mask has {what}", where=path, remedy=remedy)
    if mask.dtype.kind == "f":
        raise ImageUnreadable(
            f"the label mask holds {mask.dtype} values, not whole numbers",
            where=path,
            remedy=remedy,
        )
    if mask.min() < 0:
        raise ImageUnreadable("the label mask holds negative labels", where=path, remedy=remedy)
    labels: NDArray[Any] = mask[0]
    return labels


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
