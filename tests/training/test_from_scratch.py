"""Training every layer: what is settled then, and that it is the same as anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import SettingsError
from actinscope.networks import FrozenLayers, Head, freeze, network_entry
from actinscope.progress import Silent
from actinscope.runs import choose_network, head_of, recipe_as_used
from actinscope.training import Recipe, change_recipe, fit, load_recipe
from helpers.tiny_training import (
    same_weights,
    tiny_data,
    tiny_network,
    tiny_preprocess,
    tiny_recipe,
    weights_of,
    without_seconds,
)

SMALL = network_entry("small-cnn")


def _used(network: dict[str, Any], base: str = "fine-tuned") -> Recipe:
    recipe = change_recipe(load_recipe(base), {"network": network})
    return recipe_as_used(recipe, network_entry(recipe.network.name))


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_a_network_from_scratch_has_fresh_views_and_no_head_start(weights: str) -> None:
    used = _used({"name": "small-cnn", "weights": weights})
    assert used.network.frozen_layers == 0
    assert used.training.views == 0
    assert used.training.head_start == "random"
    assert not used.network.freeze_batch_norm
    assert recipe_as_used(used, SMALL) == used


def test_the_scratch_recipe_is_as_it_will_be_used() -> None:
    recipe = load_recipe("scratch")
    used = recipe_as_used(recipe, SMALL)
    assert used.training == recipe.training
    assert used.network.freeze_batch_norm == recipe.network.freeze_batch_norm
    assert recipe.network.name == "small-cnn"


def test_pretrained_weights_keep_their_head_start_and_statistics() -> None:
    used = _used({"name": "efficientnet-lite0", "frozen_layers": 0})
    assert used.training.views == 0
    assert used.training.head_start == "logistic"
    assert used.network.freeze_batch_norm
    usual = _used({"name": "efficientnet-lite0"})
    assert (usual.network.frozen_layers, usual.training.views) == (95, 4)


def test_random_layers_that_stay_so_are_refused() -> None:
    with pytest.raises(SettingsError, match="3 of its layers are to stay so"):
        _used({"name": "small-cnn", "frozen_layers": 3})
    assert _used({"name": "small-cnn", "frozen_layers": 3, "weights": "mine.h5"})


def test_the_head_is_settled_in_the_recipe_as_used() -> None:
    used = _used({"name": "vgg16"})
    assert (used.network.head, used.network.head_units) == ("dense", (256, 256))
    assert (used.network.head_dropout, used.network.head_flatten) == (0.5, False)
    assert head_of(used, network_entry("vgg16")) == Head((256, 256), 0.5)
    pooled = _used({"name": "vgg16", "head": "pooled"})
    assert (pooled.network.head_units, pooled.network.head_dropout) == (None, 0.0)
    paper = _used({}, base="paper")
    assert (paper.network.head, paper.network.head_dropout) == ("pooled", 0.2)
    with pytest.raises(SettingsError, match="do nothing with head = 'pooled'"):
        _used({"name": "vgg16", "head": "pooled", "head_units": [8]})
    with pytest.raises(SettingsError, match=r"network\.head_units"):
        _used({"name": "vgg16", "head_units": [0]})


def test_it_is_not_branded_as_random() -> None:
    chosen = choose_network(change_recipe(Recipe(), {"network": {"name": "small-cnn"}}))
    assert not chosen.weights.random
    assert not any("RANDOM" in notice for notice in chosen.notices)
    other = change_recipe(Recipe(), {"network": {"name": "vgg16", "weights": "none"}})
    assert choose_network(other).weights.random


def _fit(folder: Path, epochs: int = 3, *, resume: bool = False, **training: Any) -> Any:
    model = tiny_network()
    freeze(model, 0)
    recipe = tiny_recipe(epochs=epochs, **training)
    return fit(
        model,
        tiny_data(),
        recipe,
        frozen_layers=0,
        preprocess=tiny_preprocess(),
        folder=folder,
        resume=resume,
        progress=Silent(),
    )


def test_every_layer_is_trained_and_the_same_seed_repeats_it(tmp_path: Path) -> None:
    fresh = tiny_network()
    first, second = _fit(tmp_path / "a"), _fit(tmp_path / "b")
    assert (first.frozen_layers, first.trained_layers) == (0, len(fresh.layers))
    assert same_weights(first.model, second.model)
    assert without_seconds(first.history) == without_seconds(second.history)
    assert not (tmp_path / "a" / "checkpoint" / "activations").exists()
    changed = [
        not np.array_equal(*pair)
        for pair in zip(weights_of(fresh), weights_of(first.model), strict=True)
    ]
    assert sum(changed) >= len(first.model.trainable_weights)


def test_with_nothing_frozen_the_images_are_what_crosses() -> None:
    model = tiny_network()
    frozen = FrozenLayers(model, model.inputs)
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    assert frozen.engine == "none"
    np.testing.assert_array_equal(frozen(images)[0], images)
