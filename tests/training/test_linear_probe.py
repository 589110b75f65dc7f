"""The last layer fitted by logistic regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from actinscope.training import linear_probe as head_start
from actinscope.training import logistic_head
from actinscope.training.linear_probe import _INVERSE_PENALTY, chosen_rows
from helpers.tiny_training import tiny_fit, tiny_network, tiny_recipe


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("classes", [2, 3])
def test_predicts_like_the_regression_on_standardised_features(classes: int) -> None:
    rng = np.random.default_rng(1)
    labels = np.r_[np.zeros(20, np.int64), rng.integers(0, classes, 60)]  # unbalanced
    features = rng.normal(size=(80, 7)) * rng.uniform(0.1, 30, 7) + rng.normal(size=7) * 20
    features += labels[:, None] * rng.normal(size=7) * 5
    standardised = (features - features.mean(axis=0)) / features.std(axis=0)
    regression = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=500)
    expected = regression.fit(standardised, labels).predict_proba(standardised)
    kernel, bias = logistic_head(features, labels, classes)
    assert (kernel.shape, bias.shape) == ((7, classes), (classes,))
    np.testing.assert_allclose(_softmax(features @ kernel + bias), expected, atol=2e-4)


def test_constant_feature_and_absent_class_do_no_harm() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat(np.array([0, 2]), 20)
    features = np.c_[rng.normal(size=40) + labels * 4, np.full(40, 7.0)]
    kernel, bias = logistic_head(features, labels, 3)
    probabilities = _softmax(features @ kernel + bias)
    assert np.isfinite(kernel).all()
    assert probabilities[:, 1].max() < 0.01
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize("views", [0, 2])
def test_training_starts_from_the_fitted_layer(views: int, tmp_path: Path) -> None:
    """With a step size of next to nothing only the head start can have learned the stripes."""
    recipe = tiny_recipe(
        augment=False, epochs=1, learning_rate=1e-12, head_start="logistic", views=views
    )
    model = tiny_network()
    row = tiny_fit(tmp_path, recipe, model=model).history[0]
    assert row["validation_loss"] < np.log(3) - 0.05  # log 3 is what knowing nothing costs
    assert row["validation_accuracy"] > 0.8


def test_a_large_study_gives_the_fit_as_many_images_of_each_class_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.repeat(np.array([0, 1, 2]), [50, 300, 4])
    np.testing.assert_array_equal(chosen_rows(labels, 0), np.arange(354))
    monkeypatch.setattr(head_start, "HEAD_ROWS", 60)
    rows = chosen_rows(labels, 0)
    assert np.bincount(labels[rows]).tolist() == [20, 20, 4]
    assert len(set(rows)) == len(rows)
    np.testing.assert_array_equal(rows, chosen_rows(labels, 0))
    assert not np.array_equal(rows, chosen_rows(labels, 1))
