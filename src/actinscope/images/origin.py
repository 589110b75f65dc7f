"""How a file was written: kind, and what a TIFF says of its compression and its software."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actinscope.images.sniff import kind_of

_LONGEST = 80


def file_facts(path: Path) -> Mapping[str, str]:
    """Words for ``file kind``, ``compression`` and ``software``; what is not told is left out.

    Reads headers only. A file that cannot be understood gives its kind at most: that it is
    broken is said by whoever reads its pixels.
    """
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
    return {**facts, "software": software[:_LONGEST]} if software else facts
