"""What a TIFF file says of its channels, pixel size and bits, and of how it was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from actinscope.images.image_sets import files_of
from actinscope.images.kinds import kind_of

_LONGEST_SOFTWARE = 80
_MICROMETRES = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "\\u00b5m": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "inch": 25400.0,
    "Å": 1e-4,
}


def significant_bits(tif: Any, page: Any, scene: int) -> int | None:
    """Bits in use of an unsigned type: OME SignificantBits, else the bits as packed."""
    pixels = _ome_pixels(tif, scene)
    if pixels is not None:
        given = pixels.get("SignificantBits", "")
        if given.isdecimal() and int(given) > 0:
            return int(given)
    bits = page.bitspersample
    return bits if isinstance(bits, int) else None


def channel_names(tif: Any, series: Any, scene: int) -> tuple[str, ...]:
    """Channel names from OME-XML, or ImageJ's slice labels where slices are channels."""
    pixels = _ome_pixels(tif, scene)
    if pixels is not None:
        channels = [node for node in pixels if _local(node.tag) == "Channel"]
        return tuple(node.get("Name", "") for node in channels)
    if tif.is_imagej and series.axes.startswith("C") and len(series.shape) == 3:
        labels = (tif.imagej_metadata or {}).get("Labels")
        if isinstance(labels, list) and len(labels) == series.shape[0]:
            return tuple(str(label or "") for label in labels)
    return ()


def pixel_size_um(tif: Any, page: Any, scene: int) -> tuple[float, float] | None:
    """Pixel size (y, x) in micrometres; None where OME or ImageJ metadata have none.

    The resolution tags of other TIFF files are not used: they mostly hold the dots
    per inch of some screen.
    """
    pixels = _ome_pixels(tif, scene)
    if pixels is not None:
        return _pair(
            *(
                _in_micrometres(
                    pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
                )
                for axis in "YX"
            )
        )
    if tif.is_imagej:
        unit = str((tif.imagej_metadata or {}).get("unit", ""))
        return _pair(*(_from_resolution(page, tag, unit) for tag in (283, 282)))
    return None


def _from_resolution(page: Any, tag: int, unit: str) -> float | None:
    value = page.tags.valueof(tag)
    if not isinstance(value, tuple) or len(value) != 2 or not value[0]:
        return None
    return _in_micrometres(value[1] / value[0], unit)


def _in_micrometres(value: str | float | None, unit: str) -> float | None:
    factor = _MICROMETRES.get(unit) or _MICROMETRES.get(unit.lower())
    if value is None or factor is None:
        return None
    try:
        return float(value) * factor
    except ValueError:
        return None


def _pair(y: float | None, x: float | None) -> tuple[float, float] | None:
    if y is None or x is None or not (0 < y < 1e6 and 0 < x < 1e6):
        return None
    return y, x


def _ome_pixels(tif: Any, scene: int) -> ElementTree.Element | None:
    """The Pixels element of one image of the OME-XML, where the file has one."""
    if not tif.is_ome or not tif.ome_metadata:
        return None
    root = ElementTree.fromstring(tif.ome_metadata)
    images = [node for node in root if _local(node.tag) == "Image"]
    if scene >= len(images):
        return None
    return next((node for node in images[scene] if _local(node.tag) == "Pixels"), None)


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def file_facts(path: Path) -> Mapping[str, str]:
    """How a file was written: its ``file kind`` and, of TIFF, ``compression`` and ``software``.

    Of several files of one image the first counts. Reads headers only; what they do not say
    is left out. That a file is broken is for the reader of its pixels to say.
    """
    path = files_of(path)[0]
    kind = kind_of(path)
    if kind != "TIFF":
        return {"file kind": kind}
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[0].keyframe
            software = str(page.software or "").strip()
            compression = page.compression.name.lower()
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, AttributeError, KeyError):
        return {"file kind": kind}
    facts = {"file kind": kind, "compression": compression}
    return {**facts, "software": software[:_LONGEST_SOFTWARE]} if software else facts
