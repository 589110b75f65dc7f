"""Cutting a network: prefix and tail together are the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from actinscope.errors import SettingsError
from actinscope.networks import (
    build_network,
    keras_backend,
    network_entry,
    partition_network,
    resolve_weights,
)
from actinscope.networks.partition import boundary_tensors
from helpers.tiny_training import SIZE, tiny_network


def _values(model: Any, inputs: Any) -> list[np.ndarray[Any, Any]]:
    outputs = model(inputs, training=False)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(output) for output in outputs]


def _images(size: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(4, size, size, 3)).astype(np.float32)


def _assert_cut_changes_nothing(model: Any, layers: int, size: int) -> tuple[Any, ...]:
    images = _images(size)
    cut = partition_network(model, layers)
    (whole,) = _values(model, images)
    assert np.ptp(whole, axis=0).max() > 0.01, "the outputs must tell the images apart"
    crossing = _values(cut.prefix, images)
    assert [tuple(tensor.shape[1:]) for tensor in crossing] == list(cut.shapes)
    (pieced,) = _values(cut.tail, crossing if len(crossing) > 1 else crossing[0])
    np.testing.assert_allclose(pieced, whole, rtol=0, atol=1e-6)
    return cut.shapes


def _tell_apart(model: Any) -> Any:
    # Random weights damp the signal from layer to layer; the head centres and raises it.
    keras = keras_backend()
    features_of = keras.Model(model.input, model.layers[-1].input)
    (features,) = _values(features_of, _images(model.input.shape[1]))
    kernel = model.layers[-1].get_weights()[0] / np.ptp(features, axis=0).mean()
    model.layers[-1].set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


# Layers of the tiny network in order, and what crosses after each:
# input, conv_a, bn_a: one; relu_a (read by conv_b and the addition): one; conv_b, bn_b:
# and relu_a; relu_b: and relu_a; conv_c: and relu_b, relu_a; from the addition on: one.
CROSSING = [1, 1, 1, 1, 2, 2, 2, 3, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(("layers", "crossing"), list(enumerate(CROSSING, start=1)))
def test_every_cut_of_a_small_network(layers: int, crossing: int) -> None:
    model = tiny_network()
    assert len(model.layers) == len(CROSSING) + 1
    shapes = _assert_cut_changes_nothing(_tell_apart(model), layers, SIZE)
    assert len(shapes) == crossing


@pytest.mark.parametrize(
    ("name", "layers", "crossing"),
    [("efficientnetv2-b0", 200, 3), ("efficientnet-lite0", None, 1)],
)
def test_cuts_of_real_networks(name: str, layers: int | None, crossing: int) -> None:
    entry = network_entry(name)
    weights = resolve_weights(entry, "none")
    model = build_network(entry, classes=3, weights=weights, input_size=64, seed=1)
    shapes = _assert_cut_changes_nothing(_tell_apart(model), layers or entry.frozen_layers, 64)
    assert len(shapes) == crossing


def test_parts_share_the_weights() -> None:
    model = tiny_network()
    cut = partition_network(model, 5)
    images = np.zeros((1, SIZE, SIZE, 3), np.float32)
    before = _values(cut.tail, _values(cut.prefix, images))[0]
    model.get_layer("head").set_weights([np.zeros((6, 3)), np.array([0.0, 5.0, 0.0])])
    after = _values(cut.tail, _values(cut.prefix, images))[0]
    assert after[0, 1] > 0.98 > before[0, 1]


def test_cutting_twice_gives_the_same() -> None:
    model = tiny_network()
    assert partition_network(model, 8).shapes == partition_network(model, 8).shapes
    _assert_cut_changes_nothing(_tell_apart(model), 8, SIZE)


@pytest.mark.parametrize("layers", [-1, 0, 14, 99])
def test_impossible_places(layers: int) -> None:
    model = tiny_network()
    with pytest.raises(SettingsError, match=f"tiny: cannot cut after layer {layers} of 14"):
        boundary_tensors(model, layers)
    with pytest.raises(SettingsError, match="Choose between 1 and 13 frozen layers"):
        partition_network(model, layers)


def test_shared_layer_and_operation_that_is_no_layer() -> None:
    keras = keras_backend()
    image = keras.layers.Input((4,))
    shared = keras.layers.Dense(4)
    twice = keras.Model(image, keras.layers.Dense(2)(shared(shared(image))), name="twice")
    with pytest.raises(SettingsError, match="twice: cannot be cut after layer 2"):
        partition_network(twice, 2)
    doubled = keras.layers.Dense(4)(image) * 2.0
    bare = keras.Model(image, keras.layers.Dense(2)(doubled), name="bare")
    cut = partition_network(bare, 2)
    assert cut.crossing[0] is doubled
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    (whole,) = _values(bare, values)
    (crossing,) = _values(cut.prefix, values)
    np.testing.assert_allclose(_values(cut.tail, crossing)[0], whole, atol=1e-6)
