"""What predict writes: workbooks, through links, never over devices; and reading it back."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.bundle import Bundle
from actinscope.errors import ManifestError, OutputError, UsageError
from actinscope.files import require_table_size
from actinscope.predict import predict_files, read_predictions
from actinscope.tables import read_cells
from actinscope.workbook import workbook_bytes
from helpers.bundles import CLASSES, make_bundle
from helpers.predictions import plain, read_written, write_image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(1, 7):
        write_image(tmp_path / "images" / f"cell{number}.tif", number)
    (tmp_path / "images" / "cell5.tif").write_bytes(b"")
    return tmp_path / "images"


def test_a_workbook_holds_the_same_table(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    predict_files(bundle, [images], tmp_path / "out.csv", options=plain())
    book = tmp_path / "out.xlsx"
    predict_files(bundle, [images], book, options=plain())
    read = [cells for _, cells in read_cells(book, ("path",)).rows]
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        written = list(csv.reader(stream))
    assert read[0] == written[0]
    for ours, theirs in zip(read[1:], written[1:], strict=True):
        assert ours[:5] == theirs[:5] and ours[8:] == theirs[8:]
        assert list(map(float, filter(None, ours[5:8]))) == list(
            map(float, filter(None, theirs[5:8]))
        )
    table = read_predictions(book)
    assert (table.classes, len(table.rows), table.failed) == (CLASSES, 5, 1)
    before = book.read_bytes()
    predict_files(bundle, [images], book, options=plain())  # replaced, with the same bytes
    assert book.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out.csv", "out.xlsx"]


def test_a_workbook_of_something_else_is_not_replaced(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    book = tmp_path / "study.xlsx"
    for data in (workbook_bytes([["path", "label"], ["a.tif", "x"]]), b"PK\x03\x04", b"text"):
        book.write_bytes(data)
        with pytest.raises(UsageError, match="is there already and is not a predictions table"):
            predict_files(bundle, [images], book, options=plain())
        assert book.read_bytes() == data


@pytest.mark.parametrize("name", ["out", "out.xls", "out.ods", "out.csv ", "out.csv.", "out.png"])
def test_a_name_that_promises_something_else_is_refused(
    bundle: Bundle, images: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match=r"a name that ends in \.csv, or in \.xlsx"):
        predict_files(bundle, [images], tmp_path / name, options=plain())


@pytest.mark.parametrize("name", ["CON.csv", "nul.xlsx", "Aux .csv", "com1.tar.csv", "LPT9.csv"])
def test_names_that_windows_keeps_for_devices_are_refused(
    bundle: Bundle, images: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match="a name that Windows keeps for a device"):
        predict_files(bundle, [images], tmp_path / name, options=plain())
    predict_files(bundle, [images], tmp_path / "console.csv", options=plain())


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_stays_and_its_file_is_written(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for name in ("out.csv", "out.xlsx"):
        link, real = tmp_path / name, tmp_path / "store" / f"of_{name}.data"
        link.symlink_to(real)
        for _ in range(2):  # of a file that is not there yet, then of one that is
            predict_files(bundle, [images], link, options=plain())
            assert link.is_symlink() and not real.is_symlink()
    assert len(read_predictions(tmp_path / "out.csv").rows) == 5
    assert len(read_predictions(tmp_path / "out.xlsx").rows) == 5
    assert len(list((tmp_path / "store").iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_device_or_a_pipe_is_never_replaced(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("/dev/null")
    for path in (tmp_path / "pipe.csv", tmp_path / "link.csv", Path("/dev/null")):
        with pytest.raises(OutputError, match="is a device or a pipe, and no file"):
            predict_files(bundle, [images], path, options=plain())
    assert (tmp_path / "pipe.csv").is_fifo() and Path("/dev/null").is_char_device()


def test_more_rows_than_a_sheet_has_are_refused_before_the_work() -> None:
    require_table_size(Path("a.csv"), 2_000_000, 9)
    require_table_size(Path("a.xlsx"), 1_048_575, 9)
    with pytest.raises(
        UsageError, match=r"at most 1,048,576 rows .* this table has 1,048,577 and 9"
    ):
        require_table_size(Path("a.xlsx"), 1_048_576, 9)


def test_the_rows_of_each_class_are_counted(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    summary = predict_files(bundle, [images], out, options=plain())
    predicted = read_written(out).predicted
    assert summary.counts == {name: predicted.count(name) for name in CLASSES}
    assert sum(summary.counts.values()) == 5


GERMAN = (
    "path;object;y;x;predicted;probability_a;probability_b;abstained;unfamiliar;error\r\n"
    "ä.tif;1;7,5;7;a;0,75;0,25;FALSCH;FALSCH;\r\n"
    "b.tif;2;7;7;b;1,2E-05;0,999988;FALSCH;FALSCH;\r\n"
    "c.tif;3;7;7;;0,5;0,5;WAHR;WAHR;\r\n"
    "d.tif;;;;;;;;;broken\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_predictions_saved_again_by_a_german_spreadsheet(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(GERMAN.encode(encoding))
    table = read_predictions(path)
    assert table.probabilities.tolist() == [[0.75, 0.25], [1.2e-5, 0.999988]]
    assert (table.failed, table.unfamiliar) == (1, 1)  # WAHR is no answer


def test_probabilities_with_both_decimal_signs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(GERMAN.replace("0,25", "0.25"), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"line 2 has the number '0,75', line 2 '0\.25'"):
        read_predictions(path)


def test_a_thresholded_mask_is_told_apart_and_said(tmp_path: Path) -> None:
    fields = make_bundle(tmp_path / "bundle", crop_size=10)
    mask = np.zeros((40, 50), np.uint8)
    mask[5:10, 5:10] = mask[20:31, 30:41] = 255
    tifffile.imwrite(
        tmp_path / "f.tif", np.random.default_rng(0).integers(0, 999, mask.shape, np.uint16)
    )
    tifffile.imwrite(tmp_path / "m.tif", mask)
    out = tmp_path / "out.csv"
    options = plain(masks=tmp_path / "m.tif")
    summary = predict_files(fields, [tmp_path / "f.tif"], out, options=options)
    assert read_written(out).objects == ("1", "2")
    assert "2 connected parts are taken as cells" in summary.notes[0]
