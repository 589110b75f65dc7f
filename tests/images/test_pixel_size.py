"""The size of a pixel in micrometres, where files say it, and not where they only seem to."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from actinscope.images import read_image

STORED = np.arange(42, dtype=np.uint16).reshape(7, 6)


@pytest.mark.parametrize(
    ("unit", "resolution", "expected"),
    [
        ("centimeter", (50_000, 40_000), (0.25, 0.2)),  # pixels a centimetre, x and y
        ("inch", (254_000, 254_000), (0.1, 0.1)),
        ("centimeter", (1_000, 1_000), (10.0, 10.0)),
        ("inch", (72, 72), None),  # dots per inch of a screen, of printers
        ("inch", (300, 300), None),
        ("inch", (1200, 1200), None),
        ("none", (50_000, 50_000), None),
        ("centimeter", (0, 0), None),
    ],
)
def test_resolution_tags_count_where_a_microscope_can_have_written_them(
    tmp_path, unit, resolution, expected
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STORED, metadata=None, resolution=resolution, resolutionunit=unit)
    found = read_image(path).pixel_size_um
    assert found == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("unit", "resolution", "expected"),
    [
        ("um", (5.0, 4.0), (0.25, 0.2)),
        ("\\u00B5m", (5.0, 5.0), (0.2, 0.2)),
        ("micron", (0.02, 0.02), (50.0, 50.0)),
        ("nm", (0.01, 0.01), (0.1, 0.1)),
        ("pixel", (1.0, 1.0), None),
        ("inch", (72.0, 72.0), None),
    ],
)
def test_imagej_gives_its_unit_in_words(tmp_path, unit, resolution, expected):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STORED, imagej=True, resolution=resolution, metadata={"unit": unit})
    found = read_image(path).pixel_size_um
    assert found == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [
        ("0.2", "µm", 0.2),
        ("200", "nm", 0.2),
        ("0.0002", "mm", 0.2),
        ("0", "µm", None),
        ("-1", "µm", None),
        ("nan", "µm", None),
        ("1", "pixel", None),
        ("a few", "µm", None),
    ],
)
def test_ome_sizes_are_brought_to_micrometres(tmp_path, size, unit, expected):
    path = tmp_path / "a.ome.tif"
    given = {f"PhysicalSize{axis}": size for axis in "XY"}
    given |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(path, STORED, ome=True, metadata={"axes": "YX", **given})
    found = read_image(path).pixel_size_um
    assert found == (expected if expected is None else pytest.approx((expected, expected)))


def test_ome_without_a_size_leaves_it_to_the_tags(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path,
        STORED,
        ome=True,
        metadata={"axes": "YX"},
        resolution=(20_000, 20_000),
        resolutionunit="centimeter",
    )
    assert read_image(path).pixel_size_um == pytest.approx((0.5, 0.5))


def test_formats_without_a_size_have_none(tmp_path):
    np.save(tmp_path / "a.npy", STORED)
    assert read_image(tmp_path / "a.npy").pixel_size_um is None
