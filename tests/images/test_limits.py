"""Files of a few kilobytes that claim gigabytes, millions of parts, or no end."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from actinscope.errors import ImageError, ImageTooLarge, ImageUnreadable
from actinscope.images import ReadOptions, read_image
from actinscope.images.tiff_limits import MOST_PARTS

SMALL = {256: (3, 1, 4), 257: (3, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
SMALL |= {273: (4, 1, 8), 277: (3, 1, 1), 278: (3, 1, 4), 279: (4, 1, 16)}


def directory(tags: dict[int, tuple[int, int, int]], following: int = 0) -> bytes:
    entries = (struct.pack("<HHII", code, *rest) for code, rest in sorted(tags.items()))
    return struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I", following)


def tiff(tags: dict[int, tuple[int, int, int]], content: bytes) -> bytes:
    """One page; ``content`` begins at byte 1000."""
    return (b"II*\0\x08\0\0\0" + directory(tags)).ljust(1000, b"\0") + content


@pytest.mark.parametrize(("count", "back"), [(2, 0), (150, 0), (150, 149), (3000, 1500)])
def test_pages_that_lead_round_in_a_circle(tmp_path, count, back):
    size = len(directory(SMALL))
    follows = [*range(1, count), back]
    pages = b"".join(directory(SMALL, 8 + n * size) for n in follows)
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + pages)
    with pytest.raises(ImageUnreadable, match="lead round in a circle"):
        read_image(tmp_path / "a.tif")


def test_a_page_with_a_million_pages_below_it(tmp_path):
    count = 100_000
    content = tiff(SMALL | {330: (4, count, 1000)}, struct.pack("<I", 8) * count)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageTooLarge, match="more pages, strips, tiles or metadata"):
        read_image(tmp_path / "a.tif")


def test_a_description_that_takes_minutes_to_parse(tmp_path):
    """Bounded by its bytes, and in OME-XML by its elements and attributes."""
    path = tmp_path / "a.tif"
    with path.open("wb") as stream:
        stream.write(tiff(SMALL | {270: (2, 1 << 27, 1000)}, b""))
        stream.truncate(1000 + (1 << 27))  # a hole: takes no room on the disk
    with pytest.raises(ImageTooLarge, match="more pages, strips, tiles or metadata"):
        read_image(path)
    text = b"<OME>" + b"<a/>" * (8 * MOST_PARTS) + b"</OME>\0"
    path.write_bytes(tiff(SMALL | {270: (2, len(text), 1000)}, text))
    with pytest.raises(ImageTooLarge, match="more pages, strips, tiles or metadata"):
        read_image(path)


@pytest.mark.parametrize("code", [273, 324])
def test_millions_of_strips_or_tiles(tmp_path, code):
    count = MOST_PARTS + 1
    content = tiff(SMALL | {257: (4, 1, count), code: (4, count, 1000)}, b"\x08\0\0\0" * count)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageTooLarge, match="more pages, strips, tiles or metadata"):
        read_image(tmp_path / "a.tif")


def test_a_sound_file_of_many_pages_is_read(tmp_path):
    stored = np.arange(500 * 12, dtype=np.uint8).reshape(500, 4, 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in stored:
            writer.write(page, metadata=None, contiguous=False, rowsperstrip=1)
    image = read_image(tmp_path / "a.tif", ReadOptions(axes="TYX", time=444))
    np.testing.assert_array_equal(image.pixels[0], stored[444])


@pytest.mark.parametrize("tiled", [False, True])
def test_a_strip_or_tile_that_inflates_beyond_its_picture(tmp_path, tiled):
    data = zlib.compress(bytes(50_000_000), 9)
    tags = SMALL | {259: (3, 1, 8), 273: (4, 1, 1000), 279: (4, 1, len(data))}
    if tiled:
        tags = {code: value for code, value in tags.items() if code not in (273, 278, 279)}
        tags |= {322: (3, 1, 16), 323: (3, 1, 16), 324: (4, 1, 1000), 325: (4, 1, len(data))}
    (tmp_path / "a.tif").write_bytes(tiff(tags, data))
    with pytest.raises(ImageUnreadable):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("dtype", "limit"), [("u1", 400), ("u2", 400), ("f4", 200), ("f8", 100)])
def test_the_limit_counts_bytes_where_values_are_wide(tmp_path, dtype, limit):
    stored = np.arange(limit).reshape(limit // 10, 10).astype(dtype)
    for name in ("a.npy", "a.tif"):
        if name == "a.npy":
            np.save(tmp_path / name, stored)
        else:
            tifffile.imwrite(tmp_path / name, stored)
        read_image(tmp_path / name, ReadOptions(max_pixels=400))
        with pytest.raises(ImageTooLarge, match=rf"{limit} values, the limit is {limit - 1}"):
            read_image(tmp_path / name, ReadOptions(max_pixels=400 - 400 // limit))


def test_an_array_of_gigabytes_is_refused_by_its_header(tmp_path):
    with (tmp_path / "a.npy").open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (20_000, 20_000)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 3_200_000_000)  # a hole: takes no room on the disk
    with pytest.raises(ImageTooLarge, match="the limit is 100,000,000 of 64 bits"):
        read_image(tmp_path / "a.npy")


def test_a_palette_counts_with_its_colours(tmp_path):
    table = np.zeros((3, 256), np.uint16)
    table[0] = np.arange(256)[::-1] * 257
    stored = np.arange(400, dtype=np.uint8).reshape(20, 20)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="palette", colormap=table)
    assert read_image(tmp_path / "a.tif", ReadOptions(max_pixels=1200)).is_colour
    with pytest.raises(ImageTooLarge, match="20 x 20 x 3"):
        read_image(tmp_path / "a.tif", ReadOptions(max_pixels=1199))


def test_a_jpeg_of_endless_scans(tmp_path):
    path = tmp_path / "a.jpg"
    stored = np.random.default_rng(1).integers(0, 255, (40, 40), np.uint8)
    PillowImage.fromarray(stored).save(path, progressive=True)
    content = path.read_bytes()
    read_image(path)
    last = content[content.rindex(b"\xff\xda") : -2]
    path.write_bytes(content[:-2] + last * 100 + b"\xff\xd9")
    with pytest.raises(ImageUnreadable, match="more than 64 scans"):
        read_image(path)


@pytest.mark.parametrize(("kind", "sides"), [("GIF", (60_000, 8_000)), ("WEBP", (16_000, 16_000))])
def test_pictures_of_one_colour_that_are_small_on_the_disk_only(tmp_path, kind, sides):
    path = tmp_path / f"a.{kind.lower()}"
    PillowImage.new("RGB", (16, 16)).save(path, kind)
    content = bytearray(path.read_bytes())
    if kind == "GIF":
        content[6:10] = struct.pack("<HH", *sides)
    else:  # the frame of lossy WebP: 3 bytes, a mark of 3 bytes, width, height
        at = content.index(b"\x9d\x01\x2a") + 3
        content[at : at + 4] = struct.pack("<HH", *sides)
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"the limit is|larger than|damaged"):
        read_image(path)
