"""Reading a table that a person has edited, in whatever way the spreadsheet wrote it.

``csv.Sniffer`` guesses the delimiter from letters that happen to repeat; here the column names
that actinscope knows decide. Numbers with a comma are read where it can only be a decimal comma.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import ManifestError
from actinscope.workbook import workbook_rows

_DELIMITERS = (",", ";", "\t")
_LARGEST = 1 << 30  # bytes; ten million rows
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ARCHIVE = b"PK\x03\x04"
_COMPOUND = b"\xd0\xcf\x11\xe0"  # .xls, and a workbook with a password
_SAVE_AGAIN = "Save it again as .xlsx, or as 'CSV UTF-8 (comma delimited)'"
_MARKED = re.compile(r"[+-]?[0-9]*[.,][0-9.,]*([eE][+-]?[0-9]+)?")
_PLAIN_NUMBERS = (
    "Take the table as it was before a spreadsheet changed it, or format these columns as plain "
    "numbers and save it as .xlsx"
)
#: 1.234 and 12.345.678: a whole number with marks between the thousands, or a small one.
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,][0-9]{3})+")


@dataclass(frozen=True)
class Cells:
    """The filled rows of a table, the header first, each with the line that it starts on.

    ``delimiter`` is empty for a workbook.
    """

    path: Path
    delimiter: str
    rows: tuple[tuple[int, list[str]], ...]


def read_cells(path: Path, known: Collection[str]) -> Cells:
    """Read a CSV file or an Excel workbook.

    Accepts UTF-8 with or without a byte order mark and UTF-16 with one; commas, semicolons or
    tabs between cells; any line end; a leading ``sep=;`` line; empty rows; .xlsx.

    Args:
        path: the file; its content decides what it is.
        known: names of columns, lower case, that tell which sign lies between cells.

    Raises:
        ManifestError: the file cannot be read, or is of another kind.
    """
    data = _read(path)
    if data.startswith(_ARCHIVE):
        return Cells(path, "", tuple(workbook_rows(data, path)))
    text = _decoded(data, path)
    first, _, rest = text.partition("\n")
    offset = 0
    named = first.strip().lower()
    if named.startswith("sep=") and len(named) <= 5:
        text, offset = rest, 1
    delimiter = _guess_delimiter(text, known)
    return Cells(path, delimiter, tuple(_parse(text, delimiter, path, offset)))


def _read(path: Path) -> bytes:
    try:
        if Path(path).stat().st_size > _LARGEST:
            raise ManifestError("is larger than such a table can be", where=path)
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ManifestError(f"cannot be read ({reason})", where=path) from error


def _decoded(data: bytes, path: Path) -> str:
    if data.startswith(_COMPOUND):
        raise ManifestError(
            "is a workbook of an old Excel (.xls), or one with a password",
            where=path,
            remedy=_SAVE_AGAIN,
        )
    is_utf16 = data.startswith(_UTF16_MARKS)
    if not is_utf16 and b"\0" in data[:1000]:
        raise ManifestError("is not a table in text", where=path, remedy=_SAVE_AGAIN)
    try:
        return data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"line {line} is not UTF-8 text: it was perhaps saved as plain 'CSV', in which "
            "letters such as ä or µ mean something else on every computer",
            where=path,
            remedy=_SAVE_AGAIN,
        ) from error


def _guess_delimiter(text: str, known: Collection[str]) -> str:
    def score(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return (-1, 0)
        names = {cell.strip().lower() for cell in header}
        return (len(names & set(known)), len(header))

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


def number_reader(
    cells: Iterable[tuple[int, str]], *, where: Path, delimiter: str
) -> Callable[[str], float]:
    """What turns the cells of a table's numeric columns into numbers.

    Args:
        cells: all cells of these columns, each with its line.
        where: the table.
        delimiter: what stands between its cells.

    Returns:
        a function that raises ``ValueError`` for what is no number.

    Raises:
        ManifestError: some numbers have a decimal comma and some a point, or all of them look
            like whole numbers with a mark between the thousands.
    """
    marked = [(line, text.strip()) for line, text in cells if _MARKED.fullmatch(text.strip())]
    comma = next((one for one in marked if "," in one[1]), None)
    point = next((one for one in marked if "." in one[1]), None)
    if comma and point:
        raise ManifestError(
            f"line {comma[0]} has the number {comma[1][:20]!r}, line {point[0]} {point[1][:20]!r}: "
            "the comma and the point cannot both be the decimal sign",
            where=where,
            remedy=_PLAIN_NUMBERS,
        )
    # After a comma between cells thousands have commas, after a semicolon points.
    doubtful = {",": comma, ";": point}.get(delimiter)
    if doubtful and all(_THOUSANDS.fullmatch(text) for _, text in marked):
        raise ManifestError(
            f"line {doubtful[0]} has the number {doubtful[1][:20]!r}, which can be a whole number "
            "with its thousands set apart or one with three decimals",
            where=where,
            remedy=_PLAIN_NUMBERS,
        )
    return _with_comma if comma else float


def _with_comma(text: str) -> float:
    return float(text.replace(",", "."))
