"""Broken and mislabelled inputs: always a clear error, never other pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from actinscope.errors import ImageEmpty, ImageError, ImageTooLarge, ImageUnreadable
from actinscope.images import ReadOptions, list_images, read_image, read_label_mask
from actinscope.images.kinds import IMAGE_SUFFIXES

RNG = np.random.default_rng(11)
NOISE = RNG.integers(0, 4096, (24, 17), dtype=np.uint16)
CONSTANT = ReadOptions(allow_constant=True)


def tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def pillow(array: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


BYTES = NOISE.astype(np.uint8)
STACK = NOISE.reshape(4, 6, 17)
WHOLE = {
    "plain.tif": tiff(NOISE, metadata=None),
    "shaped.tif": tiff(NOISE),
    "lzw.tif": tiff(NOISE, compression="lzw", rowsperstrip=5),
    "zlib.tif": tiff(NOISE, compression="zlib", predictor=True, rowsperstrip=7),
    "zstd.tif": tiff(NOISE, compression="zstd", tile=(16, 16)),
    "big.tif": tiff(NOISE, bigtiff=True, compression="zlib"),
    "endian.tif": tiff(NOISE, byteorder=">"),
    "stack.ome.tif": tiff(STACK, ome=True, metadata={"axes": "ZYX"}),
    "packed.ome.tif": tiff(STACK, ome=True, compression="zlib", metadata={"axes": "CYX"}),
    "imagej.tif": tiff(STACK, imagej=True, metadata={"axes": "ZYX"}),
    "shaped_stack.tif": tiff(
        STACK, photometric="minisblack", metadata={"axes": "ZYX"}, compression="zlib"
    ),
    "rgb.tif": tiff(np.stack([BYTES] * 3, -1), photometric="rgb", compression="lzw"),
    "jpeg.tif": tiff(np.stack([BYTES] * 3, -1), photometric="rgb", compression="jpeg"),
    "grey.png": imagecodecs.png_encode(NOISE),
    "rgb.png": imagecodecs.png_encode(np.stack([NOISE] * 3, -1)),
    "grey.jpg": pillow(BYTES, "JPEG"),
    "progressive.jpg": pillow(np.stack([BYTES] * 3, -1), "JPEG", progressive=True),
    "twelve.jpg": imagecodecs.jpeg_encode(NOISE, bitspersample=12),
    "lossless.jpg": imagecodecs.jpeg_encode(NOISE * 16, bitspersample=16, lossless=True),
    "grey.bmp": pillow(BYTES, "BMP"),
    "grey.gif": pillow(BYTES, "GIF"),
    "lossless.webp": pillow(np.stack([BYTES, BYTES // 2, BYTES], -1), "WEBP", lossless=True),
    "lossy.webp": pillow(np.stack([BYTES, BYTES // 2, BYTES], -1), "WEBP"),
    "grey.npy": npy(NOISE),
}


def plain_pages(**options: object) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in STACK:
            writer.write(page, metadata=None, contiguous=False, **options)
    return buffer.getvalue()


WHOLE["pages.tif"] = plain_pages()
WHOLE["packed_pages.tif"] = plain_pages(compression="zlib")
OPTIONS = {
    name: ReadOptions(axes="CYX", allow_constant=True) for name in ("pages.tif", "packed_pages.tif")
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_anywhere_is_an_error_or_the_same_picture(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(WHOLE[name])
    options = OPTIONS.get(name, CONSTANT)
    whole = read_image(path, options)
    size = len(WHOLE[name])
    read_in_spite = 0
    for end in sorted({*range(0, size, max(1, size // 70)), *range(max(0, size - 20), size)}):
        path.write_bytes(WHOLE[name][:end])
        try:
            cut = read_image(path, options)
        except ImageError as error:
            assert name in str(error)
            assert error.remedy
        else:
            read_in_spite += 1
            np.testing.assert_array_equal(cut.pixels, whole.pixels)
            assert cut.pixels.dtype == whole.pixels.dtype
    assert read_in_spite < 50


@pytest.mark.parametrize("name", WHOLE)
def test_flipped_bytes_never_escape_as_foreign_errors_or_noise(tmp_path, name, capfd):
    path = tmp_path / name
    rng = np.random.default_rng(12)
    for _ in range(40):
        content = bytearray(WHOLE[name])
        for at in rng.integers(0, min(len(content), 600), 3):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content)
        try:
            read_image(path, ReadOptions(max_pixels=1_000_000))
        except ImageError as error:
            assert name in str(error)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


STARTS = [
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"II+\0\x08\0\0\0",
    b"\xff\xd8\xff",
    b"\x93NUMPY\1\0",
    b"BM",
    b"p\0\0\0\0\0\0\0*",
    b"GIF89a",
    b"RIFF\x90\0\0\0WEBP",
]


@settings(max_examples=150)
@example(suffix=".jpg", start=b"\xff\xd8\xff", rest=b"\xd9")  # an end without a picture
@given(
    suffix=st.sampled_from(sorted(IMAGE_SUFFIXES)),
    start=st.sampled_from(STARTS),
    rest=st.binary(max_size=200),
)
def test_random_bytes_raise_only_image_errors(folder, suffix, start, rest):
    path = folder / f"noise{suffix}"
    path.write_bytes(start + rest)
    with pytest.raises(ImageError, match="noise") as caught:
        read_image(path)
    assert caught.value.remedy


@settings(max_examples=40)
@given(
    array=st.sampled_from(["uint8", "uint16", "uint32", "int16", "float32"]).flatmap(
        lambda kind: st.tuples(
            st.just(kind), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99)
        )
    ),
    compression=st.sampled_from([None, "lzw", "zlib", "zstd"]),
    mode=st.sampled_from([{}, {"bigtiff": True}, {"ome": True}, {"byteorder": ">"}]),
)
def test_tiff_round_trip_over_types_and_shapes(folder, array, compression, mode):
    kind, height, width, seed = array
    stored = np.random.default_rng(seed).integers(0, 120, (height, width)).astype(kind)
    path = folder / "round.tif"
    tifffile.imwrite(path, stored, compression=compression, **mode)
    image = read_image(path, CONSTANT)
    assert image.pixels.dtype == stored.dtype
    np.testing.assert_array_equal(image.pixels, stored[None])


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_empty_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    with pytest.raises(ImageEmpty, match=r"0 bytes.*export the file again"):
        read_image(path)


def test_a_text_file_called_tif(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("field,label\n1,2\n")
    with pytest.raises(ImageUnreadable, match="the name says TIFF, but the file holds text"):
        read_image(path)


@pytest.mark.parametrize(
    ("start", "what"), [(b"8BPS\0\1", "Photoshop"), (b"PK\x03\x04\0", "ZIP"), (b"%PDF-1.7", "PDF")]
)
def test_other_known_kinds_are_named(tmp_path, start, what):
    path = tmp_path / "a.png"
    path.write_bytes(start + b"\0" * 30)
    with pytest.raises(ImageUnreadable, match=rf"the name says PNG, but this is a {what}"):
        read_image(path)


def test_a_wrong_suffix_is_read_by_content_with_a_note(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["plain.tif"])
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], NOISE)
    assert image.notes == ("the name says PNG, the content is TIFF: read as TIFF",)


def test_a_folder_is_searched_by_content_where_suffixes_say_nothing(tmp_path):
    for name, whole in [
        ("a", "plain.tif"),
        ("b.jfif", "grey.jpg"),
        ("c.image", "grey.png"),
        ("d.webp", "lossy.webp"),
        ("e.GIF", "grey.gif"),
        ("f.2024-05-01", "grey.bmp"),
    ]:
        (tmp_path / name).write_bytes(WHOLE[whole])
        read_image(tmp_path / name)
    for name, content in [
        ("notes.txt", b"BMW and PNG and II*"),
        ("table.csv", b"path,label\n"),
        ("g", b""),
        ("film.avi", b"RIFF\x10\0\0\0AVI LIST"),
        ("h.bin", b"\x70\0\0\0" + b"\0" * 60),
    ]:
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "i").write_bytes(WHOLE["rgb.png"])
    found = [path.relative_to(tmp_path).as_posix() for path in list_images([tmp_path])]
    assert found == ["a", "a folder/i", "b.jfif", "c.image", "d.webp", "e.GIF", "f.2024-05-01"]


def test_names_that_lead_nowhere(tmp_path):
    with pytest.raises(ImageUnreadable, match="there is no such file"):
        read_image(tmp_path / "missing.tif")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(ImageUnreadable, match="this is a folder"):
        read_image(tmp_path / "folder.tif")
    with pytest.raises(ImageUnreadable, match=r"cannot be opened|no such file"):
        read_image(tmp_path / ("n" * 5000 + ".tif"))
    with pytest.raises(ImageUnreadable, match=r"cannot be opened|no such file"):
        read_image(Path("zero\0byte.tif"))
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(ImageUnreadable, match="not a regular file"):
        read_image(tmp_path / "pipe.tif")


@pytest.mark.parametrize(
    "name", ["zellkern_ÄÖ_细胞_🔬.tif", "n" * 240 + ".tif", "a b'c\"d #1%.tif"]
)
def test_unusual_names(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(WHOLE["lzw.tif"])
    np.testing.assert_array_equal(read_image(path).pixels[0], NOISE)


def test_a_forbidden_file(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    path.write_bytes(WHOLE["plain.tif"])

    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageUnreadable, match=r"Permission denied.*may read the file"):
        read_image(path)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), ValueError("x"), OSError("disk")]
)
def test_whatever_a_decoder_raises_is_an_image_error_with_its_cause(tmp_path, monkeypatch, error):
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(imagecodecs, "png_decode", fail)
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["grey.png"])
    with pytest.raises(ImageUnreadable, match=r"a\.png") as caught:
        read_image(path)
    assert caught.value.__cause__ is error


def test_ctrl_c_is_not_caught(tmp_path, monkeypatch):
    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(imagecodecs, "png_decode", interrupt)
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["grey.png"])
    with pytest.raises(KeyboardInterrupt):
        read_image(path)


def test_a_tiff_that_claims_to_be_gigantic(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(WHOLE["plain.tif"])
    with tifffile.TiffFile(path) as tif:
        places = [tif.pages[0].tags[code].offset for code in (256, 257)]
    content = bytearray(path.read_bytes())
    for place in places:  # tag, type 4 (LONG), one value
        content[place + 2 : place + 12] = b"\4\0\1\0\0\0" + (200_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"200000 x 200000|damaged"):
        read_image(path)


def test_a_stack_counts_all_its_planes_against_the_limit(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(WHOLE["stack.ome.tif"])
    with pytest.raises(ImageTooLarge, match="4 x 6 x 17 = 408 values, the limit is 407"):
        read_image(path, ReadOptions(max_pixels=407))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite(tmp_path, value):
    path = tmp_path / "a.tif"
    stored = NOISE.astype(np.float32)
    stored[3, 4] = value
    tifffile.imwrite(path, stored)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[0], stored)
    assert image.notes == ("1 of 408 values are not finite (NaN or infinite)",)
    tifffile.imwrite(path, np.full((4, 4), value, np.float32))
    with pytest.raises(ImageEmpty, match="no pixel has a finite value"):
        read_image(path, CONSTANT)


def test_constant_images(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((4, 5), 200, np.uint16))
    with pytest.raises(ImageEmpty, match=r"a\.tif: every pixel has the same value"):
        read_image(path)
    assert "every pixel has the same value" in read_image(path, CONSTANT).notes
    stored = np.stack([NOISE, np.full_like(NOISE, 7)])
    tifffile.imwrite(path, stored, photometric="minisblack", metadata={"axes": "CYX"})
    assert read_image(path).notes == ("channel 'channel 2' has the same value everywhere",)


def test_masks_that_are_no_masks(tmp_path):
    path = tmp_path / "m.tif"
    for broken in (0.5, 2.0**24):
        tifffile.imwrite(path, NOISE.astype(np.float32) + np.float32(broken))
        with pytest.raises(ImageUnreadable, match="no whole numbers, or too large ones"):
            read_label_mask(path)
    tifffile.imwrite(path, np.stack([NOISE] * 3, -1), photometric="rgb")
    with pytest.raises(ImageUnreadable, match="the label mask has deep colours"):
        read_label_mask(path)
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(ImageUnreadable, match="4 channels"):
        read_label_mask(path)
    tifffile.imwrite(path, NOISE.astype(np.int32) - 4096)
    with pytest.raises(ImageUnreadable, match="negative labels"):
        read_label_mask(path)
    tifffile.imwrite(path, np.zeros((4, 5), np.int32))
    np.testing.assert_array_equal(read_label_mask(path), np.zeros((4, 5)))
