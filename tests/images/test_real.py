"""Real cell images: what is read is what is in the files."""

from __future__ import annotations

import csv

import numpy as np
import tifffile
from PIL import Image as PillowImage

from actinscope.cells import CropReader
from actinscope.cells.objects import objects_from_mask
from actinscope.images import Region, list_images, read_image, read_label_mask


def test_sixteen_bit_actin_crops(shared_data):
    paths = list_images([shared_data / "mef_actin" / "cells"])
    assert len(paths) == 317
    for path in paths[::40]:
        image = read_image(path)
        assert image.pixels.shape == (1, 224, 224)
        assert image.pixels.dtype == np.uint16
        np.testing.assert_array_equal(image.pixels[0], tifffile.imread(path))
        with PillowImage.open(path) as opened:
            eight_bits = np.asarray(opened.convert("RGB"))[..., 0]
        # The signal of these cells lies above 255, where that conversion keeps nothing.
        assert np.all(eight_bits[image.pixels[0] > 255] == 255)


def test_eight_bit_nuclei_and_colour_cells(shared_data):
    for path in list_images([shared_data / "mitocheck_nuclei"])[::400]:
        with PillowImage.open(path) as opened:
            np.testing.assert_array_equal(read_image(path).pixels[0], np.asarray(opened))
    for path in list_images([shared_data / "white_cells_rgb"])[::100]:
        image = read_image(path)
        assert image.is_colour
        with PillowImage.open(path) as opened:
            np.testing.assert_array_equal(image.pixels.transpose(1, 2, 0), np.asarray(opened))


def test_objects_of_fields_cut_out_cells_that_are_there(shared_data):
    folder = shared_data / "mef_actin"
    with (folder / "fields.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    reader = CropReader()
    cells = 0
    for row in rows:
        field, mask = (
            next(folder / value for value in row.values() if value and value.startswith(start))
            for start in ("fields", "masks")
        )
        labels = read_label_mask(mask)
        for cell in objects_from_mask(labels):
            part = reader.read(field, Region(cell.y, cell.x, 96, 96))
            assert part.pixels.shape == (1, 96, 96)
            assert part.pixels.dtype == np.uint16
            cells += 1
    assert cells == 40
