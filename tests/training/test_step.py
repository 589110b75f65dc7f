"""One step of the optimiser: the graph, Keras, Adam's kernel and mixed precision agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.networks import (
    build_network,
    freeze,
    keras_backend,
    network_entry,
    partition_network,
    resolve_weights,
)
from actinscope.progress import Silent
from actinscope.training import LabelledImages, TrainingData, fit
from actinscope.training import step as step_module
from actinscope.training.step import TrainingStep, make_adam
from helpers.tiny_training import (
    FROZEN,
    tiny_images,
    tiny_network,
    tiny_preprocess,
    tiny_recipe,
    weights_of,
)

# Settings of the loss whose steps must be the same in the graph and in Keras.
PLAIN: dict[str, Any] = {}
STRUCTURED = {"loss": "class_structure", "structure_weight": 0.5, "structure_margin": 1.5}
TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
WEIGHTS = np.array([1, 2, 0.5, 1, 1], np.float32)


def _step(*, whole: bool, **loss: Any) -> tuple[Any, TrainingStep, list[Any]]:
    model = tiny_network()
    freeze(model, FROZEN)
    cut = partition_network(model, FROZEN)
    shapes = [tuple(model.input.shape[1:])] if whole else list(cut.shapes)
    kind = np.float32 if whole else np.float16
    rng = np.random.default_rng(4)
    batch = [rng.normal(size=(5, *shape)).astype(kind) for shape in shapes]
    settings = tiny_recipe(**loss).training
    return model, TrainingStep(model, cut, whole=whole, settings=settings), batch


@pytest.mark.parametrize("loss", [PLAIN, STRUCTURED], ids=["plain", "structured"])
@pytest.mark.parametrize("whole", [True, False])
def test_the_graph_takes_the_steps_that_keras_takes(
    whole: bool, loss: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, step, batch = _step(whole=whole, **loss)
    assert step.in_graph
    monkeypatch.setattr(step_module, "has_gpu", lambda: True)
    other, by_keras, _ = _step(whole=whole, **loss)
    assert not by_keras.in_graph
    for _ in range(4):
        found = step(batch, TARGETS, WEIGHTS, 0.01)
        expected = by_keras(batch, TARGETS, WEIGHTS, 0.01)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    # Adam makes steps of full size out of gradients that are nothing but rounding, such as
    # those of a bias before a batch normalisation: the largest such drift is small.
    for own, theirs in zip(weights_of(model), weights_of(other), strict=True):
        np.testing.assert_allclose(own, theirs, atol=4 * 0.01)
    own, theirs = (one.trained.get_layer("head").get_weights()[0] for one in (step, by_keras))
    np.testing.assert_allclose(own, theirs, rtol=1e-3, atol=1e-4)
    assert len(step.variables) == len(by_keras.variables), "checkpoints hold the same"


def test_a_penalty_on_weights_is_left_to_keras() -> None:
    keras = keras_backend()
    model = tiny_network()
    model.get_layer("head").kernel.regularizer = keras.regularizers.L2(0.1)
    freeze(model, FROZEN)
    cut = partition_network(model, FROZEN)
    assert not TrainingStep(model, cut, whole=False, settings=tiny_recipe().training).in_graph


def test_probabilities_are_those_of_the_network_for_any_number_of_images() -> None:
    model, step, _ = _step(whole=False)
    images = np.random.default_rng(0).normal(size=(9, 16, 16, 3)).astype(np.float32)
    crossing = [np.asarray(one) for one in partition_network(model, FROZEN).prefix(images)]
    expected = np.asarray(model(images, training=False))
    for count in (9, 1, 4):
        rows = [tensor[:count].astype(np.float16) for tensor in crossing]
        np.testing.assert_allclose(step.probabilities(rows), expected[:count], atol=2e-3)


@pytest.mark.parametrize("in_graph", [True, False])
def test_features_are_what_the_last_layer_is_given(
    in_graph: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_graph:
        monkeypatch.setattr(step_module, "backend_name", lambda: "another")
    model, step, _ = _step(whole=False)
    images = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    crossing = [np.asarray(one) for one in partition_network(model, FROZEN).prefix(images)]
    keras = keras_backend()
    expected = keras.Model(model.input, model.get_layer("pool").output)(images)
    found = step.features([tensor.astype(np.float16) for tensor in crossing])
    np.testing.assert_allclose(found, np.asarray(expected), atol=2e-3)


def test_adam_is_the_formula() -> None:
    """Two steps worked out by hand in float64 (Kingma and Ba 2015, algorithm 1)."""
    keras = keras_backend()
    variable = keras.Variable(np.array([1.0, -2.0, 0.5], np.float32))
    optimizer = make_adam(0.1)
    optimizer.build([variable])
    value, first, second = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    for number, gradient in enumerate(([1.0, -0.5, 0.0], [0.2, 4.0, -1.0]), start=1):
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(gradient))], [variable])
        first = 0.9 * first + 0.1 * np.array(gradient)
        second = 0.999 * second + 0.001 * np.array(gradient) ** 2
        rate = 0.1 * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        value = value - rate * first / (np.sqrt(second) + 1e-7)
        np.testing.assert_allclose(np.asarray(variable), value, rtol=1e-5)


@pytest.mark.parametrize("views", [0, 1])
def test_training_in_mixed_precision(views: int, tmp_path: Path) -> None:
    """What a GPU does, on the CPU: float16 arithmetic with a scaled loss."""
    entry, frozen = network_entry("small-cnn"), 22  # all but its last block
    weights = resolve_weights(entry, "none")

    def larger(images: LabelledImages) -> LabelledImages:
        return LabelledImages(images.scaled.repeat(2, axis=1).repeat(2, axis=2), images.labels)

    data = TrainingData(larger(tiny_images(12)), larger(tiny_images(6)), ("a", "b", "c"))
    model = build_network(
        entry, classes=3, weights=weights, input_size=32, precision="mixed", seed=0
    )
    freeze(model, frozen)
    cut, settings = partition_network(model, frozen), tiny_recipe().training
    step = TrainingStep(model, cut, whole=not views, settings=settings)
    assert isinstance(step.optimizer, keras_backend().optimizers.LossScaleOptimizer)
    before = weights_of(model)
    fitted = fit(
        model,
        data,
        tiny_recipe(views=views, epochs=2, head_start="logistic", precision="mixed", keep="last"),
        frozen_layers=frozen,
        preprocess=tiny_preprocess().model_copy(update={"size": 32}),
        folder=tmp_path,
        resume=False,
        progress=Silent(),
    )
    assert np.isfinite([row["validation_loss"] for row in fitted.history]).all()
    changed = [
        not np.array_equal(a, b) for a, b in zip(before, weights_of(fitted.model), strict=True)
    ]
    assert any(changed), "the scaled gradients reached the weights"
    assert {str(array.dtype) for array in weights_of(fitted.model)} <= {"float32", "uint32"}
