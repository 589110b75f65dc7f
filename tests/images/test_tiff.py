"""TIFF dialects: native values, axes by metadata, refusals, photometric kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.errors import AmbiguousAxes, ImageUnreadable
from actinscope.images import ReadOptions, read_image, read_label_mask


def ramp(*shape: int, dtype: str = "uint16", start: int = 0) -> np.ndarray:
    return (np.arange(start, start + np.prod(shape)) % 250).astype(dtype).reshape(shape)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bits_arrive_unchanged(tmp_path, compression, bigtiff, byteorder):
    stored = np.random.default_rng(1).integers(0, 65536, (37, 21), dtype=np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, stored, compression=compression, bigtiff=bigtiff, byteorder=byteorder, metadata=None
    )
    image = read_image(path)
    assert image.pixels.dtype == np.dtype("uint16")
    assert image.pixels.dtype.isnative
    assert image.pixels.flags.c_contiguous
    np.testing.assert_array_equal(image.pixels, stored[None])
    assert image.value_range == (0, 65535)
    assert image.channel_names == ("channel 1",)
    assert not image.is_colour


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("uint8", (0, 255)),
        ("uint32", (0, 2**32 - 1)),
        ("int8", (-128, 127)),
        ("int16", (-32768, 32767)),
        ("int32", (-(2**31), 2**31 - 1)),
        ("float16", (0, 1)),
        ("float32", (0, 1)),
        ("float64", (0, 1)),
    ],
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_every_type_keeps_its_type(tmp_path, dtype, expected, byteorder):
    stored = ramp(9, 8, dtype=dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, byteorder=byteorder)
    image = read_image(path)
    assert image.pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.pixels[0], stored)
    assert image.value_range == expected


def test_tiles_and_predictor(tmp_path):
    stored = np.random.default_rng(2).integers(0, 4096, (100, 70), dtype=np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, tile=(32, 32), compression="zlib", predictor=True)
    np.testing.assert_array_equal(read_image(path).pixels[0], stored)


def test_twelve_bits_packed_say_their_range(tmp_path):
    stored = np.random.default_rng(3).integers(0, 4096, (4, 6), dtype=np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, metadata=None, rowsperstrip=4)
    _rewrite_as_12_bit(path, _pack12(stored))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], stored)
    assert image.value_range == (0, 4095)


def _pack12(values: np.ndarray) -> bytes:
    """Two values in three bytes, high bits first, as TIFF packs them (even widths only)."""
    a, b = values.reshape(-1, 2).astype(int).T
    return np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], 1).astype(np.uint8).tobytes()


def _rewrite_as_12_bit(path: Path, packed: bytes) -> None:
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages[0].tags
        data_at, bits_at, count_at = (
            tif.pages[0].dataoffsets[0],
            tags[258].valueoffset,
            tags[279].valueoffset,
        )
    content = bytearray(path.read_bytes())
    content[data_at : data_at + len(packed)] = packed
    content[bits_at : bits_at + 2] = (12).to_bytes(2, "little")
    content[count_at : count_at + 2] = len(packed).to_bytes(2, "little")
    path.write_bytes(content)


def test_what_pillow_makes_of_a_twelve_bit_image_and_what_we_read(tmp_path):
    from PIL import Image as PillowImage

    stored = np.array([[0, 100, 255], [256, 1000, 4095]], dtype=np.uint16)
    path = tmp_path / "camera.tif"
    tifffile.imwrite(path, stored)
    with PillowImage.open(path) as opened:
        converted = np.asarray(opened.convert("RGB"))[..., 0]
    # Everything above 255 is lost there: three different intensities become one.
    np.testing.assert_array_equal(converted, [[0, 100, 255], [255, 255, 255]])
    np.testing.assert_array_equal(read_image(path).pixels[0], stored)


def test_one_bit_is_zero_and_one(tmp_path):
    stored = ramp(5, 11) % 2 == 0
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="minisblack")
    image = read_image(path)
    assert image.pixels.dtype == np.uint8
    assert image.value_range == (0, 1)
    np.testing.assert_array_equal(image.pixels[0], stored)


def ome(path: Path, array: np.ndarray, axes: str, **metadata: object) -> Path:
    tifffile.imwrite(
        path, array, ome=True, photometric="minisblack", metadata={"axes": axes, **metadata}
    )
    return path


def test_ome_channels_names_pixel_size_and_significant_bits(tmp_path):
    stored = ramp(3, 6, 5)
    path = ome(
        tmp_path / "a.ome.tif",
        stored,
        "CYX",
        Channel={"Name": ["DNA", "", "actin"]},
        PhysicalSizeX=0.1,
        PhysicalSizeXUnit="µm",
        PhysicalSizeY=200,
        PhysicalSizeYUnit="nm",
        SignificantBits=12,
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored)
    assert image.channel_names == ("DNA", "channel 2", "actin")
    assert image.pixel_size_um == pytest.approx((0.2, 0.1))
    assert image.value_range == (0, 4095)


@pytest.mark.parametrize(
    ("z", "expected", "dtype", "top"),
    [
        ("max", lambda a: a.max(1), "uint16", 65535),
        ("mean", lambda a: a.mean(1), "float32", 65535),
        ("sum", lambda a: a.astype(int).sum(1), "uint32", 4 * 65535),
        ("middle", lambda a: a[:, 2], "uint16", 65535),
        (3, lambda a: a[:, 3], "uint16", 65535),
    ],
)
def test_z_stacks_are_projected_as_asked(tmp_path, z, expected, dtype, top):
    stored = np.random.default_rng(4).integers(0, 65536, (2, 4, 6, 5), dtype=np.uint16)
    image = read_image(ome(tmp_path / "a.ome.tif", stored, "CZYX"), ReadOptions(z=z))
    np.testing.assert_allclose(image.pixels, expected(stored), rtol=1e-6)
    assert image.pixels.dtype == np.dtype(dtype)
    assert image.value_range == (0, top)
    assert any("z plane" in note for note in image.notes)


def test_z_plane_that_is_not_there(tmp_path):
    path = ome(tmp_path / "a.ome.tif", ramp(4, 6, 5), "ZYX")
    with pytest.raises(AmbiguousAxes, match=r"--z 4 asks for more than the file has \(4 z planes"):
        read_image(path, ReadOptions(z=4))


@pytest.mark.parametrize("order", ["ZCYX", "CZYX"])
def test_imagej_hyperstack(tmp_path, order):
    stored = ramp(4, 2, 6, 5)  # ImageJ stores Z before C
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        stored,
        imagej=True,
        resolution=(5.0, 4.0),
        metadata={"axes": "ZCYX", "unit": "um"},
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored.max(0))
    assert image.pixel_size_um == pytest.approx((0.25, 0.2))


def test_imagej_labels_name_channels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, ramp(2, 6, 5), imagej=True, metadata={"axes": "CYX", "Labels": ["actin", "DNA"]}
    )
    assert read_image(path).channel_names == ("actin", "DNA")


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_time_series_are_refused_until_a_time_is_chosen(tmp_path, kind):
    stored = ramp(3, 6, 5)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, **{kind: True}, metadata={"axes": "TYX"})
    with pytest.raises(AmbiguousAxes, match=r"3 time points.*--time 0 to --time 2"):
        read_image(path)
    image = read_image(path, ReadOptions(time=1))
    np.testing.assert_array_equal(image.pixels[0], stored[1])
    assert "time point 1 of 3" in image.notes
    with pytest.raises(AmbiguousAxes, match="--time 3 asks for more"):
        read_image(path, ReadOptions(time=3))


def test_scenes_are_refused_until_one_is_chosen(tmp_path):
    path = tmp_path / "a.ome.tif"
    first, second = ramp(6, 5), ramp(7, 4, start=9)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(first, metadata={"axes": "YX", "SignificantBits": 12})
        writer.write(second, metadata={"axes": "YX", "SignificantBits": 10})
    with pytest.raises(AmbiguousAxes, match=r"2 scenes.*--scene 0 to --scene 1"):
        read_image(path)
    image = read_image(path, ReadOptions(scene=1))
    np.testing.assert_array_equal(image.pixels[0], second)
    assert image.value_range == (0, 1023)
    with pytest.raises(AmbiguousAxes, match="--scene 2 asks for more"):
        read_image(path, ReadOptions(scene=2))


def test_plain_pages_have_no_meaning_until_the_user_gives_one(tmp_path):
    path = tmp_path / "a.tif"
    stored = ramp(3, 6, 5)
    with tifffile.TiffWriter(path) as writer:
        for page in stored:
            writer.write(page, metadata=None, contiguous=False)
    with pytest.raises(AmbiguousAxes, match=r"axis of length 3 has unknown meaning.*--axes"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, ReadOptions(axes="CYX")).pixels, stored)
    np.testing.assert_array_equal(
        read_image(path, ReadOptions(axes="zyx")).pixels[0], stored.max(0)
    )
    colour = read_image(path, ReadOptions(axes="SYX"))
    assert colour.is_colour
    np.testing.assert_array_equal(colour.pixels, stored)
    with pytest.raises(AmbiguousAxes, match="--axes TCYX names 4 axes, the file has 3"):
        read_image(path, ReadOptions(axes="TCYX"))


def test_tifffiles_own_shape_without_axes_is_unknown_too(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(2, 3, 6, 5), photometric="minisblack")
    with pytest.raises(AmbiguousAxes, match=r"unknown meaning.*--axes"):
        read_image(path)
    tifffile.imwrite(path, ramp(2, 3, 6, 5), photometric="minisblack", metadata={"axes": "CZYX"})
    assert read_image(path).pixels.shape == (2, 6, 5)


def test_axes_of_another_meaning_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(3, 6, 5), photometric="minisblack", metadata={"axes": "AYX"})
    with pytest.raises(AmbiguousAxes, match=r"a series of angles.*--axes"):
        read_image(path)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_rgb_is_colour(tmp_path, planar, dtype):
    stored = ramp(3, 6, 5, dtype=dtype)
    path = tmp_path / "a.tif"
    written = stored if planar == "separate" else stored.transpose(1, 2, 0)
    tifffile.imwrite(path, written, photometric="rgb", planarconfig=planar)
    image = read_image(path)
    assert image.is_colour
    assert image.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(image.pixels, stored)


def test_alpha_is_dropped_with_a_note(tmp_path):
    path = tmp_path / "a.tif"
    stored = ramp(6, 5, 4, dtype="uint8")
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["unassalpha"])
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored[..., :3].transpose(2, 0, 1))
    assert any("alpha" in note for note in image.notes)


@pytest.mark.parametrize("extra", [["unspecified"], ["unspecified", "unspecified"]])
def test_samples_beyond_the_colours_that_are_not_alpha_are_channels(tmp_path, extra):
    path = tmp_path / "a.tif"
    stored = ramp(6, 5, 3 + len(extra), dtype="uint8")
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=extra, planarconfig="contig")
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored.transpose(2, 0, 1))
    assert not image.is_colour
    assert image.channel_names[:4] == ("red", "green", "blue", "channel 4")
    assert any("not marked as alpha" in note for note in image.notes)


def test_alpha_beside_another_sample_is_dropped_alone(tmp_path):
    path = tmp_path / "a.tif"
    stored = ramp(6, 5, 5, dtype="uint8")
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    np.testing.assert_array_equal(read_image(path).pixels, stored.transpose(2, 0, 1)[[0, 1, 2, 4]])


def test_grey_samples_are_channels_but_for_alpha(tmp_path):
    path = tmp_path / "a.tif"
    stored = ramp(6, 5, 2)
    tifffile.imwrite(
        path,
        stored,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unspecified"],
        metadata=None,
    )
    np.testing.assert_array_equal(read_image(path).pixels, stored.transpose(2, 0, 1))
    tifffile.imwrite(
        path,
        stored,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["assocalpha"],
        metadata=None,
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], stored[..., 0])
    assert image.pixels.shape[0] == 1


def test_min_is_white_is_turned_round_but_not_in_masks(tmp_path):
    path = tmp_path / "a.tif"
    stored = np.array([[0, 1], [254, 255]], dtype=np.uint8)
    tifffile.imwrite(path, stored, photometric="miniswhite")
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], [[255, 254], [1, 0]])
    assert any("inverted" in note for note in image.notes)
    np.testing.assert_array_equal(read_label_mask(path), stored)


def write_palette(path: Path, stored: np.ndarray, table: np.ndarray) -> None:
    tifffile.imwrite(path, stored, photometric="palette", colormap=table.astype(np.uint16))


def test_palette_of_colours_becomes_rgb_and_masks_keep_numbers(tmp_path):
    path = tmp_path / "a.tif"
    stored = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    table = np.zeros((3, 256))
    table[:, 1], table[:, 2], table[:, 3] = (257 * 255, 0, 0), (0, 257 * 7, 0), (257, 514, 771)
    write_palette(path, stored, table)
    image = read_image(path)
    assert image.is_colour
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels[:, 0, 1], [255, 0, 0])
    np.testing.assert_array_equal(image.pixels[:, 1, 0], [0, 7, 0])
    np.testing.assert_array_equal(image.pixels[:, 1, 1], [1, 2, 3])
    np.testing.assert_array_equal(read_label_mask(path), stored)


def test_display_colours_of_a_grey_picture_are_not_applied(tmp_path):
    path = tmp_path / "green.tif"
    stored = ramp(6, 5, dtype="uint8")
    table = np.zeros((3, 256))
    table[1] = np.arange(256) * 257
    write_palette(path, stored, table)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored[None])
    assert any("lookup table" in note for note in image.notes)


def test_pyramids_are_one_scene(tmp_path):
    path = tmp_path / "a.ome.tif"
    stored = ramp(64, 64)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(stored, subifds=1, tile=(32, 32), metadata={"axes": "YX"})
        writer.write(stored[::2, ::2], subfiletype=1, tile=(32, 32))
    np.testing.assert_array_equal(read_image(path).pixels[0], stored)


def test_a_thumbnail_page_is_no_scene(tmp_path):
    path = tmp_path / "a.tif"
    stored = ramp(64, 48)
    with tifffile.TiffWriter(path) as writer:
        writer.write(stored, metadata=None)
        writer.write(stored[::5, ::5], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_image(path).pixels[0], stored)


def test_lossy_jpeg_in_tiff_is_colour(tmp_path):
    path = tmp_path / "a.tif"
    stored = np.full((32, 32, 3), 90, np.uint8)
    stored[:16] = (200, 30, 60)
    tifffile.imwrite(
        path, stored, photometric="rgb", compression="jpeg", compressionargs={"level": 95}
    )
    image = read_image(path)
    assert image.is_colour
    difference = np.abs(image.pixels.astype(int) - stored.transpose(2, 0, 1))
    assert difference[:, [2, 29]].max() < 4  # away from the edge between the colours
    assert any("lossy" in note for note in image.notes)


def test_kinds_that_are_no_intensity_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(6, 5, 4, dtype="uint8"), photometric="separated")
    with pytest.raises(ImageUnreadable, match="SEPARATED"):
        read_image(path)
    tifffile.imwrite(path, ramp(6, 5).astype(np.complex64))
    with pytest.raises(ImageUnreadable, match=r"complex64 are not intensities.*magnitude"):
        read_image(path)


def test_the_reader_logs_nothing_of_its_own(tmp_path, capfd, caplog):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(60, 50), compression="zlib")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageUnreadable):
        read_image(path)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_missing_planes_of_an_ome_set_are_an_error(tmp_path):
    path = tmp_path / "a.ome.tif"
    ome(path, ramp(3, 6, 5), "ZYX")
    content = path.read_bytes()
    assert content.count(b'SizeZ="3"') == 1
    path.write_bytes(
        content.replace(b'SizeZ="3"', b'SizeZ="4"').replace(b'PlaneCount="3"', b'PlaneCount="4"')
    )
    with pytest.raises(ImageUnreadable, match=r"missing|damaged"):
        read_image(path)


def test_orientation_is_reported_not_applied(tmp_path):
    path = tmp_path / "a.tif"
    stored = ramp(6, 5)
    tifffile.imwrite(path, stored, extratags=[(274, "H", 1, 6, True)])
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], stored)
    assert any("orientation" in note for note in image.notes)


def test_integer_axes_option_is_checked():
    for bad in ("XX", "ZY", "QYX", "CYXS", ""):
        with pytest.raises(ValueError, match="axes"):
            ReadOptions(axes=bad)
    with pytest.raises(ValueError, match="counted from 0"):
        ReadOptions(z=-1)
