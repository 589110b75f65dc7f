"""Excel workbooks (.xlsx): one table, written so that it opens right anywhere, and read again.

A workbook keeps numbers as numbers and text as text, whatever language the spreadsheet speaks:
no decimal comma, no delimiter, no encoding, no name that turns into a date or a formula.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from actinscope.errors import ManifestError

#: Rows of a sheet, the header included.
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
_MOST_INFLATED = 1 << 29
_MOST_CELLS = 20_000_000

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]*[0-9]))?")
#: What XML lacks is written as _x000D_, and text that looks like it as _x005F_x000D_.
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
#: Not all are read back: openpyxl does not tell a sign from a name such as tile_x0012_.tif.
_ESCAPED = re.compile("_x(000D|005F)_")


def workbook_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook with one sheet; the first row is the header. The same rows give the same bytes.

    A column becomes numbers where that loses nothing: all its filled cells are plain numbers of
    at most 15 digits, either with the same number of decimals or without needless zeros. So
    ``01``, ``1E5`` and a mixture of ``1.1`` and ``1.10`` stay text.

    Args:
        rows: at most ``MOST_ROWS`` of at most ``MOST_COLUMNS`` cells.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.writer.excel import ExcelWriter

    book, bold = Workbook(write_only=True), Font(bold=True)
    book.properties.created = book.properties.modified = datetime(1980, 1, 1)
    sheet = book.create_sheet("table")
    sheet.freeze_panes = "A2"
    width = max(map(len, rows), default=0)
    columns = [[row[place] for row in rows if place < len(row)] for place in range(width)]
    numeric = [_all_plain_numbers(cells[1:]) for cells in columns]
    for place, cells in enumerate(columns, start=1):
        wide = min(60, max(map(len, cells))) + 2
        sheet.column_dimensions[get_column_letter(place)].width = wide

    def cell(text: str, *, is_header: bool, is_number: bool) -> Any:
        if is_number and text and not is_header:
            return float(text)
        made = WriteOnlyCell(sheet, _NOT_XML.sub(lambda sign: f"_x{ord(sign[0]):04X}_", text))
        made.data_type, made.quotePrefix = "s", True  # no formula, not even when it is edited
        if is_header:
            made.font = bold
        return made

    for line, row in enumerate(rows):
        pairs = zip(row, numeric, strict=False)
        sheet.append([cell(text, is_header=not line, is_number=number) for text, number in pairs])
    stream, timeless = io.BytesIO(), io.BytesIO()
    ExcelWriter(book, zipfile.ZipFile(stream, "w")).save()
    with zipfile.ZipFile(stream) as timed, zipfile.ZipFile(timeless, "w") as archive:
        for name in timed.namelist():
            archive.writestr(zipfile.ZipInfo(name), timed.read(name), zipfile.ZIP_DEFLATED)
    return timeless.getvalue()


def _all_plain_numbers(cells: Iterable[str]) -> bool:
    found = [_NUMBER.fullmatch(cell) for cell in cells if cell]
    numbers = [one for one in found if one is not None]
    if not numbers or len(numbers) < len(found):
        return False
    if any(sum(sign.isdigit() for sign in one[0]) > 15 or one[0] == "-0" for one in numbers):
        return False
    decimals = [one[2] or "" for one in numbers]
    return len(set(map(len, decimals))) == 1 or not any(one.endswith("0") for one in decimals)


def workbook_rows(data: bytes, where: Path) -> list[tuple[int, list[str]]]:
    """Row number and cells, as text, of every row of the only sheet that holds something.

    Dates become ``2024-05-01``, numbers at most 15 digits as a spreadsheet shows them.

    Args:
        data: what the file holds.
        where: the file, for what is said of it.

    Raises:
        ManifestError: no workbook, damaged, several filled sheets, or formulas without a result.
    """
    formulas: set[tuple[str, int, int]] = set()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of openpyxl, about charts and colours
            _require(sum(part.file_size for part in archive.infolist()) <= _MOST_INFLATED, where)
            filled = _filled_sheets(data, where, formulas, results=False)
            if formulas:
                filled = _filled_sheets(data, where, formulas, results=True)
    except ManifestError:
        raise
    except Exception as error:  # zlib, struct, XML and Unicode each have their own
        raise ManifestError(
            f"is no workbook of Excel, or it is damaged ({error})",
            where=where,
            remedy="Save the table again as .xlsx or as 'CSV UTF-8'",
        ) from error
    if len(filled) > 1:
        raise ManifestError(
            f"{len(filled)} sheets of the workbook hold something",
            where=where,
            remedy="Keep the sheet with the table and delete the others",
        )
    return filled[0] if filled else []


def _filled_sheets(
    data: bytes, where: Path, formulas: set[tuple[str, int, int]], *, results: bool
) -> list[list[tuple[int, list[str]]]]:
    """The filled rows of each sheet that has any.

    Without ``results`` it adds to ``formulas`` where they stand; with them it requires one there.
    """
    from openpyxl import load_workbook

    filled, places = [], 0
    for sheet in load_workbook(io.BytesIO(data), read_only=True, data_only=results).worksheets:
        sheet.reset_dimensions()  # some programs write too small ones
        rows = []
        for number, row in enumerate(sheet.iter_rows(), start=1):
            places += 1 + len(row)
            _require(places <= _MOST_CELLS, where)
            for place, cell in enumerate(row):
                at = (sheet.title, number, place)
                if cell.data_type == "f":
                    formulas.add(at)
                # The result "" is of type "str".
                elif cell.value is None and cell.data_type == "n" and at in formulas:
                    raise ManifestError(
                        f"the cell {cell.coordinate} holds a formula that was never computed",
                        where=where,
                        remedy="Open the workbook in a spreadsheet and save it again",
                    )
            cells = [_text(cell.value) for cell in row]
            if any(map(str.strip, cells)):
                rows.append((number, cells))
        if rows:
            filled.append(rows)
    return filled


def _require(is_small: bool, where: Path) -> None:
    if not is_small:
        raise ManifestError("is too large to be read", where=where, remedy="Save it as 'CSV UTF-8'")


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return str(value).removesuffix(" 00:00:00")
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, bool):
        return str(value).upper()
    return "" if value is None else _ESCAPED.sub(lambda sign: chr(int(sign[1], 16)), str(value))
