"""The last layer fitted by logistic regression."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from actinscope.errors import TrainingError
from actinscope.preprocess import turned
from actinscope.progress import Silent
from actinscope.training import LabelledImages, logistic_head
from actinscope.training import linear_probe as head_start
from actinscope.training.linear_probe import (
    _INVERSE_PENALTY,
    PENALTIES,
    _features,
    _Problem,
    _Space,
    chosen_rows,
    logits_of,
)
from helpers.tiny_training import tiny_fit, tiny_network, tiny_preprocess, tiny_recipe


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


def problem(labels: np.ndarray, noise: float) -> _Problem:
    """Two views of images in three dimensions, of which one says the class but for noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(len(labels), 2, 3)).astype(np.float32)
    rows[:, :, 0] += (labels * 2 - 1)[:, None] / noise
    return _Problem(rows, labels, int(labels.max()) + 1, "balanced", 0)


def test_the_clearer_the_classes_the_weaker_the_penalty() -> None:
    labels = np.arange(120) % 2
    clear = problem(labels, 0.2).best_penalty(None, Silent())
    unclear = problem(labels, 50).best_penalty(None, Silent())
    assert clear == PENALTIES[-1]
    assert unclear == PENALTIES[0]


def test_no_penalty_is_chosen_where_a_class_has_too_few_groups_for_folds() -> None:
    labels = np.arange(40) % 2
    groups = [f"{label} {number % 2}" for number, label in enumerate(labels)]
    assert problem(labels, 1).best_penalty(groups, Silent()) is None


def test_groups_are_kept_together_when_the_penalty_is_chosen() -> None:
    """A direction that names the group, not the class, fools folds that tear groups apart."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), 10)
    labels = groups % 2
    rows = np.zeros((120, 1, 12), np.float32)
    rows[np.arange(120), 0, groups] = 3
    rows += rng.normal(0, 0.1, rows.shape).astype(np.float32)
    found = _Problem(rows, labels, 2, "balanced", 0)
    assert found.best_penalty([str(one) for one in groups], Silent()) == PENALTIES[0]
    assert found.best_penalty(None, Silent()) == PENALTIES[-1]


def test_views_of_one_image_together_count_once() -> None:
    labels = np.arange(60) % 2
    one = problem(labels, 1)
    single = replace(one, rows=one.rows[:, :1])
    doubled = replace(one, rows=np.repeat(single.rows, 2, axis=1))
    everyone = np.arange(60)
    for first, second in zip(single.fit(everyone, 0.1), doubled.fit(everyone, 0.1), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-3)


def test_a_head_on_directions_is_the_same_head_on_features() -> None:
    rng = np.random.default_rng(4)
    features = (rng.normal(size=(30, 50)) * rng.uniform(0.1, 3, 50)).astype(np.float32)
    features[:, 7] = 2.0
    space = _Space.of(features, 0)
    kernel, bias = rng.normal(size=(29, 3)), rng.normal(size=3)
    on_features = space.in_features(kernel, bias)
    expected = space.project(features) @ kernel + bias
    np.testing.assert_allclose(features @ on_features[0] + on_features[1], expected, atol=1e-3)
    assert np.abs(on_features[0][7]).max() < 0.05  # of what never varied nothing was learned


def test_what_is_learned_does_not_depend_on_when_the_space_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Images that come after the sample are projected like those in it."""
    scaled = np.random.default_rng(5).random((40, 4, 4, 1)).astype(np.float32)
    images = LabelledImages(scaled, np.arange(40) % 2)

    class Means:
        def run(self, batch: np.ndarray) -> list[np.ndarray]:
            return [batch.mean(axis=1).reshape(len(batch), -1)]

    preprocess = tiny_preprocess()
    engine: Any = Means()
    monkeypatch.setattr(head_start, "_SAMPLE_ROWS", 32)
    rows, space = _features(engine, images, (0, 2), preprocess, seed=0, progress=Silent())
    assert rows.shape == (40, 2, len(space.directions.T))
    for place, view in enumerate((0, 2)):
        (means,) = engine.run(preprocess.to_network(turned(scaled, view)))
        np.testing.assert_allclose(rows[:, place], space.project(means), atol=1e-5)


def test_features_that_are_no_numbers_are_refused() -> None:
    images = LabelledImages(np.zeros((3, 4, 4, 1), np.float32), np.arange(3))

    class Broken:
        def run(self, batch: np.ndarray) -> list[np.ndarray]:
            return [np.full((len(batch), 2), np.nan, np.float32)]

    engine: Any = Broken()
    with pytest.raises(TrainingError, match="no numbers"):
        _features(engine, images, (0,), tiny_preprocess(), seed=0, progress=Silent())


def test_logits_take_no_copy_of_the_rows() -> None:
    """Of 50,000 images such a copy in double precision would be several gigabytes."""
    rows = np.ones((2000, 2, 256), np.float32)
    tracemalloc.start()
    found = logits_of(rows, np.full((256, 2), 0.5), np.array([0.0, 1.0]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(found[0], [[128, 129], [128, 129]])
    assert most < rows.nbytes / 4
