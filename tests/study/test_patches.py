"""Patches around objects and of the background: where they lie, and that `train` takes them."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.cells import CropReader
from actinscope.cli.main import main
from actinscope.errors import ManifestError, SettingsError, StudyError
from actinscope.study import fingerprint, patches_of_fields, read_manifest, split
from actinscope.study.patches import background_centres
from helpers.bundles import make_bundle

SIDE = 8


def write_fields(folder: Path, fields: int = 4, *, side: int = 60) -> Path:
    """Fields of noise with two bright squares each; the CSV that lists them."""
    rng = np.random.default_rng(0)
    lines = ["path,mask,label,donor"]
    for number in range(fields):
        pixels = rng.integers(100, 200, (side, side), dtype=np.uint16)
        mask = np.zeros((side, side), np.uint16)
        mask[5:11, 5:11], mask[40:46, 20 + number : 26 + number] = 1, 7
        pixels[mask > 0] += 1000
        for kind, array in (("fields", pixels), ("masks", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"f{number}.tif", array)
        lines.append(f"fields/f{number}.tif,masks/f{number}.tif,wild_type,d{number // 2}")
    (folder / "fields.csv").write_text("\n".join(lines))
    return folder / "fields.csv"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return write_fields(tmp_path / "data")


def test_every_object_and_as_much_background(listed: Path) -> None:
    manifest = patches_of_fields(listed, None, crop_size=SIDE)
    counts = Counter((record.name, record.label) for record in manifest.records)
    assert counts == {
        (f"fields/f{number}.tif", label): 2
        for number in range(4)
        for label in ("cell", "background")
    }
    first = manifest.records[0]
    assert first.object_id == "1"
    assert first.region is not None
    assert (first.region.y, first.region.x, first.region.height) == (7.5, 7.5, SIDE)
    assert first.groups == {"donor": "d0", "field": "fields/f0", "field_label": "wild_type"}
    assert (manifest.group, manifest.crop_size, manifest.notes) == ("field", SIDE, ())


def test_background_holds_no_object_pixel(listed: Path) -> None:
    manifest = patches_of_fields(listed, None, crop_size=SIDE)
    reader = CropReader()
    for record in manifest.records:
        brightest = reader.read(record.path, record.region).pixels.max()
        assert (brightest > 1000) == (record.label == "cell"), record


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(0, 30), st.integers(0, 1000), st.booleans())
def test_centres_keep_their_promises(side: int, count: int, seed: int, odd: bool) -> None:
    rng = np.random.default_rng(seed)
    covered = rng.uniform(size=(21 if odd else 20, 17)) < 0.1
    centres = background_centres(covered, side=side, count=count, rng=np.random.default_rng(seed))
    assert len(centres) <= count
    for y, x in centres:
        top, left = y - side // 2, x - side // 2
        window = covered[top : top + side, left : left + side]
        assert window.shape == (side, side), "within the field"
        assert top >= 0 <= left
        assert not window.any()
    for place, (y, x) in enumerate(centres):
        for other_y, other_x in centres[:place]:
            assert max(abs(y - other_y), abs(x - other_x)) >= max(1, side // 2)


def test_the_only_place_is_found() -> None:
    covered = np.ones((9, 12), bool)
    covered[2:6, 7:11] = False
    rng = np.random.default_rng(0)
    found = background_centres(covered, side=4, count=3, rng=rng)
    assert found == [(4, 9)]
    assert background_centres(covered, side=10, count=3, rng=rng) == []


def test_the_seed_decides(listed: Path) -> None:
    def places(seed: int) -> list[object]:
        manifest = patches_of_fields(listed, None, crop_size=SIDE, seed=seed)
        return [record.region for record in manifest.records if record.label == "background"]

    assert places(1) == places(1) != places(2)


def test_the_size_is_chosen_from_the_objects(listed: Path) -> None:
    assert patches_of_fields(listed, None).crop_size == 16


def test_too_little_background_is_told(tmp_path: Path) -> None:
    listed = write_fields(tmp_path / "data", 2, side=50)
    manifest = patches_of_fields(listed, None, crop_size=36)
    assert "not enough background in 2 fields: fields/f0.tif 1 of 2" in manifest.notes[0]


def test_no_background_at_all(listed: Path) -> None:
    with pytest.raises(StudyError, match="no field has room for a background patch of 58 pixels"):
        patches_of_fields(listed, None, crop_size=58)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"object_label": "background"}, "objects cannot be called 'background'"),
        ({"object_label": ""}, "objects cannot be called ''"),
    ],
)
def test_impossible_settings(listed: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        patches_of_fields(listed, None, **changes)  # type: ignore[arg-type]


def test_broken_tables(listed: Path, tmp_path: Path) -> None:
    def read(text: str) -> None:
        (listed.parent / "other.csv").write_text(text)
        patches_of_fields(listed.parent / "other.csv", None, crop_size=SIDE)

    line = "fields/f0.tif,masks/f0.tif\n"
    with pytest.raises(ManifestError, match="there is no column mask"):
        read("path,label\nfields/f0.tif,a\n")
    with pytest.raises(
        ManifestError, match=r"1 of the files named are not there: line 3 'masks/f9.tif'"
    ):
        read(f"path,mask\n{line}fields/f1.tif,masks/f9.tif\n")
    with pytest.raises(ManifestError, match=r"listed more than once: fields/f0.tif \(lines 2, 3\)"):
        read(f"path,mask\n{line}{line}")
    tifffile.imwrite(listed.parent / "masks" / "f1.tif", np.eye(60, 50, dtype=np.uint16))
    with pytest.raises(
        ManifestError,
        match=r"line 2: the mask is 60 x 50 pixels, but the image fields/f1.tif is 60 x 60",
    ):
        read("path,mask\nfields/f1.tif,masks/f1.tif\n")
    tifffile.imwrite(listed.parent / "masks" / "f2.tif", np.zeros((60, 60), np.uint16))
    with pytest.raises(StudyError, match="none of the masks has an object"):
        read("path,mask\nfields/f2.tif,masks/f2.tif\n")


def test_the_command_writes_what_train_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = write_fields(tmp_path / "data", 6)
    target = tmp_path / "patches.csv"
    options = ["--crop-size", "8", "--object-label", "nucleus", "-o", str(target)]
    command = ["cells", "patches", str(listed.parent), "--manifest", str(listed), *options]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "24 patches of 8 pixels from 6 fields" in shown
    assert "nucleus: 12" in shown
    assert main(command) == 2, "never over an older one"
    manifest = read_manifest(target, listed.parent)
    assert manifest.classes == ("background", "nucleus")
    assert (manifest.group, manifest.crop_size) == ("field", SIDE)
    parts = split(fingerprint(manifest, reader=CropReader()).manifest, seed=0).manifest
    of_field: dict[str, set[str]] = {}
    for record in parts.records:
        of_field.setdefault(record.groups["field"], set()).add(record.part)
    assert all(len(found) == 1 for found in of_field.values())
    assert {record.part for record in parts.records} == {"train", "validation", "test"}


def test_predict_takes_the_same_centres(
    listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the folder of the data the names in the table are those of the files."""
    monkeypatch.chdir(listed.parent)
    command = ["cells", "patches", ".", "--manifest", "fields.csv", "--crop-size", "8"]
    assert main([*command, "-o", "patches.csv"]) == 0
    bundle = make_bundle(tmp_path / "bundle", crop_size=SIDE)
    command = ["predict", str(bundle.path), "fields", "--objects", "patches.csv"]
    assert main([*command, "-o", "out.csv", "--quiet"]) == 0
    listings = []
    for name in ("patches.csv", "out.csv"):
        with Path(name).open(newline="") as stream:
            listings.append(sorted((row["path"], row["object"]) for row in csv.DictReader(stream)))
    assert listings[0] == listings[1]
    assert len(listings[0]) == 16
