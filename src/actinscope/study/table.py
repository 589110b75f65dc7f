"""Reading a CSV that a person has edited, in whatever dialect the spreadsheet wrote it.

``csv.Sniffer`` guesses the delimiter from letters that happen to repeat; here the column names
that actinscope knows decide.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import ManifestError
from actinscope.study.records import PARTS, RESERVED_COLUMNS, forbidden_characters, tidy
from actinscope.wording import enumerate_some

_DELIMITERS = (",", ";", "\t")
_PART_ALIASES = {"training": "train", "val": "validation", "valid": "validation"}
_LARGEST = 1 << 30  # bytes; ten million rows
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Row:
    """One row of a table: the line of the file that it starts on, and its cells by column."""

    table: Path
    line: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """The cell without space around it; empty where the column is missing."""
        return self.cells.get(column, "").strip()

    def word(self, column: str, *, needed: bool = False, exact: bool = False) -> str:
        """The cell, tidied; ``exact`` keeps its letters as they are, as paths must.

        Raises:
            ManifestError: it holds characters that cannot be used, or is empty and ``needed``.
        """
        text = self.get(column) if exact else tidy(self.get(column))
        if needed and not text:
            raise self.error(f" has no {column}", "Fill the cell or delete the row")
        self.require_usable(column, text)
        return text

    def part(self, *, needed: bool = False) -> str:
        """train, validation or test; empty only where it is not ``needed``.

        Raises:
            ManifestError: anything else.
        """
        written = self.get("part")
        part = _PART_ALIASES.get(written.lower(), written.lower())
        if part not in PARTS and (part or needed):
            raise self.error(
                f": the part is {written[:40]!r}", f"It must be one of {', '.join(PARTS)}"
            )
        return part

    def pixel_hash(self) -> str:
        """The SHA-256 of the pixels, lower case, or empty.

        Raises:
            ManifestError: not 64 hexadecimal digits.
        """
        written = self.get("sha256").lower()
        if written and (len(written) != 64 or set(written) - set("0123456789abcdef")):
            raise self.error(
                ": sha256 is not 64 hexadecimal digits",
                "Empty or delete the column; it is filled again",
            )
        return written

    def require_usable(self, column: str, text: str) -> None:
        """Refuse a text with characters that cannot be used.

        Raises:
            ManifestError: it has some.
        """
        if forbidden := forbidden_characters(text):
            raise self.error(f": the {column} holds characters that cannot be used ({forbidden})")

    def error(self, what: str, remedy: str | None = None) -> ManifestError:
        """The error to raise about this row; ``what`` follows ``line 7`` as it is."""
        return ManifestError(f"line {self.line}{what}", where=self.table, remedy=remedy)


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file. ``decimal_comma``: numbers may be written ``1,5``."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    decimal_comma: bool


def read_table(path: Path, required: Sequence[str] = ()) -> Table:
    """Read a CSV with a header line.

    Accepts UTF-8 with or without a byte order mark and UTF-16 with one; commas,
    semicolons or tabs between cells; any line end; a leading ``sep=;`` line; empty
    rows and empty trailing columns. The names of the columns that actinscope knows
    may be in any case.

    Raises:
        ManifestError: the file cannot be read, has no rows, names a column twice, lacks
            one of ``required``, or a row has more cells than there are columns.
    """
    text = _read_text(path)
    first, _, rest = text.partition("\n")
    offset = 0
    named = first.strip().lower()
    if named.startswith("sep=") and len(named) <= 5:
        text, offset = rest, 1
    delimiter = _guess_delimiter(text)
    numbered = _parse(text, delimiter, path, offset)
    if not numbered:
        raise ManifestError(
            "the file is empty", where=path, remedy="It needs at least the columns path and label"
        )
    columns = _columns(numbered[0][1], path)
    missing = [name for name in required if name not in columns]
    if missing:
        raise ManifestError(
            f"there is no column {' and no column '.join(missing)}",
            where=path,
            remedy=f"The first line names the columns; found: {', '.join(filter(None, columns))}",
        )
    rows = tuple(_row(line, cells, columns, path) for line, cells in numbered[1:])
    if not rows:
        raise ManifestError(
            "there is a header but no row below it",
            where=path,
            remedy="Add one row for each image",
        )
    named_columns = tuple(name for name in columns if name)
    return Table(path, named_columns, rows, decimal_comma=delimiter != ",")


def _read_text(path: Path) -> str:
    try:
        if Path(path).stat().st_size > _LARGEST:
            raise ManifestError("is larger than such a table can be", where=path)
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ManifestError(f"cannot be read ({reason})", where=path) from error
    encoding = "utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"line {line} is not UTF-8 text",
            where=path,
            remedy="Save it again as 'CSV UTF-8 (comma delimited)'",
        ) from error


def _guess_delimiter(text: str) -> str:
    def score(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return (-1, 0)
        names = {cell.strip().lower() for cell in header}
        return (len(names & RESERVED_COLUMNS), len(header))

    return max(_DELIMITERS, key=score)


def _parse(text: str, delimiter: str, path: Path, offset: int) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((start + offset, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(
            f"line {start + offset} is not valid CSV ({error})",
            where=path,
            remedy="Look for a quotation mark that is not closed",
        ) from error
    return found


def _columns(header: list[str], path: Path) -> tuple[str, ...]:
    names = []
    for cell in header:
        name = tidy(cell)
        if forbidden := forbidden_characters(name):
            raise ManifestError(
                f"a column name holds characters that cannot be used ({forbidden})", where=path
            )
        names.append(name.lower() if name.lower() in RESERVED_COLUMNS else name)
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise ManifestError(
            f"column {enumerate_some(map(repr, twice))} is there more than once",
            where=path,
            remedy="Rename or delete one of them",
        )
    return tuple(names)


def _row(line: int, cells: list[str], columns: tuple[str, ...], path: Path) -> Row:
    surplus = [cell for cell in cells[len(columns) :] if cell.strip()]
    if surplus:
        raise ManifestError(
            f"line {line} has {len(cells)} cells but there are {len(columns)} columns",
            where=path,
            remedy="Put a cell that holds the delimiter between quotation marks",
        )
    for number, (name, cell) in enumerate(zip(columns, cells, strict=False), start=1):
        if not name and cell.strip():
            raise ManifestError(
                f"line {line} has a value in column {number}, which has no name",
                where=path,
                remedy="Name the column in the first line, or empty it",
            )
    return Row(path, line, {name: cell for name, cell in zip(columns, cells, strict=False) if name})
