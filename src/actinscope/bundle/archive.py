"""Reading the files of a bundle into memory, from a folder or a zip, within limits."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError)
_BAD_ARRAYS = (ValueError, OSError, EOFError, TypeError, MemoryError)
_MOST_FILES = len(LIMITS) * (MOST_MEMBERS + 1) + 64


#: Where a run, a cross-validation and its ensemble have theirs.
_WITHIN = ("bundle", "refit/bundle", "ensemble")


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
            lambda name: (path / name).exists(), lambda name: read_bundle_file(path, name), path
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
    return _read_from_zip(path)


def _all_files(
    has: Callable[[str], bool], read: Callable[[str], bytes], where: Path
) -> dict[str, bytes]:
    folders = [f"{member_folder(number)}/" for number in range(MOST_MEMBERS)]
    members = [folder for folder in folders if has(folder + INFO_FILE)]
    files: dict[str, bytes] = {}
    for folder in ("", *members):
        for name in LIMITS:
            of_members = name == MODEL_FILE and not folder and members
            if has(folder + name):
                files[folder + name] = read(folder + name)
            elif name not in _OPTIONAL and not of_members:
                raise _missing(where, folder + name)
    return files


def read_bundle_file(folder: Path, name: str) -> bytes:
    """The bytes of one file of the bundle in ``folder``.

    Raises:
        BundleError: it is missing, oversized or cannot be read.
    """
    file = folder / name
    try:
        if file.stat().st_size > LIMITS[file.name]:
            raise _too_large(file, name)
        return file.read_bytes()
    except FileNotFoundError as error:
        raise _missing(folder, name) from error
    except OSError as error:
        raise BundleError(
            f"cannot be read ({error.strerror})",
            where=file,
            remedy="Check its permissions or copy the bundle again",
        ) from error


def _read_from_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return _files_in(archive, path)
    except (*_BAD_ZIP, EOFError, RuntimeError) as error:
        raise BundleError(
            f"neither a folder nor an intact zip ({error})",
            where=path,
            remedy="Copy the bundle again",
        ) from error
    except OSError as error:
        raise BundleError(
            f"cannot be read ({error.strerror})", where=path, remedy="Check its permissions"
        ) from error


def _files_in(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    members = archive.infolist()
    if len(members) > _MOST_FILES:
        raise BundleError(
            f"the zip holds {len(members)} files, a bundle holds fewer",
            where=path,
            remedy="Zip the bundle's folder alone",
        )
    found = {PurePosixPath(member.filename): member for member in members}
    places = [place.parent for place in found if place.name == INFO_FILE]
    tops = [place for place in places if len(place.parts) <= 1]  # members lie deeper
    if len(tops) != 1:
        raise _missing(path, INFO_FILE)
    return _all_files(
        lambda name: tops[0] / name in found,
        lambda name: _read_member(archive, found[tops[0] / name], path),
        path,
    )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    # The size in the directory can lie, so what comes out is bounded as well.
    limit = LIMITS[PurePosixPath(member.filename).name]
    if member.file_size > limit:
        raise _too_large(path, member.filename)
    with archive.open(member) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, member.filename)
    return data


def _missing(path: Path, name: str) -> BundleError:
    return BundleError(
        f"{name} is missing",
        where=path,
        remedy="A bundle is the folder that holds bundle.json, model.onnx and golden.npz",
    )


def _too_large(path: Path, name: str) -> BundleError:
    return BundleError(
        f"{name} is larger than a bundle's file can be",
        where=path,
        remedy="Do not use it; ask whoever made it for the original",
    )


def read_arrays(data: bytes, what: str, *, where: Path, most_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name; nothing in it is ever executed.

    Raises:
        BundleError: damaged, or it would unpack to more than ``most_bytes``.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > most_bytes:
                why = f"it would unpack to more than {most_bytes >> 20} megabytes"
                raise damaged(what, where, why)
        with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except (*_BAD_ARRAYS, *_BAD_ZIP) as error:
        raise damaged(what, where, str(error)) from error


def damaged(what: str, where: Path, why: str) -> BundleError:
    """The error for a file of the bundle that holds ``what``."""
    return BundleError(
        f"{what} cannot be used ({why})", where=where, remedy="Copy the bundle again"
    )
