"""``actinscope train --folds`` as a whole, on synthetic cells and a small network."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import actinscope
from actinscope.bundle import read_bundle_info
from actinscope.cli.main import main
from actinscope.errors import ResumeError, SplitError, StudyError, UsageError
from actinscope.evaluation import evaluate
from actinscope.progress import Silent
from actinscope.requests import StudySource, TrainRequest
from actinscope.runs import (
    FoldResult,
    Pooled,
    metrics_json,
    pool,
    read_run,
    read_study,
    require_same_question,
)
from actinscope.runs.folds import spread_words
from actinscope.study import Manifest, Record, train_and_validation
from actinscope.training import load_recipe
from actinscope.workflows import crossvalidate as module
from actinscope.workflows.compare_folds import compare_folds
from actinscope.workflows.crossvalidate import crossvalidate
from helpers.decodes import counted_decodes
from helpers.phantom_crops import write_phantom_crops

pytestmark = pytest.mark.usefixtures("unrendered_figures")

RECIPE = """\
base = "scratch"

[network]
name = "small-cnn"
input_size = 32

[training]
epochs = 2
batch_size = 8
warmup_epochs = 0

[levels]
by = ["field:vote"]
"""
CLASSES = ("clustered", "elongated", "epithelial")
SAME = ("predictions.csv", "metrics.json", "folds.csv", "level_field.csv", "manifest.csv")
Shown = pytest.CaptureFixture[str]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross")
    write_phantom_crops(
        folder / "images",
        fields_per_class=3,
        cells_per_field=2,
        difficulty=0.2,
        seed=1,
        crop_size=32,
    )
    (folder / "small.toml").write_text(RECIPE)
    return folder


def source(place: Path) -> StudySource:
    images = place / "images"
    return StudySource(images, manifest=images / "groups.csv", group="field")


def request(place: Path, output: Path, **changes: Any) -> TrainRequest:
    recipe = load_recipe(place / "small.toml")
    return TrainRequest(source(place), recipe, output, folds=2, **changes)


def run(place: Path, output: Path, *options: str) -> int:
    images = place / "images"
    return main(
        ["train", str(images), "--manifest", str(images / "groups.csv"),
         "--group", "field", "--recipe", str(place / "small.toml"), "--folds", "2",
         "-o", str(output), "--quiet", *options]
    )  # fmt: skip


DOCS = Path(actinscope.__file__).parents[2] / "docs" / "crossvalidation.md"


@pytest.fixture(scope="module")
def decodes() -> Counter[Path]:
    """How often the cross-validation of the fixture ``whole`` decoded each file."""
    return Counter()


@pytest.fixture(scope="module")
def whole(place: Path, decodes: Counter[Path]) -> Path:
    """A cross-validation that nothing disturbed."""
    with counted_decodes() as counts:
        assert run(place, place / "whole") == 0
    decodes.update(counts)
    return place / "whole"


def test_no_image_is_decoded_twice(whole: Path, place: Path, decodes: Counter[Path]) -> None:
    assert (whole / "refit" / "bundle").is_dir()  # two folds, and a model on all images
    listed = {place / "images" / row["path"] for row in rows_of(whole / "manifest.csv")}
    assert decodes == dict.fromkeys(listed, 1)


def test_every_image_is_tested_exactly_once(whole: Path) -> None:
    listed = rows_of(whole / "manifest.csv")
    predicted = rows_of(whole / "predictions.csv")
    assert len(listed) > 12
    assert sorted((row["path"], row["label"]) for row in predicted) == sorted(
        (row["path"], row["label"]) for row in listed
    )
    assert {row["part"] for row in predicted} == {"test"}
    assert {(row["repeat"], row["fold"]) for row in predicted} == {("1", "1"), ("1", "2")}


def test_rows_are_those_of_the_fold_that_tested_them(whole: Path) -> None:
    for row in rows_of(whole / "predictions.csv"):
        fold = rows_of(whole / f"fold-1-{row.pop('fold')}" / "predictions.csv")
        del row["repeat"]
        assert row in fold


def test_no_group_is_in_two_parts_of_any_fold(whole: Path) -> None:
    for folder in ("fold-1-1", "fold-1-2", "refit"):
        parts: dict[str, set[str]] = {}
        for row in rows_of(whole / folder / "manifest.csv"):
            parts.setdefault(row["field"], set()).add(row["part"])
        assert all(len(found) == 1 for found in parts.values()), folder


def test_metrics_follow_from_the_pooled_predictions(whole: Path) -> None:
    rows = rows_of(whole / "predictions.csv")
    figures = json.loads((whole / "metrics.json").read_text())
    right = sum(row["predicted"] == row["label"] for row in rows)
    pooled = figures["out_of_fold"]["accuracy"]
    assert (pooled["count"], pooled["n"]) == (right, len(rows))
    assert pooled["low"] < pooled["value"] < pooled["high"]
    expected = evaluate(
        np.array([CLASSES.index(row["label"]) for row in rows]),
        np.array([[float(row[f"probability_{name}"]) for name in CLASSES] for row in rows]),
        classes=CLASSES,
        groups=[row["field"] for row in rows],
        seed=0,
    )
    for name in ("balanced_accuracy", "auroc", "log_loss"):
        assert figures["out_of_fold"][name]["value"] == pytest.approx(
            expected.metrics[name].value, abs=1e-5
        )
    assert "level[field].accuracy" in figures["out_of_fold"]


def test_the_mean_over_folds_has_no_interval(whole: Path) -> None:
    folds = rows_of(whole / "folds.csv")
    mean = json.loads((whole / "metrics.json").read_text())["mean_over_folds"]["accuracy"]
    values = [float(row["accuracy"]) for row in folds]
    assert mean["value"] == pytest.approx(sum(values) / 2)
    assert (mean["low"], mean["high"], mean["n"]) == (None, None, 2)
    assert "the folds share training images" in mean["method"]
    assert sum(int(row["test_images"]) for row in folds) == len(rows_of(whole / "manifest.csv"))


def test_the_report_says_what_kind_of_estimate_it_is(whole: Path) -> None:
    report = (whole / "report.html").read_text("utf-8")
    assert "An estimate over 2 folds: every image was named by a model that was trained" in report
    assert "it and its whole field" in report
    assert ">Results by fold<" in report
    drawn = report.split('aria-label="Accuracy of every fold: ', 1)[1].split('"', 1)[0]
    assert drawn.startswith("pooled ") and drawn.count("; fold ") == 2
    assert "It is no error of the mean" in report
    assert "tested on none" in report


def test_the_model_to_deliver_proves_itself_and_says_how_it_was_tested(
    whole: Path, capsys: Shown
) -> None:
    assert main(["bundle", "verify", str(whole / "refit" / "bundle")]) == 0
    assert "verified with" in capsys.readouterr().out
    info = read_bundle_info(whole / "refit" / "bundle")
    assert info.metrics == json.loads((whole / "metrics.json").read_text())["out_of_fold"]
    assert any("2-fold cross-validation" in one and "tested on none" in one for one in info.notices)
    parts = [row["part"] for row in rows_of(whole / "refit" / "manifest.csv")]
    assert set(parts) == {"train", "validation"}
    assert len(parts) == len(rows_of(whole / "manifest.csv"))
    card = (whole / "refit" / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    first = card.split("\n\n")[1]
    assert first.startswith("> **This very model was tested on no image: every metric here is an")
    accuracy = info.metrics["accuracy"]
    counted = f"({accuracy['count']} of {accuracy['n']}; "
    assert f"| accuracy | {100 * accuracy['value']:.1f} % {counted}" in card
    assert "Test: " not in card
    assert f"weights of epoch {info.training['kept_epoch']} of 2." in card


def test_methods_and_checklists_have_the_figures_of_this_cross_validation(whole: Path) -> None:
    methods = (whole / "methods.md").read_text("utf-8")
    pooled = json.loads((whole / "metrics.json").read_text())["out_of_fold"]["accuracy"]
    folds = rows_of(whole / "folds.csv")
    accuracies = [float(row["accuracy"]) for row in folds]
    tested = sorted(int(row["test_images"]) for row in folds)
    kept = sorted({int(row["kept_epoch"]) for row in folds})
    listed = rows_of(whole / "manifest.csv")
    for words in (
        f"The data were {len(listed)} images from {len({row['field'] for row in listed})} fields",
        "into 2 folds",
        f"the accuracy was {100 * pooled['value']:.1f} % ({pooled['count']} of {pooled['n']}; ",
        f"the accuracy was {100 * min(accuracies):.1f} % to {100 * max(accuracies):.1f} %",
        f"on average {100 * sum(accuracies) / 2:.1f} %",
        f"{' to '.join(map(str, dict.fromkeys(tested)))} test images",
        f"{' to '.join(map(str, kept))})",
        "This model was tested on no image",
        "[AUTHOR: cells, staining,",
        "Bengio Y, Grandvalet Y.",
    ):
        assert words in methods, words
    rows = rows_of(whole / "checklists.csv")
    assert [row["checklist"] for row in rows].count("DOME") == 21
    assert [row["checklist"] for row in rows].count("REFORMS") == 32
    report = (whole / "report.html").read_text("utf-8")
    assert 'id="methods"' in report and 'id="checklists"' in report
    assert "DOME: 14 of 21 items answered by the run" in report


def test_the_folds_can_be_joined_to_an_ensemble(whole: Path, tmp_path: Path, capsys: Shown) -> None:
    folds = [str(whole / f"fold-1-{number}") for number in (1, 2)]
    assert main(["bundle", "join", *folds, "-o", str(tmp_path / "both")]) == 0
    assert main(["bundle", "verify", str(tmp_path / "both")]) == 0
    assert "verified with" in capsys.readouterr().out
    assert len(read_bundle_info(tmp_path / "both").members) == 2


def test_folds_of_a_later_repeat_that_cannot_be_made_are_refused_first(
    tmp_path: Path, capsys: Shown
) -> None:
    """With seed 0 two folds can be made of these groups, with seed 1 not."""
    rng = np.random.default_rng(0)
    lines = ["path,label,plate"]
    for plate, labels in enumerate(["b", "a", "ab", "aa", "bbb", "b", "b"]):
        for number, label in enumerate(labels):
            name = f"{plate}-{number}.tif"
            tifffile.imwrite(tmp_path / name, rng.integers(0, 255, (32, 32), dtype=np.uint8))
            lines.append(f"{name},{label},{plate}")
    (tmp_path / "m.csv").write_text("\n".join(lines), "utf-8")
    split = "\n[split]\ntrain = 0.4\nvalidation = 0.4\ntest = 0.2\n"
    (tmp_path / "r.toml").write_text(
        "seed = 0\n" + RECIPE.partition("[levels]")[0] + split, "utf-8"
    )
    output = tmp_path / "cross"
    code = main(
        ["train", str(tmp_path), "--manifest", str(tmp_path / "m.csv"), "--group", "plate",
         "--recipe", str(tmp_path / "r.toml"), "--folds", "2", "--repeats", "2",
         "-o", str(output), "--quiet"]
    )  # fmt: skip
    assert code == 3
    assert "in fold 2 the train part would have no image of 'a'" in capsys.readouterr().err
    assert not output.exists()


class Heard(Silent):
    """Keeps what is said, and stops where the first fold begins to train."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith("fold 1 of"):
            raise KeyboardInterrupt


def test_a_small_study_is_listed_once_and_tested_by_folds_unasked(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[StudySource] = []

    def list_and_count(source: StudySource, recipe: Any) -> Manifest:
        listed.append(source)
        return read_study(source, recipe)

    monkeypatch.setattr(module, "read_study", list_and_count)
    heard = Heard()
    with pytest.raises(KeyboardInterrupt):
        module.train(replace(request(place, tmp_path / "run"), folds=None), heard)
    assert "2 images in 1 group, so every image is tested once, in 3 folds" in heard.lines[0]
    assert heard.lines[-1] == "fold 1 of 3: training"
    assert len(listed) == 1
    # The same command goes on with the folds that it began with.
    with pytest.raises(KeyboardInterrupt):
        module.train(replace(request(place, tmp_path / "run"), folds=None, resume=True), heard)
    assert heard.lines[-1] == "fold 1 of 3: training"


class Interrupted(Silent):
    """Stops when a line is said for the second time: in the second fold."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._met = 0

    def detail(self, line: str) -> None:
        self._met += line.startswith(self._line)
        if self._met == 2:
            raise KeyboardInterrupt


def test_an_interrupted_fold_goes_on_and_a_finished_one_is_kept(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "cross"
    with pytest.raises(KeyboardInterrupt):
        crossvalidate(request(place, output), Interrupted("epoch   1/2"))
    kept = output / "fold-1-1" / "report.html"
    assert kept.exists() and not (output / "fold-1-2" / "report.html").exists()
    written = kept.stat().st_mtime_ns
    outcome = crossvalidate(request(place, output, resume=True, deliver="none"), Silent())
    assert outcome.bundle is None and not (output / "refit").exists()
    assert kept.stat().st_mtime_ns == written
    for name in SAME:
        assert (output / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "3"), "training.epochs was 2 and is now 3"),
        (("--folds", "3"), "folds was 2 and is now 3"),
    ],
)
def test_going_on_otherwise_touches_nothing(
    place: Path, whole: Path, options: tuple[str, ...], message: str, capsys: Shown
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert run(place, whole, "--resume", *options) == 5
    assert message in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_going_on_with_other_labels_is_refused(place: Path, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(place / "images")
    lines = (place / "images" / "groups.csv").read_text().splitlines()
    (tmp_path / "fewer.csv").write_text("\n".join(lines[:-1]))
    study = StudySource(tmp_path / "images", manifest=tmp_path / "fewer.csv", group="field")
    asked = TrainRequest(study, load_recipe(place / "small.toml"), whole, folds=2, resume=True)
    with pytest.raises(ResumeError, match="images, labels, groups or parts are not those"):
        crossvalidate(asked, Silent())


def test_repeats_may_be_added_but_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "crossvalidation.json"
    path.write_text('{"folds": 2, "repeats": 2}')
    asked = {"folds": 2, "repeats": 3}
    require_same_question(path, asked)
    with pytest.raises(ResumeError, match="repeats was 2 and is now 1; it may only grow"):
        require_same_question(path, asked | {"repeats": 1})
    path.write_text("[]")
    with pytest.raises(ResumeError, match="cannot be read"):
        require_same_question(path, asked)


def test_options_of_folds_need_folds(place: Path, tmp_path: Path, capsys: Shown) -> None:
    images = str(place / "images")
    for options in (["--repeats", "2"], ["--deliver", "none"]):
        assert main(["train", images, "-o", str(tmp_path / "cross"), *options]) == 2
        assert f"{options[0]} does nothing without --folds" in capsys.readouterr().err
    assert run(place, tmp_path / "cross", "--folds", "1", "--repeats", "2") == 2
    assert "Ask for --folds 2 or more" in capsys.readouterr().err
    assert not (tmp_path / "cross").exists()


def test_an_image_tested_twice_is_refused(place: Path, whole: Path) -> None:
    manifest = read_study(source(place), load_recipe(place / "small.toml"))
    fold = FoldResult(1, 1, read_run(whole / "fold-1-1"))
    with pytest.raises(StudyError, match="was tested twice"):
        pool([fold, fold], manifest, seed=0)
    alone = pool([fold], manifest, seed=0)
    tested = len(fold.run.predictions.rows_of("test"))
    assert (len(alone.records), len(alone.missing)) == (tested, len(manifest.records) - tested)


def test_the_spread_is_a_plain_standard_deviation() -> None:
    assert "standard deviation 0.1, 0.5 to 0.7" in spread_words([0.5, 0.6, 0.7])
    assert spread_words([0.5]) == "too few folds for a spread"


def pooled_of(repeat: int, predicted: list[int]) -> Pooled:
    """Four images, the first two of class a."""
    labels = np.array([0, 0, 1, 1])
    probabilities = np.eye(2)[predicted] * 0.8 + 0.1
    figures = evaluate(labels, probabilities, classes=("a", "b"), groups=None, seed=0)
    nothing = np.zeros(len(labels), np.bool_)
    return Pooled(repeat, (), labels, probabilities, labels, None, nothing, (), figures)


def test_repeats_give_a_mean_and_no_interval() -> None:
    pooled = [pooled_of(1, [0, 0, 1, 1]), pooled_of(2, [0, 1, 1, 1])]
    figures = metrics_json(pooled, (), ())
    assert set(figures) == {
        "out_of_fold", "out_of_fold_repeat_2", "mean_over_repeats", "mean_over_folds",
    }  # fmt: skip
    mean = figures["mean_over_repeats"]["accuracy"]
    assert (mean["value"], mean["low"], mean["high"], mean["n"]) == (0.875, None, None, 2)
    assert figures["out_of_fold"]["accuracy"]["count"] == 4
    assert figures["out_of_fold_repeat_2"]["accuracy"]["count"] == 3


def with_other_figures(folder: Path, gains: dict[str, float]) -> None:
    """Every fold's accuracy gains so much."""
    for name, gain in gains.items():
        path = folder / name / "metrics.json"
        figures = json.loads(path.read_text())
        figures["test"]["accuracy"]["value"] += gain
        path.write_text(json.dumps(figures))


def test_two_cross_validations_are_compared_fold_by_fold(
    whole: Path, tmp_path: Path, capsys: Shown
) -> None:
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    with_other_figures(other, {"fold-1-1": 0.1, "fold-1-2": 0.3})
    target = tmp_path / "compared"
    assert main(["compare", str(whole), str(other), "-o", str(target)]) == 0
    shown = capsys.readouterr().out
    assert (
        "cannot be told apart: mean difference of the accuracy over 2 folds +20.0 points" in shown
    )
    found = {row["figure"]: row for row in rows_of(target / "folds_compared.csv")}
    # Two folds: half of the images are tested, variance 0.02 counts 1/2 + 1 times.
    assert float(found["accuracy"]["t"]) == pytest.approx(0.2 / np.sqrt(1.5 * 0.02))
    assert float(found["mcc"]["mean_difference"]) == 0
    differences = [float(row["accuracy"]) for row in rows_of(target / "fold_differences.csv")]
    assert differences == pytest.approx([0.1, 0.3])


def test_other_folds_are_not_compared(whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    (other / "fold-1-1").rename(other / "kept")
    (other / "fold-1-2").rename(other / "fold-1-1")
    (other / "kept").rename(other / "fold-1-2")
    with pytest.raises(StudyError, match="fold-1-1 does not test the same images in both"):
        compare_folds((whole, other), tmp_path / "compared")
    with pytest.raises(UsageError, match="two at a time"):
        compare_folds((whole, whole / "fold-1-1"), tmp_path / "compared")
    (other / "folds.csv").unlink()
    with pytest.raises(StudyError, match="not finished"):
        compare_folds((whole, other), tmp_path / "compared")


def study(groups: int) -> Manifest:
    records = tuple(
        Record(
            Path(f"{number}.tif"), f"{number}.tif", "ab"[number % 2], {"field": f"f{number // 4}"}
        )
        for number in range(4 * groups)
    )
    return Manifest(records, Path(), group="field", group_columns=("field",))


def test_train_and_validation_keeps_groups_whole_and_leaves_no_test_part() -> None:
    parts = train_and_validation(study(10), seed=3, validation_fraction=0.2).manifest
    found: dict[str, set[str]] = {}
    for record in parts.records:
        found.setdefault(record.groups["field"], set()).add(record.part)
    assert sorted(map(tuple, found.values())) == [("train",)] * 8 + [("validation",)] * 2
    assert parts == train_and_validation(study(10), seed=3, validation_fraction=0.2).manifest
    with pytest.raises(SplitError, match="at least 2 groups"):
        train_and_validation(study(1), seed=0, validation_fraction=0.2)


@pytest.mark.skipif(not DOCS.is_file(), reason="installed without its documentation")
@pytest.mark.slow
def test_the_commands_of_the_documentation_work(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place / "images", tmp_path / "images")
    shutil.copy(place / "images" / "groups.csv", tmp_path / "images" / "study.csv")
    shutil.copy(place / "small.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    block = DOCS.read_text("utf-8").partition("<!-- folds -->\n```console\n")[2].partition("```")[0]
    commands = [line.removeprefix("$ actinscope ") for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        assert main(shlex.split(command)) == 0, command


@pytest.mark.skipif(not DOCS.is_file(), reason="installed without its documentation")
def test_the_documentation_names_all_files(whole: Path) -> None:
    named = DOCS.read_text("utf-8")
    left = {path.name for path in whole.iterdir()} - {"figures", "tables", "level_field.csv"}
    for name in {one for one in left if not one.startswith("fold-")}:
        assert f"`{name}" in named, name
