"""A batch with every broken file that microscopes, disks and people produce."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from actinscope.predict import PredictOptions, predict_files
from helpers.bundles import grey_image, make_bundle
from helpers.predictions import read_written


def picture(seed: int = 5, dtype: str = "uint16") -> np.ndarray:
    return grey_image(seed, side=32, dtype=dtype).pixels[0]


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(suffix, pixels)[1])


def tiff_bytes(folder: Path, pixels: np.ndarray, **options: object) -> bytearray:
    path = folder / "scratch"
    tifffile.imwrite(path, pixels, **options)  # type: ignore[arg-type]
    data = bytearray(path.read_bytes())
    path.unlink()
    return data


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def set_tiff_size(data: bytearray, width: int, height: int) -> bytes:
    """Change the size in the first directory of a classic little-endian TIFF."""
    offset = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, offset)[0]):
        place = offset + 2 + 12 * entry
        tag = struct.unpack_from("<H", data, place)[0]
        if tag in (256, 257):
            struct.pack_into("<HII", data, place + 2, 4, 1, width if tag == 256 else height)
    return bytes(data)


def make_broken(folder: Path) -> list[str]:
    """Write the broken files to ``folder``; their names."""
    whole_tiff = tiff_bytes(folder, picture())
    whole_png = encoded(".png", picture())
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 16, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    bomb += png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b"")
    middle = whole_png.index(b"IDAT") + 40
    bad_offset = bytearray(whole_tiff)
    struct.pack_into("<I", bad_offset, 4, 0x7FFFFFF0)
    bmp = bytearray(encoded(".bmp", picture(dtype="uint8")))
    struct.pack_into("<ii", bmp, 18, 30_000, 30_000)
    npy_header = b"\x93NUMPY\x01\x00"
    contents: dict[str, bytes] = {
        "empty.tif": b"",
        "one_byte.png": b"\x89",
        "cut.tif": bytes(whole_tiff[: len(whole_tiff) // 2]),
        "cut.png": whole_png[: len(whole_png) // 2],
        "cut_idat.png": whole_png[:middle] + bytes(20) + whole_png[middle + 20 :],
        "bomb.png": bomb,
        "text.tif": b"these are notes, not an image\n" * 20,
        "bad_offset.tif": bytes(bad_offset),
        "huge.tif": set_tiff_size(bytearray(whole_tiff), 4_000_000, 4_000_000),
        "cut.jpg": encoded(".jpg", picture(dtype="uint8"))[:200],
        "false_size.bmp": bytes(bmp),
        "page.png": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "packed.tif": gzip.compress(bytes(whole_tiff)),
        "cut_header.npy": npy_header + b"\xff\xff{'descr'",
        "false_shape.npy": npy_header
        + struct.pack("<H", 118)
        + b"{'descr': '<u2', 'fortran_order': False, 'shape': (90000, 90000), }".ljust(117)
        + b"\n",
        "zeros.tif": bytes(5000),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    np.save(folder / "objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.save(folder / "nothing.npy", np.zeros((0, 5), np.uint16))
    np.save(folder / "complex.npy", np.ones((8, 8), np.complex64))
    np.save(folder / "line.npy", np.arange(20, dtype=np.uint16))
    tifffile.imwrite(folder / "nan.tif", np.full((16, 16), np.nan, np.float32))
    tifffile.imwrite(folder / "constant.tif", np.full((16, 16), 7, np.uint16))
    tifffile.imwrite(folder / "bits8.tif", picture(dtype="uint8"))
    stack = np.stack([picture(seed) for seed in range(5)])
    tifffile.imwrite(folder / "time.tif", stack, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "pages.tif", stack, metadata=None)
    tifffile.imwrite(folder / "two_channels.tif", stack[:2], imagej=True, metadata={"axes": "CYX"})
    (folder / "cell.tif").mkdir()
    (folder / "cell.tif" / "inner.txt").write_text("x")
    names = [path.name for path in folder.iterdir()]
    (folder / "gone.tif").symlink_to(folder / "nowhere.tif")
    (folder / "loop.tif").symlink_to(folder / "loop.tif")
    names += ["gone.tif", "loop.tif"]
    if hasattr(os, "getuid") and os.getuid() != 0:
        (folder / "secret.tif").write_bytes(whole_tiff)
        (folder / "secret.tif").chmod(0)
        names.append("secret.tif")
    return names


GOOD = ["plain.tif", "packed.png", "Zelle_ä_細胞_🔬.tif", "n" * 200 + ".tif", "array.npy"]


def make_good(folder: Path) -> None:
    for seed, name in enumerate(GOOD):
        if name.endswith(".png"):
            (folder / name).write_bytes(encoded(".png", picture(seed)))
        elif name.endswith(".npy"):
            np.save(folder / name, picture(seed))
        else:
            tifffile.imwrite(folder / name, picture(seed))


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_every_bad_file_is_named_and_no_good_one_suffers(tmp_path: Path, batch_size: int) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    folder = tmp_path / "images"
    folder.mkdir()
    broken = make_broken(folder)
    make_good(folder)
    assert len(broken) >= 20
    options = PredictOptions(batch_size=batch_size)
    summary = predict_files(bundle, [folder], tmp_path / "out.csv", options=options)
    found = read_written(tmp_path / "out.csv")
    rows = {Path(name).name: place for place, name in enumerate(found.paths)}

    # what went wrong is said for each, and only for these
    failed = {name for name, place in rows.items() if found.errors[place]}
    assert failed == set(broken)
    assert {Path(name).name for name, _ in summary.problems} == set(broken)
    assert (summary.done, summary.failed) == (len(GOOD), len(broken))
    for name in broken:
        message = found.errors[rows[name]]
        assert len(message) > 10 and "unexpected" not in message, (name, message)
        assert found.predicted[rows[name]] == ""

    # the good ones come out as they do alone
    for name in GOOD:
        alone = tmp_path / "alone.csv"
        predict_files(bundle, [folder / name], alone, options=options)
        single = read_written(alone)
        np.testing.assert_array_equal(single.probabilities[0], found.probabilities[rows[name]])
        assert single.predicted[0] == found.predicted[rows[name]] != ""


def test_the_reasons_fit(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    folder = tmp_path / "images"
    folder.mkdir()
    make_broken(folder)
    predict_files(bundle, [folder], tmp_path / "out.csv")
    found = read_written(tmp_path / "out.csv")
    errors = {
        Path(name).name: error.lower()
        for name, error in zip(found.paths, found.errors, strict=True)
    }
    for name, word in {
        "empty.tif": "empty",
        "bomb.png": "pixel",
        "nan.tif": "finite",
        "constant.tif": "same value",
        "bits8.tif": "8",
        "time.tif": "time",
        "cell.tif": "folder",
        "two_channels.tif": "channel",
    }.items():
        assert word in errors[name], (name, errors[name])
