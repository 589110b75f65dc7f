"""Studies with one file a channel: one record an image, in folders and in tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.cells import CropReader
from actinscope.errors import StudyError, UsageError
from actinscope.images import ReadOptions
from actinscope.requests import StudySource
from actinscope.study import Manifest, fingerprint, list_study, read_manifest, write_manifest


def scan_folder(folder: Path, *, options: ReadOptions | None = None, **source: object) -> Manifest:
    return list_study(StudySource(folder, **source), options)  # type: ignore[arg-type]


def make(folder: Path, kinds: tuple[str, ...] = ("DNA", "actin")) -> Path:
    """Four images of each of two classes, with a file for each of ``kinds``."""
    for number, (label, cell) in enumerate((a, b) for a in ("ko", "wt") for b in "1234"):
        for kind in kinds:
            path = folder / label / f"f{cell}_{kind}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            offset = 100 * number + 10 * kinds.index(kind)
            tifffile.imwrite(path, np.arange(16, dtype=np.uint16).reshape(4, 4) + offset)
    return folder


def test_channels_in_folders_become_images(tmp_path: Path) -> None:
    manifest = scan_folder(make(tmp_path), group_pattern=r"^(f\d)_[A-Za-z]+\.tif$")
    names = [f"{label}/f{n}_{{actin|DNA}}.tif" for label in ("ko", "wt") for n in range(1, 5)]
    assert [record.name for record in manifest.records] == names
    assert [record.groups["group"] for record in manifest.records[:4]] == ["f1", "f2", "f3", "f4"]
    assert "16 files are joined into 8 images" in manifest.notes[-1]
    found = fingerprint(manifest, reader=CropReader(), observing=True)
    assert not found.problems
    assert [one.facts["channels"] for one in found.observations] == ["2"] * 8


def test_a_missing_channel_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "wt" / "f3_actin.tif").unlink()
    found = fingerprint(scan_folder(tmp_path), reader=CropReader())
    assert len(found.manifest.records) == 7
    assert [problem.name for problem in found.problems] == ["wt/f3_{actin|DNA}.tif"]
    assert "its file f3_actin.tif: there is no such file" in found.problems[0].message


def test_a_written_manifest_is_read_back(tmp_path: Path) -> None:
    manifest = scan_folder(make(tmp_path / "data"))
    write_manifest(manifest, tmp_path / "cells.csv")
    again = read_manifest(tmp_path / "cells.csv", tmp_path / "data")
    assert [(r.path, r.name, r.label) for r in again.records] == [
        (r.path, r.name, r.label) for r in manifest.records
    ]


def test_names_that_may_be_cells_are_asked_about(tmp_path: Path) -> None:
    make(tmp_path, ("c1", "c2"))
    with pytest.raises(UsageError, match=r"--channel-pattern '\{c1\|c2\}' to join them"):
        scan_folder(tmp_path)
    options = ReadOptions(channel_pattern="none")
    assert len(scan_folder(tmp_path, options=options).records) == 16
    options = ReadOptions(channel_pattern="_{c1|c2}")
    assert len(scan_folder(tmp_path, options=options).records) == 8
    # Groups speak against channels.
    assert len(scan_folder(tmp_path, group_pattern=r"_(c\d)").records) == 16


def table(folder: Path, columns: str, row: str) -> Path:
    lines = [columns]
    for label in ("ko", "wt"):
        for n in range(1, 5):
            lines += [
                row.format(path=f"{label}/f{n}_{kind}.tif", label=label, kind=kind, n=n)
                for kind in ("DNA", "actin")
            ]
    csv = folder / "cells.csv"
    csv.write_text("\n".join(lines), encoding="utf-8")
    return csv


def test_rows_of_channels_become_one_row(tmp_path: Path) -> None:
    csv = table(make(tmp_path), "path,label,donor,stain", "{path},{label},d{n},{kind}")
    manifest = read_manifest(csv, None, group="donor")
    assert len(manifest.records) == 8
    assert manifest.records[0].groups == {"donor": "d1", "stain": "DNA|actin"}
    assert len(read_manifest(csv, None, group="stain").records) == 16


def test_rows_of_cells_in_channels_become_one_row_a_cell(tmp_path: Path) -> None:
    row = "{path},{label},1,1,a\n{path},{label},2,2,b"
    manifest = read_manifest(table(make(tmp_path), "path,label,y,x,object", row), None, crop_size=2)
    assert len(manifest.records) == 16
    assert manifest.records[1].key == ("ko/f1_{actin|DNA}.tif", "b")
    assert manifest.records[1].groups["field"] == "ko/f1_{actin|DNA}"


def test_files_of_one_image_with_two_labels_are_refused(tmp_path: Path) -> None:
    csv = table(make(tmp_path), "path,label", "{path},{kind}")
    assert len(read_manifest(csv, None).records) == 16
    options = ReadOptions(channel_pattern="{DNA|actin}")
    with pytest.raises(StudyError, match="files of 8 images differ in label"):
        read_manifest(csv, None, options=options)
