"""Predicting images of several files: joined as in training, found by masks and tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.bundle import Bundle
from actinscope.images import ReadOptions
from actinscope.predict import predict_files
from helpers.bundles import make_bundle
from helpers.predictions import plain, read_written, write_image

STACKS = ReadOptions(channel_pattern="z{..}")


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        for plane in (1, 2):
            write_image(tmp_path / "new" / f"cell{number}_z{plane}.tif", 10 * number + plane)
    return tmp_path / "new"


def test_new_files_are_joined_as_in_training(tmp_path: Path, stacks: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (stacks / "cell2_z1.tif").rename(stacks / "cell2_z0.tif")
    csv = tmp_path / "plate.csv"
    csv.write_text("path,well\nnew/cell1_z1.tif,A1\nnew/cell1_z2.tif,A1\n", encoding="utf-8")
    options = plain(read_options=STACKS, manifest=csv)
    summary = predict_files(
        bundle, [stacks, stacks / "cell1_z1.tif"], tmp_path / "out.csv", options=options
    )
    written = read_written(tmp_path / "out.csv")
    assert [Path(path).name for path in written.paths] == [
        "cell1_z{1..2}.tif",
        "cell2_z{0..2}.tif",
        "cell3_z{1..2}.tif",
    ]
    assert written.groups["well"] == ("A1", "", "")
    assert (summary.done, summary.failed) == (2, 1)
    assert "its file cell2_z1.tif: there is no such file" in written.errors[1]
    assert any("6 files are joined into 3 images" in note for note in summary.notes)
    planes = [tifffile.imread(stacks / f"cell3_z{plane}.tif") for plane in (1, 2)]
    tifffile.imwrite(tmp_path / "max.tif", np.maximum(*planes))
    predict_files(bundle, [tmp_path / "max.tif"], tmp_path / "max.csv", options=plain())
    assert written.predicted[2] == read_written(tmp_path / "max.csv").predicted[0]


def test_a_model_of_single_files_joins_nothing(tmp_path: Path, stacks: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    summary = predict_files(bundle, [stacks], tmp_path / "out.csv", options=plain())
    assert (summary.done, summary.failed) == (6, 0)


@pytest.mark.parametrize("mask", ["cell1.tif", "cell1_z1.tif"])
def test_masks_are_found_by_the_name_of_the_image_or_of_a_file(
    tmp_path: Path, stacks: Path, mask: str
) -> None:
    bundle: Bundle = make_bundle(tmp_path / "bundle", crop_size=10)
    labels = np.zeros((12, 12), np.uint8)
    labels[4:7, 4:7] = 1
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "masks" / mask, labels)
    options = plain(read_options=STACKS, masks=tmp_path / "masks")
    summary = predict_files(bundle, [stacks], tmp_path / "out.csv", options=options)
    assert (summary.done, summary.failed) == (1, 2)
    table = tmp_path / "objects.csv"
    table.write_text(f"path,object,y,x\n{mask},1,5,5\n", encoding="utf-8")
    options = plain(read_options=STACKS, objects=table)
    summary = predict_files(bundle, [stacks], tmp_path / "again.csv", options=options)
    assert (summary.done, summary.failed) == (1, 2)
