"""The half-finished output of a prediction: kept, checked and resumed."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from actinscope.errors import OutputError, UsageError
from actinscope.files import lock_file, plain_file, write_json_atomic, write_table
from actinscope.wording import data_size

_BINARY = getattr(os, "O_BINARY", 0)
_DROPPED = (
    "an unfinished output of another bundle, other inputs or other options was dropped; "
    "everything is predicted again"
)
RowFits = Callable[[int, list[str]], bool]


class PartialOutput:
    """Appends rows to ``OUTPUT.partial``; the finished file becomes ``OUTPUT``.

    Whole batches that an earlier run left are kept. ``OUTPUT.partial.json`` says what the rows
    were computed from. Closing leaves both files for the next run.

    Args:
        output: the file to be.
        header: its first line.
        fingerprint: changes whenever the rows would.
        batch_size: rows are kept in multiples of it.
        total: how many rows there will be.
        row_fits: whether a row can be row i.

    Attributes:
        kept: the rows that were there already.
        note: why those that were there were not used; else empty.

    Raises:
        OutputError: the folder cannot be written or has too little space.
        UsageError: another process is writing the file.
    """

    def __init__(
        self,
        output: Path,
        header: bytes,
        *,
        fingerprint: str,
        batch_size: int,
        total: int,
        row_fits: RowFits,
    ) -> None:
        self.output = output
        self.kept: list[list[str]] = []
        self.note = ""
        self._real = plain_file(output)  # behind a link, on whatever disk that is
        self._path = Path(f"{self._real}.partial")
        self._sidecar = Path(f"{self._real}.partial.json")
        with _output_errors(output):
            self._stream = self._locked()
            try:
                size = 0
                if data := self._path.read_bytes():
                    if self._stored_fingerprint() != fingerprint:
                        self.note = _DROPPED
                    elif data.startswith(header):
                        rows, ends = _whole_rows(data, len(header), row_fits)
                        done = len(rows)
                        count = done if done == total else done // batch_size * batch_size
                        self.kept, size = rows[:count], [len(header), *ends][count]
                self._stream.truncate(size)
                self._stream.seek(size)
                write_json_atomic(self._sidecar, {"fingerprint": fingerprint})
                if not size:
                    self.append(header)
            except BaseException:
                self._stream.close()
                raise

    def _locked(self) -> BinaryIO:
        """The file, which no other process has."""
        stream = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666), "r+b")
        try:
            # Another one may also just have finished: then the file opened is the finished one.
            if lock_file(stream) and os.path.samestat(os.fstat(stream.fileno()), self._path.stat()):
                return stream
        except FileNotFoundError:
            pass
        except BaseException:
            stream.close()
            raise
        stream.close()
        raise UsageError(
            "another prediction is writing this file",
            where=self.output,
            remedy="Wait until it is done, or name another output",
        )

    def _stored_fingerprint(self) -> str:
        try:
            value = json.loads(self._sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""  # without its sidecar the file may be of anything
        return str(value.get("fingerprint", "")) if isinstance(value, dict) else ""

    def append(self, data: bytes) -> None:
        """Write ``data`` and hand it to the operating system.

        Raises:
            OutputError: the disk is full or gone.
        """
        with _output_errors(self.output):
            self._stream.write(data)
            self._stream.flush()

    def finish(self) -> None:
        """Give the file its name, after everything is on the disk."""
        with _output_errors(self.output):
            os.fsync(self._stream.fileno())
            self._stream.close()
            if self.output.suffix.lower() == ".csv":
                self._path.replace(self._real)
            else:
                text = self._path.read_bytes().decode()
                write_table(self.output, list(csv.reader(io.StringIO(text, newline=""))))
                self._path.unlink()
            self._sidecar.unlink(missing_ok=True)

    def __enter__(self) -> PartialOutput:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._stream.close()
        except OSError:  # a full disk was already reported by append
            if kind is None:
                raise


def _whole_rows(data: bytes, start: int, row_fits: RowFits) -> tuple[list[list[str]], list[int]]:
    """The rows that are complete and fit, up to the first that does not, and where each ends."""
    rows: list[list[str]] = []
    ends: list[int] = []
    position = begin = start
    while (newline := data.find(b"\n", position)) >= 0:
        position = newline + 1
        line = data[begin:position]
        if line.count(b'"') % 2:
            continue  # the line break stands inside of a cell
        try:
            (row,) = csv.reader(io.StringIO(line.decode("utf-8"), newline=""), strict=True)
        except (csv.Error, ValueError):  # torn, or not one row
            break
        if not row_fits(len(rows), row):
            break
        rows.append(row)
        ends.append(position)
        begin = position
    return rows, ends


def check_writable(output: Path, *, expected_bytes: int) -> None:
    """Raise OutputError now if ``output`` could not be written hours later."""
    if output.is_dir():
        raise OutputError("this is a folder", where=output, remedy="Name a CSV file")
    if not output.parent.is_dir():
        raise OutputError(
            "the folder of the output does not exist", where=output, remedy="Make it first"
        )
    with _output_errors(output):
        probe = output.with_name(f".{output.name[:100]}.{os.getpid()}.probe")
        try:
            probe.write_bytes(b"x")
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(output.parent).free
    if free < expected_bytes:
        raise OutputError(
            f"the disk has {data_size(free)} left, {data_size(expected_bytes)} are needed",
            where=output,
            remedy="Free some space or write elsewhere",
        )


@contextmanager
def _output_errors(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error})",
            where=output,
            remedy="Check that the folder is writable and has space left; what is finished is "
            "kept, and the same command resumes from there",
        ) from error
