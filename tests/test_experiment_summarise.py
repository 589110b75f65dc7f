"""``summarise``: predictions of cells to a CSV of units, and broken tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from actinscope.cli.main import main

Shown = pytest.CaptureFixture[str]
TABLE = """\
path,object,y,x,plate,well,predicted,probability_a,probability_b,error
1.tif,,,,p1,A1,a,0.900000,0.100000,
2.tif,,,,p1,A1,a,0.700000,0.300000,
3.tif,,,,p2,A1,b,0.200000,0.800000,
4.tif,,,,p2,,b,0.100000,0.900000,
5.tif,,,,p2,A1,,,,broken
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.csv"
    path.write_text(TABLE)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(table: Path, *options: str) -> tuple[int, Path]:
    target = table.with_name("units.csv")
    return main(["summarise", str(table), *options, "-o", str(target)]), target


def test_units_of_new_images(table: Path, capsys: Shown) -> None:
    code, target = run(table, "--level", "plate+well")
    assert code == 0
    first, second = rows_of(target)
    assert (first["plate"], first["well"], first["cells"], first["answer"]) == (
        "p1",
        "A1",
        "2",
        "a",
    )
    assert (first["probability_a"], first["cells_named_a"]) == ("0.800000", "2")
    assert (second["plate"], second["cells"], second["answer"]) == ("p2", "1", "b")
    assert "label" not in first
    shown = capsys.readouterr().out
    assert "2 plate-wells from 4 cells" in shown
    assert "1 rows hold no prediction" in shown
    assert "1 cells have no plate-well" in shown


def test_the_same_well_of_two_plates_is_one_only_where_asked_for(table: Path) -> None:
    code, target = run(table, "--level", "well")
    assert code == 0
    assert [row["cells"] for row in rows_of(target)] == ["3"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--level", "wel"), 3, "no column 'wel' to sum cells up by. Did you mean 'well'"),
        (("--level", "predicted"), 3, "no column 'predicted' to sum cells up by"),
        (("--level", "well:max"), 2, "'well:max' is no level"),
        (("--level", "well", "--level", "plate"), 2, "2 levels for one file"),
        (("--level", "well", "--part", "test"), 2, "there is no cell of the part 'test'"),
    ],
)
def test_refusals(
    table: Path, capsys: Shown, options: tuple[str, ...], code: int, message: str
) -> None:
    found, target = run(table, *options)
    assert (found, target.exists()) == (code, False)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.900000,0.100000", "0.9,0.9", "line 2 has probabilities that do not lie in 0..1"),
        ("0.900000,0.100000", "nan,0.1", "line 2 has probabilities that do not lie in 0..1"),
        ("0.900000,0.100000", "high,0.1", "line 2 has a probability that is no number"),
        ("probability_a,probability_b", "a,b", "this is no table of predictions"),
        ("plate,well", "plate,cells", "has a name that the result uses itself"),
    ],
)
def test_broken_tables(table: Path, capsys: Shown, old: str, new: str, message: str) -> None:
    table.write_text(TABLE.replace(old, new))
    level = "cells" if "cells" in new else "well"
    code, target = run(table, "--level", level)
    assert code in {2, 3} and not target.exists()
    assert message in capsys.readouterr().err


def test_it_never_overwrites(table: Path, capsys: Shown) -> None:
    table.with_name("units.csv").write_text("mine")
    code, target = run(table, "--level", "well")
    assert code == 2 and target.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


def test_labels_are_used_where_the_table_has_them(table: Path, capsys: Shown) -> None:
    lines = TABLE.splitlines()
    named = [f"{line},{label}" for line, label in zip(lines, ["label", *"aabbb"], strict=True)]
    table.write_text("\n".join(named))
    code, target = run(table, "--level", "plate:vote")
    assert code == 0
    assert [(row["label"], row["answer"]) for row in rows_of(target)] == [("a", "a"), ("b", "b")]
    assert "2 of 2 plates with one true class" in capsys.readouterr().out
    table.write_text("\n".join(named).replace(",broken,b", ",,c"))
    target.unlink()
    assert run(table, "--level", "plate")[0] == 3
