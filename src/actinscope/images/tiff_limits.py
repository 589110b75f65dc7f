"""Whether a TIFF file can be opened at all: its directories counted before they are built.

tifffile makes objects of every directory, strip and tile that a file claims to have. A file of a
few megabytes can claim millions, or lead in a circle. This walk over the raw directories takes
microseconds for each of them and allocates nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from actinscope.errors import ImageTooLarge, ImageUnreadable

#: Most tags and values of tags, such as place and length of 260,000 strips: some ten seconds.
MOST_PARTS = 1 << 19
#: What a directory costs beyond its tags, so that about 15,000 pages are the most.
_DIRECTORY = 16
#: What a directory beside the chain of pages costs; a pyramid has some ten of them.
_SUBDIRECTORY = 256
#: Most bytes of all tags' values, of which OME-XML can be tens of megabytes.
_MOST_BYTES = 1 << 28
#: Most bytes of one description, of which tifffile may parse XML: some seconds and 1 GB.
_MOST_TEXT = 1 << 26
#: Most elements and attributes of OME-XML: 200,000 planes with all that is said of a plane.
_MOST_XML_PARTS = 8 * MOST_PARTS

_DESCRIPTION, _SUBDIRECTORIES = 270, 330
_COLORMAP, _FIRST_PRIVATE = 320, 32768
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_TEXT_OR_BYTES = {1, 2, 6, 7}


def check_directories(path: Path) -> None:
    """Refuse a TIFF file whose directories would take minutes or gigabytes to read.

    What is merely damaged is left for the reader to find.

    Raises:
        ImageTooLarge: too many pages, strips, tiles or bytes of metadata.
        ImageUnreadable: the chain of pages leads back into itself.
    """
    size = path.stat().st_size
    parts = held = 0
    with path.open("rb") as stream:
        for tags in _directories(path, stream):
            parts += _DIRECTORY + len(tags)
            for code, kind, count in tags:
                length = count * _SIZES.get(kind, 0)
                if length > size:
                    continue  # cannot be read: an error, or skipped
                held += _MOST_BYTES if code == _DESCRIPTION and length > _MOST_TEXT else length
                if code == _SUBDIRECTORIES:
                    parts += count * _SUBDIRECTORY
                elif kind not in _TEXT_OR_BYTES and code != _COLORMAP and code < _FIRST_PRIVATE:
                    parts += count
            if parts > MOST_PARTS or held >= _MOST_BYTES:
                raise _too_large(path)


def check_xml(path: Path, text: str) -> None:
    """Refuse XML that would take minutes or gigabytes to parse, before it is.

    Raises:
        ImageTooLarge: too many elements and attributes.
    """
    if text.count("<") + text.count("=") > _MOST_XML_PARTS:
        raise _too_large(path)


def _too_large(path: Path) -> ImageTooLarge:
    return ImageTooLarge(
        "the TIFF file has more pages, strips, tiles or metadata than can be read",
        where=path,
        remedy="Save it in larger strips or tiles, or split it into several files",
    )


def _directories(path: Path, stream: BinaryIO) -> Iterator[list[tuple[int, int, int]]]:
    """(code, type, count) of all tags, for one page after the other."""
    start = stream.read(16)
    order = "<" if start[:2] == b"II" else ">"
    is_big = start[2:4] in (b"+\0", b"\0+")
    number, entry, pointer = ("Q", "HHQ8x", "Q") if is_big else ("H", "HHI4x", "I")
    at = _unpack(order + pointer, start[8:] if is_big else start[4:])
    seen: set[int] = set()
    while at:
        if at in seen:
            raise ImageUnreadable(
                "the TIFF file is damaged (its pages lead round in a circle)",
                where=path,
                remedy="Copy or export the file again",
            )
        seen.add(at)
        stream.seek(at)
        count = _unpack(order + number, stream.read(struct.calcsize(number)))
        length = min(count, 4096) * struct.calcsize(order + entry)
        content = stream.read(length)
        if count > 4096 or len(content) < length:
            return  # tifffile names the damage
        yield list(struct.iter_unpack(order + entry, content))
        at = _unpack(order + pointer, stream.read(struct.calcsize(pointer)))


def _unpack(form: str, content: bytes) -> int:
    """A number, or 0 where the file has ended."""
    size = struct.calcsize(form)
    return int(struct.unpack(form, content[:size])[0]) if len(content) >= size else 0
