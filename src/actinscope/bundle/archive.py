"""Reading the files of a bundle into memory, from a folder or a zip, within limits.

Whoever hands a bundle on may have made it to do harm, and the libraries that read its parts raise
anything at all; what they raise leaves this room as a BundleError, through :func:`reading`.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from actinscope.bundle.info import (
    FEATURES_FILE,
    GOLDEN_FILE,
    HASHES_FILE,
    INFO_FILE,
    INT8_FILE,
    MODEL_FILE,
    MOST_MEMBERS,
    TREES_FILE,
    member_folder,
)
from actinscope.errors import BundleError
from actinscope.names import RunFile

# Far above what a bundle needs, far below what would fill a laptop's memory.
LIMITS = {
    INFO_FILE: 16 << 20,
    MODEL_FILE: 1 << 30,
    GOLDEN_FILE: 1 << 30,
    INT8_FILE: 1 << 30,
    FEATURES_FILE: 64 << 20,
    HASHES_FILE: 256 << 20,
    TREES_FILE: 256 << 20,
}
_OPTIONAL = frozenset({INT8_FILE, FEATURES_FILE, HASHES_FILE, TREES_FILE})
#: All files of a bundle together, and of a zip what they may be on top of 20 times its own size:
#: weights shrink by a tenth when they are packed, what shrinks to a thousandth is no bundle.
_MOST_BYTES = 4 << 30
_MOST_UNPACKED = 64 << 20
_MOST_RATIO = 20
DO_NOT_USE = "Do not use it; ask whoever made it for the original"


@contextmanager
def reading(wrong: str, where: Path | str, remedy: str = "Copy the bundle again") -> Iterator[None]:
    """Make a BundleError of whatever is raised while something of a bundle is read.

    ``wrong`` says what that means for the file ``where``; the reason is added.
    """
    try:
        yield
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(f"{wrong} ({_reason(error)})", where=where, remedy=remedy) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"{error} is missing"
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


#: Where a run and a cross-validation have theirs.
_WITHIN = ("bundle", "refit/bundle")


def bundle_within(path: Path) -> Path:
    """The bundle of the run or cross-validation in ``path``; else ``path`` itself."""
    places = (path, *(path / place for place in _WITHIN))
    return next((place for place in places if (place / INFO_FILE).is_file()), path)


def read_bundle_files(path: Path) -> dict[str, bytes]:
    """The bytes of bundle.json, model.onnx, golden.npz and, if they are there, the others.

    An ensemble has no model.onnx of its own; the files of its members follow, with their
    folder in the name: ``members/00/model.onnx``. A zip may hold the files at its top or in
    one folder; nothing is unpacked to disk.

    Raises:
        BundleError: nothing there, no bundle, a missing or an oversized file.
    """
    if path.is_dir():
        return _all_files(
            lambda name: os.path.lexists(path / name),
            lambda name, most: read_bundle_file(path, name, most),
            path,
            most=_MOST_BYTES,
        )
    if not path.exists():
        raise BundleError(
            "there is no such bundle",
            where=path,
            remedy="Give the folder or the zip that `actinscope train` wrote",
        )
    if path.name == INFO_FILE:
        raise BundleError(
            "this is one file of a bundle", where=path, remedy=f"Give its folder {path.parent}"
        )
    with reading("neither a folder nor an intact zip", path):
        if not path.is_file():
            raise ValueError("it is a device or a pipe")
        with zipfile.ZipFile(path) as archive:
            return _files_in(archive, path)


def _all_files(
    has: Callable[[str], bool], read: Callable[[str, int], bytes], where: Path, *, most: int
) -> dict[str, bytes]:
    """All files of a bundle, of at most ``most`` bytes together; ``read`` raises beyond its own."""
    folders = [f"{member_folder(number)}/" for number in range(MOST_MEMBERS)]
    members = [folder for folder in folders if has(folder + INFO_FILE)]
    files: dict[str, bytes] = {}
    for folder in ("", *members):
        for name, limit in LIMITS.items():
            of_members = name == MODEL_FILE and not folder and members
            if has(folder + name):
                files[folder + name] = read(folder + name, min(limit, most))
                most -= len(files[folder + name])
            elif name not in _OPTIONAL and not of_members:
                raise _missing(where, folder + name)
    return files


def read_bundle_file(folder: Path, name: str, most: int = LIMITS[INFO_FILE]) -> bytes:
    """The bytes of one file of the bundle in ``folder``.

    Raises:
        BundleError: missing, larger than ``most``, a link or something else than a plain file.
    """
    file = folder / name
    with reading("cannot be read", file, "Check its permissions or copy the bundle again"):
        try:
            if not stat.S_ISREG(file.lstat().st_mode):  # a pipe or a device would have no end
                raise BundleError(
                    "is a link or no plain file",
                    where=file,
                    remedy="Put a copy of the file itself into the bundle's folder",
                )
            with file.open("rb") as stream:
                data = stream.read(most + 1)
        except FileNotFoundError:
            raise _missing(folder, name) from None
    if len(data) > most:
        raise _too_large(file, name)
    return data


def _files_in(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    found = {PurePosixPath(member.filename): member for member in archive.infolist()}
    places = [place.parent for place in found if place.name == INFO_FILE]
    tops = [place for place in places if len(place.parts) <= 1]  # members lie deeper
    if len(tops) != 1:
        raise _missing(path, INFO_FILE)
    return _all_files(
        lambda name: tops[0] / name in found,
        lambda name, most: _unpacked(archive, found[tops[0] / name], path, most),
        path,
        most=min(_MOST_BYTES, _MOST_UNPACKED + _MOST_RATIO * path.stat().st_size),
    )


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, most: int) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is packed in an unusual way")
    if member.file_size <= most:
        with archive.open(member) as stream:
            data = stream.read(most + 1)  # the size in the directory can lie
        if len(data) <= most:
            return data
    raise _too_large(path, member.filename)


def _missing(path: Path, name: str) -> BundleError:
    if (path / RunFile.RECIPE).is_file():
        return BundleError(
            "is a run that did not finish, so there is no model yet",
            where=path,
            remedy="Repeat its command with --resume",
        )
    return BundleError(
        f"{name} is missing",
        where=path,
        remedy="A bundle is the folder that holds bundle.json, model.onnx and golden.npz",
    )


def _too_large(path: Path, name: str) -> BundleError:
    return BundleError(
        f"{name} is larger than a bundle's file can be",
        where=path,
        remedy=DO_NOT_USE,
    )


def read_arrays(data: bytes, *, where: Path, most_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name, read-only; together at most ``most_bytes``.

    ``numpy.load`` evaluates the header of an array as Python and takes the memory that it asks for.

    Raises:
        BundleError: it is too large.
        Exception: of no common kind, where it is damaged.
    """
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            content = _unpacked(archive, member, where, most_bytes)
            most_bytes -= len(content)
            arrays[member.filename.removesuffix(".npy")] = _array(content)
    return arrays


_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>|][buif]\d)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n"
)


def _array(content: bytes) -> NDArray[Any]:
    """The array in the bytes of an .npy file, as ``numpy.save`` writes plain numbers."""
    start = 10 + int.from_bytes(content[8:10], "little")
    found = _HEADER.fullmatch(content[10:start])
    if not content.startswith(_MAGIC) or found is None:
        raise ValueError("an array does not begin as NumPy writes it")
    values = np.frombuffer(content, found[1].decode(), offset=start)
    shape = [int(size) for size in found[3].split(b",") if size.strip()]
    return values.reshape(shape, order="F" if found[2] == b"True" else "C")
