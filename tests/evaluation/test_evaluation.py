"""Evaluation: every figure with its interval, whatever the data."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.errors import StudyError
from actinscope.evaluation import METRICS, evaluate, evaluation_to_json
from actinscope.evaluation.metrics import CLASS_METRICS


def _softened(labels: np.ndarray, predicted: np.ndarray, k: int) -> np.ndarray:
    """Probabilities 0.1 apart from the predicted class."""
    probabilities = np.full((len(labels), k), 0.1)
    probabilities[np.arange(len(labels)), predicted] = 1 - 0.1 * (k - 1)
    return probabilities


def _some(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    raw = rng.dirichlet(np.ones(k), size=n)
    raw[np.arange(n), labels] += 0.5
    return labels, raw / raw.sum(axis=1, keepdims=True)


def _names(k: int) -> list[str]:
    return [f"class {i}" for i in range(k)]


def test_a_published_test_part() -> None:
    """53 of 54 without groups: the Wilson interval 90.2 to 99.7 per cent."""
    labels = np.repeat([0, 1, 2], 18)
    predicted = labels.copy()
    predicted[20] = 2
    result = evaluate(
        labels, _softened(labels, predicted, 3), classes=["a", "b", "c"], groups=None, seed=0
    )
    accuracy = result.metrics["accuracy"]
    assert (accuracy.n, accuracy.count) == (54, 53)
    assert round(accuracy.low * 100, 1) == 90.2
    assert round(accuracy.high * 100, 1) == 99.7
    assert result.confusion.tolist() == [[18, 0, 0], [0, 17, 1], [0, 0, 18]]
    assert result.per_class["b"]["recall"].count == 17
    assert result.per_class["b"]["recall"].n == 18
    assert result.per_class["c"]["precision"].n == 19
    assert result.per_class["c"]["f1"].value == pytest.approx(36 / 37)
    assert result.metrics["recall_weighted"] == accuracy
    assert result.groups is None
    assert "independent" in result.interval_method


def test_macro_recall_has_the_interval_of_balanced_accuracy() -> None:
    """Class c lies in one group of eight, so that many resamples lack it, and b is taken for it."""
    labels = np.tile([0, 0, 1, 1], 8)
    labels[:2] = 2
    predicted = labels.copy()
    predicted[7::8] = 2
    groups = np.repeat([f"field {number}" for number in range(8)], 4).tolist()
    result = evaluate(
        labels, _softened(labels, predicted, 3), classes=["a", "b", "c"], groups=groups, seed=0
    )
    assert result.metrics["balanced_accuracy"].value == pytest.approx((1 + 12 / 16 + 1) / 3)
    assert result.metrics["recall_macro"] == result.metrics["balanced_accuracy"]


def test_names_and_order_are_fixed() -> None:
    labels, probabilities = _some(40, 3)
    result = evaluate(labels, probabilities, classes=_names(3), groups=None, seed=1, resamples=50)
    assert tuple(result.metrics) == METRICS
    assert list(result.per_class) == _names(3)
    assert all(tuple(own) == CLASS_METRICS for own in result.per_class.values())


def test_same_seed_same_interval_and_values_without_seed() -> None:
    labels, probabilities = _some(60, 3)
    groups = [f"g{i % 9}" for i in range(60)]

    def run(seed: int):
        return evaluate(labels, probabilities, classes=_names(3), groups=groups, seed=seed)

    first, again, other = run(1), run(1), run(2)
    assert first.metrics == again.metrics
    assert first.per_class == again.per_class
    for name in METRICS:
        assert first.metrics[name].value == other.metrics[name].value
    assert first.metrics["log_loss"] != other.metrics["log_loss"]


def test_groups_with_one_image_each_are_images() -> None:
    labels, probabilities = _some(30, 2)
    alone = [str(i) for i in range(30)]
    grouped = evaluate(labels, probabilities, classes=_names(2), groups=alone, seed=0)
    plain = evaluate(labels, probabilities, classes=_names(2), groups=None, seed=0)
    assert grouped.metrics["accuracy"] == plain.metrics["accuracy"]
    assert grouped.groups == 30
    assert "independent" in grouped.interval_method


def test_intervals_widen_with_groups() -> None:
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(12), 20)
    labels = rng.integers(2, size=240)
    right = rng.random(240) < rng.beta(2, 1, size=12)[units]
    probabilities = _softened(labels, np.where(right, labels, 1 - labels), 2)
    classes = _names(2)
    with_groups = evaluate(
        labels, probabilities, classes=classes, groups=list(map(str, units)), seed=0
    )
    without = evaluate(labels, probabilities, classes=classes, groups=None, seed=0)
    for name in ("accuracy", "balanced_accuracy", "mcc", "auroc", "log_loss"):
        wide, narrow = with_groups.metrics[name], without.metrics[name]
        assert wide.value == narrow.value
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low), name
    assert "12 groups" in with_groups.interval_method


def test_few_groups_give_values_without_intervals() -> None:
    labels, probabilities = _some(40, 2)
    groups = [f"donor {i % 4}" for i in range(40)]
    result = evaluate(labels, probabilities, classes=_names(2), groups=groups, seed=0)
    everything = [*result.metrics.values()]
    everything += [one for own in result.per_class.values() for one in own.values()]
    assert not any(one.has_interval for one in everything)
    assert not any(math.isnan(one.value) for one in everything)
    assert result.notes == ("Only 4 groups: fewer than 5 give no bootstrap interval.",)
    assert result.interval_method.startswith("No intervals: the images come from 4 groups")


def test_a_class_in_few_groups_has_no_interval_of_its_own() -> None:
    units = np.repeat(np.arange(12), 5)
    labels = (units >= 9).astype(int)  # the second class comes from three groups
    predicted = np.where(np.arange(60) % 7 == 0, 1 - labels, labels)
    result = evaluate(
        labels,
        _softened(labels, predicted, 2),
        classes=["a", "b"],
        groups=units.astype(str),
        seed=0,
    )
    assert result.metrics["accuracy"].has_interval
    assert result.per_class["a"]["recall"].has_interval
    assert result.per_class["b"]["recall"].method == "no interval: 3 groups, fewer than 5"
    assert any("recall[b]" in note for note in result.notes)


def test_everything_correct() -> None:
    labels = np.tile([0, 1], 30)
    groups = [str(i // 10) for i in range(60)]
    result = evaluate(
        labels, _softened(labels, labels, 2), classes=["a", "b"], groups=groups, seed=0
    )
    accuracy = result.metrics["accuracy"]
    assert (accuracy.value, accuracy.high) == (1, 1)
    assert accuracy.low == pytest.approx(0.610, abs=0.001)  # 6 of 6 groups
    balanced = result.metrics["balanced_accuracy"]
    assert (balanced.low, balanced.high) == (accuracy.low, 1)
    assert balanced.method == "Wilson with n = 6 groups, as all resamples agree"


def test_an_absent_class() -> None:
    labels, probabilities = _some(60, 2)
    three = np.column_stack([probabilities * 0.9, np.full(60, 0.1)])
    result = evaluate(labels, three, classes=["a", "b", "c"], groups=None, seed=0, resamples=100)
    assert math.isnan(result.metrics["auroc"].value)
    assert result.metrics["auroc"].method == "no interval: the figure is not defined"
    assert not math.isnan(result.metrics["balanced_accuracy"].value)
    recall = result.per_class["c"]["recall"]
    assert math.isnan(recall.value)
    assert (recall.n, recall.count) == (0, 0)
    assert not math.isnan(result.per_class["a"]["auroc"].value)
    assert result.notes[0].startswith("No images of c:")


def test_one_class_only() -> None:
    labels = np.zeros(10, dtype=int)
    result = evaluate(
        labels, _softened(labels, labels, 2), classes=["a", "b"], groups=None, seed=0, resamples=20
    )
    assert result.metrics["accuracy"].value == 1
    assert math.isnan(result.metrics["auroc"].value)
    assert "All images are of one class: no AUROC is defined." in result.notes


def test_a_class_that_is_never_predicted_has_precision_zero() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    result = evaluate(
        labels, _softened(labels, labels * 0, 2), classes=["a", "b"], groups=None, seed=0
    )
    precision = result.per_class["b"]["precision"]
    assert (precision.value, precision.n, precision.count) == (0, 0, 0)
    assert precision.method == "no interval: never predicted"


def test_json_form() -> None:
    labels, probabilities = _some(20, 2)
    three = np.column_stack([probabilities * 0.9, np.full(20, 0.1)])
    classes = ["wild_type", "knockout", "absent"]
    result = evaluate(labels, three, classes=classes, groups=None, seed=0, resamples=100)
    flat = evaluation_to_json(result)
    assert len(flat) == len(METRICS) + 3 * len(CLASS_METRICS)
    assert flat["accuracy"] == {
        "value": result.metrics["accuracy"].value,
        "low": result.metrics["accuracy"].low,
        "high": result.metrics["accuracy"].high,
        "n": 20,
        "count": result.metrics["accuracy"].count,
        "method": "Wilson, 20 images",
    }
    assert flat["recall[wild_type]"]["count"] == result.confusion[0, 0]
    assert flat["recall[absent]"]["value"] is None
    assert flat["auroc"]["low"] is None
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a"]}, "1 class names"),
        ({"classes": ["a", "a"]}, r"\(1 distinct\)"),
        ({"groups": ["x"]}, "1 groups for 4 images"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    labels, probabilities = _some(4, 2)
    settings_ = {"classes": ["a", "b"], "groups": None, "seed": 0} | change
    with pytest.raises(StudyError, match=message):
        evaluate(labels, probabilities, **settings_)


def test_quick_enough_for_a_large_test_part() -> None:
    labels, probabilities = _some(3000, 16)
    groups = [str(i % 77) for i in range(3000)]
    start = time.process_time()
    evaluate(labels, probabilities, classes=_names(16), groups=groups, seed=0)
    assert time.process_time() - start < 10  # about 1 s where nothing else runs


@st.composite
def _studies(draw: st.DrawFn):
    k = draw(st.integers(2, 5))
    n = draw(st.integers(1, 40))
    labels = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    parts = st.lists(st.integers(0, 4), min_size=k, max_size=k).filter(any)
    raw = np.array(draw(st.lists(parts, min_size=n, max_size=n)), dtype=float)
    names = st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n)
    return labels, raw / raw.sum(axis=1, keepdims=True), draw(st.none() | names)


@settings(max_examples=120)
@given(_studies())
def test_any_study_gives_figures_within_bounds(study) -> None:
    labels, probabilities, groups = study
    k = probabilities.shape[1]
    result = evaluate(labels, probabilities, classes=_names(k), groups=groups, seed=0, resamples=60)
    assert result.confusion.sum() == result.n == len(labels)
    flat = evaluation_to_json(result)
    json.dumps(flat, allow_nan=False)
    for name, one in flat.items():
        smallest = -1 if name == "mcc" else 0
        largest = math.inf if name == "log_loss" else 1
        assert (one["low"] is None) == (one["high"] is None)
        assert 0 <= one["n"] <= len(labels)
        if one["value"] is None:
            assert one["low"] is None
            continue
        slack = 1e-12
        assert smallest - slack <= one["value"] <= largest + slack
        if one["low"] is not None:
            assert smallest - slack <= one["low"] <= one["value"] <= one["high"] <= largest + slack
        if one["count"] is not None and one["n"]:
            assert one["value"] == one["count"] / one["n"]
