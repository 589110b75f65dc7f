"""Writing text, JSON and CSV so that a crash never leaves half a file; locks and hashes."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from actinscope.errors import OutputError

_PARTIAL = ".partial-"
_FAR = 2**62


def lock_file(stream: IO[bytes]) -> bool:
    """Lock an open file against other processes until it is closed.

    Returns:
        Whether no other process has it; True also on a file system that knows no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            stream.seek(_FAR)  # Windows forbids others to read what is locked
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
    return True


def remove_partial_files(folder: Path) -> None:
    """Remove what a killed process left half written in ``folder``; nobody else may write there."""
    for left in Path(folder).glob(f"{_PARTIAL}*"):
        left.unlink(missing_ok=True)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success it becomes ``target``.

    The temporary file is flushed to disk before the rename, so that after a crash
    or a power cut ``target`` holds either its old or its new content, never a part.

    Raises:
        OutputError: the folder does not exist or cannot be written.
    """
    target = Path(target)
    try:
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, suffix=target.suffix, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})",
            where=target,
            remedy="Check that the folder exists, is writable and has space left",
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows flushes only what may be written to
            os.fsync(written.fileno())
        _give_default_permissions(temporary)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})",
            where=target,
            remedy="Check that the folder is writable and has space left",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _give_default_permissions(path: Path) -> None:
    # mkstemp makes files that only their owner can read; results are meant to be shared.
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it.

    Raises:
        OutputError: that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder cannot be made ({error.strerror})",
            where=folder,
            remedy="Check that the folder above it is writable and has space left",
        ) from error


def write_text_atomic(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, all of it or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json_atomic(path: Path, value: Any) -> None:
    """Write ``value`` as strict JSON (NaN and infinities become ``null``), all of it or nothing."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomic(path, text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object] | Mapping[str, object]]
) -> None:
    """Write a table as :func:`csv_text` gives it, all of it or nothing.

    Args:
        header: names of the columns.
        rows: cells in the order of ``header``, or by column; what is missing is left empty.
    """
    cells = (
        [row.get(name, "") for name in header] if isinstance(row, Mapping) else row for row in rows
    )
    write_text_atomic(path, csv_text([header, *cells]))


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with ``\\n`` line ends.

    Cells stay as they are, also where they begin with ``=``, ``+``, ``-`` or ``@``,
    which a spreadsheet may take for a formula: a changed path would name no file.
    """
    return "".join(map(_csv_line, rows))


def _csv_line(row: Sequence[object]) -> str:
    # A carriage return in a cell is put between quotation marks only where line ends have one.
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow(row)
    return stream.getvalue().removesuffix("\r\n") + "\n"


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
