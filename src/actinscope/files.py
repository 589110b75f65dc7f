"""Writing text, JSON and CSV so that a crash never leaves half a file; locks and hashes."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from actinscope.errors import OutputError, UsageError
from actinscope.workbook import MOST_COLUMNS, MOST_ROWS, workbook_bytes

Result = TypeVar("Result")

_PARTIAL = ".partial-"
_OLD = ".old-"
_FAR = 2**62
_WORKBOOK = ".xlsx"
#: Windows takes these names for devices, whatever their suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])[ ]*(\..*)?", re.IGNORECASE)


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
    """Remove what a killed process left half written in ``folder`` and the folders within it.

    Nobody else may write there.
    """
    for pattern in (_PARTIAL, _OLD):
        for left in list(Path(folder).rglob(f"{pattern}*")):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success it becomes ``target``.

    Where ``target`` is a link, the file that it leads to is written, and the link stays.
    The temporary file is flushed to disk before the rename, so that after a crash
    or a power cut ``target`` holds either its old or its new content, never a part.

    Raises:
        OutputError: the folder does not exist or cannot be written, or ``target`` is a device.
    """
    target = Path(target)
    try:
        real = plain_file(target)
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, suffix=target.suffix, dir=real.parent)
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
        # mkstemp makes files that only their owner can read; results are meant to be shared.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(real)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})",
            where=target,
            remedy="Check that the folder is writable and has space left",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def plain_file(target: Path) -> Path:
    """The file that ``target`` names, or that it leads to as a link; it need not be there.

    Raises:
        OutputError: a device, a pipe or a socket, which must not be replaced by a file.
    """
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OutputError(
            "is a device or a pipe, and no file", where=target, remedy="Name a file to write"
        )
    return Path(os.path.realpath(target))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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


def replace_folder(
    folder: Path,
    files: Mapping[str, bytes],
    check: Callable[[Path], Result],
    *,
    mark: str,
    what: str,
) -> Result:
    """Write ``files`` to ``folder``, all of them or nothing; an older folder is replaced.

    Args:
        folder: does not exist, is empty, or holds the file ``mark``.
        files: contents by name, with forward slashes where they lie in folders.
        check: reads what was written before it is put in place; its result is returned.
        mark: a file by which a folder of this kind is known, and may be deleted.
        what: the kind, for messages.

    Raises:
        OutputError: ``folder`` cannot be written or holds something else.
        Exception: what ``check`` raises; ``folder`` is then as it was.
    """
    folder = Path(os.path.realpath(folder))  # a link stays, and leads to the new content
    # Replacing means deleting.
    if folder.exists() and not (
        folder.is_dir() and ((folder / mark).is_file() or not any(folder.iterdir()))
    ):
        raise OutputError(
            f"there is something here that is not a {what}",
            where=folder,
            remedy="Name a folder that does not exist yet",
        )
    staging = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{folder.name}-", dir=folder.parent))
        for name, data in files.items():
            _write_flushed(staging / name, data)
        result = check(staging)  # never put in place what could not be read again
        _move_into_place(staging, folder)
    except OSError as error:
        raise OutputError(
            f"the {what} cannot be written ({error.strerror})",
            where=folder,
            remedy="Check that the folder is writable and has space left",
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return result


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
    aside = Path(tempfile.mkdtemp(prefix=f"{_OLD}{folder.name}-", dir=folder.parent))
    try:
        folder.replace(aside / folder.name)
        try:
            staging.replace(folder)
        except OSError:
            (aside / folder.name).replace(folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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


def require_table_name(path: Path) -> None:
    """Refuse to write a table to what is no ``.csv`` or ``.xlsx``; a folder is let through.

    Raises:
        UsageError: the name ends otherwise, or Windows keeps it for a device.
        OutputError: it is a device or a pipe.
    """
    plain_file(path)
    if path.is_dir():
        return
    if path.suffix.lower() not in {".csv", _WORKBOOK}:
        raise UsageError(
            "is no name of a table",
            where=path,
            remedy="Give -o a name that ends in .csv, or in .xlsx for a workbook for Excel",
        )
    if _DEVICES.fullmatch(path.name):
        raise UsageError(
            "is a name that Windows keeps for a device", where=path, remedy="Give -o another name"
        )


def require_table_size(path: Path, rows: int, columns: int) -> None:
    """Refuse a workbook of more rows (without the header) or columns than a sheet has.

    Raises:
        UsageError: it would have more.
    """
    if path.suffix.lower() == _WORKBOOK and (rows >= MOST_ROWS or columns > MOST_COLUMNS):
        raise UsageError(
            f"a sheet of Excel has at most {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns, this "
            f"table has {rows + 1:,} and {columns:,}",
            where=path,
            remedy="Give -o a name that ends in .csv",
        )


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write a table that a person asked for, its header first: CSV, or a workbook by its name.

    Raises:
        UsageError: more rows or columns than a workbook can have.
        OutputError: the file cannot be written.
    """
    require_table_size(path, len(rows) - 1, max(map(len, rows), default=0))
    is_workbook = path.suffix.lower() == _WORKBOOK
    data = workbook_bytes(rows) if is_workbook else csv_text(rows).encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with ``\\n`` line ends.

    Cells stay as they are, also where they begin with ``=``, ``+``, ``-`` or ``@``,
    which a spreadsheet may take for a formula: a changed path would name no file. For a
    spreadsheet there are workbooks, in which text is text.
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
