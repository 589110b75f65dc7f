"""The default recipe: a linear probe on a network that nobody trains, without a framework."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from actinscope.bundle import load_bundle, verify_bundle
from actinscope.cli.main import main
from actinscope.predict import Predictor
from actinscope.workflows import train
from helpers.phantom_crops import write_phantom_crops

#: Imports of a training framework fail in this process, as where it is not installed.
WITHOUT_FRAMEWORK = """
import importlib.util, sys
missing = ("keras", "tensorflow", "tf2onnx")
sys.modules.update(dict.fromkeys(missing))
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in missing else found(name, *rest)
from actinscope.networks import backend
backend.find_spec = importlib.util.find_spec
from actinscope.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without_framework(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_FRAMEWORK, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    write_phantom_crops(
        folder / "images",
        fields_per_class=5,
        cells_per_field=3,
        difficulty=0.1,
        seed=1,
        crop_size=64,
    )
    (folder / "small.toml").write_text('base = "quick"\n[network]\ninput_size = 64\n')
    return folder


@pytest.fixture(scope="module")
def run(study: Path) -> Path:
    """One that was trained where there is no training framework."""
    images = study / "images"
    given = ["--manifest", images / "groups.csv", "--group", "field", "--folds", "1"]
    done = without_framework(
        "train", images, *given, "--recipe", study / "small.toml", "-o", study / "run", "--quiet"
    )
    assert done.returncode == 0, done.stderr
    return study / "run"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_it_trains_tests_and_predicts_without_a_training_framework(study: Path, run: Path) -> None:
    test = json.loads((run / "metrics.json").read_text())["test"]
    assert test["accuracy"]["value"] > 0.6  # of three classes, drawn to be told apart easily
    again = study / "again.csv"
    done = without_framework("predict", run, study / "images" / "cells", "-o", again)
    assert done.returncode == 0, done.stderr
    named, of_run = (
        {"/".join(Path(row["path"]).parts[-2:]): row["predicted"] for row in rows_of(table)}
        for table in (again, run / "predictions.csv")
    )
    assert len(of_run) == 45
    assert named == of_run


def test_fine_tuning_asks_for_the_extra_before_any_work(study: Path) -> None:
    done = without_framework(
        "train", study / "images", "--recipe", "fine-tuned", "-o", study / "never", "--folds", "1"
    )
    assert done.returncode == 5
    assert 'pip install "actinscope[train]"' in done.stderr
    assert not (study / "never").exists()


def test_the_same_seed_gives_the_same_model(study: Path, run: Path) -> None:
    images = study / "images"
    options = ["--manifest", str(images / "groups.csv"), "--group", "field", "--folds", "1"]
    recipe = ["--recipe", str(study / "small.toml")]
    second = study / "second"
    assert main(["train", str(images), *options, *recipe, "-o", str(second), "--quiet"]) == 0
    assert (second / "predictions.csv").read_text() == (run / "predictions.csv").read_text()


def test_what_is_written_about_it_names_no_epoch(run: Path) -> None:
    methods = (run / "methods.md").read_text()
    assert "logistic regression named one of 3 classes" in methods
    card = (run / "bundle" / "MODEL_CARD.md").read_text()
    for text in (methods, card):
        assert "epoch" not in text
        assert "Keras" not in text


def test_an_answer_is_averaged_over_as_many_views_as_asked_for(run: Path) -> None:
    bundle = load_bundle(run / "bundle")
    inputs = bundle.golden().inputs[:1]
    one, eight = (Predictor(bundle, views=count).predict_inputs([inputs]) for count in (1, 8))
    turned = np.rot90(inputs, axes=(1, 2)).copy()
    of_turned = [
        Predictor(bundle, views=count).predict_inputs([turned]).probabilities for count in (1, 8)
    ]
    # Eight views of a turned image are the same eight views.
    np.testing.assert_allclose(eight.probabilities, of_turned[1], atol=1e-5)
    assert np.abs(one.probabilities - of_turned[0]).max() > 1e-4


def test_views_of_predict_are_checked_against_what_the_model_offers(
    run: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = str(study / "images" / "cells")
    out = str(study / "never.csv")
    assert main(["predict", str(run), images, "-o", out, "--views", "9"]) == 2
    assert "a number from 1 to 8" in capsys.readouterr().err


@pytest.fixture(scope="module")
def averaged(study: Path) -> Path:
    """One that answers by the mean over eight views."""
    images, output = study / "images", study / "averaged"
    options = ["--manifest", str(images / "groups.csv"), "--group", "field", "--folds", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "choose_answered_views", lambda *_, **__: 8)
        recipe = ["--recipe", str(study / "small.toml"), "-o", str(output), "--quiet"]
        assert main(["train", str(images), *options, *recipe]) == 0
    return output


def test_a_model_that_averages_views_repeats_its_golden_outputs(averaged: Path) -> None:
    found = verify_bundle(averaged / "bundle")
    assert found.unfamiliarity_difference is not None


@pytest.mark.slow
def test_a_model_that_averages_views_is_quantised(averaged: Path) -> None:
    images = str(averaged.parent / "images")
    assert main(["bundle", "quantize", str(averaged), images, "--force"]) == 0
    verify_bundle(averaged / "bundle")
