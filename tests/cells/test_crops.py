"""Crops, the cached reader, and the listing of folders."""

from __future__ import annotations

import errno
import pickle
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from actinscope.cells import CropReader
from actinscope.cells import crops as crops_module
from actinscope.cells.crops import crop
from actinscope.errors import ImageEmpty, ImageError, ImageUnreadable
from actinscope.images import Image, ReadOptions, Region, list_images, read_image


def picture(height: int, width: int, channels: int = 2) -> Image:
    pixels = np.arange(channels * height * width, dtype=np.uint16).reshape(channels, height, width)
    names = tuple(f"channel {n}" for n in range(1, channels + 1))
    return Image(Path("f.tif"), pixels, names, (0.5, 0.5), False, (0, 65535), ("kept",))


def test_inside_the_pixels_are_exact_and_the_centre_is_at_half_the_size():
    image = picture(20, 30)
    part = crop(image, Region(y=10, x=12, height=4, width=5))
    np.testing.assert_array_equal(part.pixels, image.pixels[:, 8:12, 10:15])
    assert part.pixels[0, 2, 2] == image.pixels[0, 10, 12]
    assert part.pixels.dtype == image.pixels.dtype
    assert part.pixels.flags.c_contiguous
    assert not np.shares_memory(part.pixels, image.pixels)
    assert (part.notes, part.channel_names, part.pixel_size_um) == (
        ("kept",),
        image.channel_names,
        (0.5, 0.5),
    )


@pytest.mark.parametrize(("y", "first"), [(9.49, 8), (9.5, 9), (10.49, 9), (10.5, 10)])
def test_the_centre_is_rounded_halves_upwards(y, first):
    image = picture(20, 30, 1)
    part = crop(image, Region(y, 5, 3, 3))
    assert part.pixels[0, 0, 0] == image.pixels[0, first, 4]


def test_the_box_of_an_object_is_cut_out_whole():
    # Rows 3..6 and columns 5..9: centre (4.5, 7).
    image = picture(20, 30, 1)
    part = crop(image, Region(4.5, 7, 4, 5))
    np.testing.assert_array_equal(part.pixels, image.pixels[:, 3:7, 5:10])


def test_beyond_the_border_pixels_are_mirrored():
    row = np.array([[[10, 20, 30, 40]]], dtype=np.uint8).repeat(3, axis=1)
    image = Image(Path("f.tif"), row, ("a",), None, False, (0, 255))
    part = crop(image, Region(y=1, x=0, height=3, width=5))
    np.testing.assert_array_equal(part.pixels[0, 0], [30, 20, 10, 20, 30])
    assert part.notes == ("cut off by the border of the field, and continued as a mirror image",)


def test_an_image_too_small_to_mirror_repeats_its_border():
    image = Image(Path("f.tif"), np.array([[[1, 2]]], np.uint8), ("a",), None, False, (0, 255))
    part = crop(image, Region(y=0, x=0, height=3, width=6))
    np.testing.assert_array_equal(part.pixels[0], [[1, 1, 1, 1, 2, 2]] * 3)


@pytest.mark.parametrize(
    "region",
    [
        Region(50, 5, 4, 4),
        Region(5, -9, 4, 4),
        Region(5, 5, 0, 4),
        Region(float("nan"), 5, 4, 4),
        Region(5, float("inf"), 4, 4),
    ],
)
def test_regions_that_touch_nothing_are_refused(region):
    with pytest.raises(ImageEmpty, match=r"f\.tif: the region .* does not touch"):
        crop(picture(20, 30), region)


@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    y=st.floats(-3, 14),
    x=st.floats(-3, 14),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
)
def test_a_crop_has_its_size_and_agrees_with_numpy(shape, y, x, height, width):
    image = picture(*shape, channels=1)
    try:
        part = crop(image, Region(y, x, height, width))
    except ImageEmpty:
        return
    assert part.pixels.shape == (1, height, width)
    top, left = int(np.floor(y + 0.5)) - height // 2, int(np.floor(x + 0.5)) - width // 2
    expected = image.pixels[0]
    for axis, (first, size) in enumerate([(top, height), (left, width)]):
        length = expected.shape[axis]
        before, after = max(0, -first), max(0, first + size - length)
        mode = "reflect" if max(before, after) < length else "edge"
        pads = [(0, 0), (0, 0)]
        pads[axis] = (before, after)
        expected = np.pad(expected, pads, mode=mode).take(
            range(first + before, first + before + size), axis=axis
        )
    np.testing.assert_array_equal(part.pixels[0], expected)


@pytest.fixture
def fields(tmp_path):
    paths = []
    for number in range(3):
        path = tmp_path / f"field{number}.tif"
        tifffile.imwrite(path, np.arange(200, dtype=np.uint16).reshape(10, 20) + number)
        paths.append(path)
    return paths


@pytest.fixture
def reads(monkeypatch):
    seen: list[Path] = []

    def counted(path, options):
        seen.append(path)
        return read_image(path, options)

    monkeypatch.setattr(crops_module, "read_image", counted)
    return seen


def test_many_crops_of_a_field_read_it_once(fields, reads):
    reader = CropReader()
    for column in range(40):
        part = reader.read(fields[0], Region(5, column % 20, 3, 3))
        assert part.pixels.shape == (1, 3, 3)
    assert reads == [fields[0]]
    assert reader.read(fields[0]).pixels.shape == (1, 10, 20)
    assert len(reads) == 2  # whole images are not kept
    assert reader.shape_of(fields[0]) == (10, 20)
    assert len(reads) == 2


def test_the_cache_is_bounded_by_bytes(fields, reads):
    reader = CropReader(cache_bytes=2 * 400)
    region = Region(5, 5, 3, 3)
    for path in [fields[0], fields[1], fields[0], fields[2], fields[0], fields[1]]:
        reader.read(path, region)
    assert reads == [fields[0], fields[1], fields[2], fields[1]]
    tiny = CropReader(cache_bytes=1)
    reads.clear()
    for _ in range(3):  # the field in use stays, however large it is
        assert tiny.read(fields[0], region).pixels.shape == (1, 3, 3)
    tiny.read(fields[1], region)
    assert reads == [fields[0], fields[1]]


def test_a_file_that_changes_is_read_anew(fields):
    reader = CropReader()
    region = Region(5, 5, 1, 1)
    assert reader.read(fields[0], region).pixels[0, 0, 0] == 105
    tifffile.imwrite(fields[0], np.arange(800, dtype=np.uint16).reshape(20, 40))
    assert reader.read(fields[0], region).pixels[0, 0, 0] == 205


def test_threads_share_one_read(fields, reads):
    reader = CropReader()
    start = threading.Barrier(8)
    results: list[int] = []

    def work():
        start.wait()
        region = Region(5, 5, 3, 3)
        results.extend(int(reader.read(fields[0], region).pixels[0, 1, 1]) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [105] * 160
    assert reads == [fields[0]]


def test_a_thread_that_comes_as_another_ends_its_read_does_not_read_again(fields, reads):
    reader = CropReader()
    region = Region(5, 5, 3, 3)
    late: list[threading.Thread] = []

    class Scheduled:
        """A lock; a second thread reads as soon as none is busy, before the first goes on."""

        def __init__(self):
            self._lock = threading.Lock()

        def __enter__(self):
            self._lock.acquire()

        def __exit__(self, *_):
            self._lock.release()
            if reads and not reader._busy and not late:
                late.append(threading.Thread(target=reader.read, args=(fields[0], region)))
                late[0].start()
                late[0].join()

    reader._lock = Scheduled()
    reader.read(fields[0], region)
    assert late
    assert reads == [fields[0]]


def test_with_a_folder_to_keep_pixels_in_nothing_is_decoded_twice(fields, reads, tmp_path):
    reader = CropReader(cache_bytes=1, keep_in=tmp_path / "not" / "made" / "yet")
    colours = tmp_path / "colours.png"
    stored = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    colours.write_bytes(imagecodecs.png_encode(stored))
    wanted = [
        (fields[0], Region(5, 5, 3, 3)),
        (fields[1], None),
        (colours, None),
        (fields[0], Region(0, 0, 4, 2)),
    ]
    first = [reader.read(*one) for one in wanted]
    assert reads == [fields[0], fields[1], colours]
    for _ in range(2):
        for one, image in zip(wanted, first, strict=True):
            again = reader.read(*one)
            assert vars(again).keys() == vars(image).keys()
            for name, value in vars(image).items():
                np.testing.assert_array_equal(getattr(again, name), value)
            assert again.pixels.dtype == image.pixels.dtype
            again.pixels[:] = 0  # whoever is given pixels may write on them
    assert len(reads) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "colours.png",
        *(path.name for path in fields),
    ]
    tifffile.imwrite(fields[1], np.arange(800, dtype=np.uint16).reshape(20, 40))
    assert reader.read(fields[1]).pixels.shape == (1, 20, 40)
    assert len(reads) == 4


def test_where_the_disk_is_short_images_are_decoded_again(fields, reads, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=4 * 2 * 400)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    reader = CropReader(keep_in=tmp_path)  # a quarter of what is free: two of the three
    for _ in range(2):
        for path in fields:
            assert reader.read(path).pixels.shape == (1, 10, 20)
    assert reads == [*fields, fields[2]]


def test_a_disk_that_others_fill_or_that_cannot_be_written(fields, reads, tmp_path, monkeypatch):
    reader = CropReader(keep_in=tmp_path)
    reader.read(fields[0])

    class Full:
        def __getattr__(self, name):
            return getattr(file, name)

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    file = reader._kept._file
    monkeypatch.setattr(reader._kept, "_file", Full())
    for _ in range(2):
        for path in fields:
            assert reader.read(path).pixels[0, 0, 1] == 1 + fields.index(path)
    assert reads == [*fields, *fields[1:]]

    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    reader = CropReader(keep_in=tmp_path)
    assert [reader.read(fields[0]).pixels.max() for _ in range(2)] == [199, 199]


def test_threads_keep_pixels_apart(tmp_path, reads):
    paths = []
    for number in range(40):
        paths.append(tmp_path / f"{number}.tif")
        pixels = np.full((30 + number, 50), number, np.uint16)
        pixels[0, 0] = 999
        tifffile.imwrite(paths[-1], pixels)
    reader = CropReader(keep_in=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for number, image in enumerate(pool.map(reader.read, paths)):
                assert image.pixels.shape == (1, 30 + number, 50)
                assert (image.pixels[0, 1:] == number).all()
    assert len(reads) == 40


def test_reader_reports_bad_files_each_time_and_travels_to_workers(tmp_path):
    reader = CropReader(ReadOptions(z="mean"), cache_bytes=5)
    for _ in range(2):
        with pytest.raises(ImageUnreadable, match="no such file"):
            reader.read(tmp_path / "missing.tif", Region(1, 1, 2, 2))
    copy = pickle.loads(pickle.dumps(reader))  # noqa: S301 - our own bytes
    assert (copy.options, copy.cache_bytes) == (reader.options, 5)
    assert issubclass(ImageUnreadable, ImageError)


def test_listing_is_natural_recursive_and_says_nothing_of_other_files(tmp_path):
    for name in [
        "b/cell10.tif",
        "b/cell2.TIF",
        "a/x.ome.tiff",
        "a/.hidden.png",
        ".cache/y.png",
        "groups.csv",
        "notes.txt",
        "c.png",
        "b/z.ome.zarr/0/.zarray",
        "b/odd.png/inner.png",
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images([tmp_path])]
    assert found == [
        "a/x.ome.tiff",
        "b/cell2.TIF",
        "b/cell10.tif",
        "b/odd.png",
        "b/z.ome.zarr",
        "c.png",
    ]


def test_digits_that_are_no_numbers_are_letters(tmp_path):
    for name in ("5\u00b27.tif", "10\u2075/a.tif", "\u0663.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert {path.relative_to(tmp_path).as_posix() for path in list_images([tmp_path])} == {
        "5\u00b27.tif", "10\u2075/a.tif", "\u0663.tif"
    }  # fmt: skip


def test_named_files_are_kept_whatever_they_are_and_come_once(tmp_path):
    picture_path, text, missing = (tmp_path / name for name in ("a.png", "b.txt", "none.dat"))
    picture_path.touch()
    text.touch()
    assert list_images([text, missing, tmp_path, picture_path]) == [text, missing, picture_path]
