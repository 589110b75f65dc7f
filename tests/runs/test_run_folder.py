"""Reading finished runs: what is there is read, what is broken is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actinscope.errors import ActinscopeError, BundleError, SettingsError, StudyError, UsageError
from actinscope.runs import read_run
from actinscope.runs.folder import read_run_predictions
from helpers.bundles import CLASSES
from helpers.compared_runs import toy_hash, toy_images, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", toy_images(wrong=[9]))


def test_a_run_is_read(run: Path) -> None:
    (run / "metrics.json").write_text(
        json.dumps(
            {"test": {"accuracy": {"value": 0.5, "low": None, "high": None, "n": 2, "count": 1}}}
        )
    )
    found = read_run(run)
    assert found.recipe is not None and found.recipe.name == "fine-tuned"
    assert found.info is not None and found.info.classes == CLASSES
    assert found.group == "field"
    assert len(found.images) == 36
    assert found.images[0].key == ("0.tif", "")
    assert found.images[0].pixel_hash == toy_hash("0.tif")
    assert found.images[0].groups == {"field": "f0"}
    assert len(found.predictions.rows_of("test")) == 24
    assert found.predictions.classes == CLASSES
    assert found.predictions.probabilities.shape == (36, 3)
    answers = found.predictions.probabilities.argmax(axis=1)
    labels = found.predictions.labels()
    assert np.flatnonzero(answers != labels).tolist() == [9]
    accuracy = found.metrics["test"]["accuracy"]
    assert (accuracy.value, accuracy.count, accuracy.has_interval) == (0.5, 1, False)


def test_only_predictions_are_needed(run: Path) -> None:
    for name in ("recipe.toml", "manifest.csv"):
        (run / name).unlink()
    (run / "bundle").rename(run.parent / "elsewhere")
    found = read_run(run)
    assert (found.recipe, found.images, found.info, found.group) == (None, (), None, None)
    assert found.metrics == {}


def test_ties_of_rounding_go_to_the_class_that_was_predicted(run: Path) -> None:
    text = "path,object,part,label,predicted,probability_a,probability_b\n"
    (run / "predictions.csv").write_text(f"{text}x.tif,,test,a,b,0.500000,0.500000\n")
    found = read_run_predictions(run / "predictions.csv")
    assert found.probabilities.argmax(axis=1).tolist() == [1]
    assert found.probabilities == pytest.approx(np.array([[0.5, 0.5]]))


def test_a_folder_without_predictions_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no finished run"):
        read_run(tmp_path)
    with pytest.raises(UsageError, match="holds no finished run"):
        read_run(tmp_path / "nowhere")


HEAD = "path,object,part,label,predicted,probability_a,probability_b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,part,label\nx.tif,test,a\n", "no column predicted"),
        ("path,part,label,predicted\nx.tif,test,a,a\n", "two classes or more"),
        (HEAD, "no row below it"),
        (HEAD + "x.tif,,test,a,a,0.5,oops\n", "line 2: a probability is not a number"),
        (HEAD + "x.tif,,test,a,a,0.9,0.9\n", "line 2: the probabilities do not lie in 0..1"),
        (HEAD + "x.tif,,test,a,a,nan,0.9\n", "line 2: the probabilities do not lie in 0..1"),
        (HEAD + "x.tif,,test,a,a,1.5,-0.5\n", "line 2: the probabilities do not lie in 0..1"),
        (HEAD + "x.tif,,test,a,b,0.9,0.1\n", "another class is more probable"),
        (HEAD + "x.tif,,test,c,a,0.9,0.1\n", "the label 'c' is none of the classes"),
        (HEAD + "x.tif,,test,a,c,0.9,0.1\n", "the predicted 'c' is none of the classes"),
        (HEAD + "x.tif,,exam,a,a,0.9,0.1\n", "the part is 'exam'"),
        (HEAD + ",,test,a,a,0.9,0.1\n", "line 2 has no path"),
        (HEAD + "x\u202e.tif,,test,a,a,0.9,0.1\n", "characters that cannot be used"),
        (HEAD + "x.tif,,test,a,a,0.9,0.1\n" * 2, "line 3 is the second for 'x.tif'"),
    ],
)
def test_broken_predictions_are_refused(run: Path, text: str, message: str) -> None:
    (run / "predictions.csv").write_text(text, "utf-8")
    with pytest.raises(StudyError, match=message) as caught:
        read_run(run)
    assert str(run / "predictions.csv") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "kind", "message"),
    [
        ("manifest.csv", lambda t: t.replace("part", "piece"), StudyError, "no column part"),
        ("manifest.csv", lambda t: t.replace("test", "", 1), StudyError, "the part is ''"),
        ("manifest.csv", lambda t: t.replace(toy_hash("0.tif"), "12"), StudyError, "64 hexa"),
        ("manifest.csv", lambda t: t + t.splitlines()[1] + "\n", StudyError, "is the second for"),
        ("manifest.csv", lambda t: t.replace("6.tif", "66.tif", 1), StudyError, "is not there|and"),
        ("manifest.csv", lambda t: t.replace(",flat,", ",round,"), StudyError, "and in manifest"),
        ("recipe.toml", lambda t: t + "\nnonsense = 1\n", SettingsError, "unknown setting"),
        ("bundle/bundle.json", lambda t: t[:50], BundleError, "this is no bundle.json"),
        (
            "bundle/bundle.json",
            lambda t: t.replace('"round"', '"square"'),
            StudyError,
            "and those of the bundle",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(
    run: Path, name: str, change: Callable[[str], str], kind: type[Exception], message: str
) -> None:
    before = (run / name).read_text("utf-8")
    (run / name).write_text(change(before), "utf-8")
    assert (run / name).read_text("utf-8") != before
    with pytest.raises(kind, match=message):
        read_run(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "metrics.json"),
        ('{"test": 3}', "test: "),
        ('{"test": {"accuracy": {"value": "high", "low": 0, "high": 1, "n": 3}}}', "accuracy"),
        ('{"test": {"accuracy": {"value": 1e999, "low": 0, "high": 1, "n": 3}}}', "accuracy"),
        ("[" * 100_000, "metrics.json"),
    ],
)
def test_broken_metrics_are_refused(run: Path, text: str, message: str) -> None:
    (run / "metrics.json").write_text(text)
    with pytest.raises(StudyError, match=message):
        read_run(run)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(["predictions.csv", "manifest.csv", "metrics.json"]),
    data=st.binary(max_size=200),
    place=st.integers(0, 2000),
)
def test_any_bytes_give_a_run_or_an_error_of_ours(
    tmp_path: Path, name: str, data: bytes, place: int
) -> None:
    run = write_run(tmp_path / "run", toy_images(), bundle=False)
    file = run / name
    before = file.read_bytes() if file.exists() else b"{}"
    file.write_bytes(before[:place] + data + before[place + len(data) :])
    try:
        found = read_run(run)
    except ActinscopeError as error:
        assert str(error)
    else:
        assert np.isfinite(found.predictions.probabilities).all()
    finally:
        file.unlink()
