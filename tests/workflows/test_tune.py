"""``actinscope recipe tune`` as a whole, on toy images and a toy network."""

from __future__ import annotations

import csv
import re
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import actinscope
from actinscope.audit import review
from actinscope.audit.copy_matching import NearPair
from actinscope.cells import CropReader
from actinscope.cli.main import main
from actinscope.evaluation import mean_difference
from actinscope.networks import keras_backend
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import fingerprint_study, read_study
from actinscope.study import split
from actinscope.training import load_recipe
from actinscope.workflows import tune

SPACE = """\
[search]
freeze_points = [3, 5]
augmentation_strength = [0.0, 1.0]
training.learning_rate = { low = 0.001, high = 0.05, log = true }
training.batch_size = [8, 16]
"""
RECIPE = """\
base = "fine-tuned"
[network]
name = "efficientnet-lite0"
weights = "none"
input_size = 32
frozen_layers = 5

[training]
epochs = 2
views = 1
refresh = 0.0
learning_rate = 0.01
head_start = "random"
"""
DOCS = Path(actinscope.__file__).parents[2] / "docs" / "tune.md"
Shown = pytest.CaptureFixture[str]


def toy_network(*_: Any, classes: int, input_size: int, seed: int, **__: Any) -> Any:
    """In the place of a network of a hundred layers."""
    keras = keras_backend()
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = layers.Input((input_size, input_size, 3))
    x = layers.Conv2D(4, 3, strides=4, padding="same")(image)
    x = layers.Activation("relu")(x)
    x = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    x = layers.Activation("relu")(x)
    x = layers.Conv2D(6, 3, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x))


def draw(path: Path, label: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    stripes = (x if label == "left" else y) // 4 % 2
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, (800 * stripes + rng.integers(0, 800, (32, 32))).astype(np.uint16))


def furnish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """36 images in 18 fields with given parts, a space and a recipe, in the working folder."""
    lines = ["path,label,field,part"]
    for number in range(36):
        label, field = ("left", "right")[number % 2], f"f{number // 2}"
        part = "test" if number >= 30 else "validation" if number >= 24 else "train"
        draw(folder / "images" / f"{number}.tif", label, number)
        lines.append(f"{number}.tif,{label},{field},{part}")
    (folder / "images" / "study.csv").write_text("\n".join(lines))
    (folder / "space.toml").write_text(SPACE)
    (folder / "small.toml").write_text(RECIPE)
    monkeypatch.setattr(tune, "build_network", toy_network)
    monkeypatch.chdir(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    furnish(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        furnish(folder, patched)
        assert search("found") == 0
    return folder / "found"


def search(
    output: str, *options: str, trials: int = 3, images: str = "images", quiet: bool = True
) -> int:
    return main(
        ["recipe", "tune", images, "--manifest", f"{images}/study.csv", "--group", "field",
         "--recipe", "small.toml", "--space", "space.toml", "--folds", "2",
         "--trials", str(trials), "-o", output, *["--quiet"] * quiet, *options]
    )  # fmt: skip


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The trials, without their time."""
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(float(row.pop("seconds")) > 0 for row in rows)
    return rows


def test_a_search_leaves_what_the_documentation_names(whole: Path) -> None:
    found = whole
    assert {path.name for path in found.iterdir()} == {
        "best_recipe.toml", "manifest.csv", "recipe.toml", "study.db", "trials.csv"
    }  # fmt: skip
    rows = rows_of(found)
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    # The base recipe's own values.
    assert rows[0]["freeze_points"] == "5"
    assert rows[0]["training.learning_rate"] == "0.01"
    assert rows[0]["state"] == "complete"
    complete = [row for row in rows if row["state"] == "complete"]
    for row in complete:
        folds = [float(row["log_loss_fold_1"]), float(row["log_loss_fold_2"])]
        assert float(row["log_loss"]) == pytest.approx(np.mean(folds), abs=2e-6)
    best = min(complete, key=lambda row: float(row["log_loss"]))
    recipe = load_recipe(found / "best_recipe.toml")
    assert recipe.network.frozen_layers == int(best["freeze_points"])
    assert recipe.training.batch_size == int(best["training.batch_size"])
    assert recipe.training.learning_rate == float(best["training.learning_rate"])
    assert recipe.training.epochs == 2
    assert recipe.name == ("small, tuned" if best["trial"] != "0" else "small")


def test_the_test_part_is_not_looked_at(
    place: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pixels are read once, for their hash; other ones, and other labels, change nothing."""
    read: list[str] = []
    own = CropReader.read

    def noting(self: CropReader, path: Path, *rest: Any) -> Any:
        read.append(path.name)
        return own(self, path, *rest)

    table = (place / "images" / "study.csv").read_text()
    for number in range(30, 36):
        was, now = ("left", "right")[number % 2], ("right", "left")[number % 2]
        draw(place / "images" / f"{number}.tif", now, 1000 + number)
        table = table.replace(f"{number}.tif,{was}", f"{number}.tif,{now}")
    (place / "images" / "study.csv").write_text(table)
    monkeypatch.setattr(CropReader, "read", noting)
    assert search("found") == 0
    assert rows_of(place / "found") == rows_of(whole)
    tested = {f"{number}.tif" for number in range(30, 36)}
    assert sorted(name for name in read if name in tested) == sorted(tested)
    assert read.count("0.tif") > 1


class _Killed(BaseException):
    """The process ends here."""


def test_folds_hold_out_every_known_image_once_and_no_group_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sequence[Any]] = []

    def noting(build: Any, folds: Sequence[Any], **rest: Any) -> Any:
        seen.append(folds)
        raise _Killed

    monkeypatch.setattr(tune, "TrialRunner", noting)
    for name, count in (("found", "2"), ("part", "1")):
        with pytest.raises(_Killed):
            search(name, "--folds", count)
    folds, (fold,) = seen
    assert fold.held_out.tolist() == list(range(24, 30))
    assert fold.train.tolist() == list(range(24))
    assert sorted(np.concatenate([fold.held_out for fold in folds]).tolist()) == list(range(30))
    for fold in folds:
        fields = {row // 2 for row in fold.held_out.tolist()}
        assert not fields & {row // 2 for row in fold.train.tolist()}
        assert len(fold.train) + len(fold.held_out) == 30


def test_copies_are_kept_together_as_training_keeps_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same images are held back as ``train`` tests on, with copies joined before."""
    table = (place / "images" / "study.csv").read_text().splitlines()
    (place / "images" / "study.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in table))
    pairs = [NearPair(0, 7, 1.0, 1.0, "turned"), NearPair(12, 35, 1.0, 1.0, "turned")]
    monkeypatch.setattr(review, "near_duplicates", lambda *_, **__: pairs)

    def killed(*_: Any, **__: Any) -> Any:
        raise _Killed

    monkeypatch.setattr(tune, "TrialRunner", killed)
    parts = {}
    for keep in ("false", "true"):
        (place / "small.toml").write_text(f"{RECIPE}\n[split]\nkeep_copies = {keep}\n")
        with pytest.raises(_Killed):
            search(keep)
        with (place / keep / "manifest.csv").open(newline="", encoding="utf-8") as stream:
            parts[keep] = {row["path"]: row["part"] for row in csv.DictReader(stream)}
    recipe = load_recipe(place / "small.toml")
    source = StudySource(place / "images", place / "images" / "study.csv", "field")
    prints = fingerprint_study(
        read_study(source, recipe), CropReader(recipe.images), Silent(), observing=True
    )
    joined, _ = review.audit_before(prints, recipe, None, Silent())
    trained = split(joined.manifest, seed=recipe.seed, fractions=(0.8, 0.1, 0.1))
    assert parts["true"] == {one.name: one.part for one in trained.manifest.records}
    assert parts["true"] != parts["false"]
    for first, second in ((0, 7), (12, 35)):
        assert parts["true"][f"{first}.tif"] == parts["true"][f"{second}.tif"]


def test_the_network_has_the_head_of_the_recipe(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []

    def noting(*arguments: Any, head: Any, **rest: Any) -> Any:
        built.append(head)
        return toy_network(*arguments, **rest)

    monkeypatch.setattr(tune, "build_network", noting)
    recipe = RECIPE.replace("frozen_layers", "head_units = [7]\nfrozen_layers")
    (place / "small.toml").write_text(recipe)
    assert search("found", trials=1) == 0
    assert {head.units for head in built} == {(7,)}


def test_a_search_that_was_killed_goes_on(
    place: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    own = tune._Pruner.__call__
    calls = [0]

    def dying(self: Any, *arguments: Any) -> str:
        calls[0] += 1
        if calls[0] == 7:  # four epochs for each trial: in the second one
            raise _Killed
        return own(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(tune._Pruner, "__call__", dying)
        with pytest.raises(_Killed):
            search("cut")
    cut = place / "cut"
    assert len(rows_of(cut)) == 1
    assert load_recipe(cut / "best_recipe.toml").training.learning_rate == 0.01
    assert (cut / "stored").is_dir()

    assert search("cut") == 2
    assert "holds an earlier search" in capsys.readouterr().err
    assert search("cut", "--resume", "--seed", "3") == 5
    assert "seed was 0 and is now 3" in capsys.readouterr().err
    assert search("cut", "--resume", "--folds", "3") == 5
    assert "started with other settings: folds" in capsys.readouterr().err
    (place / "space.toml").write_text(SPACE.replace("0.05", "0.04"))
    assert search("cut", "--resume") == 5
    assert "started with other settings: space" in capsys.readouterr().err
    (place / "space.toml").write_text(SPACE)

    assert search("cut", "--resume") == 0
    shown = capsys.readouterr().out
    assert re.search("The best of 3 trials|Of 3 trials none", shown)
    assert re.search("the base recipe alone gives [0-9.]+, [0-9.]+ on the 2 folds", shown)
    assert "The test part (6 images) was not used" in shown
    assert "--recipe cut/best_recipe.toml --folds 1 -o RUN" in shown
    assert rows_of(cut) == rows_of(whole)
    assert not (cut / "stored").exists()
    draw(place / "images" / "3.tif", "left", 99)
    assert search("cut", "--resume", trials=4) == 5
    assert "the images, labels, groups or parts are not those" in capsys.readouterr().err


@pytest.mark.parametrize("step", ["_Images", "write_recipe", "write_manifest"])
def test_a_search_that_was_interrupted_before_its_first_trial_goes_on(
    step: str, place: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tune, step, interrupted)
        assert search("cut") == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err
    assert search("cut") == 2
    assert "holds an earlier search" in capsys.readouterr().err
    assert search("cut", "--resume", trials=1) == 0
    assert rows_of(place / "cut") == rows_of(whole)[:1]


def test_a_search_that_was_interrupted_before_it_wrote_anything_starts_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tune, "fingerprint_study", interrupted)
        assert search("cut") == 130
    assert "start the same command again" in capsys.readouterr().err
    assert not (place / "cut").exists()


class Clock:
    """Every look at it takes a minute."""

    def __init__(self) -> None:
        self.minutes = 0

    def monotonic(self) -> float:
        self.minutes += 1
        return 60.0 * self.minutes


def test_time_ends_a_trial_with_its_epoch(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    monkeypatch.setattr(tune, "time", Clock())
    # Looks: begin, the first two epochs of trial 0, before trial 1, its first two epochs.
    assert search("found", "--minutes", "4.5", quiet=False) == 0
    assert len(rows_of(place / "found")) == 1
    shown = capsys.readouterr()
    assert "The time was over after 1 of 3 trials" in shown.out
    assert "Of 1 trials none" in shown.out
    assert "trial 1: out of time" in shown.err
    monkeypatch.setattr(tune, "time", Clock())
    assert search("found", "--resume", "--minutes", "1000", trials=2) == 0
    assert [row["trial"] for row in rows_of(place / "found")] == ["0", "1"]


def test_a_time_too_short_still_gives_the_base_recipe_and_says_what_would_be_enough(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    monkeypatch.setattr(tune, "time", Clock())  # on which a trial of four epochs takes four minutes
    assert search("short", "--minutes", "0.5", quiet=False) == 0
    assert [row["trial"] for row in rows_of(place / "short")] == ["0"]
    assert (place / "short" / "best_recipe.toml").is_file()
    shown = capsys.readouterr()
    assert "enough for 1 of the 3 trials, the base recipe first" in shown.err
    assert "for all of them give --minutes 12" in shown.err


@pytest.mark.parametrize(
    ("change", "options", "code", "message"),
    [
        ({"space.toml": "[search]\nfreeze_points = [99]\n"}, (), 2, "cannot freeze 99 layers"),
        ({"space.toml": "[search]\nfreeze_points = [5, 8]\n"}, (), 2, "nothing is left to train"),
        ({"space.toml": "[search]\ntraining.epoch = [7]\n"}, (), 2, "unknown setting"),
        ({"small.toml": RECIPE.replace("views = 1", "views = 0")}, (), 2, "training.views is 0"),
        (
            {"small.toml": RECIPE.replace("frozen_layers = 5", "frozen_layers = 0")},
            (),
            2,
            "no layer of EfficientNet-Lite0 is frozen. Set it to 1 or more",
        ),
        (
            {"small.toml": RECIPE.replace("frozen_layers = 5\n", "")},
            ("--network", "small-cnn"),
            2,
            "no layer of .* is frozen. Choose a pretrained network",
        ),
        (
            {
                "space.toml": "[search]\nnetwork.input_size = [64, 96]\n",
                "small.toml": RECIPE.replace("input_size = 32", "input_size = 96"),
            },
            ("--network", "inception-v3"),
            2,
            "input_size = 64 is not possible: the input size 64 is too small for Inception",
        ),
        (
            {},
            ("--network", "inception-v3"),
            2,
            "the input size 32 is too small for Inception.*at least 75 pixels",
        ),
        (
            {"small.toml": RECIPE.replace("= 5", "= 500")},
            (),
            2,
            "500 layers are to stay frozen, and EfficientNet-Lite0 has [0-9]+: nothing is left",
        ),
        (
            {"space.toml": "[search]\nnetwork.head_units = [[8], [16]]\n"},
            (),
            2,
            "head_units and head_flatten do nothing",
        ),
        ({}, ("--folds", "30"), 3, "fewer folds with --folds"),
        ({}, ("--resume",), 2, "holds no search to continue"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_training(
    change: dict[str, str],
    options: tuple[str, ...],
    code: int,
    message: str,
    request: pytest.FixtureRequest,
) -> None:
    place: Path = request.getfixturevalue("place")
    capsys: Shown = request.getfixturevalue("capsys")
    for name, text in change.items():
        (place / name).write_text(text)
    assert search("found", *options) == code
    assert re.search(message, capsys.readouterr().err)
    assert not (place / "found").exists()


def test_the_preprocessing_can_be_searched(place: Path) -> None:
    (place / "space.toml").write_text(
        "[search]\npreprocess.low_percentile = [0.1, 5.0]\ntraining.epochs = [1, 3]\n"
    )
    assert search("found", trials=2) == 0
    rows = rows_of(place / "found")
    assert {row["preprocess.low_percentile"] for row in rows} <= {"0.1", "5.0"}
    assert all(row["state"] == "complete" for row in rows)
    assert rows[0]["training.epochs"] == "2"  # although it lies outside the space


def test_the_interval_of_a_mean_difference() -> None:
    """By hand: with groups of one value each, resamples are means of draws of these values."""
    differences = np.repeat([-0.3, -0.2, -0.1, -0.2, -0.3, -0.1], 2)
    groups = [f"g{number // 2}" for number in range(12)]
    found = mean_difference(differences, groups=groups, seed=0)
    assert found.value == pytest.approx(-0.2)
    assert -0.31 < found.low < -0.2 < found.high < -0.1
    alone = mean_difference(differences, groups=None, seed=0)
    assert found.low < alone.low and alone.high < found.high
    assert "12 images" in alone.method
    assert not mean_difference(differences[:4], groups=groups[:4], seed=0).has_interval


@pytest.mark.slow
def test_the_commands_of_the_documentation(place: Path, capsys: Shown) -> None:
    """Those of the search itself; the default space with the toy network."""
    blocks = re.findall(r"<!-- search -->\n```console\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    commands = [line[2:] for block in blocks for line in block.splitlines() if line[:1] == "$"]
    assert len(commands) >= 3
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    (place / "space.toml").write_text(text)
    assert tomllib.loads(text)["search"]
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "actinscope"
        words = [word for word in words if word != ">"]
        if "space" in words:
            assert main(["recipe", "space"]) == 0
            assert tomllib.loads(capsys.readouterr().out)["search"]["freeze_points"] == "auto"
            continue
        trials = "2" if "--resume" in words else "1"
        small = ["--recipe", "small.toml", "--trials", trials, "--quiet"]
        assert main([*words[1:], *small]) == 0, command
