"""Figures and tables on disk: valid, repeatable, at their promised sizes."""

from __future__ import annotations

import csv
import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

from actinscope.errors import OutputError
from actinscope.report import write_report
from helpers.report_content import HOSTILE, bare_content, make_content, picture

FIGURES = {"curves", "confusion_matrix", "examples"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(make_content(), folder)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_figure_is_there_as_picture_and_as_drawing(written: Path) -> None:
    expected = {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    assert names(written / "figures") == expected


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_pictures_have_300_dots_an_inch_and_a_journal_width(written: Path, name: str) -> None:
    with Image.open(written / "figures" / f"{name}.png") as picture:
        picture.load()
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert picture.width <= round(180 / 25.4 * 300)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_drawings_are_sound_xml_without_fonts_or_links(written: Path, name: str) -> None:
    root = ET.parse(written / "figures" / f"{name}.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.endswith("href"):
                assert value.startswith(("#", "data:image/png"))


def test_the_same_content_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_report(make_content(), tmp_path)
    for path in sorted(written.rglob("*.*")):
        again = tmp_path / path.relative_to(written)
        assert path.read_bytes() == again.read_bytes(), path.name


def test_hostile_names_can_be_drawn_and_tabled(tmp_path: Path) -> None:
    error = picture(HOSTILE[4], HOSTILE[5], HOSTILE)
    write_report(make_content((*HOSTILE, "細胞"), errors=(error,)), tmp_path)
    for path in (tmp_path / "figures").glob("*.svg"):
        ET.parse(path)
    table = rows(tmp_path / "tables" / "confusion_matrix.csv")
    assert {row["true_class"] for row in table} >= {HOSTILE[0], HOSTILE[1], HOSTILE[2]}


def test_new_data_have_fewer_figures(tmp_path: Path) -> None:
    write_report(bare_content(), tmp_path)
    assert {name.split(".")[0] for name in names(tmp_path / "figures")} == {"confusion_matrix"}


def test_tables_hold_all_digits_of_all_parts(written: Path) -> None:
    metrics = rows(written / "tables" / "metrics.csv")
    assert {row["part"] for row in metrics} == {"train", "validation", "test"}
    (one,) = [r for r in metrics if (r["part"], r["metric"]) == ("test", "balanced_accuracy")]
    assert one["value"] == "0.87654"
    assert (one["low"], one["high"], one["n"], one["count"]) == ("0.76543", "0.98765", "77", "")
    (bare,) = [r for r in metrics if (r["part"], r["metric"]) == ("test", "auroc")]
    assert (bare["low"], bare["high"]) == ("", "")


def test_the_confusion_table_counts_as_the_matrix_does(written: Path) -> None:
    table = rows(written / "tables" / "confusion_matrix.csv")
    counts = {
        (r["true_class"], r["predicted_class"]): int(r["count"])
        for r in table
        if r["part"] == "test"
    }
    assert counts == {
        ("wild type", "wild type"): 37,
        ("wild type", "knockout"): 3,
        ("knockout", "wild type"): 0,
        ("knockout", "knockout"): 37,
    }


def test_per_class_table_names_part_class_and_metric(written: Path) -> None:
    table = rows(written / "tables" / "per_class.csv")
    (one,) = [
        r for r in table if (r["part"], r["class"], r["metric"]) == ("test", "wild type", "recall")
    ]
    assert (one["count"], one["n"], one["value"]) == ("37", "40", "0.925")


def test_old_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    write_report(bare_content(), tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") != "old"


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="the folder cannot be made"):
        write_report(dataclasses.replace(bare_content()), tmp_path / "taken")
