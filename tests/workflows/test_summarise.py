"""``cells summarise``: predictions of cells to a CSV of units, and broken tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from actinscope.cli.main import main
from actinscope.errors import UsageError
from actinscope.runs import level_rules
from actinscope.study import Manifest, Record
from actinscope.training import LevelSettings

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
    return main(["cells", "summarise", str(table), *options, "-o", str(target)]), target


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
        ("0.900000,0.100000", "0.9,0.9", "line 2: the probabilities do not lie in 0..1"),
        ("0.900000,0.100000", "nan,0.1", "line 2: the probabilities do not lie in 0..1"),
        ("0.900000,0.100000", "high,0.1", "line 2: a probability is not a number"),
        ("probability_a,probability_b", "a,b", "this is not a predictions table"),
        ("plate,well", "plate,cells", "has a name that the result uses itself"),
    ],
)
def test_broken_tables(table: Path, capsys: Shown, old: str, new: str, message: str) -> None:
    table.write_text(TABLE.replace(old, new))
    level = "cells" if "cells" in new else "well"
    code, target = run(table, "--level", level)
    assert code in {2, 3} and not target.exists()
    assert message in capsys.readouterr().err


def of_a_run(*parts: str) -> str:
    """Four donors with two cells of each of the parts."""
    lines = ["path,object,part,label,predicted,donor,field,probability_a,probability_b"]
    for number, part in enumerate(part for part in parts for _ in range(8)):
        label, own = ("a", "0.9,0.1") if number % 4 < 2 else ("b", "0.1,0.9")
        lines.append(f"{number}.tif,,{part},{label},{label},d{number % 4},f{number},{own}")
    return "\n".join(lines)


def test_units_that_trained_the_model_are_told(table: Path, capsys: Shown) -> None:
    """The same donors stand in both parts, each field in one."""
    table.write_text(of_a_run("train", "test"))
    code, target = run(table, "--level", "donor")
    shown = capsys.readouterr().out
    assert code == 0 and [row["cells"] for row in rows_of(target)] == ["2"] * 4
    assert "Only the 8 cells of the test part" in shown
    assert "Other cells of 4 donors trained the model or chose its epoch" in shown
    target.unlink()
    assert run(table, "--level", "field")[0] == 0
    assert "trained the model or chose its epoch: the result" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("train",), "8 of 8 cells trained the model"),
        (("train", "validation"), "16 of 16 cells trained the model"),
        (("test",), ""),
    ],
)
def test_cells_that_are_not_new_are_told(
    table: Path, capsys: Shown, parts: tuple[str, ...], words: str
) -> None:
    table.write_text(of_a_run(*parts))
    assert run(table, "--level", "donor")[0] == 0
    shown = capsys.readouterr().out
    assert words in shown
    assert ("too good for new cells" in shown) == bool(words)


def test_unfamiliar_cells_have_no_vote(table: Path, capsys: Shown) -> None:
    """No command of today names a class for them; older tables with labels do, and they count."""
    lines = TABLE.splitlines()
    told = ["unfamiliar", "false", "true", "false", "false", ""]
    lines = [f"{line},{cell}" for line, cell in zip(lines, told, strict=True)]
    table.write_text("\n".join(lines))
    assert run(table, "--level", "plate")[0] == 0
    assert "unfamiliar image" not in capsys.readouterr().out
    table.with_name("units.csv").unlink()
    table.write_text("\n".join(lines).replace("A1,a,0.700000", "A1,,0.700000"))
    code, target = run(table, "--level", "plate")
    assert code == 0
    assert [(row["cells"], row["probability_a"]) for row in rows_of(target)] == [
        ("1", "0.900000"), ("2", "0.150000"),
    ]  # fmt: skip
    shown = capsys.readouterr().out
    assert "1 rows hold an unfamiliar image, which is not named, and are left out." in shown
    assert "1 rows hold no prediction" in shown
    target.unlink()
    table.write_text("\n".join([lines[0], lines[2].replace("A1,a", "A1,")]))
    assert run(table, "--level", "plate")[0] == 3
    assert "every image is unfamiliar" in capsys.readouterr().err


@pytest.mark.parametrize("column", ["cells", "answer", "agreement", "label", "cells_named_a"])
def test_a_run_refuses_levels_of_the_result_s_own_names(column: str) -> None:
    records = tuple(
        Record(Path(f"{n}.tif"), f"{n}.tif", "ab"[n % 2], groups={column: "x", "donor": "d"})
        for n in range(4)
    )
    manifest = Manifest(records, Path("images"), group_columns=(column, "donor"))
    with pytest.raises(UsageError, match=f"the column '{column}' of the level"):
        level_rules(LevelSettings(by=(f"donor+{column}:vote",)), manifest)
    assert level_rules(LevelSettings(by=("donor", "path")), manifest)


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
