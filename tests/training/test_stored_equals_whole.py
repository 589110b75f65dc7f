"""Training on stored activations is training of the whole network with the same views."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from actinscope.networks import (
    build_network,
    freeze,
    freeze_batch_norm,
    keras_backend,
    network_entry,
    partition_network,
    resolve_weights,
)
from actinscope.preprocess import Preprocess
from actinscope.progress import Silent
from actinscope.training import LabelledImages, Recipe, TrainingData, fit
from actinscope.training.augmented_views import FreshViews, ViewPlan
from actinscope.training.loop import learning_rate_at
from helpers.tiny_training import FROZEN, tiny_images, tiny_network, tiny_preprocess, tiny_recipe


class Case(NamedTuple):
    name: str
    frozen: int
    size: int
    crossing: int
    rates: dict[str, float]  # small enough that rounding is not blown up


CASES = [
    Case("tiny", FROZEN, 16, 2, {"trained": 0.01, "frozen": 0.01}),
    Case("efficientnetv2-b0", 200, 64, 3, {"trained": 1e-4, "frozen": 2e-3}),
    Case("efficientnet-lite0", 95, 64, 1, {"trained": 3e-4, "frozen": 1e-4}),
]
EPOCHS, BATCH = 3, 8
SETTINGS = {
    "views": 2,
    "refresh": 0.5,  # the third epoch shows a view that the first did not have
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "keep": "last",
    "class_weights": "none",
}


def _scaled(size: int) -> tuple[TrainingData, Preprocess]:
    def larger(images: LabelledImages) -> LabelledImages:
        factor = size // images.scaled.shape[1]
        scaled_images = images.scaled.repeat(factor, axis=1).repeat(factor, axis=2)
        return LabelledImages(scaled_images, images.labels)

    data = TrainingData(larger(tiny_images(16)), larger(tiny_images(6, seed=9)), ("a", "b", "c"))
    return data, tiny_preprocess().model_copy(update={"size": size})


def _network(name: str, size: int) -> Any:
    if name == "tiny":
        return tiny_network()
    entry = network_entry(name)
    weights = resolve_weights(entry, "imagenet" if "lite" in name else "none")
    return build_network(entry, classes=3, weights=weights, input_size=size, seed=1)


def _whole_network_losses(
    model: Any, frozen: int, data: TrainingData, preprocess: Preprocess, recipe: Recipe
) -> list[float]:
    """The same training written down with Keras alone, every step through the whole network."""
    import tensorflow as tf

    keras = keras_backend()
    cut = partition_network(model, frozen)
    settings, labels = recipe.training, data.train.labels
    plan = ViewPlan(settings.views, settings.refresh, recipe.seed)
    fresh = FreshViews(data.train, preprocess, recipe.augmentation, recipe.seed)
    optimizer = keras.optimizers.Adam()
    optimizer.build(cut.tail.trainable_variables)
    loss_of = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
    losses = []
    for epoch in range(settings.epochs):
        order = np.random.default_rng([recipe.seed, 0, epoch]).permutation(len(labels))
        pieces = np.array_split(order, -(-len(labels) // settings.batch_size))
        total = 0.0
        for step, piece in enumerate(pieces):
            views = plan.shown(piece, epoch, len(labels))
            images = np.concatenate(
                [fresh.batch(np.array([i]), int(v))[0] for i, v in zip(piece, views, strict=True)]
            )
            optimizer.learning_rate = learning_rate_at(settings, epoch + (step + 0.5) / len(pieces))
            with tf.GradientTape() as tape:
                answers = cut.tail(cut.prefix(images, training=False), training=True)
                loss = loss_of(np.eye(3, dtype=np.float32)[labels[piece]], answers)
            variables = cut.tail.trainable_variables
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            optimizer.apply(gradients, variables)
            total += float(loss) * len(piece)
        losses.append(total / len(labels))
    return losses


#: Left to ``make test-slow``: the quick suite tries a real network once.
LONG = {
    ("efficientnetv2-b0", "trained"),
    ("efficientnetv2-b0", "frozen"),
    ("efficientnet-lite0", "frozen"),
}


@pytest.mark.parametrize(
    ("case", "norms"),
    [
        pytest.param(
            case,
            norms,
            id=f"{case.name}-{norms}",
            marks=[pytest.mark.slow] if (case.name, norms) in LONG else [],
        )
        for case in CASES
        for norms in ("trained", "frozen")
    ],
)
def test_the_loss_curves_are_the_same(case: Case, norms: str, tmp_path: Path) -> None:
    name, frozen, size, crossing, rates = case
    data, preprocess = _scaled(size)
    recipe = tiny_recipe(**SETTINGS, learning_rate=rates[norms])

    def prepared() -> Any:
        model = _network(name, size)
        freeze(model, frozen)
        if norms == "frozen":
            freeze_batch_norm(model)
        return model

    assert len(partition_network(prepared(), frozen).crossing) == crossing
    expected = _whole_network_losses(prepared(), frozen, data, preprocess, recipe)
    fitted = fit(
        prepared(),
        data,
        recipe,
        frozen_layers=frozen,
        preprocess=preprocess,
        folder=tmp_path,
        resume=False,
        progress=Silent(),
    )
    losses = [row["loss"] for row in fitted.history]
    # The stored activations are rounded to 11 bits; all else is float32 in another order.
    np.testing.assert_allclose(losses, expected, rtol=2e-3)
    assert np.ptp(losses) > 0.01, "something changed, so that it could differ"
    assert not (tmp_path / "checkpoint" / "activations").exists(), "the views are deleted"
