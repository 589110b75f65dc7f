"""Excel workbooks (.xlsx): one table written so that it opens right anywhere, and read again.

A workbook keeps numbers as numbers and text as text, whatever language the spreadsheet speaks:
no decimal comma, no delimiter, no encoding, no name that turns into a date or a formula. The
files are ZIP archives of XML (ECMA-376); the same table gives the same bytes.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

#: Rows of a sheet, the header included.
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
_MOST_INFLATED = 1 << 29
_MOST_CELLS = 20_000_000
_TOO_LARGE = "this workbook is too large to be read"
_TEXT, _HEADER = 1, 2  # styles below

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-'
    'package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    f'relationships"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="table" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/'
    f'package/2006/relationships"><Relationship Id="r1" Type="{_OFFICE}/worksheet" '
    f'Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{_OFFICE}/styles" '
    'Target="styles.xml"/></Relationships>',
    # quotePrefix: text that begins like a formula stays text when somebody edits the cell.
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font/><font><b/></font>'
    '</fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill>'
    '<patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf/>'
    '<xf quotePrefix="1"/><xf fontId="1" applyFont="1" quotePrefix="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>",
}
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]*[0-9]))?")
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
#: Numbers of the built-in formats that show a date or a time.
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_NOT_A_LETTER = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')


class NotATable(Exception):
    """What is wrong with a workbook, and what to do; for the reader to say with its name."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


def workbook_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook with one sheet; the first row is the header.

    A column becomes numbers where that loses nothing: all its filled cells are plain numbers of
    at most 15 digits, either with the same number of decimals or without needless zeros. So
    ``01``, ``1E5`` and a mixture of ``1.1`` and ``1.10`` stay text.

    Args:
        rows: at most ``MOST_ROWS`` of at most ``MOST_COLUMNS`` cells.
    """
    width = max(map(len, rows), default=0)
    columns = [[row[place] for row in rows[1:] if place < len(row)] for place in range(width)]
    numeric = [_all_plain_numbers(cells) for cells in columns]
    head = (
        f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" '
        'topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    )
    widths = [
        min(60, max(map(len, [*cells, *(rows[0][place : place + 1] if rows else [])]), default=0))
        for place, cells in enumerate(columns)
    ]
    cols = "".join(
        f'<col min="{place}" max="{place}" width="{wide + 2}" customWidth="1"/>'
        for place, wide in enumerate(widths, start=1)
    )
    body = "".join(
        f"<row>{''.join(_cells(row, numeric, header=number == 0))}</row>"
        for number, row in enumerate(rows)
    )
    sheet = (
        f"{head}{f'<cols>{cols}</cols>' if cols else ''}<sheetData>{body}</sheetData></worksheet>"
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, (_XML + text).encode("utf-8", "backslashreplace"))
    return stream.getvalue()


def _all_plain_numbers(cells: Iterable[str]) -> bool:
    found = [_NUMBER.fullmatch(cell) for cell in cells if cell]
    numbers = [one for one in found if one is not None]
    if not numbers or len(numbers) < len(found):
        return False
    if any(sum(sign.isdigit() for sign in one[0]) > 15 or one[0] == "-0" for one in numbers):
        return False
    decimals = [one[2] or "" for one in numbers]
    return len(set(map(len, decimals))) == 1 or not any(one.endswith("0") for one in decimals)


def _cells(row: Sequence[str], numeric: Sequence[bool], *, header: bool) -> Iterator[str]:
    for text, is_number in zip(row, numeric, strict=False):
        if not text:
            yield "<c/>"
        elif is_number and not header:
            yield f"<c><v>{text}</v></c>"
        else:
            safe = _NOT_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
            style = _HEADER if header else _TEXT
            yield (
                f'<c s="{style}" t="inlineStr"><is><t xml:space={quoteattr("preserve")}>'
                f"{escape(safe)}</t></is></c>"
            )


def workbook_rows(data: bytes) -> list[tuple[int, list[str]]]:
    """Row number and cells, as text, of every row of the only sheet that holds something.

    Dates become ``2024-05-01``, numbers the shortest text that is the same number.

    Raises:
        NotATable: no such workbook, damaged, several filled sheets, or formulas without a result.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _only_sheet(_Book(archive))
    except NotATable:
        raise
    except Exception as error:  # zlib, struct, XML and Unicode each have their own
        raise NotATable(
            f"this workbook is damaged ({error})", "Save it again as .xlsx or as 'CSV UTF-8'"
        ) from error


class _Book:
    """The parts of a workbook that its cells need."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = set(archive.namelist())
        if "xl/workbook.xml" not in names:
            raise NotATable(
                "this is an archive or a document of another program, not a table",
                "Save the table as .xlsx or as 'CSV UTF-8'",
            )
        if sum(one.file_size for one in archive.infolist()) > _MOST_INFLATED:
            raise NotATable(_TOO_LARGE, "Save the table as 'CSV UTF-8'")
        book = self.parsed("xl/workbook.xml")
        self.targets = {
            one.attrib["Id"]: posixpath.normpath(
                posixpath.join("/xl", one.attrib["Target"])
            ).lstrip("/")
            for one in self.parsed("xl/_rels/workbook.xml.rels")
        }
        self.sheets = [one for one in book.iter() if _local(one) == "sheet"]
        properties = [one for one in book.iter() if _local(one) == "workbookPr"]
        is_1904 = any(one.get("date1904") in ("1", "true") for one in properties)
        self.first_day = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)
        shared = "xl/sharedStrings.xml"
        self.texts = [_text(one) for one in self.parsed(shared)] if shared in names else []
        self.is_date = self._date_styles() if "xl/styles.xml" in names else []

    def parsed(self, name: str) -> ElementTree.Element:
        """The root of a part."""
        return ElementTree.fromstring(self._data(name))

    def rows(self, name: str) -> Iterator[ElementTree.Element]:
        """The rows of a sheet, one at a time, as a large one has millions of elements."""
        for _, element in ElementTree.iterparse(io.BytesIO(self._data(name))):
            if _local(element) == "row":
                yield element
                element.clear()

    def _data(self, name: str) -> bytes:
        data = self._archive.read(name)
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise NotATable("this workbook is not one of Excel's", "Save it again as 'CSV UTF-8'")
        return data

    def _date_styles(self) -> list[bool]:
        """Whether a cell of each style shows a date."""
        styles = self.parsed("xl/styles.xml")
        own = {
            int(one.attrib["numFmtId"]): bool(
                re.search("[dmyhs]", _NOT_A_LETTER.sub("", one.attrib["formatCode"]), re.IGNORECASE)
            )
            for one in styles.iter()
            if _local(one) == "numFmt"
        }
        formats = (one for group in styles if _local(group) == "cellXfs" for one in group)
        numbers = [int(one.get("numFmtId", "0")) for one in formats]
        return [own.get(number, number in _DATES) for number in numbers]

    def cell(self, cell: ElementTree.Element) -> str:
        """What a cell shows, as text."""
        kind = cell.get("t", "n")
        parts = {_local(one): one for one in cell}
        if kind == "inlineStr":
            return _text(parts["is"]) if "is" in parts else ""
        if "f" in parts and not (parts["v"].text if "v" in parts else ""):
            raise NotATable(
                f"the cell {cell.get('r', '')} holds a formula that was never computed",
                "Open the workbook in a spreadsheet and save it again",
            )
        value = (parts["v"].text or "") if "v" in parts else ""
        if kind == "s":
            return self.texts[int(value)]
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind != "n" or not value:
            return _unescaped(value)
        number = float(value)
        style = int(cell.get("s", "0"))
        if style < len(self.is_date) and self.is_date[style]:
            return self._date(number)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)

    def _date(self, days: float) -> str:
        when = self.first_day + timedelta(seconds=round(days * 86400))
        return when.date().isoformat() if days == int(days) else when.isoformat(" ")


def _only_sheet(book: _Book) -> list[tuple[int, list[str]]]:
    filled: list[list[tuple[int, list[str]]]] = []
    for sheet in book.sheets:
        (link,) = (value for name, value in sheet.attrib.items() if name.endswith("}id"))
        rows = [
            (number, cells)
            for number, cells in _rows(book, book.targets[link])
            if any(map(str.strip, cells))
        ]
        if rows:
            filled.append(rows)
    if len(filled) > 1:
        raise NotATable(
            f"{len(filled)} sheets of this workbook hold something",
            "Keep the sheet with the table and delete the others",
        )
    return filled[0] if filled else []


def _rows(book: _Book, sheet: str) -> Iterator[tuple[int, list[str]]]:
    number = places = 0
    for row in book.rows(sheet):
        number = int(row.get("r", number + 1))
        cells: dict[int, str] = {}
        for cell in (one for one in row if _local(one) == "c"):
            letters = cell.get("r", "").rstrip("0123456789")
            cells[_column(letters) if letters else max(cells, default=-1) + 1] = book.cell(cell)
        width = max(cells, default=-1) + 1
        places += width
        if places > _MOST_CELLS:
            raise NotATable(_TOO_LARGE, "Save the table as 'CSV UTF-8'")
        yield number, [cells.get(place, "") for place in range(width)]


def _column(letters: str) -> int:
    """From 0; ``A`` is 0, ``AA`` 26."""
    number = 0
    for letter in letters[:4]:
        number = number * 26 + ord(letter) - ord("A") + 1
    if not 1 <= number <= MOST_COLUMNS:
        raise ValueError(f"there is no column {letters}")
    return number - 1


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element) -> str:
    """Text of a cell, its runs joined; readings of Japanese signs (rPh) are no part of it."""
    if _local(element) == "t":
        return _unescaped(element.text or "")
    return "".join(_text(one) for one in element if _local(one) in {"si", "is", "r", "t"})


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
