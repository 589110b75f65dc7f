"""The half-finished output of a prediction: kept, checked and gone on with."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from actinscope.errors import OutputError, UsageError
from actinscope.files import lock_file, write_json_atomic

_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Kept:
    """What an earlier run left: its rows, or why they were not used."""

    rows: tuple[list[str], ...] = ()
    note: str = ""


class PartialOutput:
    """Appends rows to ``OUTPUT.partial``; the finished file becomes ``OUTPUT``.

    ``OUTPUT.partial.json`` says what the rows were computed from. Use as a context
    manager: leaving it closes the files, and an error leaves them for the next run.

    Args:
        output: the file to be.
        fingerprint: changes whenever the rows would.

    Raises:
        OutputError: the folder cannot be written or has too little space.
        UsageError: another process is writing the file.
    """

    def __init__(self, output: Path, *, fingerprint: str) -> None:
        self.output = Path(output)
        self._fingerprint = fingerprint
        self._path = Path(f"{self.output}.partial")
        self._sidecar = Path(f"{self.output}.partial.json")
        self._stream: BinaryIO | None = None

    def open(
        self,
        header: bytes,
        *,
        batch_size: int,
        total: int,
        row_fits: Callable[[int, list[str]], bool],
    ) -> Kept:
        """Open the file for appending, and keep the whole batches that it holds already.

        Args:
            header: the first line.
            batch_size: rows are kept in multiples of it.
            total: how many rows there will be.
            row_fits: whether a row can be row i.
        """
        with _output_errors(self.output):
            self._stream = self._alone()
            kept, size = self._earlier(header, batch_size, total, row_fits)
            self._stream.truncate(size)
            self._stream.seek(size)
            write_json_atomic(self._sidecar, {"fingerprint": self._fingerprint})
            if not size:
                self.append(header)
        return kept

    def _alone(self) -> BinaryIO:
        """The file, which no other process has.

        Raises:
            UsageError: another process is writing it.
        """
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

    def _earlier(
        self,
        header: bytes,
        batch_size: int,
        total: int,
        row_fits: Callable[[int, list[str]], bool],
    ) -> tuple[Kept, int]:
        if not self._path.stat().st_size:
            return Kept(), 0
        if self._stored_fingerprint() != self._fingerprint:
            return Kept(
                note="an unfinished output of another bundle, other inputs or other options was "
                "dropped; everything is predicted anew"
            ), 0
        data = self._path.read_bytes()
        if not data.startswith(header):
            return Kept(), 0
        rows, ends = _whole_rows(data, len(header), row_fits)
        count = len(rows) if len(rows) == total else len(rows) // batch_size * batch_size
        size = ends[count - 1] if count else len(header)
        return Kept(rows=tuple(rows[:count])), size

    def _stored_fingerprint(self) -> str:
        try:
            value = json.loads(self._sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""  # without its sidecar nobody knows what the file was computed from
        return str(value.get("fingerprint", "")) if isinstance(value, dict) else ""

    def append(self, data: bytes) -> None:
        """Write ``data`` and hand it to the operating system.

        Raises:
            OutputError: the disk is full or gone.
        """
        assert self._stream is not None
        with _output_errors(self.output):
            self._stream.write(data)
            self._stream.flush()

    def finish(self) -> None:
        """Give the file its name, after everything is on the disk."""
        assert self._stream is not None
        with _output_errors(self.output):
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._path.replace(self.output)
            self._sidecar.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None and not self._stream.closed:
            try:
                self._stream.close()
            except OSError:  # a full disk was already reported by append
                if error is None:
                    raise


def _whole_rows(
    data: bytes, start: int, row_fits: Callable[[int, list[str]], bool]
) -> tuple[list[list[str]], list[int]]:
    """The rows that are complete and fit, up to the first that does not, and where each ends."""
    rows: list[list[str]] = []
    ends: list[int] = []
    position = begin = start
    while (newline := data.find(b"\n", position)) >= 0:
        position = newline + 1
        line = data[begin:position]
        if line.count(b'"') % 2:
            continue  # the line break stands inside of a cell
        row = _parse(line)
        if row is None or not row_fits(len(rows), row):
            break
        rows.append(row)
        ends.append(position)
        begin = position
    return rows, ends


def _parse(line: bytes) -> list[str] | None:
    try:
        parsed = list(csv.reader(io.StringIO(line.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return parsed[0] if len(parsed) == 1 else None


def check_writable(output: Path, *, expected_bytes: int) -> None:
    """Raise OutputError now if ``output`` could not be written hours later.

    Args:
        output: the file to be.
        expected_bytes: about how large it will be.
    """
    output = Path(output)
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
            f"the disk has {free / 1e6:.1f} MB left, {expected_bytes / 1e6:.1f} MB are needed",
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
            "kept, and the same command goes on from there",
        ) from error


def expected_size(names: Sequence[str], columns: int) -> int:
    """About how many bytes rows with these first cells take, rather more than less."""
    return sum(len(name.encode("utf-8")) + 16 * columns for name in names)
