"""Excel workbooks: what is written is read again, and what others wrote is understood."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.xml.constants import SHEET_MAIN_NS

from actinscope.errors import ManifestError
from actinscope.workbook import workbook_bytes
from actinscope.workbook import workbook_rows as rows_in_file

# A workbook has other control characters only as _x0012_, which is also in names of tiles.
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r"))
_SHEET = "xl/worksheets/sheet1.xml"


def changed(data: bytes, part: str, old: str, new: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(stream, "w") as after:
        for name in before.namelist():
            text = before.read(name).decode()
            assert name != part or old in text
            after.writestr(name, text.replace(old, new) if name == part else text)
    return stream.getvalue()


def workbook_rows(data: bytes) -> list[tuple[int, list[str]]]:
    return rows_in_file(data, Path("t.xlsx"))


def made(*sheets: Sequence[Sequence[object]]) -> bytes:
    """A workbook as another program writes it."""
    book, stream = Workbook(), io.BytesIO()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(stream)
    return stream.getvalue()


@given(rows=st.lists(st.lists(_TEXT, min_size=2, max_size=2), min_size=1, max_size=6))
def test_text_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    rows = [[f"a{cell}b" for cell in row] for row in rows]  # no number, never empty
    found = workbook_rows(workbook_bytes(rows))
    assert found == [(number, row) for number, row in enumerate(rows, start=1)]


def test_the_same_table_gives_the_same_bytes() -> None:
    rows = [["path", "p"], ["ä.tif", "0.5"]]
    assert workbook_bytes(rows) == workbook_bytes(rows)


def kinds(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read(_SHEET).decode()
    return ["number" if "<v>" in cell else "text" for cell in re.findall("<c[ >].*?</c>", text)][1:]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0.123456", "1.000000"], "number"),
        (["12", "-3"], "number"),
        (["7.5", "7"], "number"),
        (["01", "02"], "text"),  # a plate
        (["1E5", "2E5"], "text"),  # a well
        (["1.1", "1.10"], "text"),  # two batches
        (["12", "twelve"], "text"),
        (["1234567890123456", "2"], "text"),  # more digits than a number keeps
        (["=1+1", "@x"], "text"),
    ],
)
def test_a_column_becomes_numbers_only_where_that_loses_nothing(
    cells: list[str], kind: str
) -> None:
    assert kinds(workbook_bytes([["name"], *([cell] for cell in cells)])) == [kind, kind]


def test_text_that_begins_like_a_formula_stays_text() -> None:
    data = workbook_bytes([["=A1"], ["=HYPERLINK(1)"], ["+1"], ["-x"], ["@sum"]])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet_text = archive.read(_SHEET).decode()
        styles = archive.read("xl/styles.xml").decode()
    assert "<f>" not in sheet_text and sheet_text.count('t="inlineStr"') == 5
    assert styles.count('quotePrefix="1"') == 2  # also when somebody edits the cell


def test_cells_of_every_kind_that_excel_writes() -> None:
    days = datetime(2024, 5, 1), datetime(2024, 5, 1, 12), time(8, 30)
    cells = [None, True, 0.1, *days, 3.0, 0.1 + 0.2, "=A1", *[None] * 15, "="]
    found = ["", "TRUE", "0.1", "2024-05-01", "2024-05-01 12:00:00", "08:30:00", "3", "0.3"]
    data = changed(made([["x", *cells]]), _SHEET, "<f>A1</f><v />", "<f>A1</f><v>7</v>")
    assert workbook_rows(data) == [(1, ["x", *found, "7", *[""] * 15, "="])]


def test_texts_that_excel_keeps_apart_from_the_cells() -> None:
    text = (
        "<si><r><t>Zel</t></r><r><t>len_x005F_x0012_</t></r><rPh sb='0' eb='1'><t>no</t></rPh></si>"
    )
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    part = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    data = changed(made([["a"]]), "[Content_Types].xml", "</Types>", part)
    stream = io.BytesIO(changed(data, _SHEET, A, 't="s"><v>0</v>'))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{SHEET_MAIN_NS}">{text}</sst>')
    assert workbook_rows(stream.getvalue()) == [(1, ["Zellen_x0012_"])]


def test_a_formula_may_give_an_empty_text_but_must_be_computed() -> None:
    data = made([["a", '=IF(1,"")', "b"]])
    computed = changed(data, _SHEET, '<c r="B1"><f>', '<c r="B1" t="str"><f>')
    assert workbook_rows(computed) == [(1, ["a", "", "b"])]
    with pytest.raises(ManifestError, match="the cell B1 holds a formula that was never computed"):
        workbook_rows(data)


def test_names_of_tiles_look_like_escaped_signs() -> None:
    tile = "tile_x0012_y0003_.tif"
    data = workbook_bytes([[tile, "a\rb", "\x01"]])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert "tile_x005F_x0012_y0003_.tif" in archive.read(_SHEET).decode()  # for Excel
    assert workbook_rows(data) == [(1, [tile, "a\rb", "_x0001_"])]


A = 't="inlineStr"><is><t>a</t></is>'  # the cell "a"
START = "<worksheet xmlns"
BOMB = (
    "<!DOCTYPE a [<!ENTITY a0 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    + "]>"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04 no archive", "damaged"),
        (changed(made([["a"]]), _SHEET, 'r="A1"', 'r="ZZZZ1"'), "damaged"),
        (changed(made([["a"]]), _SHEET, A, 't="s"><v>7</v>'), "damaged"),
        (changed(changed(made([["a"]]), _SHEET, ">a<", ">&a11;<"), _SHEET, START, BOMB + START),
         "limit on input amplification"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(data: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        workbook_rows(data)


@pytest.mark.parametrize("cell", [('r="A', 'r="XFD'), ('<row r="7"', '<row r="99999999"')])
def test_a_small_file_that_asks_for_any_amount_of_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, cell: tuple[str, str]
) -> None:
    monkeypatch.setattr("actinscope.workbook._MOST_CELLS", 100_000)
    far = made([["a"]] * 7)
    with pytest.raises(ManifestError, match="too large to be read"):
        workbook_rows(changed(far, _SHEET, *cell))


def test_several_filled_sheets_are_refused_and_empty_ones_passed_over() -> None:
    assert workbook_rows(made([[" "]], [["a"], ["b"]], [])) == [(1, ["a"]), (2, ["b"])]
    with pytest.raises(ManifestError, match="2 sheets of the workbook hold something"):
        workbook_rows(made([["a"]], [], [["b"]]))


@settings(max_examples=60)
@given(data=st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    whole = bytearray(workbook_bytes([["path", "p"], ["a.tif", "0.5"], ["b.tif", "1.5"]]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    with contextlib.suppress(ManifestError):
        workbook_rows(bytes(whole[:cut]))
