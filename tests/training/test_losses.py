"""The class structure: the formula by hand, and the same steps in the graph and in Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import SettingsError
from actinscope.networks import freeze, keras_backend, partition_network
from actinscope.progress import Silent
from actinscope.training import Recipe, TrainingData, change_recipe, fit, load_recipe
from actinscope.training.losses import class_structure, structure_tensor
from actinscope.training.step import TrainingStep
from helpers.tiny_training import (
    FROZEN,
    same_weights,
    tiny_data,
    tiny_fit,
    tiny_network,
    tiny_preprocess,
    tiny_recipe,
    weights_of,
    without_seconds,
)

STRUCTURED = {"loss": "class_structure", "structure_weight": 0.5, "structure_margin": 1.5}
TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
WEIGHTS = np.array([1, 2, 0.5, 1, 1], np.float32)


def value_of(embedding: Any, labels: list[int], margin: float) -> float:
    targets = np.eye(3, dtype=np.float32)[labels]
    return float(class_structure(np.array(embedding, np.float32), targets, margin))


def test_the_formula_by_hand() -> None:
    """Directions (1, 0), (0, 1) of class 0 and (1, 0) of class 1; lengths do not matter."""
    embedding = [[2.0, 0.0], [0.0, 3.0], [0.5, 0.0]]
    # Within class 0: 2. Between: 0 and 2, of which margin 1 leaves 1 and 0: mean 0.5.
    assert value_of(embedding, [0, 0, 1], 1.0) == pytest.approx(2.5)
    # Margin 4 leaves 4 and 2: mean 3.
    assert value_of(embedding, [0, 0, 1], 4.0) == pytest.approx(5.0)


def test_a_mean_over_no_pairs_is_nothing() -> None:
    embedding = [[1.0, 0.0], [0.0, 1.0]]
    assert value_of(embedding, [0, 0], 4.0) == pytest.approx(2.0)
    assert value_of(embedding, [0, 1], 3.0) == pytest.approx(1.0)
    assert value_of(embedding[:1], [0], 3.0) == 0.0
    assert value_of([[0.0, 0.0], [1.0, 0.0]], [0, 1], 3.0) == pytest.approx(1.0)


def test_the_gradient_by_hand() -> None:
    """Two images of a class at right angles: each is turned towards the other."""
    tf = pytest.importorskip("tensorflow")
    embedding = tf.constant([[2.0, 0.0], [0.0, 1.0]])
    targets = tf.constant([[1.0, 0.0], [1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(embedding)
        loss = class_structure(embedding, targets, 1.0)
    # d/df_1 (2 - 2 z_1 z_2) = -2 (z_2 - (z_1 z_2) z_1) / |f_1|
    np.testing.assert_allclose(tape.gradient(loss, embedding), [[0, -1], [-2, 0]], atol=1e-6)


def test_the_loss_is_the_weighted_cross_entropy_and_the_term() -> None:
    """Without dropout and smoothing, from the network's own outputs in training mode."""
    keras = keras_backend()
    model = tiny_network(dropout=0.0)
    freeze(model, FROZEN)
    cut = partition_network(model, FROZEN)
    recipe = tiny_recipe(label_smoothing=0.0, **STRUCTURED)
    step = TrainingStep(model, cut, whole=False, settings=recipe.training)
    rng = np.random.default_rng(4)
    batch = [rng.normal(size=(5, *shape)).astype(np.float16) for shape in cut.shapes]
    border = list(cut.crossing)
    both = keras.Model(border, [model.output, model.get_layer("pool").output])
    given = [array.astype(np.float32) for array in batch]
    kept = weights_of(model)
    chances, pooled = (np.asarray(one, np.float64) for one in both(given, training=True))
    model.set_weights(kept)  # the moving statistics have moved
    unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    labels = TARGETS.argmax(axis=1)
    same: list[float] = []
    other: list[float] = []
    for i in range(5):
        for j in range(5):
            distance = float(((unit[i] - unit[j]) ** 2).sum())
            if i != j and labels[i] == labels[j]:
                same.append(distance)
            elif i != j:
                other.append(max(0.0, 1.5 - distance))
    entropy = float((WEIGHTS * -np.log(chances[np.arange(5), labels])).mean())
    expected = entropy + 0.5 * (np.mean(same) + np.mean(other))
    assert len(same) == 4
    loss, _ = step(batch, TARGETS, WEIGHTS, 0.01)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_classes_draw_together(tmp_path: Path) -> None:
    """After training with a strong term the embedding has the smaller class structure."""

    def structure_after(**changes: Any) -> float:
        recipe = tiny_recipe(epochs=6, keep="last", augment=False, **changes)
        folder = tmp_path / str(len(changes))
        folder.mkdir()
        model = tiny_fit(folder, recipe).model
        data = tiny_data().validation
        embed = keras_backend().Model(model.input, model.get_layer("pool").output)
        features = np.asarray(embed(tiny_preprocess().to_network(data.scaled)))
        return float(class_structure(features, np.eye(3, dtype=np.float32)[data.labels], 1.0))

    strong = structure_after(loss="class_structure", structure_weight=5.0)
    assert strong < 0.8 * structure_after()


class _Interrupt(Silent):
    """Ctrl-C in the third epoch."""

    def __init__(self) -> None:
        self._left = 7
        self._training = False

    def phase(self, name: str, total: int) -> None:
        self._training = name == "Training"

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._left -= self._training
        if self._left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("views", [0, 2])
def test_a_resumed_run_gives_the_same_numbers(views: int, tmp_path: Path) -> None:
    recipe = tiny_recipe(views=views, **STRUCTURED)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = tiny_fit(tmp_path / "a", recipe)
    with pytest.raises(KeyboardInterrupt):
        tiny_fit(tmp_path / "b", recipe, progress=_Interrupt())
    resumed = tiny_fit(tmp_path / "b", recipe, resume=True)
    assert without_seconds(resumed.history) == without_seconds(whole.history)
    assert same_weights(resumed.model, whole.model)


def test_it_is_refused_where_it_would_do_nothing(tmp_path: Path) -> None:
    model = tiny_network()
    last = len(model.layers) - 1
    freeze(model, last)
    data: TrainingData = tiny_data()
    with pytest.raises(SettingsError, match="all layers before the last are frozen"):
        fit(
            model,
            data,
            tiny_recipe(**STRUCTURED),
            frozen_layers=last,
            preprocess=tiny_preprocess(),
            folder=tmp_path,
            resume=False,
            progress=Silent(),
        )


def test_dropout_is_not_part_of_the_embedding() -> None:
    model = tiny_network()
    freeze(model, FROZEN)
    assert structure_tensor(model, FROZEN) is model.get_layer("pool").output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"structure_weight": 0.7}, "structure_weight does nothing where loss is cross_entropy"),
        ({"structure_margin": 0.7}, "structure_margin does nothing where loss is cross_entropy"),
        ({"loss": "class_structure", "batch_size": 1}, "batch_size must be 2 or more"),
        ({"loss": "class_structure", "structure_margin": 4.5}, "less than or equal to 4"),
    ],
)
def test_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        change_recipe(Recipe(), {"training": changes})


def test_trees_have_no_loss_of_this_kind() -> None:
    with pytest.raises(SettingsError, match=r"training\.loss does nothing"):
        change_recipe(load_recipe("boosted-trees"), {"training": {"loss": "class_structure"}})
