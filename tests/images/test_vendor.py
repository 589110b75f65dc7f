"""CZI, ND2, LIF and OME-Zarr: bioio missing, and bioio present (a stand-in)."""

from __future__ import annotations

import json
import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest

from actinscope.errors import AmbiguousAxes, ImageTooLarge, ImageUnreadable
from actinscope.images import ReadOptions, read_image

MAGIC = {
    "a.czi": b"ZISRAWFILE" + b"\0" * 30,
    "a.nd2": b"\xda\xce\xbe\x0a" + b"\0" * 30,
    "a.lif": b"\x70\0\0\0" + b"\0" * 4 + b"*" + b"\0" * 30,
}


@pytest.fixture(params=[*MAGIC, "a.ome.zarr"])
def vendor_path(tmp_path, request):
    path = tmp_path / request.param
    if request.param in MAGIC:
        path.write_bytes(MAGIC[request.param])
    else:
        path.mkdir()
    return path


def zarr_array(path, version: int, *, shape=(40, 40), chunks=(20, 20), dtype="uint8") -> None:
    """The metadata of level 0, with one chunk of 400 bytes."""
    level = path / "0"
    level.mkdir(parents=True)
    if version == 2:
        told = {"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": np.dtype(dtype).str}
        (level / ".zarray").write_text(json.dumps(told))
        (level / "0.0").write_bytes(bytes(400))
        return
    grid = {"name": "regular", "configuration": {"chunk_shape": chunks}}
    told = {"node_type": "array", "shape": shape, "chunk_grid": grid, "data_type": dtype}
    (path / "zarr.json").write_text('{"node_type": "group"}')
    (level / "zarr.json").write_text(json.dumps(told))
    (level / "c").mkdir()
    (level / "c" / "0").write_bytes(bytes(400))


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_in_millions_of_chunks_or_chunks_that_grow_is_refused_unopened(
    tmp_path, monkeypatch, version
):
    monkeypatch.setitem(sys.modules, "bioio", None)
    zarr_array(tmp_path / "a.zarr", version)
    with pytest.raises(ImageUnreadable, match="bioio, which is not installed"):
        read_image(tmp_path / "a.zarr")
    zarr_array(tmp_path / "b.zarr", version, shape=(20_000, 20_000), chunks=(1, 1))
    with pytest.raises(ImageTooLarge, match="400,000,000 chunks of 1 x 1"):
        read_image(tmp_path / "b.zarr")
    zarr_array(tmp_path / "c.zarr", version, chunks=(40_000, 40_000))
    with pytest.raises(ImageTooLarge, match="the limit is 400,000,000"):
        read_image(tmp_path / "c.zarr")
    zarr_array(tmp_path / "d.zarr", version)
    (tmp_path / "d.zarr" / "0" / "0.1").write_bytes(bytes(400 + 2**16 + 1))
    with pytest.raises(ImageUnreadable, match="holds more than it says"):
        read_image(tmp_path / "d.zarr")


def test_without_bioio_the_error_says_what_to_install(vendor_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(ImageUnreadable, match=r'pip install "actinscope\[formats\]"'):
        read_image(vendor_path)


class StandIn:
    """As much of bioio.BioImage as is used, over an array of axes TCZYX."""

    array = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(1, 2, 3, 4, 5)
    scenes = ("Scene:0",)
    order = "TCZYX"
    channel_names = ("actin", "DNA")

    def __init__(self, path):
        self.path = path
        self.dims = SimpleNamespace(order=self.order)
        self.shape, self.dtype = self.array.shape, self.array.dtype
        self.physical_pixel_sizes = SimpleNamespace(Z=1.0, Y=0.3, X=0.2)

    def set_scene(self, scene):
        assert scene in self.scenes

    @property
    def data(self):
        return self.array


@pytest.fixture
def bioio(monkeypatch):
    """Puts the stand-in in the place of bioio; its class attributes may be set."""
    kind = type("BioImage", (StandIn,), {})
    monkeypatch.setitem(sys.modules, "bioio", types.SimpleNamespace(BioImage=kind))
    return kind


def test_with_bioio_axes_names_and_pixel_size_are_taken_over(vendor_path, bioio):
    image = read_image(vendor_path)
    np.testing.assert_array_equal(image.pixels, StandIn.array[0].max(axis=1))
    assert image.pixels.dtype == np.uint16
    assert image.channel_names == ("actin", "DNA")
    assert image.pixel_size_um == (0.3, 0.2)
    assert "maximum projection of 3 z planes" in image.notes


def test_with_bioio_series_and_scenes_are_refused(vendor_path, bioio):
    bioio.scenes = ("A1", "A2")
    with pytest.raises(AmbiguousAxes, match="--scene 0 to --scene 1"):
        read_image(vendor_path)
    read_image(vendor_path, ReadOptions(scene=1))
    bioio.scenes = ("A1",)
    bioio.array = np.arange(120, dtype=np.uint16).reshape(2, 1, 3, 4, 5)
    with pytest.raises(AmbiguousAxes, match="--time 0 to --time 1"):
        read_image(vendor_path)
    with pytest.raises(ImageTooLarge, match="the limit is 100"):
        read_image(vendor_path, ReadOptions(max_pixels=100))


def test_with_bioio_mosaics_are_refused_and_colour_is_colour(vendor_path, bioio):
    bioio.array, bioio.order = np.arange(60).reshape(3, 4, 5), "MYX"
    with pytest.raises(AmbiguousAxes, match="a series of tiles"):
        read_image(vendor_path)
    bioio.array, bioio.order = np.arange(60).reshape(1, 1, 1, 4, 5, 3), "TCZYXS"
    assert read_image(vendor_path).channel_names == ("red", "green", "blue")


def test_a_missing_reader_of_bioio_is_named(vendor_path, bioio):
    def fail(self, path):
        raise RuntimeError("no plugin supports this file")

    bioio.__init__ = fail
    with pytest.raises(ImageUnreadable, match=r"no plugin supports.*actinscope\[formats\]"):
        read_image(vendor_path)


def test_bioio_that_fails_while_reading(vendor_path, bioio):
    bioio.data = property(lambda self: 1 / 0)
    with pytest.raises(ImageUnreadable, match="ZeroDivisionError"):
        read_image(vendor_path)
