"""Tables as spreadsheets save them: encodings, signs between cells, decimal commas."""

from __future__ import annotations

from pathlib import Path

import pytest

from actinscope.errors import ManifestError
from actinscope.tables import number_reader, read_cells
from actinscope.workbook import workbook_bytes

KNOWN = ("path", "label", "x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_what_excel_saves_in_any_country(tmp_path: Path, encoding: str, sign: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"path{sign}label\r\nZähler µ.tif{sign}β\r\n".encode(encoding))
    read = read_cells(path, KNOWN)
    assert read.rows == ((1, ["path", "label"]), (2, ["Zähler µ.tif", "β"]))
    assert read.delimiter == sign


def test_a_workbook_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(workbook_bytes([["path", "label"], ["ä.tif", "01"]]))
    assert read_cells(path, KNOWN).rows == ((1, ["path", "label"]), (2, ["ä.tif", "01"]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("path,label\nZähler.tif,a\n".encode("cp1252"), r"line 2 is not UTF-8.*as \.xlsx, or as"),
        ("path,label\na,b\n".encode("utf-16-le"), r"is not a table in text.*as \.xlsx, or as"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Excel .*or one with a password"),
        (b"PK\x03\x04" + bytes(50), "no workbook of Excel, or it is damaged"),
    ],
)
def test_what_is_no_such_table_is_called_by_its_name(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=message):
        read_cells(path, KNOWN)


def numbers(*cells: str, sign: str) -> list[float]:
    read = number_reader(enumerate(cells, start=2), where=Path("t.csv"), delimiter=sign)
    return [read(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cells", "sign", "values"),
    [
        (("0,5", "1", "1,25E-05"), ";", [0.5, 1, 1.25e-5]),
        (("1,234", "-2,5"), ";", [1.234, -2.5]),
        (("0.5", "1e3"), ";", [0.5, 1000]),  # a program wrote the semicolons
        (("12.345", "6.789"), ",", [12.345, 6.789]),
        (("12.345", "6.789"), "\t", [12.345, 6.789]),  # ImageJ
        (("0,5", "12,25"), ",", [0.5, 12.25]),  # in quotation marks
        (("12.345", "6.7"), "", [12.345, 6.7]),
    ],
)
def test_the_decimal_sign_is_the_comma_or_the_point(
    cells: tuple[str, ...], sign: str, values: list[float]
) -> None:
    assert numbers(*cells, sign=sign) == values


@pytest.mark.parametrize(
    ("cells", "sign", "message"),
    [
        (("0,5", "0.25"), ";", r"line 2 has the number '0,5', line 3 '0\.25'"),
        (("1.234,5",), ";", "cannot both be the decimal sign"),
        (("1.234", "12.345", "7"), ";", r"line 2 has the number '1\.234', which can be"),
        (("1,234", "12,345,678"), ",", "thousands set apart or one with three decimals"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused(
    cells: tuple[str, ...], sign: str, message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        numbers(*cells, sign=sign)


def test_what_is_no_number_is_left_to_the_caller() -> None:
    with pytest.raises(ValueError, match=r"n\.d\."):
        numbers("0,5", "n.d.", sign=";")
