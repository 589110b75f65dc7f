"""Which files are images: by their first bytes; in a folder that is searched by suffix, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import ImageEmpty, ImageError, ImageUnreadable
from actinscope.names import DRAWN_BY, RESULTS
from actinscope.wording import counted, enumerate_some

#: Kind of file by suffix, lower case.
KIND_OF_SUFFIX = {
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".btf": "TIFF",
    ".tf8": "TIFF",
    ".lsm": "TIFF",
    ".stk": "TIFF",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WebP",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".npy": "NPY",
    ".czi": "CZI",
    ".nd2": "ND2",
    ".lif": "LIF",
    ".zarr": "OME-Zarr",
}

#: Suffixes of files that are taken for images when a folder is searched, whatever they hold.
IMAGE_SUFFIXES: frozenset[str] = frozenset(KIND_OF_SUFFIX)

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\x93NUMPY", "NPY"),
    (b"ZISRAWFILE", "CZI"),
    (b"\xda\xce\xbe\x0a", "ND2"),
)
#: Little evidence at the start, and what else must lie behind it: position, values.
_WEAK_MAGIC = (
    (b"RIFF", 8, {b"WEBP"}, "WebP"),
    (b"\x70\0\0\0", 8, {b"*"}, "LIF"),
    (b"BM", 14, {bytes((n, 0, 0, 0)) for n in (12, 40, 52, 56, 64, 108, 124)}, "BMP"),
)

_FOREIGN = (
    (b"RIFF", "an AVI or WAV file"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop file"),
    (b"SIMPLE  =", "a FITS file"),
)

_IS_TEXT = "the file holds text"
_HEAD = 512  # bytes of a PNG, before its pixels
_DRAWN = b"tEXt" + "\0".join(DRAWN_BY).encode()
#: Files that systems put beside images, in lower case.
_NEVER_IMAGES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_SAVE_AS_TIFF = "Save the image as TIFF or PNG"


def kind_of(path: Path) -> str:
    """Kind of image at ``path``: TIFF, PNG, JPEG, BMP, NPY, CZI, ND2, LIF or OME-Zarr.

    Raises:
        ImageUnreadable: not there, a folder, forbidden, or no image of a known kind.
        ImageEmpty: a file without a byte.
    """
    try:
        if path.is_dir():
            return _kind_of_folder(path)
        if not path.exists():
            raise ImageUnreadable("there is no such file", where=path, remedy="Check the name")
        if not path.is_file():
            raise ImageUnreadable("not a regular file", where=path, remedy="Name an image file")
        with path.open("rb") as stream:
            start = stream.read(64)
    except (OSError, ValueError) as error:
        # ValueError: a name that no file can have, such as one with a zero byte.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageUnreadable(
            f"the file cannot be opened ({reason})",
            where=path,
            remedy="Check the name and that you may read the file",
        ) from error
    if not start:
        raise ImageEmpty(
            "the file is empty (0 bytes)", where=path, remedy="Copy or export the file again"
        )
    kind = _kind_of_start(start)
    if kind is None:
        raise _not_an_image(path, start)
    return kind


def _kind_of_folder(path: Path) -> str:
    if path.suffix.lower() == ".zarr" or any(
        (path / name).exists() for name in (".zattrs", ".zgroup", "zarr.json")
    ):
        return "OME-Zarr"
    raise ImageUnreadable(
        "this is a folder, not an image file", where=path, remedy="Name the files within it"
    )


def _kind_of_start(start: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    for magic, at, values, kind in _WEAK_MAGIC:
        if start.startswith(magic) and any(start.startswith(value, at) for value in values):
            return kind
    return None


def _not_an_image(path: Path, start: bytes) -> ImageUnreadable:
    claimed = KIND_OF_SUFFIX.get(path.suffix.lower())
    named = f"the name says {claimed}, but " if claimed else ""
    for magic, what in _FOREIGN:
        if start.startswith(magic):
            return ImageUnreadable(f"{named}this is {what}", where=path, remedy=_SAVE_AS_TIFF)
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in start):
        return ImageUnreadable(f"{named}{_IS_TEXT}", where=path, remedy="Name an image file")
    return ImageUnreadable(
        f"{named}the content is not an image of a known kind",
        where=path,
        remedy="Readable are TIFF, PNG, JPEG, BMP, GIF, WebP and NPY; with the extra 'formats' "
        "also CZI, ND2, LIF and OME-Zarr",
    )


@dataclass(frozen=True)
class FoundImages:
    """What :func:`find_images` found.

    Attributes:
        paths: the images, each once, in the order of the arguments.
        passed_over: files that are no readable images, by what they are.
        results: folders that were left out, as they hold results of actinscope.
    """

    paths: tuple[Path, ...]
    passed_over: Mapping[str, Sequence[Path]]
    results: tuple[Path, ...]

    def notes(self) -> tuple[str, ...]:
        """What a person should know who expects other images."""
        notes = []
        if self.results:
            names = enumerate_some(path.name for path in self.results)
            notes.append(f"folders with results of actinscope are left out: {names}")
        for what, paths in self.passed_over.items():
            names = enumerate_some((path.name for path in paths), most=3)
            notes.append(f"{counted(len(paths), 'file')} left out ({what}): {names}")
        return tuple(notes)


def find_images(paths: Sequence[Path]) -> FoundImages:
    """Expand folders into the images within them, in natural order (2 before 10).

    A path that is named itself is kept whatever it is, so that the reader can say what is
    wrong with it. Within folders, hidden entries are skipped, files with the suffix of an
    image are images, and of others the content decides; a folder whose name ends like an
    image is listed as one: an OME-Zarr image, or a mistake that the reader reports. Linked
    folders are searched, except those that the link lies in.
    """
    found: dict[Path, None] = {}
    results: list[Path] = []
    passed_over: dict[str, list[Path]] = {}
    for path in map(Path, paths):
        if path.is_dir() and not _looks_like_image(path):
            for item in _within(path, (path.resolve(),), results):
                what = _is_drawn(item) if _looks_like_image(item) else _why_no_image(item)
                if not what:
                    found.setdefault(item)
                elif what != _IS_TEXT:
                    passed_over.setdefault(what, []).append(item)
        else:
            found.setdefault(path)
    return FoundImages(tuple(found), passed_over, tuple(results))


def list_images(paths: Sequence[Path]) -> list[Path]:
    """The images that :func:`find_images` finds."""
    return list(find_images(paths).paths)


def _within(folder: Path, inside: Sequence[Path], results: list[Path]) -> Iterator[Path]:
    """The files below ``folder``, and folders that are named like images.

    ``inside`` are the folders around it without links; ``results`` takes those left out.
    """
    for entry in sorted(folder.iterdir(), key=natural_key):
        if entry.name.startswith(".") or entry.name.lower() in _NEVER_IMAGES:
            continue
        if _looks_like_image(entry) or not entry.is_dir():
            yield entry
        elif any(all((entry / name).exists() for name in marks) for marks in RESULTS):
            results.append(entry)
        elif (real := entry.resolve()) not in inside:
            yield from _within(entry, (*inside, real), results)


def _why_no_image(path: Path) -> str:
    """Empty where the content of a file is an image."""
    try:
        kind_of(path)
    except ImageError as error:
        return error.what
    return ""


def _is_drawn(path: Path) -> str:
    """Empty where a file is no figure of actinscope, as its head would say."""
    if path.suffix.lower() != ".png":
        return ""
    try:
        with path.open("rb") as stream:
            return "drawn by actinscope" if _DRAWN in stream.read(_HEAD) else ""
    except OSError:
        return ""  # the reader says why


def _looks_like_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which numbers in names count as numbers and case does not."""
    pieces = re.split(r"([0-9]+)", path.name)
    key = tuple((1, int(p), "") if p.isdecimal() else (0, 0, p.casefold()) for p in pieces)
    return (*key, (2, 0, path.name))
