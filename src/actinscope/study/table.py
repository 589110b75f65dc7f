"""A table with named columns that a person has edited: its rows, and what their cells mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import ManifestError
from actinscope.study.records import (
    PART_WORDS,
    PARTS,
    RESERVED_COLUMNS,
    forbidden_characters,
    is_missing,
    tidy,
)
from actinscope.tables import number_reader, read_cells
from actinscope.wording import enumerate_some


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
        if is_missing(written) and not needed:
            return ""
        part = PART_WORDS.get(written.lower(), "")
        if not part:
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
        if is_missing(written):
            return ""
        if len(written) != 64 or set(written) - set("0123456789abcdef"):
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
    """The rows of a CSV file or a workbook, and the sign between its cells."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    delimiter: str

    def number_reader(self, columns: Sequence[str]) -> Callable[[str], float]:
        """What turns the cells of ``columns`` into numbers; ``ValueError`` where one is none.

        Raises:
            ManifestError: it cannot be told whether their decimal sign is the comma or the point.
        """
        cells = ((row.line, row.get(name)) for row in self.rows for name in columns)
        return number_reader(cells, where=self.path, delimiter=self.delimiter)


def read_table(path: Path, required: Sequence[str] = ()) -> Table:
    """Read a CSV or a workbook with a header line, in any way that ``read_cells`` accepts.

    Empty trailing columns are passed over. The names of the columns that actinscope knows may be
    in any case.

    Raises:
        ManifestError: the file cannot be read, has no rows, names a column twice, lacks
            one of ``required``, or a row has more cells than there are columns.
    """
    read = read_cells(path, RESERVED_COLUMNS)
    if not read.rows:
        raise ManifestError(
            "the file is empty", where=path, remedy="It needs at least the columns path and label"
        )
    columns = _columns(read.rows[0][1], path)
    missing = [name for name in required if name not in columns]
    if missing:
        raise ManifestError(
            f"there is no column {' and no column '.join(missing)}",
            where=path,
            remedy=f"The first line names the columns; found: {', '.join(filter(None, columns))}",
        )
    rows = tuple(_row(line, cells, columns, path) for line, cells in read.rows[1:])
    if not rows:
        raise ManifestError(
            "there is a header but no row below it",
            where=path,
            remedy="Add one row for each image",
        )
    named_columns = tuple(name for name in columns if name)
    return Table(path, named_columns, rows, read.delimiter)


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
