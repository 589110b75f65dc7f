"""``actinscope explain``: pictures, table and gallery of new images."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from actinscope.bundle import read_bundle_info
from actinscope.cli.main import main
from actinscope.images import read_image
from helpers.bundles import CLASSES, by_hand, make_bundle
from helpers.explained_runs import cell_pixels, without_class_maps
from helpers.pages import Page

Shown = pytest.CaptureFixture[str]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    make_bundle(folder / "bundle")
    without_class_maps(folder / "dense")
    (folder / "images").mkdir()
    for number in range(3):
        tifffile.imwrite(folder / "images" / f"{number}.tif", cell_pixels(number))
    return folder


def explain(
    place: Path, output: Path, *options: str, bundle: str = "bundle", more: tuple[Path, ...] = ()
) -> int:
    images = [str(path) for path in (place / "images", *more)]
    return main(["explain", str(place / bundle), *images, "-o", str(output), "--quiet", *options])


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "explanation.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_each_image_has_its_row_and_picture(place: Path, tmp_path: Path, capsys: Shown) -> None:
    assert explain(place, tmp_path / "out") == 0
    assert "3 explained, 0 not." in capsys.readouterr().out
    rows = rows_of(tmp_path / "out")
    info = read_bundle_info(place / "bundle")
    for number, row in enumerate(rows):
        path = place / "images" / f"{number}.tif"
        assert row["path"] == path.as_posix()
        chances = by_hand(info.preprocess.apply(read_image(path))[np.newaxis])[0]
        assert row["predicted"] == CLASSES[int(chances.argmax())]
        assert float(row[f"probability_{row['predicted']}"]) == pytest.approx(
            chances.max(), abs=1e-5
        )
        # "flat" is answered for want of evidence for the others: its map is empty.
        assert (row["inside_cell"] == "") == (row["predicted"] == "flat")
        assert (row["map"], row["cell_from"]) == ("class activation map", "brightness")
        # The cell and its map, 8 x 8 each, 4 pixels apart.
        assert size_of(tmp_path / "out" / row["picture"]) == (8 + 4 + 8, 8)


def test_the_gallery_needs_no_other_file(place: Path, tmp_path: Path) -> None:
    explain(place, tmp_path / "out")
    page = Page((tmp_path / "out" / "gallery.html").read_text("utf-8"))
    assert all(one["src"].startswith("data:") for one in page.all("img"))
    assert len(page.all("figure")) == 3
    assert "inside the cell" in page.text


def test_a_broken_image_spoils_nothing_but_itself(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    broken = tmp_path / "<b>broken.tif"
    broken.write_bytes(b"II*\0nothing")
    assert explain(place, tmp_path / "out", more=(broken,)) == 3
    shown = capsys.readouterr()
    assert "3 explained, 1 not." in shown.out
    assert "not explained" in shown.err
    rows = rows_of(tmp_path / "out")
    assert [bool(row["error"]) for row in rows] == [False, False, False, True]
    assert rows[-1]["picture"] == ""
    page = Page((tmp_path / "out" / "gallery.html").read_text("utf-8"))
    assert "<b>broken.tif" in page.text  # as text


def test_a_map_of_the_other_kind_can_be_asked_for(place: Path, tmp_path: Path) -> None:
    assert explain(place, tmp_path / "out", "--method", "occlusion") == 0
    assert {row["map"] for row in rows_of(tmp_path / "out")} == {"occlusion map"}


def test_every_network_can_be_asked_by_occlusion(place: Path, tmp_path: Path) -> None:
    assert explain(place, tmp_path / "out", bundle="dense") == 0
    assert {row["map"] for row in rows_of(tmp_path / "out")} == {"occlusion map"}


def test_results_never_overwrite(place: Path, tmp_path: Path, capsys: Shown) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert explain(place, tmp_path / "out") == 2
    assert "is not empty" in capsys.readouterr().err


def test_cells_of_a_field_are_counted_inside_their_masks(place: Path, tmp_path: Path) -> None:
    field, mask = tmp_path / "field.tif", tmp_path / "mask.tif"
    tifffile.imwrite(field, np.tile(cell_pixels(5), (2, 2)))
    labels = np.zeros((24, 24), np.uint16)
    labels[4:8, 4:8] = 3  # 4 x 4 of a crop of 8 x 8, which is the network's size
    tifffile.imwrite(mask, labels)
    output = tmp_path / "out"
    asked = ["explain", str(place / "bundle"), str(field), "--masks", str(mask)]
    assert main([*asked, "--crop-size", "8", "-o", str(output), "--quiet"]) == 0
    (row,) = rows_of(output)
    assert (row["object"], row["cell_from"]) == ("3", "mask")
    assert float(row["cell_area"]) == 0.25


def test_an_interrupted_run_says_what_is_left(
    place: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("actinscope.workflows.explain_files.write_map", stop)
    assert explain(place, tmp_path / "out") == 130
    assert "start the same command again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
