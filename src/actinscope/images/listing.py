"""Which files of some folders are images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from actinscope.images.sniff import IMAGE_SUFFIXES


def list_images(paths: Sequence[Path]) -> list[Path]:
    """Expand folders into the image files within them, in natural order (2 before 10).

    A path that is named itself is kept whatever its suffix, so that the reader can say
    what is wrong with it. Within folders, hidden entries are skipped, and files count
    by their suffix; a folder whose name ends like an image is listed as one: an
    OME-Zarr image, or a mistake that the reader reports.

    Returns:
        each path once, in the order of the arguments.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        is_folder = path.is_dir() and not _looks_like_image(path)
        for item in _within(path) if is_folder else (path,):
            found.setdefault(item)
    return list(found)


def _within(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir(), key=natural_key):
        if entry.name.startswith("."):
            continue
        if _looks_like_image(entry):
            yield entry
        elif entry.is_dir() and not entry.is_symlink():
            yield from _within(entry)


def _looks_like_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which numbers in names count as numbers and case does not."""
    pieces = re.split(r"([0-9]+)", path.name)
    key = tuple((1, int(p), "") if p.isdecimal() else (0, 0, p.casefold()) for p in pieces)
    return (*key, (2, 0, path.name))
