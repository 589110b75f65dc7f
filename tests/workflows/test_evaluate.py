"""Evaluating a delivered model: images that are stored several times, and what is said of them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import tifffile

from actinscope.cli.main import main
from helpers.bundles import CLASSES, grey_image, make_bundle

Shown = pytest.CaptureFixture[str]


def study(folder: Path, count: int, copies: int, *, wells: int = 0) -> Path:
    """``count`` images, each stored ``copies`` times, as folders of the bundle's classes.

    With ``wells`` a manifest names a well for each image; copies lie in the same one.
    """
    lines = ["path,label,well"]
    for number in range(count):
        label = CLASSES[number % 3]
        for copy in range(copies):
            name = f"{label}/{number}_{copy}.tif"
            (folder / label).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / name, grey_image(number).pixels[0])
            lines.append(f"{name},{label},w{number % max(1, wells)}")
    if wells:
        (folder / "study.csv").write_text("\n".join(lines))
    return folder


def evaluated(bundle: Path, data: Path, *options: str) -> dict[str, dict[str, float]]:
    target = data.parent / f"{data.name}-result"
    assert main(["evaluate", str(bundle), str(data), "-o", str(target), *options]) == 0
    found: dict[str, dict[str, float]] = json.loads((target / "metrics.json").read_text())["test"]
    return found


def test_an_image_stored_ten_times_counts_once(tmp_path: Path, capsys: Shown) -> None:
    """Twenty cells stored ten times say what twenty cells say, in every metric."""
    bundle = make_bundle(tmp_path / "model").path
    once = evaluated(bundle, study(tmp_path / "once", 20, 1), "--group", "none", "--quiet")
    capsys.readouterr()
    tenfold = evaluated(bundle, study(tmp_path / "tenfold", 20, 10), "--group", "none")
    shown = capsys.readouterr()
    assert tenfold == once
    assert tenfold["accuracy"]["n"] == 20
    assert "180 images are exact copies of others (20 sets, such as" in shown.err
    assert "On 20 images" in shown.out
    # Every file still has its row.
    with (tmp_path / "tenfold-result" / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["path"] for row in rows}) == 200
    page = (tmp_path / "tenfold-result" / "report.html").read_text("utf-8")
    assert "180 more are exact copies of these images; an image counts once." in page


def test_groups_that_share_an_image_are_one(tmp_path: Path, capsys: Shown) -> None:
    bundle = make_bundle(tmp_path / "model").path
    data = study(tmp_path / "data", 24, 1, wells=8)
    shutil.copy(data / "bundled" / "0_0.tif", data / "bundled" / "copy.tif")
    table = data / "study.csv"
    table.write_text(f"{table.read_text()}\nbundled/copy.tif,bundled,w1")
    found = evaluated(bundle, data, "--manifest", str(table), "--group", "well")
    shown = capsys.readouterr()
    assert "groups that share an image are kept together and count as one: w0 and w1" in shown.err
    assert "On 24 images from 7 wells" in shown.out
    assert found["accuracy"]["n"] == 24


def test_wells_that_share_an_image_are_not_independent(tmp_path: Path) -> None:
    """Ten wells of which nine hold copies of one image: two independent ones, no interval."""
    bundle = make_bundle(tmp_path / "model").path
    data = study(tmp_path / "data", 3, 9)
    lines = ["path,label,well"]
    lines += [f"bundled/0_{copy}.tif,bundled,w{copy}" for copy in range(9)]
    lines += ["flat/1_0.tif,flat,w9", "round/2_0.tif,round,w10"]
    (data / "study.csv").write_text("\n".join(lines))
    options = ("--manifest", str(data / "study.csv"), "--group", "none", "--level", "well")
    found = evaluated(bundle, data, *options)
    assert found["level[well].accuracy"]["n"] == 11
    assert found["level[well].accuracy"]["low"] is None
    assert "3 groups, fewer than 5" in str(found["level[well].accuracy"]["method"])


def test_a_folder_with_one_class_is_evaluated_as_a_table_is(tmp_path: Path) -> None:
    """A model needs two classes to learn, and one to be tested."""
    bundle = make_bundle(tmp_path / "model").path
    data = study(tmp_path / "data", 18, 1, wells=3)
    for label in CLASSES[1:]:
        shutil.rmtree(data / label)
    rows = [line for line in (data / "study.csv").read_text().splitlines() if "/" not in line]
    rows += [f"{path.parent.name}/{path.name},{CLASSES[0]},w" for path in data.glob("*/*.tif")]
    (tmp_path / "study.csv").write_text("\n".join(rows))
    by_folder = evaluated(bundle, data, "--quiet")
    assert by_folder["accuracy"]["n"] == 6
    shutil.move(data, tmp_path / "again")
    table = ("--manifest", str(tmp_path / "study.csv"), "--group", "none")
    by_table = evaluated(bundle, tmp_path / "again", *table, "--quiet")
    # The order of the images differs, and with it the resamples.
    for name, metric in by_folder.items():
        assert by_table[name]["n"] == metric["n"]
        assert by_table[name]["value"] == pytest.approx(metric["value"])
    assert main(["train", str(tmp_path / "again"), "-o", str(tmp_path / "run"), "--quiet"]) == 3
