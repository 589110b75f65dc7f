"""Folders as people lay them out: splits, plates and dates above the classes, links, results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from actinscope.errors import StudyError, UsageError
from actinscope.images import find_images
from actinscope.report import write_map
from actinscope.report.drawing import save_figures, sheet
from actinscope.requests import StudySource
from actinscope.study import Manifest, list_study, split, write_manifest


def draw(folder: Path, names: Iterable[str]) -> Path:
    """Small images that all differ."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.arange(16, dtype=np.uint16).reshape(4, 4) + 100 * number)
    return folder


def scanned(folder: Path, **options: object) -> Manifest:
    return list_study(StudySource(folder, **options))  # type: ignore[arg-type]


def crossed(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """Two images in each folder of two levels."""
    below = list(second)
    return [f"{one}/{other}/{n}.tif" for one in first for other in below for n in range(2)]


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "valid", "Testing"), ("train", "validation", "test")],
)
def test_folders_called_train_val_and_test_are_the_split(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    manifest = scanned(draw(tmp_path, crossed(names, ("wt", "ko"))))
    assert manifest.classes == ("ko", "wt")
    assert Counter(r.part for r in manifest.records) == {"train": 4, "validation": 4, "test": 4}
    found = split(manifest, seed=0)
    assert {(r.name.split("/")[0], r.part) for r in found.manifest.records} == set(
        zip(names, ("train", "validation", "test"), strict=True)
    )


def test_the_split_may_stand_below_the_class(tmp_path: Path) -> None:
    manifest = scanned(draw(tmp_path, crossed(("wt", "ko"), ("train", "val", "test"))))
    assert manifest.classes == ("ko", "wt")
    assert {(r.name.split("/")[1], r.part) for r in manifest.records} == {
        ("train", "train"),
        ("val", "validation"),
        ("test", "test"),
    }


def test_a_folder_beside_train_and_test_is_asked_about(tmp_path: Path) -> None:
    draw(tmp_path, crossed(("train", "test", "unlabelled"), ("wt", "ko")))
    with pytest.raises(StudyError, match=r"others not: unlabelled.*--exclude unlabelled"):
        scanned(tmp_path)
    manifest = scanned(tmp_path, exclude=("unlabelled",))
    assert manifest.classes == ("ko", "wt")
    assert "4 images left out by --exclude unlabelled" in manifest.notes


@pytest.mark.parametrize(
    "samples",
    [
        ("fold1", "fold2", "fold3"),
        ("2024-05-01", "2024-05-02"),
        ("plate1", "plate02"),
        ("Donor A", "Donor B"),
        ("A01", "B12", "H3"),
    ],
)
def test_samples_above_the_classes_are_no_classes(tmp_path: Path, samples: tuple[str, ...]) -> None:
    manifest = scanned(draw(tmp_path, crossed(samples, ("wt", "ko"))))
    assert manifest.classes == ("ko", "wt")
    assert manifest.notes[0].startswith("the classes are the folders of level 2, ")
    assert "--label-level 1 takes" in manifest.notes[0]
    assert scanned(tmp_path, label_level=1).classes == tuple(sorted(samples))


@pytest.mark.parametrize(
    ("first", "second"),
    [(("HeLa", "U2OS"), ("dmso", "drug")), (("day1", "day2"), ("wt", "ko"))],
)
def test_two_levels_that_both_could_be_classes_are_asked_about(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    draw(tmp_path, crossed(first, second))
    with pytest.raises(StudyError, match=r"classes can be .*--label-level 1 or --label-level 2"):
        scanned(tmp_path)
    assert scanned(tmp_path, label_level=2).classes == tuple(sorted(second))
    assert scanned(tmp_path, label_level=1).classes == tuple(sorted(first))


@pytest.mark.parametrize(
    "names", [["plate1/a.tif", "plate2/b.tif"], ["plate1/wt/a.tif", "plate2/ko/b.tif"]]
)
def test_folders_that_only_name_samples_are_asked_about(tmp_path: Path, names: list[str]) -> None:
    draw(tmp_path, names)
    with pytest.raises(StudyError, match=r"plate1, plate2 look like samples.*--label-level 1 if"):
        scanned(tmp_path)
    assert scanned(tmp_path, label_level=1).classes == ("plate1", "plate2")


@pytest.mark.parametrize(
    "names",
    [
        crossed(("wt", "ko"), ("plate1", "plate2")),
        crossed(("wt", "ko"), ("p1", "p2")),
        crossed(("day1", "day2"), ("plate1", "plate2")),
        crossed(("wt", "ko"), ("images",)),
        ["1/a.tif", "2/b.tif"],
        ["wt/a.tif", "wt/deep/b.tif", "ko/deep/c.tif"],
    ],
)
def test_classes_above_samples_need_no_question(tmp_path: Path, names: list[str]) -> None:
    manifest = scanned(draw(tmp_path, names), group="none")
    assert set(manifest.classes) == {name.split("/")[0] for name in names}
    assert manifest.notes == ()


def test_the_class_may_stand_in_the_name_of_the_file(tmp_path: Path) -> None:
    draw(tmp_path, ["wt_01.tif", "wt_02.tif", "ko_01.tif", "d2/ko_02.tif"])
    for pattern in ("{label}_{}", r"(wt|ko)_\d", "(?P<label>[a-z]+)_"):
        assert [r.label for r in scanned(tmp_path, label_pattern=pattern).records] == (
            ["ko", "ko", "wt", "wt"]
        )
    with pytest.raises(StudyError, match=r"2 of 4 images have no label: d2/ko_02.tif, ko_01.tif"):
        scanned(tmp_path, label_pattern="(wt)")


def test_classes_can_be_left_out(tmp_path: Path) -> None:
    draw(tmp_path, ["wt/1.tif", "wt/1_bf.tif", "ko/2.tif", "Unsorted/3.tif", "ko/4_bf.tif"])
    manifest = scanned(tmp_path, exclude=("unsorted", "*_bf.tif"))
    assert [r.name for r in manifest.records] == ["ko/2.tif", "wt/1.tif"]
    assert manifest.notes == (
        "1 image left out by --exclude unsorted",
        "2 images left out by --exclude *_bf.tif",
    )
    with pytest.raises(UsageError, match="--exclude unsrted leaves out nothing"):
        scanned(tmp_path, exclude=("unsrted",))


def test_a_folder_that_a_script_called_nan_is_asked_about(tmp_path: Path) -> None:
    draw(tmp_path, ["wt/1.tif", "ko/2.tif", "nan/3.tif"])
    with pytest.raises(StudyError, match=r"'nan' is a word for a missing value.*--exclude nan"):
        scanned(tmp_path)
    assert scanned(tmp_path, as_written=True).classes == ("ko", "nan", "wt")
    assert scanned(tmp_path, exclude=("nan",)).classes == ("ko", "wt")


def test_folders_in_several_spellings_are_one_class(tmp_path: Path) -> None:
    draw(tmp_path, ["wild type/1.tif", "wild type/2.tif", "Wild_type/3.tif", "ko/4.tif"])
    manifest = scanned(tmp_path)
    assert manifest.classes == ("ko", "wild type")
    assert manifest.notes[0].startswith("LABELS ALIKE: 'Wild_type' and 'wild type' are taken as")


def linked(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("links cannot be made here")


def test_linked_folders_are_searched_and_loops_end(tmp_path: Path) -> None:
    draw(tmp_path / "disk", ["a.tif", "deep/b.tif"])
    draw(tmp_path / "data", ["ko/c.tif"])
    linked(tmp_path / "data" / "wt", tmp_path / "disk")
    linked(tmp_path / "disk" / "deep" / "up", tmp_path / "disk")
    linked(tmp_path / "data" / "ko" / "all", tmp_path / "data")
    names = [
        path.relative_to(tmp_path / "data").as_posix()
        for path in find_images([tmp_path / "data"]).paths
    ]
    assert names == ["ko/c.tif", "wt/a.tif", "wt/deep/b.tif"]


def test_the_content_of_a_file_says_whether_it_is_an_image(tmp_path: Path) -> None:
    draw(tmp_path, ["wt/a.tif", "ko/b.tif"])
    (tmp_path / "wt" / "a.tif").rename(tmp_path / "wt" / "exported")
    picture = PillowImage.fromarray(np.zeros((4, 4), np.uint8))
    picture.save(tmp_path / "ko" / "c.jfif", "JPEG")
    picture.save(tmp_path / "ko" / "d", "GIF")
    for name in ("e.mov", "f", "g.dat", "h.avi"):
        (tmp_path / "ko" / name).write_bytes(b"RIFF\x00\x00\x00\x00AVI LIST" + bytes(200))
    (tmp_path / "ko" / "notes.txt").write_text("words", encoding="utf-8")
    (tmp_path / "ko" / "Thumbs.db").write_bytes(bytes(range(200)))
    manifest = scanned(tmp_path)
    assert [r.name for r in manifest.records] == ["ko/b.tif", "ko/c.jfif", "ko/d", "wt/exported"]
    assert manifest.notes == (
        "4 files left out (this is an AVI or WAV file): e.mov, f, g.dat and 1 more",
    )


def test_results_among_the_images_are_no_class(tmp_path: Path) -> None:
    draw(tmp_path, ["wt/a.tif", "ko/b.tif", "runs/first/figures/c.tif", "audit/pictures/d.tif"])
    for name in (
        "runs/first/recipe.toml",
        "runs/first/manifest.csv",
        "audit/audit.json",
        "audit/findings.csv",
    ):
        (tmp_path / name).write_text("x", encoding="utf-8")
    manifest = scanned(tmp_path)
    assert manifest.classes == ("ko", "wt")
    assert manifest.notes == ("folders with results of actinscope are left out: audit, first",)


def test_figures_of_a_run_copied_among_the_images_are_no_class(tmp_path: Path) -> None:
    """Without any other file of the run, the head of each figure says who drew it."""
    draw(tmp_path, ["wt/a.png", "ko/b.png"])
    save_figures([("curves", sheet(40, 20)), ("confusion", sheet(40, 20))], tmp_path / "figures")
    (tmp_path / "maps").mkdir()
    write_map(np.eye(8, dtype=np.uint8), np.eye(8), tmp_path / "maps" / "0001.png")
    manifest = scanned(tmp_path)
    assert manifest.classes == ("ko", "wt")
    assert (
        "3 files left out (drawn by actinscope): confusion.png, curves.png, 0001.png"
        in manifest.notes
    )


def plates(classes: Iterable[str], plates: int, fields: int) -> list[str]:
    """Three cells in each field of each plate of each class."""
    return [
        f"{label}/plate{p}/{label}_f{f:02}_cell{c}.tif"
        for label in classes
        for p in range(plates)
        for f in range(fields)
        for c in range(3)
    ]


def test_images_that_belong_together_are_guessed_and_shown(tmp_path: Path) -> None:
    draw(tmp_path, plates(("wt", "ko"), 5, 2))
    manifest = scanned(tmp_path)
    assert manifest.group == "plate"
    assert manifest.group_columns == ("plate", "field")
    assert {r.groups["field"] for r in manifest.records if r.name.startswith("wt/plate0")} == {
        "plate0/wt_f00",
        "plate0/wt_f01",
    }
    assert manifest.notes[0] == (
        "images of one plate are kept together, as guessed from folder level 2 (plate0, plate1, "
        "plate2 and 2 more). If that is wrong: --group none or --group field"
    )
    for named, columns in (("field", ("field",)), ("none", ())):
        manifest = scanned(tmp_path, group=named)
        assert (manifest.group or "none", manifest.group_columns) == (named, columns)
    with pytest.raises(StudyError, match=r"looks like a 'donor'.*Found: plate, field"):
        scanned(tmp_path, group="donor")


@pytest.mark.parametrize(
    ("names", "name", "apart"),
    [
        ([f"{c}/xy{f:02}c1_cell{n}.tif" for c in "ab" for f in range(6) for n in range(3)],
         "xy03", r"^(?P<field>.*/\D*\d+)"),
        ([f"{c}/d1_xy{f:02}_{n}.tif" for c in "ab" for f in range(6) for n in range(3)],
         "d1_xy03", r"^(?P<field>.*/(?:\D*\d+){2})"),
        ([f"{c}/plate{f}/{'xyz'[n]}.tif" for c in "ab" for f in range(6) for n in range(3)],
         "plate3", "^(?P<plate>[^/]*/[^/]*)/"),
    ],
)  # fmt: skip
def test_fields_numbered_anew_in_each_class_are_kept_apart_by_the_pattern_shown(
    tmp_path: Path, names: list[str], name: str, apart: str
) -> None:
    """The same name in two dishes: taken as one, said, and the pattern given makes two."""
    manifest = scanned(draw(tmp_path, names))
    word = f"{manifest.group}s"
    assert len(set(manifest.groups_of(manifest.records) or ())) == 6
    assert manifest.notes[-1].startswith(f"6 of 6 {word} occur in more than one class and are")
    told = f'If each class has {word} of its own: --group-pattern "{apart}"'
    assert manifest.notes[-1].endswith(told)
    again = scanned(tmp_path, group_pattern=apart)
    assert again.group == manifest.group
    groups = set(again.groups_of(again.records) or ())
    assert len(groups) == 12 and {f"a/{name}", f"b/{name}"} <= groups
    assert again.notes == ()


def test_two_plates_are_not_advised_as_a_group_that_is_then_refused(tmp_path: Path) -> None:
    names = [f"{c}/plate{p}/{n}.tif" for c in ("wt", "ko") for p in (1, 2) for n in "abc"]
    manifest = scanned(draw(tmp_path, names))
    assert manifest.group is None
    assert manifest.notes[0] == (
        "images may belong together by plate, but some class has fewer than three of each to split "
        "by: image more of them, or accept a split by image with --group none"
    )


def test_what_was_guessed_is_the_same_by_way_of_the_csv(tmp_path: Path) -> None:
    data = draw(tmp_path / "data", plates(("wt", "ko"), 4, 5))
    direct = scanned(data)
    write_manifest(direct, tmp_path / "m.csv")
    again = scanned(data, manifest=tmp_path / "m.csv")
    assert again.group == direct.group == "field"
    assert [r.groups for r in again.records] == [r.groups for r in direct.records]


@pytest.mark.parametrize(
    "names",
    [
        [f"{label}/cell_{n:03}.tif" for label in ("wt", "ko") for n in range(9)],
        [f"{p}/{c}/cell{n}.tif" for p in ("train", "test") for c in ("wt", "ko") for n in range(9)],
        [f"{label}/{label}_{n}.tif" for label in ("wt", "ko") for n in range(9)],
        [f"{label}/day1_{n}.tif" for label in ("wt", "ko") for n in range(9)],
        ["wt/a.tif", "wt/b_1.tif", "ko/3.tif", "ko/x-7.tif"],
    ],
)
def test_plain_numbers_are_no_groups(tmp_path: Path, names: list[str]) -> None:
    manifest = scanned(draw(tmp_path, names))
    assert manifest.group is None
    assert manifest.notes == ()


def test_a_number_without_a_word_can_be_a_group(tmp_path: Path) -> None:
    names = [
        f"{label}/CD3_{d}_{n}.tif" for label in ("act", "qui") for d in range(6) for n in "123"
    ]
    manifest = scanned(draw(tmp_path, names))
    assert manifest.group == "group"
    assert {r.groups["group"] for r in manifest.records} == {f"CD3_{d}" for d in range(6)}


def test_two_plates_are_shown_and_not_taken(tmp_path: Path) -> None:
    draw(tmp_path, [f"{c}/plate{p}/{n}.tif" for c in ("wt", "ko") for p in (1, 2) for n in "abc"])
    manifest = scanned(tmp_path)
    assert (manifest.group, manifest.group_columns) == (None, ("plate",))
    assert "may belong together by plate" in manifest.notes[0]
