"""CZI, ND2, LIF and OME-Zarr, through bioio, which is installed only on wish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actinscope.errors import ImageUnreadable
from actinscope.images.model import ReadOptions
from actinscope.images.planes import (
    Layout,
    Stored,
    check_scene,
    check_size,
    check_type,
    settle_axes,
)

_INSTALL = 'Install the readers with: pip install "actinscope[formats]"'


def read_vendor(path: Path, kind: str, options: ReadOptions) -> Stored:
    """Read one scene of a microscope vendor's file or of an OME-Zarr folder.

    Raises:
        ImageUnreadable: bioio or its reader for this kind is not installed, or it fails.
        ImageTooLarge, ImageEmpty, AmbiguousAxes: before pixels are read.
    """
    opened = _open(path, kind, options)
    layout = _layout(path, opened, options)
    declared = str(opened.dims.order)
    samples = layout.shape[declared.index("S")] if "S" in declared else 0
    return Stored(
        opened.data,
        layout.axes,
        is_colour=samples == 3,
        channel_names=tuple(str(name) for name in opened.channel_names or ()),
        pixel_size_um=_pixel_size(opened.physical_pixel_sizes),
    )


def vendor_layout(path: Path, kind: str, options: ReadOptions) -> Layout:
    """Shape and axes of what :func:`read_vendor` reads, without its pixels.

    Raises:
        ImageUnreadable, ImageTooLarge, ImageEmpty, AmbiguousAxes: as :func:`read_vendor`.
    """
    return _layout(path, _open(path, kind, options), options)


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


def _layout(path: Path, opened: Any, options: ReadOptions) -> Layout:
    shape = tuple(int(length) for length in opened.shape)
    check_type(path, opened.dtype)
    check_size(path, shape, options.max_pixels)
    return Layout(shape, settle_axes(path, shape, str(opened.dims.order), options))


def _pixel_size(sizes: Any) -> tuple[float, float] | None:
    """Pixel size (y, x); bioio gives micrometres by its convention, or None."""
    y, x = getattr(sizes, "Y", None), getattr(sizes, "X", None)
    if not y or not x:
        return None
    return float(y), float(x)
