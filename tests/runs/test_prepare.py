"""What is settled before training: folders for results, notes on reading, the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from actinscope.cells import CropReader
from actinscope.errors import ImageError, ManifestError, ResumeError, UsageError
from actinscope.networks import network_entry
from actinscope.progress import Silent
from actinscope.requests import DemoRequest, StudySource
from actinscope.runs import (
    PreparedStudy,
    choose_network,
    fingerprint_study,
    prepare,
    read_study,
    recipe_as_used,
    require_same_settings,
    with_network_of_run,
)
from actinscope.training import Recipe, change_recipe, write_recipe
from actinscope.workflows import demo

SMALL = change_recipe(Recipe(), {"network": {"name": "efficientnet-lite0", "input_size": 32}})


def write_stacks(folder: Path, planes: int) -> StudySource:
    rng = np.random.default_rng(0)
    for number in range(20):
        path = folder / ("a", "b")[number % 2] / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60000, (planes, 16, 16), dtype=np.uint16)
        tifffile.imwrite(path, pixels, metadata={"axes": "ZYX"}, imagej=True)
    return StudySource(folder)


def prepared(source: StudySource) -> PreparedStudy:
    reader = CropReader(SMALL.images)
    found = fingerprint_study(read_study(source, SMALL), reader, Silent())
    entry = network_entry("efficientnet-lite0")
    return prepare(found, entry, SMALL, reader=reader, progress=Silent())


def test_what_was_done_on_reading_is_told(tmp_path: Path) -> None:
    result = prepared(write_stacks(tmp_path / "images", planes=3))
    assert result.data.train.scaled.shape == (16, 32, 32, 1)
    assert result.reading == ("16 training images: maximum projection of 3 z planes",)


def test_notes_that_differ_in_numbers_are_told_once(tmp_path: Path) -> None:
    source = write_stacks(tmp_path / "images", planes=3)
    for path in sorted((tmp_path / "images").rglob("*.tif"))[:10]:
        pixels = np.concatenate([tifffile.imread(path)] * 2)
        tifffile.imwrite(path, pixels, metadata={"axes": "ZYX"}, imagej=True)
    (note,) = prepared(source).reading
    assert note.startswith("16 training images, for example: maximum projection of ")
    assert note.endswith(" z planes")


def test_a_test_image_that_does_not_fit_is_named_before_training(tmp_path: Path) -> None:
    source = write_stacks(tmp_path / "images", planes=1)
    tested = [r for r in prepared(source).split.manifest.records if r.part == "test"]
    odd = tested[0].path
    # The same place in the split: it depends on names and equal pixels, not on their depth.
    tifffile.imwrite(odd, (tifffile.imread(odd) // 256).astype(np.uint8))
    with pytest.raises(ImageError, match=rf"{odd.name}: is 8-bit \(0 to 255\) where 16-bit"):
        prepared(source)


@pytest.mark.parametrize(
    "way", [{}, {"group_level": 2}, {"group_pattern": r"^(\d)"}, {"group_pattern": "{field}"}]
)
@pytest.mark.parametrize("column", ["prediction_set", "probability_a", "predicted"])
def test_columns_of_the_predictions_are_refused_whatever_names_the_group(
    tmp_path: Path, way: dict[str, Any], column: str
) -> None:
    lines = [f"path,label,{column}"]
    for label in "ab":
        (tmp_path / label / "plate").mkdir(parents=True)
        for number in range(3):
            path = tmp_path / label / "plate" / f"{number}.tif"
            tifffile.imwrite(path, np.zeros((4, 4), np.uint8))
            lines.append(f"{path.relative_to(tmp_path).as_posix()},{label},x")
    manifest = tmp_path / "m.csv"
    manifest.write_text("\n".join(lines), "utf-8")
    message = f"the column '{column}' has a name that predictions.csv uses itself"
    with pytest.raises(ManifestError, match=message):
        read_study(StudySource(tmp_path, manifest, **way), SMALL)


def test_a_group_from_folders_cannot_be_called_as_a_prediction(tmp_path: Path) -> None:
    source = write_stacks(tmp_path / "images", planes=1)
    for way in ({"group": "abstained"}, {}):
        pattern = r"(\d+)" if way else r"(?P<abstained>\d+)"
        with pytest.raises(ManifestError, match="the column 'abstained' has a name"):
            read_study(StudySource(source.data, group_pattern=pattern, **way), SMALL)


# going on with a run


def test_a_recipe_as_used_leaves_nothing_open() -> None:
    entry = network_entry("efficientnet-lite1")
    network = recipe_as_used(Recipe(), entry).network
    assert (network.name, network.input_size, network.frozen_layers) == (
        "efficientnet-lite1",
        240,
        131,
    )


def test_auto_means_the_network_that_the_run_began_with(tmp_path: Path) -> None:
    entry = network_entry("efficientnet-lite0")
    write_recipe(recipe_as_used(Recipe(), entry), tmp_path / "recipe.toml")
    again = with_network_of_run(Recipe(), tmp_path)
    assert again.network.name == "efficientnet-lite0"
    require_same_settings(tmp_path, recipe_as_used(again, entry))
    (sentence,) = choose_network(again, automatic=True).notices  # as on the first start
    assert "EfficientNet-Lite0" in sentence
    assert choose_network(again).notices == ()
    other = network_entry("efficientnet-lite1")
    with pytest.raises(ResumeError, match=r"network\.name was 'efficientnet-lite0' and is now"):
        require_same_settings(tmp_path, recipe_as_used(Recipe(), other))


# the demonstration, without its training


def test_a_demonstration_never_mixes_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(UsageError, match="is not empty"):
        demo.run_demo(DemoRequest(tmp_path), Silent())
