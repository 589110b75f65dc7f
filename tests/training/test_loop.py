"""The training loop: what it writes, keeps, freezes, weighs and refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import SettingsError, TrainingError
from actinscope.networks import freeze
from actinscope.progress import Silent
from actinscope.training import Fitted, LabelledImages, TrainingData, fit
from actinscope.training.checkpoint import HISTORY_COLUMNS
from helpers.tiny_training import (
    FROZEN,
    history_on_disk,
    same_weights,
    tiny_data,
    tiny_fit,
    tiny_images,
    tiny_network,
    tiny_preprocess,
    tiny_recipe,
    weights_of,
    without_seconds,
)

PLAIN = {"augment": False, "epochs": 8, "learning_rate": 0.02}


@dataclasses.dataclass(frozen=True)
class _Run:
    folder: Path
    fitted: Fitted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., _Run]:
    """Runs of the tiny network with given settings, each done once."""
    done: dict[tuple[Any, ...], _Run] = {}

    def get(**settings: Any) -> _Run:
        key = tuple(sorted(settings.items()))
        if key not in done:
            folder = tmp_path_factory.mktemp("run")
            done[key] = _Run(folder, tiny_fit(folder, tiny_recipe(**settings)))
        return done[key]

    return get


def _broken(part: LabelledImages) -> LabelledImages:
    scaled = part.scaled.copy()
    scaled[-1] = np.nan
    return LabelledImages(scaled, part.labels)


def _validation_loss(model: Any, data: TrainingData, smoothing: float) -> float:
    inputs = tiny_preprocess().to_network(data.validation.scaled)
    logs = np.log(np.asarray(model.predict_on_batch(inputs), np.float64))
    targets = np.eye(3)[data.validation.labels] * (1 - smoothing) + smoothing / 3
    return float(-(targets * logs).sum(axis=1).mean())


def test_history_has_a_row_an_epoch(run: Callable[..., _Run]) -> None:
    done = run()
    history = done.fitted.history
    assert [tuple(row) for row in history] == [HISTORY_COLUMNS] * 4
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history_on_disk(done.folder) == without_seconds(history)
    header = (done.folder / "history.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(HISTORY_COLUMNS)
    assert [row["learning_rate"] for row in history] == pytest.approx(
        [0.01, 0.0075, 0.0025, 0.0]  # warm-up, then a cosine over the other three epochs
    )
    assert all(0 <= row["accuracy"] <= 1 and row["seconds"] >= 0 for row in history)


@pytest.mark.parametrize("views", [0, 1])
def test_it_learns(views: int, run: Callable[..., _Run]) -> None:
    history = run(**PLAIN, views=views).fitted.history
    assert history[-1]["loss"] < history[0]["loss"] - 0.2
    assert history[-1]["accuracy"] > 0.7


@pytest.mark.parametrize("views", [0, 3])
def test_the_kept_epoch_is_the_best_and_the_weights_are_its(
    views: int, run: Callable[..., _Run]
) -> None:
    # The step size makes the validation loss go up and down.
    done = run(views=views, learning_rate=0.2, epochs=6, schedule="constant")
    losses = [row["validation_loss"] for row in done.fitted.history]
    assert done.fitted.kept_epoch == int(np.argmin(losses)) + 1
    loss = _validation_loss(done.fitted.model, tiny_data(), smoothing=0.1)
    assert loss == pytest.approx(min(losses), rel=5e-3)
    (best,) = (done.folder / "checkpoint").glob("best-*.npz")
    assert best.name == f"best-{done.fitted.kept_epoch}.npz"
    with np.load(best) as stored:
        head = stored[sorted(name for name in stored.files if name != "state")[-2]]
    np.testing.assert_array_equal(head, done.fitted.model.get_layer("head").get_weights()[0])


def test_keeping_the_last_epoch(run: Callable[..., _Run]) -> None:
    settings = {"views": 3, "learning_rate": 0.2, "epochs": 6, "schedule": "constant"}
    best, last = run(**settings), run(**settings, keep="last")
    losses = [row["validation_loss"] for row in last.fitted.history]
    assert without_seconds(last.fitted.history) == without_seconds(best.fitted.history)
    assert last.fitted.kept_epoch == 6 != int(np.argmin(losses)) + 1
    loss = _validation_loss(last.fitted.model, tiny_data(), smoothing=0.1)
    assert loss == pytest.approx(losses[-1], rel=5e-3)


@pytest.mark.parametrize("views", [0, 1])
def test_frozen_layers_stay_as_they_are_to_the_last_bit(
    views: int, run: Callable[..., _Run]
) -> None:
    before, after = tiny_network(), run(**PLAIN, views=views).fitted.model
    for index, (old, new) in enumerate(zip(before.layers, after.layers, strict=True)):
        pairs = list(zip(weights_of(old), weights_of(new), strict=True))
        if index < FROZEN:
            assert all(np.array_equal(a, b) for a, b in pairs), old.name
        else:  # of a trained batch normalisation the statistics too
            assert not any(np.array_equal(a, b) for a, b in pairs), old.name


def test_counts_of_layers(run: Callable[..., _Run]) -> None:
    fitted = run().fitted
    assert (fitted.frozen_layers, fitted.trained_layers) == (FROZEN, 14 - FROZEN)


def test_same_seed_same_numbers_other_seed_other_numbers(
    run: Callable[..., _Run], tmp_path: Path
) -> None:
    first = run()
    again = tiny_fit(tmp_path / "again", tiny_recipe())
    other = tiny_fit(tmp_path / "other", tiny_recipe(seed=1))
    assert without_seconds(again.history) == without_seconds(first.fitted.history)
    assert same_weights(again.model, first.fitted.model)
    assert other.history[0]["loss"] != first.fitted.history[0]["loss"]


def test_one_stored_view_trains_like_the_whole_network(run: Callable[..., _Run]) -> None:
    """Without augmentation it makes no difference where the frozen layers run."""
    whole, stored = run(**PLAIN, views=0), run(**PLAIN, views=1)
    for name in ("loss", "validation_loss"):
        curves = [[row[name] for row in done.fitted.history] for done in (whole, stored)]
        np.testing.assert_allclose(curves[0], curves[1], rtol=5e-3)
    for a, b in zip(weights_of(whole.fitted.model), weights_of(stored.fitted.model), strict=True):
        np.testing.assert_allclose(a, b, atol=0.02)


@pytest.mark.parametrize("how", ["none", "balanced"])
def test_class_weights_enter_the_loss(how: str, tmp_path: Path) -> None:
    """Steps of next to nothing: the means over all images can be worked out."""
    images = tiny_data().train
    chosen = np.flatnonzero((images.labels == 0) | (np.arange(24) < 5))
    train = LabelledImages(images.scaled[chosen], images.labels[chosen])
    assert np.bincount(train.labels).tolist() == [8, 2, 1]
    data = TrainingData(train, tiny_data().validation, ("a", "b", "c"))
    model = tiny_network(dropout=0.0)
    for layer in model.layers:
        layer.trainable = layer.name == "head"  # no batch statistics, either
    probabilities = np.asarray(
        model.predict_on_batch(tiny_preprocess().to_network(train.scaled)), np.float64
    )
    own = -np.log(probabilities[np.arange(11), train.labels])
    weights = {"none": np.ones(3), "balanced": np.array([11 / 24, 11 / 6, 11 / 3])}[how]
    recipe = tiny_recipe(
        augment=False,
        epochs=1,
        batch_size=4,  # 4, 4 and 3 images
        learning_rate=1e-12,
        label_smoothing=0.0,
        class_weights=how,
    )
    fitted = fit(
        model,
        data,
        recipe,
        frozen_layers=FROZEN,
        preprocess=tiny_preprocess(),
        folder=tmp_path,
        resume=False,
        progress=Silent(),
    )
    row = fitted.history[0]
    assert row["loss"] == pytest.approx((own * weights[train.labels]).mean(), rel=1e-5)
    assert row["accuracy"] == pytest.approx((probabilities.argmax(1) == train.labels).mean())


def test_early_stopping(tmp_path: Path) -> None:
    data = tiny_data()
    # Wrong labels: the better the network becomes, the worse it does here.
    wrong = LabelledImages(data.validation.scaled, (data.validation.labels + 1) % 3)
    data = TrainingData(data.train, wrong, data.classes)
    recipe = tiny_recipe(augment=False, views=1, epochs=40, early_stopping=3, learning_rate=0.02)
    fitted = tiny_fit(tmp_path, recipe, data=data)
    assert len(fitted.history) < 40
    assert len(fitted.history) - fitted.kept_epoch == 3
    again = tiny_fit(tmp_path, recipe, data=data, resume=True)
    assert again.history == fitted.history
    assert same_weights(again.model, fitted.model)


def test_training_images_that_are_no_numbers(tmp_path: Path) -> None:
    data = tiny_data()
    broken = TrainingData(_broken(data.train), data.validation, data.classes)
    recipe = tiny_recipe(augment=False)
    with pytest.raises(TrainingError, match=r"loss became nan in epoch 1\. Lower training\.learn"):
        tiny_fit(tmp_path, recipe, data=broken)
    assert not list((tmp_path / "checkpoint").iterdir())
    for settings in ({"views": 1}, {"head_start": "logistic"}):
        with pytest.raises(TrainingError, match="no numbers"):
            tiny_fit(tmp_path, tiny_recipe(augment=False, **settings), data=broken)
        assert not list((tmp_path / "checkpoint").iterdir())  # no stored views either


def test_validation_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    model = tiny_network()
    scale, offset, mean, variance = model.get_layer("bn_c").get_weights()
    # In training the statistics of the batch are used, in validation the root of this.
    model.get_layer("bn_c").set_weights([scale, offset, mean, variance - 1000])
    with pytest.raises(TrainingError, match="the validation loss became nan in epoch 1"):
        tiny_fit(tmp_path, tiny_recipe(), model=model)
    assert not list((tmp_path / "checkpoint").iterdir())


def test_frozen_layers_must_leave_some(tmp_path: Path) -> None:
    model = tiny_network()
    freeze(model, FROZEN)
    with pytest.raises(SettingsError, match="cannot cut after layer 14 of 14"):
        fit(
            model,
            tiny_data(),
            tiny_recipe(),
            frozen_layers=14,
            preprocess=tiny_preprocess(),
            folder=tmp_path,
            resume=False,
            progress=Silent(),
        )


class _Sizes(Silent):
    """Remembers the steps of the training."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int]] = []
        self.steps: list[int] = []

    def phase(self, name: str, total: int) -> None:
        self.phases.append((name, total))
        self.steps.clear()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps.append(steps)


def test_two_classes_in_batches_of_nearly_equal_size(tmp_path: Path) -> None:
    data = TrainingData(tiny_images(17, classes=2), tiny_images(9, classes=2, seed=1), ("a", "b"))
    recipe = tiny_recipe(augment=False, views=2, epochs=6, head_start="logistic")
    sizes = _Sizes()
    fitted = tiny_fit(tmp_path, recipe, model=tiny_network(2), data=data, progress=sizes)
    assert sizes.phases == [("Frozen layers", 2 * 17), ("Last layer", 2 * 17), ("Training", 6 * 17)]
    assert sizes.steps == [6, 6, 5] * 6  # not 8, 8, 1
    assert fitted.history[-1]["validation_accuracy"] > 0.8
