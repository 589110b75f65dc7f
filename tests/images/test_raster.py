"""PNG, JPEG, BMP and NPY: native values, ranges, alpha, palettes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as PillowImage
from PIL import ImageFile

from actinscope.errors import AmbiguousAxes, ImageEmpty, ImageTooLarge, ImageUnreadable
from actinscope.images import ReadOptions, image_shape, read_image, read_label_mask

CONSTANT = ReadOptions(allow_constant=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raster")


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@settings(max_examples=60)
@given(
    array=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4])),
    )
)
def test_png_of_any_kind_is_exact(folder, array):
    stored = array[..., 0] if array.shape[2] == 1 else array
    image = read_image(put(folder, "a.png", imagecodecs.png_encode(stored)), CONSTANT)
    samples = array.shape[2]
    kept = array[..., : 3 if samples > 2 else 1]
    assert image.pixels.dtype == array.dtype
    np.testing.assert_array_equal(image.pixels, kept.transpose(2, 0, 1))
    assert image.is_colour == (samples > 2)
    assert ("alpha channel dropped" in image.notes) == (samples in (2, 4))
    assert image.value_range == (0, np.iinfo(array.dtype).max)


def test_what_pillow_makes_of_sixteen_bit_rgb_png(tmp_path):
    stored = np.array([[[1, 300, 65535], [4095, 256, 255]]], dtype=np.uint16)
    path = put(tmp_path, "a.png", imagecodecs.png_encode(stored))
    with PillowImage.open(path) as opened:
        assert np.asarray(opened).dtype == np.uint8  # Pillow keeps the upper 8 bits only
    np.testing.assert_array_equal(read_image(path).pixels, stored.transpose(2, 0, 1))


def test_what_pillow_makes_of_a_twelve_bit_png(tmp_path):
    stored = np.array([[0, 100, 255], [256, 1000, 4095]], dtype=np.uint16)
    path = put(tmp_path, "a.png", imagecodecs.png_encode(stored))
    with PillowImage.open(path) as opened:
        converted = np.asarray(opened.convert("RGB"))[..., 0]
    assert len(np.unique(converted)) < 6
    np.testing.assert_array_equal(read_image(path).pixels[0], stored)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_stay_as_stored(tmp_path, bits):
    top = 2**bits - 1
    stored = (np.arange(7 * 5) % (top + 1)).astype(np.uint8).reshape(7, 5)
    path = put(tmp_path, "a.png", small_png(stored, bits, colour=0))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], stored)
    assert image.value_range == (0, top)


def small_png(values: np.ndarray, bits: int, colour: int, palette: bytes = b"") -> bytes:
    """A PNG written by hand from the specification: one filter byte a row, packed bits."""
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)

    height, width = values.shape
    planes = np.stack([(values >> bit) & 1 for bit in range(bits - 1, -1, -1)], axis=-1)
    rows = np.packbits(planes.reshape(height, -1).astype(np.uint8), axis=1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
        + (chunk(b"PLTE", palette) if palette else b"")
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_becomes_colours_and_masks_keep_numbers(tmp_path, bits):
    stored = (np.arange(6 * 5) % 2**bits).astype(np.uint8).reshape(6, 5)
    palette = np.random.default_rng(5).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    path = put(tmp_path, "a.png", small_png(stored, bits, 3, palette.tobytes()))
    image = read_image(path)
    assert image.is_colour
    np.testing.assert_array_equal(image.pixels, palette[stored].transpose(2, 0, 1))
    assert image.value_range == (0, 255)
    np.testing.assert_array_equal(read_label_mask(path), stored)


def test_grey_stored_as_rgb_stays_rgb(tmp_path):
    grey = np.arange(30, dtype=np.uint8).reshape(6, 5)
    path = put(tmp_path, "a.png", imagecodecs.png_encode(np.stack([grey] * 3, -1)))
    assert read_image(path).is_colour
    assert read_image(path).pixels.shape == (3, 6, 5)


def test_transparent_colour_is_no_channel(tmp_path):
    grey = np.arange(30, dtype=np.uint8).reshape(6, 5)
    buffer = io.BytesIO()
    PillowImage.fromarray(grey).save(buffer, "PNG", transparency=3)
    image = read_image(put(tmp_path, "a.png", buffer.getvalue()))
    np.testing.assert_array_equal(image.pixels, grey[None])


def test_animated_png_is_refused(tmp_path):
    frames = [PillowImage.fromarray(np.full((4, 4), v, np.uint8)) for v in (1, 2)]
    path = tmp_path / "a.png"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageUnreadable, match=r"animated PNG.*separate files"):
        read_image(path)


def jpeg(array: np.ndarray, mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = PillowImage.fromarray(array)
    (picture.convert(mode) if mode else picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_jpeg_gives_what_libjpeg_decodes(tmp_path, colour, progressive):
    array = np.random.default_rng(6).integers(0, 256, (40, 31, 3), dtype=np.uint8)
    array = array if colour else array[..., 0]
    path = put(tmp_path, "a.jpg", jpeg(array, progressive=progressive))
    with PillowImage.open(path) as opened:
        expected = np.asarray(opened)
    image = read_image(path)
    expected = expected.transpose(2, 0, 1) if colour else expected[None]
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.is_colour == colour
    assert any("lossy" in note for note in image.notes)


def test_jpeg_of_twelve_bits(tmp_path):
    stored = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (16, 1))
    content = imagecodecs.jpeg_encode(stored, bitspersample=12, level=100)
    image = read_image(put(tmp_path, "a.jpg", content))
    assert image.pixels.dtype == np.uint16
    assert image.value_range == (0, 4095)
    assert np.abs(image.pixels[0].astype(int) - stored).max() <= 2


def test_cmyk_and_jpeg_masks_are_refused(tmp_path):
    array = np.random.default_rng(6).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path = put(tmp_path, "a.jpg", jpeg(array, "CMYK"))
    with pytest.raises(ImageUnreadable, match="CMYK"):
        read_image(path)
    path = put(tmp_path, "b.jpg", jpeg(array[..., 0]))
    with pytest.raises(ImageUnreadable, match=r"lossy.*TIFF or PNG"):
        read_label_mask(path)


def test_exif_rotation_is_reported_not_applied(tmp_path):
    array = np.random.default_rng(6).integers(0, 256, (8, 16), dtype=np.uint8)
    exif = PillowImage.Exif()
    exif[274] = 6
    image = read_image(put(tmp_path, "a.jpg", jpeg(array, exif=exif)))
    assert image.pixels.shape == (1, 8, 16)
    assert any("rotation flag not applied" in note for note in image.notes)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp_of_each_kind(tmp_path, mode):
    rng = np.random.default_rng(7)
    picture = PillowImage.fromarray(rng.integers(0, 256, (7, 5, 4), dtype=np.uint8)).convert(mode)
    path = tmp_path / "a.bmp"
    picture.save(path)
    image = read_image(path)
    if mode in ("1", "L"):
        expected = np.asarray(picture.convert("L"))[None]
    else:
        expected = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.is_colour == (mode in ("P", "RGB", "RGBA"))
    if mode == "P":
        np.testing.assert_array_equal(read_label_mask(path), np.asarray(picture))


def test_gif_is_grey_or_colour_by_its_palette(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    PillowImage.fromarray(grey).save(tmp_path / "grey.gif")
    image = read_image(tmp_path / "grey.gif")
    np.testing.assert_array_equal(image.pixels[0], grey)
    assert image.notes == ("GIF keeps at most 256 colours or greys of what was measured",)
    np.testing.assert_array_equal(read_label_mask(tmp_path / "grey.gif"), grey)
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[:8], colour[8:] = (200, 10, 0), (0, 20, 90)
    PillowImage.fromarray(colour).save(tmp_path / "colour.gif")
    image = read_image(tmp_path / "colour.gif")
    assert image.is_colour
    np.testing.assert_array_equal(image.pixels, colour.transpose(2, 0, 1))


def test_webp_is_exact_where_it_is_lossless(tmp_path):
    stored = np.arange(12 * 11 * 4, dtype=np.uint8).reshape(12, 11, 4)
    stored[..., 3] = 255
    PillowImage.fromarray(stored).save(tmp_path / "a.webp", lossless=True, exact=True)
    image = read_image(tmp_path / "a.webp")
    np.testing.assert_array_equal(image.pixels, stored[..., :3].transpose(2, 0, 1))
    assert image.is_colour
    assert not any("lossy" in note for note in image.notes)
    PillowImage.fromarray(stored[..., :3]).save(tmp_path / "lossy.webp")
    assert any("WebP is lossy" in note for note in read_image(tmp_path / "lossy.webp").notes)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animations_are_refused(tmp_path, kind):
    frames = [PillowImage.fromarray(np.full((9, 9), n * 90, np.uint8)) for n in range(3)]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageUnreadable, match=r"an animated .* holds several pictures"):
        read_image(tmp_path / "a")


def bitmap(rows: np.ndarray, bits: int, greys: list[int], *, offset: int = 0) -> bytes:
    """A top-down bitmap of packed ``rows`` (bytes) with a palette of greys, written by hand."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    palette = b"".join(bytes((grey, grey, grey, 0)) for grey in greys)
    width = rows.shape[1] * 8 // bits
    header = struct.pack("<IiiHHIIiiII", 40, width, -len(rows), 1, bits, 0, 0, 0, 0, len(greys), 0)
    offset = offset or 14 + 40 + len(palette)
    start = b"BM" + struct.pack("<IHHI", offset + padded.size, 0, 0, offset)
    return start + header + palette + padded.tobytes()


def test_bmp_of_four_bits_and_top_down(tmp_path):
    stored = (np.arange(18) % 16).astype(np.uint8).reshape(3, 6)
    packed = stored[:, ::2] << 4 | stored[:, 1::2]
    path = put(tmp_path, "a.bmp", bitmap(packed, 4, [17 * i for i in range(16)]))
    np.testing.assert_array_equal(read_image(path).pixels[0], stored * 17)


def test_bitmaps_that_pillow_would_misread_are_refused(tmp_path):
    numbers = np.array([[0, 1, 1, 0], [1, 0, 2, 9]], np.uint8)
    few = bitmap(numbers, 8, list(range(10)))
    np.testing.assert_array_equal(read_image(put(tmp_path, "a.bmp", few)).pixels[0], numbers)
    for name, content in {
        "two greys, but 8 bits": bitmap(numbers % 2, 8, [0, 255]),
        "0 to 15 in 4 bits": bitmap(numbers, 4, list(range(16))),
        "a colour that the palette lacks": bitmap(numbers, 8, list(range(9))),
        "pixels within the palette": bitmap(numbers, 8, list(range(10)), offset=60),
    }.items():
        with pytest.raises(ImageUnreadable, match="damaged"):
            read_image(put(tmp_path, f"{name}.bmp", content))


@settings(max_examples=60)
@given(
    array=hnp.arrays(
        st.one_of(
            hnp.integer_dtypes(endianness="?"),
            hnp.unsigned_integer_dtypes(endianness="?"),
            hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
            hnp.boolean_dtypes(),
        ),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    ),
    fortran=st.booleans(),
)
def test_npy_of_any_kind_is_exact(folder, array, fortran):
    path = folder / "a.npy"
    np.save(path, np.asfortranarray(array) if fortran else array)
    if array.dtype.kind == "f" and not np.isfinite(array).any():
        with pytest.raises(ImageEmpty, match="no pixel has a finite value"):
            read_image(path, CONSTANT)
        return
    image = read_image(path, CONSTANT)
    assert image.pixels.dtype.isnative
    assert image.pixels.dtype.itemsize == array.dtype.itemsize
    np.testing.assert_array_equal(image.pixels[0], array)
    if array.dtype.kind == "b":
        assert image.pixels.dtype == np.uint8
        assert image.value_range == (0, 1)


def test_npy_with_three_axes_needs_their_names(tmp_path):
    path = tmp_path / "a.npy"
    stored = np.arange(4 * 5 * 3, dtype=np.uint16).reshape(4, 5, 3)
    np.save(path, stored)
    with pytest.raises(AmbiguousAxes, match=r"3 axes \(4 x 5 x 3\).*--axes YXS"):
        read_image(path)
    colour = read_image(path, ReadOptions(axes="YXS"))
    assert colour.is_colour
    np.testing.assert_array_equal(colour.pixels, stored.transpose(2, 0, 1))
    channels = read_image(path, ReadOptions(axes="YXC"))
    assert not channels.is_colour
    assert channels.channel_names == ("channel 1", "channel 2", "channel 3")
    with pytest.raises(AmbiguousAxes, match=r"length 5 is called colour samples \(S\)"):
        read_image(path, ReadOptions(axes="YSX"))


def test_npy_that_is_no_picture(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageUnreadable, match=r"pickled.*never loaded"):
        read_image(path)
    np.save(path, np.arange(5))
    with pytest.raises(ImageUnreadable, match="1 axes is not a picture"):
        read_image(path)
    np.save(path, np.ones((3, 3), dtype=complex))
    with pytest.raises(ImageUnreadable, match=r"complex128.*magnitude"):
        read_image(path)
    np.save(path, np.zeros((3, 3), dtype="datetime64[s]"))
    with pytest.raises(ImageUnreadable, match="not intensities"):
        read_image(path)
    np.save(path, np.zeros((0, 3)))
    with pytest.raises(ImageEmpty, match=r"no pixels \(0 x 3\)"):
        read_image(path)


def test_headers_that_promise_too_much_are_refused_before_decoding(tmp_path):
    huge = 60_000
    png = small_png(np.zeros((1, 1), np.uint8), 8, 0)
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", huge, huge, 8, 0, 0, 0, 0)
    import zlib

    png = png[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + png[33:]
    bmp_header = struct.pack("<IiiHHIIiiII", 40, huge, huge, 1, 24, 0, 0, 0, 0, 0, 0)
    array = jpeg(np.zeros((8, 8), np.uint8))
    at = array.index(b"\xff\xc0") + 5
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        npy, {"descr": "<f8", "fortran_order": False, "shape": (huge, huge)}
    )
    for name, content in {
        "a.png": png,
        "a.bmp": b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + bmp_header,
        "a.jpg": array[:at] + struct.pack(">HH", huge, huge) + array[at + 4 :],
        "a.npy": npy.getvalue(),
    }.items():
        with pytest.raises(ImageTooLarge, match=rf"{name}.*60000 x 60000.*max_pixels"):
            read_image(put(tmp_path, name, content))
    with pytest.raises(ImageTooLarge, match=r"the limit is 8\."):
        path = put(tmp_path, "b.png", small_png(np.eye(3, dtype=np.uint8), 8, 0))
        read_image(path, ReadOptions(max_pixels=8))


@pytest.mark.parametrize("axes", [None, "YXS", "XYS"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "npy"])
def test_the_shape_is_known_without_decoding(tmp_path, monkeypatch, suffix, axes):
    stored = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, stored if axes else stored[..., 0])
    else:
        PillowImage.fromarray(stored).save(path)
    options = ReadOptions(axes=axes)
    expected = (20, 12) if axes == "XYS" else (12, 20)
    assert read_image(path, options).pixels.shape[1:] == expected
    for decoder in ("png_decode", "jpeg_decode"):
        monkeypatch.delattr(imagecodecs, decoder)
    monkeypatch.delattr(np, "fromfile")
    monkeypatch.delattr(tifffile.TiffPageSeries, "asarray")
    monkeypatch.delattr(ImageFile.ImageFile, "load")
    assert image_shape(path, options) == expected
    with pytest.raises(ImageTooLarge):
        image_shape(path, ReadOptions(axes=axes, max_pixels=100))


def test_a_shape_is_refused_as_the_image_is(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))
    with pytest.raises(AmbiguousAxes, match="does not say what its 3 axes"):
        image_shape(tmp_path / "a.npy")
    with pytest.raises(ImageUnreadable, match="cut short"):
        image_shape(put(tmp_path, "b.png", b"\x89PNG\r\n\x1a\n"))
    with pytest.raises(ImageUnreadable, match="no such file"):
        image_shape(tmp_path / "none.tif")
