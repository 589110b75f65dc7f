"""Excel workbooks: what is written is read again, and what others wrote is understood."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.workbook import NotATable, workbook_bytes, workbook_rows

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def changed(data: bytes, part: str, old: str, new: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(stream, "w") as after:
        for name in before.namelist():
            text = before.read(name).decode()
            assert name != part or old in text
            after.writestr(name, text.replace(old, new) if name == part else text)
    return stream.getvalue()


def sheet(cells: str, *, styles: str = "", strings: str = "") -> bytes:
    """A workbook with these cells in its only row."""
    data = workbook_bytes([["X"]])
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (row,) = re.findall("<row>.*</row>", archive.read(part).decode())
    data = changed(data, part, row, f"<row>{cells}</row>")
    if styles:
        data = changed(data, "xl/styles.xml", "<cellXfs", f"<numFmts>{styles}</numFmts><cellXfs")
        xfs = '<cellXfs count="3"><xf/><xf numFmtId="14"/><xf numFmtId="164"/>'
        data = changed(data, "xl/styles.xml", '<cellXfs count="3"><xf/>', xfs)
    stream = io.BytesIO(data)
    if strings:
        with zipfile.ZipFile(stream, "a") as archive:
            archive.writestr("xl/sharedStrings.xml", f"<sst>{strings}</sst>")
    return stream.getvalue()


@given(rows=st.lists(st.lists(_TEXT, min_size=2, max_size=2), min_size=1, max_size=6))
def test_text_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    rows = [[f"a{cell}" for cell in row] for row in rows]  # no number, never empty
    found = workbook_rows(workbook_bytes(rows))
    assert found == [(number, row) for number, row in enumerate(rows, start=1)]


def test_the_same_table_gives_the_same_bytes() -> None:
    rows = [["path", "p"], ["ä.tif", "0.5"]]
    assert workbook_bytes(rows) == workbook_bytes(rows)


def kinds(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read("xl/worksheets/sheet1.xml").decode()
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
        sheet_text = archive.read("xl/worksheets/sheet1.xml").decode()
        styles = archive.read("xl/styles.xml").decode()
    assert "<f>" not in sheet_text and sheet_text.count('t="inlineStr"') == 5
    assert styles.count('quotePrefix="1"') == 2  # also when somebody edits the cell


def test_cells_of_every_kind_that_excel_writes() -> None:
    cells = (
        '<c r="A1" t="s"><v>0</v></c><c r="C1" t="b"><v>1</v></c><c r="D1"><v>0.1</v></c>'
        '<c r="E1" s="1"><v>45413</v></c><c r="F1" s="2"><v>45413.5</v></c><c r="G1"><v>3.0</v></c>'
        '<c r="AA1" t="str"><f>A1</f><v>x_x000D_</v></c>'
    )
    data = sheet(
        cells,
        styles='<numFmt numFmtId="164" formatCode="[Red]yyyy\\-mm hh:mm"/>',
        strings="<si><r><t>Zel</t></r><r><t>len</t></r><rPh><t>no</t></rPh></si>",
    )
    found = ["Zellen", "", "TRUE", "0.1", "2024-05-01", "2024-05-01 12:00:00", "3"]
    assert workbook_rows(data) == [(1, [*found, *[""] * 19, "x\r"])]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04 no archive", "damaged"),
        (sheet('<c r="A1"><f>B1</f></c>'), "the cell A1 holds a formula that was never computed"),
        (sheet('<c r="ZZZZ1"><v>1</v></c>'), "damaged"),
        (sheet('<c t="s"><v>7</v></c>'), "damaged"),
        (changed(workbook_bytes([["a"]]), "xl/workbook.xml", "<workbook", "<!DOCTYPE a><workbook"),
         "is not one of Excel's"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(data: bytes, message: str) -> None:
    with pytest.raises(NotATable, match=message):
        workbook_rows(data)


def test_a_small_file_that_asks_for_any_amount_of_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actinscope.workbook._MOST_CELLS", 100_000)
    far = '<c r="XFD1"><v>1</v></c></row><row>'
    with pytest.raises(NotATable, match="too large to be read"):
        workbook_rows(sheet(far * 7))


def test_several_filled_sheets_are_refused_and_empty_ones_passed_over() -> None:
    data = workbook_bytes([["a"], ["b"]])
    second = "</sheets>", '<sheet name="2" sheetId="2" r:id="r1"/></sheets>'
    with pytest.raises(NotATable, match="2 sheets of this workbook hold something"):
        workbook_rows(changed(data, "xl/workbook.xml", *second))


@settings(max_examples=150)
@given(data=st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    whole = bytearray(workbook_bytes([["path", "p"], ["a.tif", "0.5"], ["b.tif", "1.5"]]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    with contextlib.suppress(NotATable):
        workbook_rows(bytes(whole[:cut]))
