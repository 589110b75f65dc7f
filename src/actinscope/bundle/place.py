"""Putting a bundle in its place as a whole: everything is written and read again first."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from actinscope.bundle.info import INFO_FILE
from actinscope.errors import OutputError

Result = TypeVar("Result")


def replace_folder(
    folder: Path, files: Mapping[str, bytes], check: Callable[[Path], Result]
) -> Result:
    """Write ``files`` to ``folder``, all of them or nothing; an older bundle is replaced.

    Args:
        folder: does not exist, is empty, or holds a bundle.
        files: contents by name, with forward slashes where they lie in folders.
        check: reads what was written before it is put in place; its result is returned.

    Raises:
        OutputError: ``folder`` cannot be written or holds something else.
        Exception: what ``check`` raises; ``folder`` is then as it was.
    """
    _refuse_foreign_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".partial-{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for name, data in files.items():
            _write_flushed(staging / name, data)
        result = check(staging)  # never put in place what could not be read again
        _move_into_place(staging, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return result


def _refuse_foreign_folder(folder: Path) -> None:
    # Replacing means deleting; only a bundle or an empty folder may be deleted.
    foreign = folder.exists() and not (
        folder.is_dir() and ((folder / INFO_FILE).is_file() or not any(folder.iterdir()))
    )
    if foreign:
        raise OutputError(
            "there is something here that is not a bundle",
            where=folder,
            remedy="Name a folder that does not exist yet",
        )


def _write_flushed(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _move_into_place(staging: Path, folder: Path) -> None:
    staging.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can enter
    if not folder.exists():
        staging.replace(folder)
        return
    # A folder cannot be exchanged for another in one step on every system; the old one
    # is moved aside first and put back if the second step fails.
    aside = Path(tempfile.mkdtemp(prefix=f".old-{folder.name}-", dir=folder.parent))
    try:
        folder.replace(aside / "bundle")
        try:
            staging.replace(folder)
        except OSError:
            (aside / "bundle").replace(folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the bundle cannot be written ({error.strerror})",
        where=folder,
        remedy="Check that the folder is writable and has space left",
    )
