"""Which cells a mask holds, in the many ways in which programs write one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from actinscope.cells import MaskReader, MaskTally, read_cell_mask
from actinscope.errors import ImageUnreadable
from actinscope.images import Region


def three_cells() -> NDArray[np.uint8]:
    """Labels 1 to 3; cells 2 and 3 touch at a corner."""
    labels = np.zeros((40, 50), np.uint8)
    labels[2:8, 3:9] = 1
    labels[10:20, 10:20] = 2
    labels[20:26, 20:30] = 3
    return labels


def saved(path: Path, array: NDArray[Any]) -> Path:
    if path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array)
    return path


RED = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)


@pytest.mark.parametrize(
    ("name", "as_written"),
    [
        ("threshold.png", lambda cells: cells * np.uint8(255)),
        ("threshold16.tif", lambda cells: cells * np.uint16(65535)),
        ("ones.tif", lambda cells: cells.astype(np.uint8)),
        ("boolean.png", lambda cells: cells),
        ("float.tif", lambda cells: cells.astype(np.float32)),
        ("grey_rgb.png", lambda cells: np.stack([cells * np.uint8(255)] * 3, -1)),
        ("red.png", lambda cells: RED[cells.astype(int)]),
    ],
)
def test_a_mask_of_one_value_is_told_apart_by_its_parts(
    tmp_path: Path, name: str, as_written: Any
) -> None:
    mask = read_cell_mask(saved(tmp_path / name, as_written(three_cells() > 0)))
    found = [(one.object_id, one.y, one.x, one.height, one.width) for one in mask.objects]
    middle = (100 * 14.5 + 60 * 22.5) / 160, (100 * 14.5 + 60 * 24.5) / 160
    assert found == [("1", 4.5, 5.5, 6, 6), ("2", *middle, 16, 20)]
    tally = MaskTally()
    tally.add(mask)
    assert tally.notes() == (
        "1 of 1 mask give all cells one value: their 2 connected parts are taken as cells, and "
        "cells that touch as one",
    )


def test_a_cell_is_cut_out_of_such_a_mask_by_its_number(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.png", (three_cells() > 0) * np.uint8(255))
    inside = MaskReader().read(path, "2", Region(14.5, 14.5, 20, 20))
    np.testing.assert_array_equal(inside, three_cells()[5:25, 5:25] > 1)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint32", "int16"])
def test_labels_are_whole_numbers_in_any_type(tmp_path: Path, dtype: str) -> None:
    path = saved(tmp_path / "m.tif", three_cells().astype(dtype))
    mask = read_cell_mask(path)
    np.testing.assert_array_equal(mask.labels, three_cells())
    assert mask.labels.dtype.kind in "ui" and not mask.by_parts


def test_each_colour_is_a_cell(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 2, 0], [1, 0, 9]], np.uint8)
    mask = read_cell_mask(saved(tmp_path / "m.png", colours[three_cells()]))
    assert [one.object_id for one in mask.objects] == ["512", "65545", str(255 * 65536)]


def test_specks_are_no_cells_and_are_counted(tmp_path: Path) -> None:
    noisy = three_cells()
    noisy[::7, 45] = 1
    mask = read_cell_mask(saved(tmp_path / "m.tif", noisy > 0))
    assert (len(mask.objects), mask.specks) == (2, 6)
    tally = MaskTally()
    tally.add(mask)
    assert tally.notes()[0].endswith("as one; 6 specks left out")


def test_the_only_cell_of_a_field_keeps_its_label_and_a_cell_may_have_two_pieces(
    tmp_path: Path,
) -> None:
    labels = np.zeros((40, 50), np.uint8)
    labels[5:9, 5:9] = 7
    assert read_cell_mask(saved(tmp_path / "a.tif", labels)).objects[0].object_id == "7"
    labels[5:9, 11:15] = 7
    labels[20:30, 20:30] = 9
    mask = read_cell_mask(saved(tmp_path / "b.tif", labels))
    assert [one.object_id for one in mask.objects] == ["7", "9"]
    assert (mask.by_parts, mask.torn) == (False, 1)
    tally = MaskTally()
    tally.add(mask)
    assert tally.notes()[0].startswith("1 cell of the masks in several pieces of like size")
    labels[5:9, 11:15] = 0
    labels[39, 49] = 7
    assert read_cell_mask(saved(tmp_path / "c.tif", labels)).torn == 0


def cell_and_nucleus() -> NDArray[np.uint8]:
    classes = (three_cells() > 0).astype(np.uint8) * 127
    classes[4:6, 5:7] = classes[13:17, 13:17] = classes[22:24, 24:27] = 255
    return classes


def framed() -> NDArray[np.uint8]:
    mask = (three_cells() > 0).astype(np.uint8)
    mask[[0, -1]] = mask[:, [0, -1]] = 1
    return mask


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (255 - three_cells().clip(0, 1) * 255, "object 255 of the mask spans the whole field"),
        (np.where(three_cells() > 0, 1, 2), "object 2 of the mask spans the whole field"),
        (three_cells() + 1, "object 1 of the mask spans the whole field of 40 x 50 pixels"),
        (framed(), "object 1 of the mask spans the whole field"),
        (np.ones((40, 50)), "object 1 of the mask spans the whole field"),
        (cell_and_nucleus(), "2 of its 2 values lie in several places of the field, in 5 pieces"),
        (np.random.default_rng(0).integers(0, 200, (40, 50)), "lie in several places of the field"),
    ],
)
def test_what_is_out_of_any_proportion_is_refused(
    tmp_path: Path, mask: NDArray[Any], message: str
) -> None:
    with pytest.raises(ImageUnreadable, match=message):
        read_cell_mask(saved(tmp_path / "m.tif", mask.astype(np.uint8)))


def test_a_cell_may_fill_the_crop_that_was_cut_around_it(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :40] - 19.5
    mask = read_cell_mask(saved(tmp_path / "m.tif", (y**2 + x**2 < 400).astype(np.uint8)))
    assert (mask.objects[0].height, mask.objects[0].width) == (40, 40)


def test_cells_that_fill_the_whole_field_without_background(tmp_path: Path) -> None:
    tiles = np.arange(1, 26).reshape(5, 5).repeat(8, axis=0).repeat(10, axis=1)
    mask = read_cell_mask(saved(tmp_path / "m.tif", tiles.astype(np.uint16)))
    assert len(mask.objects) == 25


def test_real_masks_as_a_threshold_would_give_them(tmp_path: Path, shared_data: Path) -> None:
    """Of 40 cells six touch another one."""
    cells, tally = 0, MaskTally()
    for path in sorted((shared_data / "mef_actin" / "masks").rglob("*.tif")):
        labels = read_cell_mask(path)
        cells += len(labels.objects)
        tally.add(read_cell_mask(saved(tmp_path / "m.png", (labels.labels > 0) * np.uint8(255))))
    assert (cells, tally.cells) == (40, 37)
