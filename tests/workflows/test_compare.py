"""Comparing runs: the same images for all, leaks left out, and all that is written."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from actinscope.cli.main import main
from actinscope.errors import StudyError, UsageError
from actinscope.evaluation import compare_pairs
from actinscope.runs import AlignedRuns, align, read_run
from actinscope.runs.common_images import Candidate
from actinscope.training import change_recipe, load_recipe
from actinscope.workflows.compare import differing_settings, name_runs
from helpers.bundles import CLASSES
from helpers.compared_runs import ToyImage, toy_hash, toy_images, write_run, write_toy_pixels
from helpers.pages import Page

pytestmark = pytest.mark.usefixtures("unrendered_figures")

Shown = pytest.CaptureFixture[str]
USAGE, STUDY = 2, 3


def aligned(place: Path, *runs: Sequence[ToyImage], group: str | None = None) -> AlignedRuns:
    folders = {
        name: write_run(place / name, images, bundle=False)
        for name, images in zip("abc", runs, strict=False)
    }
    return align(candidates(folders), group=group)


def candidates(folders: Mapping[str, Path]) -> list[Candidate]:
    return [Candidate.of_run(name, read_run(path)) for name, path in folders.items()]


def moved(images: Sequence[ToyImage], number: int, **changes: str) -> list[ToyImage]:
    """``images`` with one row changed."""
    return [
        replace(image, **changes) if place == number else image
        for place, image in enumerate(images)
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_runs_with_one_split_lose_nothing(tmp_path: Path) -> None:
    found = aligned(tmp_path, toy_images(wrong=[9]), toy_images()[::-1], group="field")
    assert len(found.keys) == 24
    assert found.lost == ()
    assert found.probabilities.shape == (2, 24, 3)
    # The second run lists its images in another order: each row is still of the same image.
    right = found.probabilities.argmax(axis=2) == found.labels
    assert right.sum(axis=1).tolist() == [23, 24]
    assert found.keys[int((~right[0]).argmax())] == ("9.tif", "")
    assert found.groups is not None and found.groups[0] == "f2"


def test_copies_are_compared_once_and_join_their_groups(tmp_path: Path) -> None:
    """6 and 9 lie in the fields f2 and f3, with the same class and pixels."""
    images = moved(toy_images(wrong=[6, 9]), 9, sha=toy_hash("6.tif"))
    found = aligned(tmp_path, images, images, group="field")
    assert len(found.keys) == 23
    assert ("9.tif", "") not in found.keys
    assert dict(found.lost) == {"exact copies of other compared images, which count once": 1}
    assert found.groups is not None
    assert set(found.groups[:5]) == {"f2 + f3"}  # 6, 7, 8, 10, 11


def test_a_paired_test_counts_an_image_once(tmp_path: Path) -> None:
    """Twelve images stored twice: McNemar's p is that of twelve images."""
    copied = [
        replace(image, name=f"copy_{image.name}", field="g")
        for image in toy_images(wrong=[6, 7, 8, 9, 10, 11, 12])
    ]
    first = [*toy_images(wrong=[6, 7, 8, 9, 10, 11, 12]), *copied]
    second = [*toy_images(), *(replace(image, predicted=image.label) for image in copied)]
    found = aligned(tmp_path, first, second, group="none")
    answers = found.probabilities.argmax(axis=2)
    compared = compare_pairs(found.labels, answers[0], answers[1], groups=None, seed=0)
    assert compared.difference.n == 24
    assert compared.mcnemar_p == pytest.approx(2 / 2**7)


def test_what_trained_one_run_is_left_out_for_all(tmp_path: Path) -> None:
    images = toy_images()
    other = moved(moved(images, 6, part="train"), 7, part="validation")
    found = aligned(tmp_path, images, other)
    assert len(found.keys) == 22
    assert dict(found.lost) == {"in the training part of b": 1, "in the validation part of b": 1}


def test_the_same_pixels_under_another_name_are_a_leak(tmp_path: Path) -> None:
    """Image 6 is in the test part of both; b has trained on its copy 0."""
    images = toy_images()
    found = aligned(tmp_path, images, moved(images, 0, sha=toy_hash("6.tif")))
    assert ("6.tif", "") not in found.keys
    assert dict(found.lost) == {"in the training part of b": 1}


def test_other_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    images = toy_images()
    other = moved(images, 6, sha=toy_hash("another"))
    other = [image for image in other if image.name != "7.tif"]
    found = aligned(tmp_path, images, other)
    assert dict(found.lost) == {
        "not the same pixels in all runs, under one name": 1,
        "not among the images of b": 1,
    }


def test_an_image_that_one_run_could_not_predict(tmp_path: Path) -> None:
    images = toy_images()
    write_run(tmp_path / "a", images, bundle=False)
    write_run(tmp_path / "b", images, bundle=False)
    table = tmp_path / "b" / "predictions.csv"
    lines = [line for line in table.read_text().splitlines() if not line.startswith("8.tif")]
    table.write_text("\n".join(lines))
    found = align(candidates({name: tmp_path / name for name in "ab"}))
    assert dict(found.lost) == {"not predicted by b": 1}


def test_no_common_image_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    images = toy_images()
    swapped = [replace(image, part="train" if image.part == "test" else "test") for image in images]
    with pytest.raises(
        StudyError,
        match=r"no image in common that none was trained on \(24: in the training part of b; 6: ",
    ):
        aligned(tmp_path, images, swapped)
    renamed = [replace(image, name=f"cells/{image.name}") for image in images]
    with pytest.raises(StudyError, match=r"24 test images have the same pixels under other names"):
        aligned(tmp_path / "again", images, renamed)


def test_labels_must_agree(tmp_path: Path) -> None:
    images = toy_images()
    with pytest.raises(StudyError, match=r"true class of 1 images differs.*6\.tif"):
        aligned(tmp_path, images, moved(images, 6, label=CLASSES[1]))


def test_classes_must_agree(tmp_path: Path) -> None:
    write_run(tmp_path / "a", toy_images(), bundle=False)
    other = write_run(tmp_path / "b", toy_images(), bundle=False)
    for name in ("predictions.csv", "manifest.csv"):
        text = (other / name).read_text()
        (other / name).write_text(text.replace("flat", "square"))
    with pytest.raises(StudyError, match=r"the classes of b are .*square, round, and"):
        align(candidates({name: tmp_path / name for name in "ab"}))


def test_probabilities_follow_their_classes(tmp_path: Path) -> None:
    """A run whose columns stand in another order gives the same answers."""
    images = toy_images(wrong=[9])
    for name in "ab":
        write_run(tmp_path / name, images, bundle=False)
    table = tmp_path / "b" / "predictions.csv"
    rows = rows_of(table)
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*reversed(rows[0])])
        writer.writeheader()
        writer.writerows(rows)
    found = align(candidates({name: tmp_path / name for name in "ab"}))
    assert (found.probabilities[0] == found.probabilities[1]).all()


def test_what_predictions_say_themselves_is_no_group(tmp_path: Path) -> None:
    judged = ("prediction_set", "abstained", "unfamiliar", "unfamiliarity")
    for name in "ab":
        write_run(tmp_path / name, toy_images(), bundle=False)
        table = tmp_path / name / "predictions.csv"
        rows = [row | dict.fromkeys(judged, "0.5") for row in rows_of(table)]
        with table.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [*rows[0]])
            writer.writeheader()
            writer.writerows(rows)
    assert read_run(tmp_path / "a").predictions.images[0].groups == {"field": "f0"}
    runs = candidates({name: tmp_path / name for name in "ab"})
    assert align(runs).notes[0] == "no group was named; columns that could be it: field"
    with pytest.raises(StudyError, match="no run has a value in the column 'unfamiliarity'"):
        align(runs, group="unfamiliarity")


def test_groups(tmp_path: Path) -> None:
    images = toy_images()
    found = aligned(tmp_path, images, images)
    assert (found.group, found.groups) == (None, None)
    assert "columns that could be it: field" in found.notes[0]
    assert aligned(tmp_path, images, images, group="none").group is None
    with pytest.raises(StudyError, match="no run has a value in the column 'slide'"):
        aligned(tmp_path, images, images, group="slide")


def test_a_group_that_trained_one_run_is_reported(tmp_path: Path) -> None:
    images = toy_images()
    other = moved(images, 0, field="f2")  # a training image of the field of images 6, 7, 8
    found = aligned(tmp_path, images, other, group="field")
    assert len(found.keys) == 24
    assert found.notes == (
        "b was trained on other images of the same field as 3 of the 24 compared ones: its metrics "
        "are an upper bound for a new field",
    )


def test_results_without_a_training_are_marked(tmp_path: Path) -> None:
    images = [image for image in toy_images() if image.part == "test"]
    found = aligned(tmp_path, toy_images(), images, group="none")
    assert len(found.keys) == 24
    assert "which images trained b is not known here" in found.notes[0]


def test_names_of_runs(tmp_path: Path) -> None:
    assert list(name_runs([Path("runs/a"), Path("runs/b")])) == ["a", "b"]
    longer = name_runs([Path("one/run"), Path("two/run"), Path("three")])
    assert list(longer) == ["one/run", "two/run", "three"]
    with pytest.raises(UsageError, match="one run alone"):
        name_runs([Path("a")])
    with pytest.raises(UsageError, match="is given twice"):
        name_runs([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def test_differing_settings() -> None:
    first = load_recipe("fine-tuned")
    second = change_recipe(first, {"training": {"epochs": 3}}, seed=7)
    found = dict(differing_settings([first, second, None]))
    assert found == {
        "seed": (str(first.seed), "7", "not known"),
        "training.epochs": (str(first.training.epochs), "3", "not known"),
    }
    assert differing_settings([first, None]) == ()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of one split, with real pixels: the second and the third differ in 6, 7, 8."""
    folder = tmp_path_factory.mktemp("compared")
    images = write_toy_pixels(folder / "images", toy_images())
    answers = {"first": [9, 12], "second": [9, 6], "third": [9, 6, 7, 8]}
    for seed, (name, wrong) in enumerate(answers.items()):
        mine = [
            replace(image, predicted=other.predicted)
            for image, other in zip(images, toy_images(wrong=wrong), strict=True)
        ]
        write_run(folder / "runs" / name, mine, seed=seed)
    return folder


@pytest.fixture(scope="module")
def result(place: Path) -> Path:
    runs = [str(place / "runs" / name) for name in ("first", "second", "third")]
    output = place / "comparison"
    images = str(place / "images")
    assert main(["compare", *runs, "-o", str(output), "--images", images, "--quiet"]) == 0
    return output


def test_the_files_of_a_comparison(result: Path) -> None:
    assert {path.name for path in result.iterdir()} == {
        "report.html",
        "comparison.csv",
        "pairs.csv",
        "disagreements.csv",
        "comparison.json",
        "figures",
    }
    assert {path.name for path in (result / "figures").iterdir()} == {
        "runs.png",
        "runs.svg",
    }


def test_the_tables_hold_the_figures(result: Path) -> None:
    figures = {(row["run"], row["metric"]): row for row in rows_of(result / "comparison.csv")}
    assert figures["first", "accuracy"]["count"] == "22"
    assert figures["third", "accuracy"]["n"] == "24"
    assert float(figures["third", "accuracy"]["value"]) == pytest.approx(20 / 24)
    pairs = rows_of(result / "pairs.csv")
    assert [(row["first"], row["second"]) for row in pairs] == [
        ("first", "second"),
        ("first", "third"),
        ("second", "third"),
    ]
    assert (pairs[1]["only_first_right"], pairs[1]["only_second_right"]) == ("3", "1")
    assert float(pairs[1]["mcnemar_p"]) == pytest.approx(2 * (1 + 4) / 16)
    assert pairs[1]["told_apart"] == "no"
    assert int(pairs[1]["images_needed"]) > 24
    assert "cannot be told apart on these 24 images" in pairs[1]["sentence"]


def test_disagreements_are_listed_and_the_image_that_all_get_wrong(result: Path) -> None:
    rows = {row["path"]: row for row in rows_of(result / "disagreements.csv")}
    assert set(rows) == {"6.tif", "7.tif", "8.tif", "12.tif", "9.tif"}
    assert (rows["9.tif"]["runs_right"], rows["9.tif"]["different_answers"]) == ("0", "1")
    assert (rows["6.tif"]["runs_right"], rows["6.tif"]["different_answers"]) == ("1", "2")
    assert rows["6.tif"]["predicted_third"] == "flat"
    assert rows["6.tif"]["label"] == "bundled"
    assert float(rows["6.tif"]["probability_of_label_third"]) == pytest.approx(0.1)
    assert rows["6.tif"]["field"] == "f2"


def test_the_json_says_it_all(result: Path) -> None:
    told = json.loads((result / "comparison.json").read_text())
    assert told["images"] == 24
    assert told["group"] == "field"
    assert list(told["runs"]) == ["first", "second", "third"]
    assert told["runs"]["second"]["metrics"]["accuracy"]["count"] == 22
    assert [one["path"] for one in told["all_wrong"]] == ["9.tif"]
    assert len(told["pairs"]) == 3
    assert told["pairs"][0]["differences"]["auroc"]["low"] is not None
    assert told["left_out"] == []


def test_the_page_shows_the_contested_cells(result: Path) -> None:
    html = (result / "report.html").read_text("utf-8")
    page = Page(html)
    assert len(page.all("img")) == 5
    assert all(tag["src"].startswith("data:image/") and tag["alt"] for tag in page.all("img"))
    assert "4 of 24 images get different predictions" in page.text
    assert "1 of 24 images are wrong in every run" in page.text
    assert "The 3 runs cannot be told apart on these 24 images" in page.text
    ids = [tag["id"] for tag in page.all("section")]
    assert {tag["href"] for tag in page.all("a")} >= {f"#{name}" for name in ids}
    assert "wrong" in ids and "settings" in ids
    assert page.all("meta")[1]["content"].startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"(src|href)=\"https?:", html)


def test_the_same_runs_give_the_same_numbers(place: Path, result: Path, tmp_path: Path) -> None:
    runs = [str(place / "runs" / name) for name in ("first", "second", "third")]
    assert main(["compare", *runs, "-o", str(tmp_path / "again"), "--quiet"]) == 0
    for name in ("comparison.json", "pairs.csv", "disagreements.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (result / name).read_bytes()
    assert not Page((tmp_path / "again" / "report.html").read_text("utf-8")).all("img")


def test_a_changed_file_gets_no_picture(place: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for file in (place / "images").iterdir():
        (images / file.name).write_bytes(file.read_bytes())
    (images / "6.tif").write_bytes((images / "7.tif").read_bytes())
    (images / "8.tif").write_bytes(b"broken")
    runs = [str(place / "runs" / name) for name in ("first", "third")]
    arguments = ["compare", *runs, "-o", str(tmp_path / "out"), "--images", str(images)]
    assert main([*arguments, "--quiet"]) == 0
    page = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    # 7, 12 and 9 of the five; 6 has other pixels than in the run, 8 cannot be read.
    assert len(page.all("img")) == 3


def study(place: Path, folder: Path) -> Path:
    """A manifest of all images of ``place``, with their fields."""
    lines = [f"{one.name},{one.label},{one.field}" for one in toy_images()]
    (folder / "study.csv").write_text("\n".join(["path,label,field", *lines]))
    return folder / "study.csv"


def test_results_are_never_overwritten(place: Path, capsys: Shown) -> None:
    runs = [str(place / "runs" / name) for name in ("first", "second")]
    assert main(["compare", *runs, "-o", str(place / "images")]) == USAGE
    assert "is not empty" in capsys.readouterr().err


def test_evaluated_results_can_be_compared(place: Path, tmp_path: Path) -> None:
    manifest = study(place, tmp_path)
    data = [str(place / "images"), "--manifest", str(manifest), "--group", "field"]
    results = []
    for name in ("first", "second"):
        results.append(str(tmp_path / name))
        bundle = str(place / "runs" / name / "bundle")
        assert main(["evaluate", bundle, *data, "-o", results[-1], "--quiet"]) == 0
    out = tmp_path / "out"
    assert main(["compare", *results, "--group", "field", "-o", str(out), "--quiet"]) == 0
    told = json.loads((out / "comparison.json").read_text())
    assert (told["images"], told["groups"]) == (24, 8)
