"""What a TIFF file says of its channels, pixel size and bits, and of how it was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from actinscope.images.image_sets import files_of
from actinscope.images.kinds import kind_of
from actinscope.images.ome import local_name

_LONGEST_SOFTWARE = 80
_LARGEST_OF_MICROSCOPES = 10.0  # in um: 2,540 dots per inch
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


def significant_bits(page: Any, ome: Element | None) -> int | None:
    """Bits in use of an unsigned type: OME SignificantBits, else the bits as packed."""
    given = "" if ome is None else ome.get("SignificantBits", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    bits = page.bitspersample
    return bits if isinstance(bits, int) else None


def channel_names(
    tif: Any, shape: tuple[int, ...], axes: str, ome: Element | None
) -> tuple[str, ...]:
    """Channel names from OME-XML, or ImageJ's slice labels where slices are channels."""
    if ome is not None:
        return tuple(node.get("Name", "") for node in ome if local_name(node) == "Channel")
    if tif.is_imagej and axes.startswith("C") and len(shape) == 3:
        labels = (tif.imagej_metadata or {}).get("Labels")
        if isinstance(labels, list) and len(labels) == shape[0]:
            return tuple(str(label or "") for label in labels)
    return ()


def pixel_size_um(tif: Any, page: Any, ome: Element | None) -> tuple[float, float] | None:
    """Pixel size (y, x) in micrometres: of OME, LSM, STK or ImageJ, else of the resolution tags.

    The tags mostly hold the dots per inch of some screen or printer: sizes above those of a
    microscope count as not given.
    """
    if ome is not None:
        found = _pair(
            _in_micrometres(
                ome.get(f"PhysicalSize{axis}"), ome.get(f"PhysicalSize{axis}Unit", "µm")
            )
            for axis in "YX"
        )
        if found is not None:
            return found
    if tif.is_lsm:
        return _pair(
            _in_micrometres((tif.lsm_metadata or {}).get(f"VoxelSize{axis}"), "m") for axis in "YX"
        )
    if tif.is_stk:
        stk = tif.stk_metadata or {}
        unit = str(stk.get("CalibrationUnits", ""))
        return _pair(_in_micrometres(stk.get(f"{axis}Calibration"), unit) for axis in "YX")
    if tif.is_imagej and "unit" in (tif.imagej_metadata or {}):
        unit = str(tif.imagej_metadata["unit"])
        is_chosen = unit != "inch"  # ImageJ's word where it was told nothing
    else:
        unit = {2: "inch", 3: "cm"}.get(page.tags.valueof(296, default=2), "")
        is_chosen = False
    found = _pair(_in_micrometres(_per_pixel(page, tag), unit) for tag in (283, 282))
    if found is not None and not is_chosen and max(found) > _LARGEST_OF_MICROSCOPES:
        return None
    return found


def _per_pixel(page: Any, tag: int) -> float | None:
    value = page.tags.valueof(tag)
    if not isinstance(value, tuple) or len(value) != 2 or not value[0]:
        return None
    return float(value[1] / value[0])


def _in_micrometres(value: Any, unit: str) -> float | None:
    factor = _MICROMETRES.get(unit) or _MICROMETRES.get(unit.lower())
    if factor is None:
        return None
    try:
        return float(value) * factor
    except (TypeError, ValueError):
        return None


def _pair(sizes: Iterable[float | None]) -> tuple[float, float] | None:
    y, x = sizes
    if y is None or x is None or not (0 < y < 1e6 and 0 < x < 1e6):
        return None
    return y, x


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
