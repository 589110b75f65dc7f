"""Labels and groups from folder and file names, and reading every image once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from actinscope.cells import CropReader
from actinscope.errors import ManifestError, SettingsError, StudyError, UsageError
from actinscope.requests import StudySource
from actinscope.study import Manifest, fingerprint, list_study, read_manifest, summarise


def scanned(folder: Path, **options: object) -> Manifest:
    return list_study(StudySource(folder, **options))  # type: ignore[arg-type]


def make(folder: Path, names: Sequence[str]) -> Path:
    """Small images that all differ."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.arange(16, dtype=np.uint16).reshape(4, 4) + 100 * number)
    return folder


PLATES = ("wt/p1/a_f1_cell1.tif", "wt/p2/a_f2_cell1.tif", "ko/p1/b_f3_cell2.tif", "ko/p3/b_f4.tif")


def test_labels_are_the_first_folders(tmp_path: Path) -> None:
    make(tmp_path, ["wt/a10.tif", "wt/a2.tif", "ko/deep/er/b.tif", "ko/.hidden.tif"])
    (tmp_path / "wt" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "readme.txt").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    manifest = scanned(tmp_path)
    assert [(r.name, r.label) for r in manifest.records] == [
        ("ko/deep/er/b.tif", "ko"),
        ("wt/a2.tif", "wt"),
        ("wt/a10.tif", "wt"),
    ]
    assert manifest.group is None
    assert manifest.notes == ("folders without an image: empty",)


def test_group_from_a_folder_level(tmp_path: Path) -> None:
    manifest = scanned(make(tmp_path, PLATES), group_level=2, group="plate")
    assert manifest.group == "plate"
    assert {r.name: manifest.group_of(r) for r in manifest.records} == {
        "wt/p1/a_f1_cell1.tif": "p1",
        "wt/p2/a_f2_cell1.tif": "p2",
        "ko/p1/b_f3_cell2.tif": "p1",
        "ko/p3/b_f4.tif": "p3",
    }
    assert "1 of 3 plates occur in more than one class" in manifest.notes[0]
    with pytest.raises(StudyError, match=r"4 of 4 images have no 'group'"):
        scanned(tmp_path, group_level=3)


@pytest.mark.parametrize(
    ("pattern", "column", "groups"),
    [
        (r"_(f\d)", "group", ["f3", "f4", "f1", "f2"]),
        (r"f\d", "group", ["f3", "f4", "f1", "f2"]),
        (r"(?P<day>[ab])_(?P<field>f\d)", "day", ["b", "b", "a", "a"]),
        (r"/(p\d)/", "group", ["p1", "p3", "p1", "p2"]),
        ("{who}_{}", "who", ["b", "b", "a", "a"]),
    ],
)
def test_group_from_the_name(tmp_path: Path, pattern: str, column: str, groups: list[str]) -> None:
    manifest = scanned(make(tmp_path, PLATES), group_pattern=pattern)
    assert manifest.group == column
    assert [manifest.group_of(r) for r in manifest.records] == groups


def test_named_groups_are_all_kept_and_one_is_chosen(tmp_path: Path) -> None:
    manifest = scanned(
        make(tmp_path, PLATES), group_pattern=r"(?P<day>[ab])_(?P<field>f\d)", group="field"
    )
    assert manifest.group_columns == ("day", "field")
    assert manifest.group == "field"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"group_pattern": "(f"}, SettingsError, "is not a regular expression"),
        ({"group_pattern": "(?P<label>f)"}, SettingsError, "'label' cannot be the name"),
        ({"group_pattern": r"(f\d_cell)"}, StudyError, r"1 of 4 .*ko/p3/b_f4.tif"),
        ({"group_level": 1}, SettingsError, "the group 'group' is the class itself"),
        ({"group_level": 2, "group_pattern": "f"}, UsageError, "folder level and from a pattern"),
        ({"group_level": 2, "group": "Path"}, SettingsError, "'Path' cannot be the name"),
    ],
)
def test_unusable_groups(
    tmp_path: Path, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        scanned(make(tmp_path, PLATES), **options)  # type: ignore[arg-type]


def test_folders_that_are_not_laid_out(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no image in this folder"):
        scanned(tmp_path)
    with pytest.raises(StudyError, match="is not there"):
        scanned(tmp_path / "none")
    make(tmp_path, ["wt/a.tif"])
    with pytest.raises(StudyError, match="there is only one class, 'wt'"):
        scanned(tmp_path)
    make(tmp_path, ["loose.tif", "ko/b.tif"])
    with pytest.raises(StudyError, match=r"1 of 3 images lie directly .*loose.tif.*DATA/wild_type"):
        scanned(tmp_path)


def test_names_with_control_characters_are_refused(tmp_path: Path) -> None:
    try:
        make(tmp_path, ["wt/a\n.tif", "ko/b.tif"])
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(StudyError, match="1 names hold control characters"):
        scanned(tmp_path)


def test_labels_from_a_csv(tmp_path: Path) -> None:
    make(tmp_path, ["a.tif", "b.tif", "c.tif"])
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\na.tif,x\nb.tif,y\n", encoding="utf-8")
    manifest = scanned(tmp_path, manifest=labels, group_pattern=r"(\w)\.tif")
    assert [(r.label, manifest.group_of(r)) for r in manifest.records] == [("x", "a"), ("y", "b")]
    assert "1 images have no row in labels.csv: c.tif" in manifest.notes
    labels.write_text("path,label\na.tif,x\nb.tif,x\n", encoding="utf-8")
    with pytest.raises(StudyError, match="only one class"):
        scanned(tmp_path, manifest=labels)
    with pytest.raises(ManifestError, match="cannot be read"):
        scanned(tmp_path, manifest=tmp_path / "none.csv")


def test_fingerprints_find_copies_and_broken_files(tmp_path: Path) -> None:
    make(tmp_path, ["wt/a.tif", "wt/b.tif", "ko/c.tif", "ko/d.tif"])
    ramp = np.arange(36, dtype=np.uint8).reshape(6, 6)
    PillowImage.fromarray(ramp).save(tmp_path / "wt/e.png")
    tifffile.imwrite(tmp_path / "ko/f.tif", ramp)
    tifffile.imwrite(tmp_path / "ko/g.tif", ramp.astype(np.uint16))
    (tmp_path / "wt/b.tif").write_bytes(b"broken")
    seen: list[tuple[int, int]] = []
    found = fingerprint(
        scanned(tmp_path),
        reader=CropReader(),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(n, 7) for n in range(1, 8)]
    assert [problem.name for problem in found.problems] == ["wt/b.tif"]
    assert found.problems[0].message
    # A PNG and a TIFF of the same bytes are one picture; another type is another.
    assert found.duplicates == (("ko/f.tif", "wt/e.png"),)
    assert len(found.manifest.records) == 6
    assert all(len(r.pixel_hash) == 64 for r in found.manifest.records)
    assert found.changed == ()
    tifffile.imwrite(tmp_path / "ko/c.tif", ramp.T.copy())
    assert fingerprint(found.manifest, reader=CropReader()).changed == ("ko/c.tif",)


def test_cells_are_hashed_by_their_crop(tmp_path: Path) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    pixels[32:] = pixels[:32]
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    csv = tmp_path / "m.csv"
    csv.write_text(
        "path,label,object,y,x\na.tif,x,1,16,32\na.tif,y,2,48,32\na.tif,y,3,48,30\n"
        "a.tif,y,4,480,30\n",
        encoding="utf-8",
    )
    found = fingerprint(read_manifest(csv, None, crop_size=16), reader=CropReader())
    assert found.duplicates == (("a.tif object 1", "a.tif object 2"),)
    assert [problem.name for problem in found.problems] == ["a.tif object 4"]


def test_a_class_that_cannot_be_read_stops_the_study(tmp_path: Path) -> None:
    make(tmp_path, ["wt/a.tif", "ko/b.tif"])
    (tmp_path / "ko/b.tif").write_bytes(b"broken")
    with pytest.raises(StudyError, match="no image of 'ko' could be read"):
        fingerprint(scanned(tmp_path), reader=CropReader())
    (tmp_path / "wt/a.tif").write_bytes(b"")
    with pytest.raises(StudyError, match="no image could be read"):
        fingerprint(scanned(tmp_path), reader=CropReader())


def test_summary_counts_images_and_groups(tmp_path: Path) -> None:
    make(tmp_path, ["a.tif", "b.tif", "c.tif", "d.tif"])
    csv = tmp_path / "m.csv"
    csv.write_text(
        "path,label,plate,part\na.tif,x,1,train\nb.tif,x,1,train\nc.tif,y,2,train\nd.tif,x,3,test\n",
        encoding="utf-8",
    )
    summary = summarise(read_manifest(csv, None, group="plate"))
    assert summary.parts == ("train", "test")
    assert summary.images == {"train": {"x": 2, "y": 1}, "test": {"x": 1, "y": 0}}
    assert summary.groups == {"train": {"x": 1, "y": 1}, "test": {"x": 1, "y": 0}}
    assert (summary.images_in_all, summary.groups_in_all) == (4, 3)
    assert summarise(read_manifest(csv, None)).groups == {}


def test_real_cells(shared_data: Path) -> None:
    manifest = scanned(shared_data / "mef_actin" / "cells", group_pattern="{field}_cell{}")
    assert summarise(manifest).images[""] == {"lmna_knockout": 112, "wild_type": 205}
    found = fingerprint(manifest, reader=CropReader())
    assert not found.problems
