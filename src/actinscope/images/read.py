"""The only reader of image files: any supported file in, one :class:`Image` out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from actinscope.errors import ImageError, ImageUnreadable
from actinscope.images.model import Image, ReadOptions
from actinscope.images.planes import Layout, Stored, to_image
from actinscope.images.sniff import KIND_OF_SUFFIX, kind_of

_DEFAULT = ReadOptions()


def read_image(path: Path, options: ReadOptions = _DEFAULT) -> Image:
    """Read one picture with the values its file holds.

    The kind of file is told by its content. Nothing is scaled, stretched or
    converted; what was dropped or projected is said in ``Image.notes``.

    Raises:
        ImageUnreadable: missing, forbidden, damaged, cut short, or no image.
        ImageTooLarge: more values than ``options.max_pixels``, by its header.
        ImageEmpty: no pixels, no finite value, or every pixel the same value (unless
            ``options.allow_constant``).
        AmbiguousAxes: a time series, several scenes or axes without a meaning, and
            ``options`` do not choose.
    """
    path = Path(path)
    return _guarded(path, options, as_mask=False)


def image_shape(path: Path, options: ReadOptions = _DEFAULT) -> tuple[int, int]:
    """Rows and columns of what :func:`read_image` gives, without decoding a pixel.

    Raises:
        ImageUnreadable: missing, forbidden, no image, or a damaged header.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_image`, by the header.
    """
    path = Path(path)
    kind = kind_of(path)
    with _one_error(path, kind):
        return _layout(path, kind, options).rows_and_columns


def read_label_mask(path: Path) -> NDArray[Any]:
    """Read a label mask: (Y, X) integers, 0 for background, n for object n.

    The stored numbers are taken as they are, whatever palette comes with them; a
    boolean mask becomes 0 and 1.

    Raises:
        ImageUnreadable: as :func:`read_image`, and for several channels, colours,
            negative labels or values that are no integers.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_image`.
    """
    path = Path(path)
    image = _guarded(path, ReadOptions(allow_constant=True), as_mask=True)
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


def _guarded(path: Path, options: ReadOptions, *, as_mask: bool) -> Image:
    kind = kind_of(path)
    with _one_error(path, kind):
        stored = _decode(path, kind, options, as_mask=as_mask)
        stored = _note_wrong_suffix(path, kind, stored)
        return to_image(path, stored, options)


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
    except OSError as error:
        raise ImageUnreadable(
            f"the file cannot be read ({error.strerror or error})",
            where=path,
            remedy="Check that you may read the file, then copy or export it again",
        ) from error
    except Exception as error:
        # Decoders raise many kinds (struct.error, zlib.error, their own); the cause is kept.
        raise ImageUnreadable(
            f"the {kind} file is damaged or of an unsupported kind "
            f"({type(error).__name__}: {error})",
            where=path,
            remedy="Copy or export the file again",
        ) from error


def _decode(path: Path, kind: str, options: ReadOptions, *, as_mask: bool) -> Stored:
    if kind == "TIFF":
        from actinscope.images.tiff import read_tiff

        return read_tiff(path, options, as_mask=as_mask)
    if kind == "PNG":
        from actinscope.images.png import read_png

        return read_png(path, options, as_mask=as_mask)
    if kind == "JPEG":
        from actinscope.images.jpeg import read_jpeg

        if as_mask:
            raise ImageUnreadable(
                "a label mask in JPEG has false labels, because JPEG is lossy",
                where=path,
                remedy="Save the mask as TIFF or PNG",
            )
        return read_jpeg(path, options)
    if kind == "BMP":
        from actinscope.images.bmp import read_bmp

        return read_bmp(path, options, as_mask=as_mask)
    if kind == "NPY":
        from actinscope.images.npy import read_npy

        return read_npy(path, options)
    from actinscope.images.vendor import read_vendor

    return read_vendor(path, kind, options)


def _layout(path: Path, kind: str, options: ReadOptions) -> Layout:
    if kind == "TIFF":
        from actinscope.images.tiff import tiff_layout

        return tiff_layout(path, options)
    if kind == "PNG":
        from actinscope.images.png import png_layout

        return png_layout(path, options)
    if kind == "JPEG":
        from actinscope.images.jpeg import jpeg_layout

        return jpeg_layout(path, options)
    if kind == "BMP":
        from actinscope.images.bmp import bmp_layout

        return bmp_layout(path, options)
    if kind == "NPY":
        from actinscope.images.npy import npy_layout

        return npy_layout(path, options)
    from actinscope.images.vendor import vendor_layout

    return vendor_layout(path, kind, options)


def _note_wrong_suffix(path: Path, kind: str, stored: Stored) -> Stored:
    claimed = KIND_OF_SUFFIX.get(path.suffix.lower(), kind)
    if claimed == kind:
        return stored
    note = f"the name says {claimed}, the content is {kind}: read as {kind}"
    return Stored(**{**stored.__dict__, "notes": (note, *stored.notes)})
