"""OME-TIFF: which page of which file is which plane of which picture.

The OME-XML in the first page of a file lists, for each picture (scene), where its planes lie,
also in other files of the same set. It is followed here to the letter: each plane is decoded
from its own file by its own tags, and what the text leaves open or gets wrong is never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from actinscope.errors import ImageUnreadable
from actinscope.images.planes import check_scene
from actinscope.images.tiff_limits import MOST_PARTS, check_directories, check_xml

_TOGETHER = "Keep all files of one OME-TIFF set together under their names, or export again"


class UnusableOmeError(Exception):
    """OME-XML that cannot be read, or does not describe the pages that it comes with."""


@dataclass(frozen=True, eq=False)
class OmeScene:
    """One picture of an OME-TIFF set.

    Attributes:
        path: the file that was asked for.
        tif: that file, open.
        page: the page of the first plane; all others must have its shape and type.
        axes: of the planes, slowest first, such as ``TC``, without axes of length 1;
            ``lengths`` are theirs.
        places: name of a file (empty for ``path``) -> (plane, page in that file).
        uuids: name of a file -> the identifier that it should have.
        pixels: the Pixels element of the OME-XML.
    """

    path: Path
    tif: Any
    page: Any
    axes: str
    lengths: tuple[int, ...]
    places: Mapping[str, list[tuple[int, int]]]
    uuids: Mapping[str, str]
    pixels: Element

    def pages(self) -> Iterator[tuple[int, Any]]:
        """(plane, page) of all planes, each while its file is open.

        Raises:
            ImageUnreadable: a file or page is missing, or unlike the first.
        """
        for name, planes in self.places.items():
            with _file_of_set(self.path, self.tif, name, self.uuids.get(name)) as tif:
                for plane, number in planes:
                    page = _page(self.path, tif, number)
                    kind = (page.shape, page.dtype, page.photometric, page.bitspersample)
                    first = self.page
                    if kind != (first.shape, first.dtype, first.photometric, first.bitspersample):
                        raise ImageUnreadable(
                            "the planes of this OME-TIFF picture differ in size or type",
                            where=self.path,
                            remedy="Export the image again",
                        )
                    yield plane, page


@contextmanager
def open_alone(path: Path) -> Iterator[Any]:
    """A TIFF file for tifffile, which must not look for further files of its set by itself.

    Raises:
        ImageTooLarge, ImageUnreadable: as :func:`check_directories`.
    """
    import tifffile

    check_directories(path)
    with tifffile.TiffFile(path, is_ome=False, is_mmstack=False, is_ndtiff=False) as tif:
        yield tif


def open_scene(path: Path, tif: Any, scene: int | None, files: ExitStack) -> OmeScene | None:
    """The picture that ``scene`` chooses; None where the file has no OME-XML.

    Without a choice it is the only picture of the set, or the only one with planes in this
    very file. ``files`` closes what was opened.

    Raises:
        UnusableOmeError: the text is broken or contradicts the pages.
        AmbiguousAxes: several pictures and no choice.
        ImageUnreadable: planes or files are missing, or lie outside the folder.
    """
    text = _text(tif)
    if not text:
        return None
    root = _parsed(path, text)
    pictures = [
        pixels
        for image in root
        if local_name(image) == "Image"
        for pixels in image
        if local_name(pixels) == "Pixels" and _segments(pixels)
    ]
    if not pictures:
        elsewhere = [node.get("MetadataFile") for node in root if local_name(node) == "BinaryOnly"]
        raise UnusableOmeError(f"it is in {elsewhere[0]}" if elsewhere else "it lists no planes")
    names = _names(path, root)
    if scene is None and len(pictures) > 1:
        here = [
            number
            for number, one in enumerate(pictures)
            if any(not names.file_of(segment)[0] for segment in _segments(one))
        ]
        scene = here[0] if len(here) == 1 else None
    pixels = pictures[check_scene(path, len(pictures), scene)]
    try:
        return _scene(tif, names, pixels, files, modulo=_modulo_axes(root))
    except (ValueError, OverflowError) as error:
        raise UnusableOmeError(str(error)) from error


def local_name(element: Element) -> str:
    """Name of an XML element without its namespace."""
    return element.tag.rsplit("}", 1)[-1]


def _text(tif: Any) -> str:
    """The OME-XML of a file, empty where it has none. Letters of no known code stay as escapes."""
    text = str(tif.pages.first.description)
    return text if "<OME" in text[:10_000] else ""


def _parsed(path: Path, text: str) -> Element:
    check_xml(path, text)
    try:
        return ElementTree.fromstring(text[text.index("<") :])
    except (ElementTree.ParseError, ValueError) as error:
        raise UnusableOmeError(str(error)) from error


def _segments(pixels: Element) -> list[Element]:
    return [node for node in pixels if local_name(node) == "TiffData"]


@dataclass(frozen=True)
class _Names:
    """What the OME-XML of a file says of names: who it is itself, and whom it lists."""

    path: Path
    uuid: str
    is_listed: bool

    def file_of(self, segment: Element) -> tuple[str, str]:
        """Name and identifier of the file of a segment; both empty for ``path`` itself."""
        node = next((node for node in segment if local_name(node) == "UUID"), None)
        if node is None:
            return "", ""
        name, uuid = node.get("FileName", ""), (node.text or "").strip()
        # A file that was renamed is known by its identifier.
        renamed = not self.is_listed and uuid and uuid == self.uuid
        if renamed or name.lower() == self.path.name.lower():
            return "", ""
        if not name:
            raise _missing(self.path, "they lie in a file that is not named")
        return name, uuid


def _names(path: Path, root: Element) -> _Names:
    own = path.name.lower()
    listed = any(
        node.get("FileName", "").lower() == own
        for node in root.iter()
        if local_name(node) == "UUID"
    )
    return _Names(path, root.get("UUID", ""), listed)


def _scene(
    tif: Any, names: _Names, pixels: Element, files: ExitStack, *, modulo: set[str]
) -> OmeScene:
    path = names.path
    order = pixels.get("DimensionOrder", "")
    if order[:2] != "XY" or sorted(order[2:]) != ["C", "T", "Z"]:
        raise ValueError(f"DimensionOrder {order!r} is unknown")
    axes = order[:1:-1]
    lengths = {axis: _number(pixels, f"Size{axis}") for axis in "XYCZT"}
    samples = _samples(pixels)
    lengths["C"] //= samples
    shape = tuple(lengths[axis] for axis in axes)
    places, uuids = _places(tif, names, pixels, axes=axes, shape=shape)
    name, number = next((name, at[0][1]) for name, at in places.items() if at[0][0] == 0)
    opened = files.enter_context(_file_of_set(path, tif, name, uuids.get(name)))
    page = _page(path, opened, number)
    size = dict(zip(page.axes, page.shape, strict=True))
    if (size["Y"], size["X"], page.samplesperpixel) != (lengths["Y"], lengths["X"], samples):
        raise ValueError("it gives another size than the page has")
    meaning = dict.fromkeys(modulo, "Q")
    long = [at for at, length in enumerate(shape) if length > 1]
    return OmeScene(
        path=path,
        tif=tif,
        page=page,
        axes="".join(meaning.get(axes[at], axes[at]) for at in long),
        lengths=tuple(shape[at] for at in long),
        places=places,
        uuids=uuids,
        pixels=pixels,
    )


def _number(element: Element, name: str, default: int | None = None) -> int:
    text = element.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.strip().isdecimal() or len(text) > 12:
        raise ValueError(f"{name} is {None if text is None else text[:20]!r}")
    return int(text)


def _samples(pixels: Element) -> int:
    """Colour samples a pixel, the same in all channels."""
    channels = [node for node in pixels if local_name(node) == "Channel"]
    found = {_number(node, "SamplesPerPixel", 1) for node in channels} or {1}
    if len(found) > 1 or not min(found):
        raise ValueError("its channels differ in SamplesPerPixel")
    return found.pop()


def _modulo_axes(root: Element) -> set[str]:
    """Axes that hold two in one, such as angles within z: their meaning is not told by name."""
    marked = (local_name(node) for node in root.iter())
    return {name[-1] for name in marked if name.startswith("ModuloAlong")}


def _places(
    tif: Any, names: _Names, pixels: Element, *, axes: str, shape: tuple[int, ...]
) -> tuple[dict[str, list[tuple[int, int]]], dict[str, str]]:
    """Where each plane lies, sorted by plane in each file, and the identifiers of the files."""
    path, total = names.path, math.prod(shape)
    if not 0 < total <= MOST_PARTS:
        raise ValueError(f"it lists {total} planes")
    found: dict[int, tuple[str, int]] = {}
    uuids: dict[str, str] = {}
    pages: dict[str, int] = {}  # each file is opened once, however often it is named
    for segment in _segments(pixels):
        name, uuid = names.file_of(segment)
        if uuids.setdefault(name, uuid) != uuid:
            raise ValueError(f"it gives {name} two identifiers")
        at = 0
        for axis, length in zip(axes, shape, strict=True):
            index = _number(segment, f"First{axis}", 0)
            if index >= length:
                raise ValueError(f"First{axis} is {index}, of {length}")
            at = at * length + index
        number = _number(segment, "IFD", 0)
        name_of_count = "PlaneCount" if "PlaneCount" in segment.attrib else "NumPlanes"
        count = _number(segment, name_of_count, 1 if "IFD" in segment.attrib else 0)
        if not count:
            if name not in pages:
                with _file_of_set(path, tif, name, uuid) as opened:
                    pages[name] = len(opened.pages)
            count = min(pages[name] - number, total - at)
        planes = range(at, at + min(count, total + 1))
        if planes.stop > total or any(plane in found for plane in planes):
            raise ValueError("it lists more planes than the picture has")
        found.update((plane, (name, number + plane - at)) for plane in planes)
    if len(found) < total:
        raise _missing(path, f"{total - len(found)} of {total} planes are not listed")
    places: dict[str, list[tuple[int, int]]] = {}
    for plane in range(total):
        name, number = found[plane]
        places.setdefault(name, []).append((plane, number))
    return places, uuids


@contextmanager
def _file_of_set(path: Path, tif: Any, name: str, uuid: str | None) -> Iterator[Any]:
    """The file of a set with that name, open; ``tif`` itself where the name is empty."""
    if not name:
        yield tif
        return
    other = path.parent / name
    if name in (".", "..") or Path(name).name != name or "\\" in name:
        raise ImageUnreadable(
            f"planes of this OME-TIFF set lie in another folder ({name})",
            where=path,
            remedy=_TOGETHER,
        )
    if not other.is_file():
        raise _missing(path, f"they lie in {name}, which is not there")
    with open_alone(other) as opened:
        if uuid and _own_uuid(other, opened) not in ("", uuid):
            raise _missing(path, f"{name} is not the file of that name which was saved with it")
        yield opened


def _own_uuid(path: Path, tif: Any) -> str:
    """The identifier that a file gives itself, empty where it has none that can be read."""
    try:
        return _parsed(path, _text(tif)).get("UUID", "")
    except UnusableOmeError:
        return ""


def _page(path: Path, tif: Any, number: int) -> Any:
    try:
        return tif.pages[number]
    except IndexError:
        raise _missing(path, f"{tif.filename} has no page {number}") from None


def _missing(path: Path, what: str) -> ImageUnreadable:
    return ImageUnreadable(
        f"planes of this OME-TIFF picture are missing ({what})", where=path, remedy=_TOGETHER
    )
