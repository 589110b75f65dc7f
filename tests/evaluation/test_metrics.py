"""Metrics: hand-computed values, and scikit-learn's on random data."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from actinscope.errors import StudyError
from actinscope.evaluation import METRICS
from actinscope.evaluation.metrics import all_metrics, confusion_counts, score


def _random(n: int, k: int, seed: int, *, decimals: int | None = None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    raw = rng.dirichlet(np.full(k, 0.5), size=n)
    raw[np.arange(n), labels] += 0.4
    if decimals is not None:  # coarse numbers make ties
        raw = np.maximum(raw.round(decimals), 0.1)
    return labels, raw / raw.sum(axis=1, keepdims=True)


def _reference(labels, probabilities):
    predicted = probabilities.argmax(axis=1)
    k = probabilities.shape[1]
    values = {
        "accuracy": reference.accuracy_score(labels, predicted),
        "balanced_accuracy": reference.recall_score(
            labels, predicted, average="macro", labels=np.unique(labels), zero_division=0
        ),
        "mcc": reference.matthews_corrcoef(labels, predicted),
        "log_loss": reference.log_loss(labels, probabilities, labels=np.arange(k)),
    }
    for average in ("macro", "weighted"):
        p, r, f, _ = reference.precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        values |= {f"precision_{average}": p, f"recall_{average}": r, f"f1_{average}": f}
    if len(np.unique(labels)) == k:
        values["auroc"] = (
            reference.roc_auc_score(labels, probabilities[:, 1])
            if k == 2
            else reference.roc_auc_score(
                labels, probabilities, multi_class="ovr", average="macro", labels=np.arange(k)
            )
        )
    return values


@pytest.mark.parametrize("k", [2, 3, 16])
@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", range(3))
def test_values_equal_scikit_learn(k: int, decimals: int | None, seed: int) -> None:
    labels, probabilities = _random(250, k, seed, decimals=decimals)
    overall, _ = all_metrics(score(labels, probabilities))
    assert set(overall) == set(METRICS)
    expected = _reference(labels, probabilities)
    assert {name: float(overall[name][0]) for name in expected} == pytest.approx(expected)


def test_classes_that_are_absent_or_never_predicted() -> None:
    # Class 2 is never predicted; class 3 is predicted but absent; class 4 is neither.
    labels = np.array([0, 0, 1, 1, 2, 2])
    predicted = np.array([0, 3, 1, 1, 1, 0])
    probabilities = np.full((6, 5), 0.1)
    probabilities[np.arange(6), predicted] = 0.6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = _reference(labels, probabilities)
    overall, by_class = all_metrics(score(labels, probabilities))
    assert {name: float(overall[name][0]) for name in expected} == pytest.approx(expected)
    assert overall["balanced_accuracy"][0] == pytest.approx((0.5 + 1 + 0) / 3)
    assert overall["recall_macro"][0] == pytest.approx((0.5 + 1 + 0 + 0) / 4)
    np.testing.assert_allclose(by_class["recall"][0], [0.5, 1, 0, np.nan, np.nan])
    np.testing.assert_allclose(by_class["precision"][0], [1 / 2, 2 / 3, 0, 0, np.nan])
    np.testing.assert_allclose(by_class["f1"][0], [0.5, 0.8, 0, 0, np.nan])
    assert np.isnan(by_class["auroc"][0]).tolist() == [False, False, False, True, True]


def test_hand_computed_two_classes() -> None:
    # Confusion [[3, 1], [2, 4]].
    labels = np.array([0] * 4 + [1] * 6)
    positive = np.array([0.1, 0.2, 0.3, 0.9, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9])
    probabilities = np.column_stack([1 - positive, positive])
    scored = score(labels, probabilities)
    assert confusion_counts(scored)[0].tolist() == [[3, 1], [2, 4]]
    overall, by_class = all_metrics(scored)
    assert overall["accuracy"][0] == pytest.approx(0.7)
    assert overall["balanced_accuracy"][0] == pytest.approx((3 / 4 + 4 / 6) / 2)
    np.testing.assert_allclose(by_class["precision"][0], [3 / 5, 4 / 5])
    np.testing.assert_allclose(by_class["f1"][0], [6 / 9, 8 / 11])
    assert overall["mcc"][0] == pytest.approx((3 * 4 - 1 * 2) / math.sqrt(4 * 6 * 5 * 5))
    # Of the 24 pairs the positives win 1.5 (0.2) + 3 + 3 + 3 + 3 + 3.5 (0.9).
    assert overall["auroc"][0] == pytest.approx(17 / 24)


def test_log_loss_of_a_certain_error_is_finite() -> None:
    overall, _ = all_metrics(score(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]])))
    assert overall["log_loss"][0] == pytest.approx(-math.log(np.finfo(float).eps) / 2)


def test_one_predicted_class_has_no_correlation() -> None:
    overall, _ = all_metrics(score(np.array([0, 1, 1]), np.array([[0.1, 0.9]] * 3)))
    assert overall["mcc"][0] == 0
    assert overall["auroc"][0] == 0.5


@pytest.mark.parametrize("k", [2, 4])
def test_weights_count_images_several_times(k: int) -> None:
    labels, probabilities = _random(60, k, 5, decimals=1)
    weights = np.random.default_rng(6).integers(0, 4, size=(60, 3)).astype(float)
    overall, by_class = all_metrics(score(labels, probabilities), weights)
    for column in range(3):
        repeated = np.repeat(np.arange(60), weights[:, column].astype(int))
        plain, plain_class = all_metrics(score(labels[repeated], probabilities[repeated]))
        for name, values in plain.items():
            assert overall[name][column] == pytest.approx(values[0]), name
        for name, rows in plain_class.items():
            np.testing.assert_allclose(by_class[name][column], rows[0], err_msg=name)


def test_a_resample_without_a_class_says_nothing_of_it() -> None:
    # Class 1 is in the sample and not in the resample, where one image is still called so.
    labels = np.array([0, 0, 0, 0, 1])
    predicted = np.array([0, 0, 0, 1, 1])
    probabilities = np.where(np.eye(3, dtype=bool)[predicted], 0.8, 0.1)
    weights = np.array([[1.0, 1.0, 1.0, 1.0, 0.0]]).T
    overall, by_class = all_metrics(score(labels, probabilities), weights)
    assert overall["precision_macro"][0] == 1
    assert overall["recall_macro"][0] == overall["balanced_accuracy"][0] == pytest.approx(3 / 4)
    assert overall["f1_macro"][0] == pytest.approx(6 / 7)
    np.testing.assert_allclose(by_class["f1"][0], [6 / 7, np.nan, np.nan])


def test_an_empty_resample_is_undefined_and_silent() -> None:
    labels, probabilities = _random(10, 3, 0)
    overall, by_class = all_metrics(score(labels, probabilities), np.zeros((10, 1)))
    undefined = [name for name in METRICS if name != "mcc"]
    assert all(np.isnan(overall[name][0]) for name in undefined)
    assert all(np.isnan(values).all() for values in by_class.values())


@pytest.mark.parametrize(
    ("labels", "probabilities", "error", "message"),
    [
        ([], np.empty((0, 2)), StudyError, "indices, not float64"),
        (np.empty(0, int), np.empty((0, 2)), StudyError, "no image to evaluate"),
        ([0, 1], [[0.5, 0.5]], StudyError, "2 labels for 1 predicted"),
        ([0, 2], [[0.5, 0.5]] * 2, StudyError, "label 2 of image 1"),
        ([0, -1], [[0.5, 0.5]] * 2, StudyError, "label -1 of image 1"),
        ([0], [[1.0]], ValueError, "two classes or more"),
        ([0, 0], [[0.5, 0.5], [0.5, 0.6]], ValueError, "row 1 is not a prob"),
        ([0], [[1.5, -0.5]], ValueError, "smallest value is -0.5"),
        ([0], [[math.nan, 0.5]], ValueError, "it sums to nan"),
    ],
)
def test_bad_input_is_refused(labels, probabilities, error, message: str) -> None:
    with pytest.raises(error, match=message):
        score(np.asarray(labels), np.asarray(probabilities))
