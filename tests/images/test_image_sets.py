"""Images of several files: which names are joined, what is asked, and what is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from actinscope.errors import ImageUnreadable, UsageError
from actinscope.images import (
    ReadOptions,
    also_called,
    file_state,
    files_of,
    image_shape,
    join_files,
    pattern_of_names,
    read_image,
)

UNIQUE = "{:08X}-1234-5678-9ABC-0123456789AB"
FOLDER = Path("/data/wild_type")


def images_of(names: Sequence[str], pattern: str | None = None) -> list[str]:
    """The images that files of one folder make, by their names below it."""
    joined = join_files({FOLDER / name: "wild_type" for name in names}, pattern)
    images = dict.fromkeys(joined.image_of.values())
    return [image.relative_to(FOLDER).as_posix() for image in images]


def series(template: str, **values: Sequence[object]) -> list[str]:
    """All combinations of ``values`` in a name, the last one fastest."""
    names = [template]
    for key, some in values.items():
        names = [name.replace(f"<{key}>", str(one)) for name in names for one in some]
    return names


FIVE = range(1, 6)
KNOWN = {
    "stains": (series("cell<n>_<c>.tif", n=FIVE, c=["DNA", "actin"]), "cell1_{actin|DNA}.tif"),
    "stain in front": (
        series("<c>_A1_<n>.tif", n=FIVE, c=["Phase", "Green"]),
        "{Green|Phase}_A1_1.tif",
    ),
    "four colours": (
        series("x<n>_<c>.png", n=FIVE, c=["red", "green", "blue"]),
        "x1_{blue|green|red}.png",
    ),
    "folder of an image": (
        series("cell<n>/<c>.tif", n=FIVE, c=["dna", "actin"]),
        "cell1/{actin|dna}.tif",
    ),
    "folder of a channel": (
        series("<c>/cell<n>.tif", n=FIVE, c=["dna", "actin"]),
        "{actin|dna}/cell1.tif",
    ),
    "Leica": (series("S<n>_ch<c>.tif", n=FIVE, c=["00", "01"]), "S1_{ch00|ch01}.tif"),
    "Leica with z": (
        series("S<n>_z<z>_ch<c>.tif", n=FIVE, z=["00", "01", "02"], c=["00", "01"]),
        "S1_z{00..02}_{ch00|ch01}.tif",
    ),
    "Opera": (
        series("r01c0<n>f01p0<z>-ch<c>sk1fk1fl1.tiff", n=FIVE, z=[1, 2, 3], c=[1, 2]),
        "r01c01f01p{01..03}-{ch1|ch2}sk1fk1fl1.tiff",
    ),
    "Yokogawa": (
        series("AS_C0<n>_T0001F001L01A01Z01C0<c>.tif", n=FIVE, c=[1, 2, 3]),
        "AS_C01_T0001F001L01A01Z01{C01|C02|C03}.tif",
    ),
    "Cellomics": (series("M_A0<n>f00d<c>.TIF", n=FIVE, c=[0, 1]), "M_A01f00{d0|d1}.TIF"),
    "Nikon": (series("xy00<n>c<c>.tif", n=FIVE, c=[1, 2]), "xy001{c1|c2}.tif"),
    "MetaMorph": (
        series("e_<c>_s<n>.TIF", n=FIVE, c=["w1DAPI", "w2CSU 640"]),
        "e_{w1DAPI|w2CSU 640}_s1.TIF",
    ),
    "number and stain": (
        series("i<n>_<c>.tif", n=FIVE, c=["ch0_DAPI", "ch1_GFP"]),
        "i1_{ch0_DAPI|ch1_GFP}.tif",
    ),
    "stains of numbered cells": (
        series("f<n>_c<k>_<c>.tif", n=FIVE, k=[1, 2], c=["DAPI", "GFP"]),
        "f1_c1_{DAPI|GFP}.tif",
    ),
    "z planes": (series("cell<n>_z<z>.tif", n=FIVE, z=range(9, 13)), "cell1_z{9..12}.tif"),
    "folder of z planes": (series("cell<n>/z<z>.tif", n=FIVE, z=range(4)), "cell1/z{0..3}.tif"),
}


@pytest.mark.parametrize("case", KNOWN)
def test_files_of_one_image_are_found_by_the_names_of_microscopes(case: str) -> None:
    names, first = KNOWN[case]
    images = images_of(names)
    assert images[0] == first
    assert [path.as_posix() for one in images for path in files_of(Path(one))] == sorted(
        names, key=[path.as_posix() for one in images for path in files_of(Path(one))].index
    )
    pattern = pattern_of_names(FOLDER / one for one in images)
    assert images_of(names, pattern) == images, pattern


def test_unique_numbers_in_names_are_no_part_of_the_channel() -> None:
    def name(kind: str, number: int) -> str:
        return f"p_A01_s{number // 2}_{kind}{UNIQUE.format(number)}.tif"

    names = [name(f"w{number % 2 + 1}", number) for number in range(12)]
    thumbnails = [name(f"w{number % 2 + 1}_thumb", number) for number in range(12)]
    joined = join_files({FOLDER / one: 0 for one in (*names, *thumbnails)}, None)
    assert set(joined.image_of) == {FOLDER / one for one in names}
    images = set(joined.image_of.values())
    assert pattern_of_names(images) == "{w1*|w2*}"
    assert "24 files" not in joined.notes[0] and "channels w1 and w2" in joined.notes[0]
    assert "12 files" in joined.notes[1]


NO_CHANNELS = {
    "numbers": series("cell<n>_<k>.tif", n=FIVE, k=[1, 2]),
    "wells": series("<r><c>.tif", r="ABCDEFGH", c=["01", "02", "03"]),
    "one row of wells": series(
        "p1_C<c>_s<s>.tif", c=[f"{n:02d}" for n in range(1, 13)], s=[1, 2, 3]
    ),
    "cells of a field": [f"f{n}_c{k}.tif" for n in FIVE for k in range(1, n + 1)],
    "cells of Nikon fields": series("xy00<n>c1_cell<k>.tif", n=FIVE, k=[1, 2, 3]),
    "one stain": series("actin_<n>.tif", n=FIVE),
    "times": series("cell<n>_t<t>.tif", n=FIVE, t=[0, 1, 2]),
    "two images": ["a_DNA.tif", "a_actin.tif", "b_DNA.tif", "b_actin.tif"],
    "few of many": [
        *series("cell<n>_<c>.tif", n=FIVE, c=["DNA", "actin"]),
        *series("x<n>.tif", n=range(30)),
    ],
    "already joined": series("cell<n>_{actin|DNA}.tif", n=FIVE),
}


@pytest.mark.parametrize("case", NO_CHANNELS)
def test_files_that_merely_end_alike_stay_images(case: str) -> None:
    names = NO_CHANNELS[case]
    assert images_of(names) == names


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (series("cell<n>_C<c>.tif", n=FIVE, c=[0, 1]), "{C0|C1}"),
        (series("cell<n>_w<c>.tif", n=FIVE, c=[1, 2]), "{w1|w2}"),
        (series("cell<n>_d<c>.tif", n=FIVE, c=[0, 1]), "{d0|d1}"),
        (series("C<c>-cell<n>.tif", n=FIVE, c=[1, 2]), "{C1|C2}"),
        (series("cell<n>_<c>.tif", n=FIVE, c=["DNA", "vinculin"]), "{DNA|vinculin}"),
        (series("cell<n>_z<z>.tif", n=FIVE, z=[1, 2]), "z{..}"),
        (
            [*series("cell<n>_<c>.tif", n=FIVE, c=["DNA", "actin"]), *series("x<n>.tif", n=FIVE)],
            "{actin|DNA}",
        ),
    ],
)
def test_names_that_can_mean_something_else_are_asked_about(names: list[str], asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        images_of(names)
    assert f"--channel-pattern '{asked}'" in str(caught.value)
    assert "--channel-pattern none" in str(caught.value)
    assert len(images_of(names, asked)) < len(names)
    assert images_of(names, "none") == names


def test_two_patterns_that_fit_are_both_named() -> None:
    names = series("f<n>_<c>_ch<k>.tif", n=FIVE, c=["DNA", "actin"], k=[1, 2])
    with pytest.raises(UsageError, match=r"'\{actin\|DNA\}' or --channel-pattern '\{ch1\|ch2\}'"):
        images_of(names)


def test_files_of_different_labels_are_no_channels_of_one_image() -> None:
    names = series("<c>_<n>.tif", n=FIVE, c=["DNA", "actin"])
    files = {FOLDER / name: name.split("_")[0] for name in names}
    assert join_files(files, None).image_of == {file: file for file in files}


def test_overlays_and_masks_beside_the_channels_are_left_out_and_counted() -> None:
    names = series("c<n>_<c>.tif", n=FIVE, c=["DAPI", "GFP", "merge", "mask"])
    joined = join_files({FOLDER / name: 0 for name in [*names, "note.tif"]}, None)
    assert len(set(joined.image_of.values())) == 6
    assert "10 files are joined into 5 images" in joined.notes[0]
    assert "wild_type/c1_{DAPI|GFP}.tif" in joined.notes[0]
    assert "1 file, note.tif" in joined.notes[1]
    assert "10 files, c1_mask.tif, c1_merge.tif" in joined.notes[2]


@pytest.mark.parametrize(
    "pattern", ["w1", "{w1}", "{a|b}*{c|d}", "{..}{..}", "{a|A}", "{a|}", "z{1..3}"]
)
def test_a_pattern_that_tells_no_files_apart_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        ReadOptions(channel_pattern=pattern)


@given(st.text("aZ09_-. {}|*+(", max_size=30))
def test_any_name_is_itself_or_a_set(name: str) -> None:
    path = Path("/data") / f"{name}.tif"
    files = files_of(path)
    assert files == (path,) or ("{" in name and all(file != path for file in files))
    assert files == () or also_called(path)[0] == path


def write(path: Path, value: int, shape: tuple[int, ...] = (6, 5), dtype: str = "uint16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(np.prod(shape)).reshape(shape).astype(dtype) + np.asarray(value, dtype)
    axes = "YXS" if shape[-1] == 3 else "CYX"[-len(shape) :]
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(path, pixels, photometric=photometric, metadata={"axes": axes})
    return path


def test_channels_come_in_the_order_of_the_name_and_with_its_names(tmp_path: Path) -> None:
    write(tmp_path / "a_DNA.tif", 100)
    write(tmp_path / "a_actin.tif", 7)
    image = read_image(tmp_path / "a_{DNA|actin}.tif")
    assert image.channel_names == ("DNA", "actin")
    assert image.pixels.shape == (2, 6, 5) and image.pixels.dtype == np.uint16
    assert image.pixels[:, 0, 0].tolist() == [100, 7]
    assert image_shape(tmp_path / "a_{DNA|actin}.tif") == (6, 5)
    size, _ = file_state(tmp_path / "a_{DNA|actin}.tif")
    assert size == sum(file.stat().st_size for file in tmp_path.iterdir())


@pytest.mark.parametrize(("z", "value"), [("max", 300), ("mean", 150.0), ("middle", 150), (0, 0)])
def test_z_planes_are_projected_as_those_of_one_file(
    tmp_path: Path, z: str | int, value: float
) -> None:
    for plane, offset in enumerate((0, 150, 300), start=8):
        for channel, more in (("00", 0), ("01", 1000)):
            write(tmp_path / f"a_z{plane:02d}_ch{channel}.tif", offset + more)
    options = ReadOptions.model_validate({"z": z})
    image = read_image(tmp_path / "a_z{08..10}_ch{00|01}.tif", options)
    assert image.channel_names == ("ch00", "ch01")
    assert image.pixels[:, 0, 0].tolist() == [value, value + 1000]


def test_a_stack_of_colour_pictures_stays_colour(tmp_path: Path) -> None:
    for plane in (1, 2):
        write(tmp_path / f"a_z{plane}.tif", plane, (6, 5, 3), "uint8")
    image = read_image(tmp_path / "a_z{1..2}.tif")
    assert image.is_colour and image.channel_names == ("red", "green", "blue")
    assert image.pixels[:, 0, 0].tolist() == [2, 3, 4]


def test_a_channel_saved_in_false_colour_is_one_channel(tmp_path: Path) -> None:
    write(tmp_path / "a_actin.tif", 3, dtype="uint8")
    blue = np.zeros((6, 5, 3), np.uint8)
    blue[..., 2] = np.arange(30).reshape(6, 5)
    tifffile.imwrite(tmp_path / "a_DNA.tif", blue, photometric="rgb")
    image = read_image(tmp_path / "a_{DNA|actin}.tif")
    assert image.pixels[0].tolist() == blue[..., 2].tolist()
    assert any("saved in colour" in note for note in image.notes)


def test_an_empty_channel_is_no_empty_image(tmp_path: Path) -> None:
    write(tmp_path / "a_DNA.tif", 1)
    tifffile.imwrite(tmp_path / "a_actin.tif", np.full((6, 5), 9, np.uint16))
    notes = read_image(tmp_path / "a_{DNA|actin}.tif").notes
    assert notes == ("channel 'actin' has the same value everywhere",)


@pytest.mark.parametrize(
    ("shape", "dtype", "said"),
    [
        (None, "uint16", ": there is no such file"),
        (
            (6, 4),
            "uint16",
            " has 6 x 4 pixels of uint16, a_DNA.tif 6 x 5 pixels of uint16",
        ),
        (
            (6, 5),
            "uint8",
            " has 6 x 5 pixels of uint8, a_DNA.tif 6 x 5 pixels of uint16",
        ),
        ((2, 6, 5), "uint16", " has 2 channels, and stands for one"),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    tmp_path: Path, shape: tuple[int, ...] | None, dtype: str, said: str
) -> None:
    write(tmp_path / "a_DNA.tif", 1)
    if shape is not None:
        write(tmp_path / "a_actin.tif", 2, shape, dtype)
    with pytest.raises(ImageUnreadable) as caught:
        read_image(tmp_path / "a_{DNA|actin}.tif")
    assert f"its file a_actin.tif{said}" in str(caught.value)
    assert caught.value.where == str(tmp_path / "a_{DNA|actin}.tif")
