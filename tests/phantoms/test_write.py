"""Synthetic studies on disk."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.errors import OutputError, SettingsError
from actinscope.files import sha256_of_file
from actinscope.phantoms import write_phantom_study
from actinscope.phantoms.traits import PHENOTYPES, PIXEL_SIZE_UM
from helpers.phantom_crops import write_phantom_crops

_SMALL = {"fields_per_class": 2, "cells_per_field": 3, "difficulty": 0.3}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    return write_phantom_study(folder / "new", seed=7, shape=(256, 320), **_SMALL)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom_crops(tmp_path_factory.mktemp("crops"), seed=7, crop_size=96, **_SMALL)


def test_manifest_names_files_that_are_there(study: Path) -> None:
    assert study.name == "fields.csv"
    rows = _rows(study)
    assert list(rows[0]) == ["path", "label", "mask", "field", "slide"]
    assert rows[0] == {
        "path": "fields/epithelial/field_01.tif",
        "label": "epithelial",
        "mask": "masks/epithelial/field_01.tif",
        "field": "epithelial_field_01",
        "slide": "slide_01",
    }
    assert [row["label"] for row in rows] == [name for name in PHENOTYPES for _ in range(2)]
    assert len({row["field"] for row in rows}) == len(rows) == 6
    for row in rows:
        pixels = tifffile.imread(study.parent / row["path"])
        mask = tifffile.imread(study.parent / row["mask"])
        assert pixels.dtype == mask.dtype == np.uint16
        assert pixels.shape == mask.shape == (256, 320)
        assert list(np.unique(mask)) == list(range(int(mask.max()) + 1))
        assert 2 <= mask.max() <= 4


def test_slides_carry_all_phenotypes(tmp_path: Path) -> None:
    manifest = write_phantom_study(
        tmp_path, fields_per_class=4, cells_per_field=1, seed=1, shape=(200, 200)
    )
    slides: dict[str, list[str]] = {}
    for row in _rows(manifest):
        slides.setdefault(row["slide"], []).append(row["label"])
    assert sorted(slides) == ["slide_01", "slide_02"]
    assert sorted(slides["slide_01"]) == sorted(PHENOTYPES * 3)
    assert sorted(slides["slide_02"]) == sorted(PHENOTYPES)


def test_every_file_says_synthetic_and_has_a_pixel_size(study: Path, crops: Path) -> None:
    files = sorted([*study.parent.rglob("*.tif"), *crops.parent.rglob("*.tif")])
    assert len(files) > 12
    for path in files:
        with tifffile.TiffFile(path) as tiff:
            assert "synthetic" in tiff.pages[0].description
            assert tiff.imagej_metadata is not None
            assert tiff.imagej_metadata["unit"] == "um"
            above, below = tiff.pages[0].tags["XResolution"].value
            assert below / above == pytest.approx(PIXEL_SIZE_UM)
    readme = (study.parent / "README.txt").read_text(encoding="utf-8")
    assert readme.startswith("SYNTHETIC")
    assert "difficulty 0.3" in readme
    assert "seed 7" in readme


def test_same_seed_same_bytes(study: Path, tmp_path: Path) -> None:
    again = write_phantom_study(tmp_path / "a", seed=7, shape=(256, 320), **_SMALL)
    assert _hashes(again.parent) == _hashes(study.parent)
    other = write_phantom_study(tmp_path / "b", seed=8, shape=(256, 320), **_SMALL)
    one = "fields/clustered/field_01.tif"
    assert _hashes(other.parent)[one] != _hashes(study.parent)[one]


def test_more_fields_leave_the_first_ones_as_they_are(study: Path, tmp_path: Path) -> None:
    more = _SMALL | {"fields_per_class": 3}
    manifest = write_phantom_study(tmp_path, seed=7, shape=(256, 320), **more)
    old, new = _hashes(study.parent), _hashes(manifest.parent)
    images = [name for name in old if name.endswith(".tif")]
    assert len(images) == 12
    assert all(new[name] == old[name] for name in images)


def test_crops_are_the_cells_of_the_study(crops: Path, tmp_path: Path) -> None:
    assert crops.name == "groups.csv"
    rows = _rows(crops)
    assert list(rows[0]) == ["path", "label", "field", "slide"]
    assert rows[0]["path"] == "cells/epithelial/field01_cell01.tif"
    on_disk = {p.relative_to(crops.parent).as_posix() for p in crops.parent.rglob("*.tif")}
    assert on_disk == {row["path"] for row in rows}
    whole = write_phantom_study(tmp_path, seed=7, **_SMALL)
    by_field = {row["field"]: row for row in _rows(whole)}
    inside = 0
    for row in rows:
        crop = tifffile.imread(crops.parent / row["path"])
        assert crop.shape == (96, 96)
        assert crop.dtype == np.uint16
        source = by_field[row["field"]]
        assert source["slide"] == row["slide"]
        mask = tifffile.imread(whole.parent / source["mask"])
        cell = int(row["path"][-6:-4])
        y, x = (int(axis.mean() + 0.5) for axis in np.nonzero(mask == cell))
        if 48 <= y <= 512 - 48 and 48 <= x <= 512 - 48:
            field = tifffile.imread(whole.parent / source["path"])
            np.testing.assert_array_equal(crop, field[y - 48 : y + 48, x - 48 : x + 48])
            inside += 1
    assert inside > len(rows) / 2


def test_progress_counts_fields(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_phantom_study(
        tmp_path,
        fields_per_class=1,
        cells_per_field=1,
        seed=1,
        shape=(200, 200),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_old_images_are_not_mixed_with_new_ones(study: Path) -> None:
    before = _hashes(study.parent)
    with pytest.raises(OutputError, match=r"not empty.*Choose another folder"):
        write_phantom_study(study.parent, seed=8, shape=(256, 320), **_SMALL)
    assert _hashes(study.parent) == before


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be made"):
        write_phantom_study(tmp_path / "taken", seed=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields_per_class": 0}, "0 fields a class is too few"),
        ({"cells_per_field": 0}, "too few"),
        ({"cells_per_field": 30}, "do not fit"),
        ({"difficulty": -0.1}, "not in 0 to 1"),
        ({"seed": -1}, "seed -1 is negative"),
    ],
)
def test_bad_settings_write_nothing(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        write_phantom_study(tmp_path / "new", **({"seed": 1} | changes))  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()
