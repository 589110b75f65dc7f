"""Running the frozen layers: OpenVINO and Keras alike, and what is done without the one."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from actinscope.errors import TrainingError
from actinscope.networks import (
    FrozenLayers,
    as_float32,
    build_network,
    device,
    keras_backend,
    network_entry,
    partition_network,
    resolve_weights,
)
from actinscope.networks import frozen_inference as frozen
from actinscope.networks.device import dtype_policy
from helpers.tiny_training import FROZEN, SIZE, tiny_network


def _images(count: int, size: int = SIZE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(count).normal(size=(count, size, size, 3)).astype(np.float32)


def _by_keras(model: Any, tensors: list[Any], images: Any) -> list[Any]:
    outputs = keras_backend().Model(model.input, tensors)(images, training=False)
    return [np.asarray(one) for one in keras_backend().tree.flatten(outputs)]


@pytest.mark.parametrize("count", [1, 3, 40])
def test_several_tensors_inside_a_skip_connection(count: int) -> None:
    model = tiny_network()
    tensors = [*partition_network(model, FROZEN).crossing, model.layers[-1].input]
    layers = FrozenLayers(model, tensors)
    assert (layers.engine, layers.fallback) == ("openvino", "")
    images = _images(count)
    found = layers(images)
    assert len(found) == 3
    for own, expected in zip(found, _by_keras(model, tensors, images), strict=True):
        assert own.dtype == np.float32
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layers", "tensors"), [("efficientnetv2-b0", 200, 3), ("efficientnet-lite0", 95, 1)]
)
def test_real_networks(name: str, layers: int, tensors: int) -> None:
    entry = network_entry(name)
    weights = resolve_weights(entry, "none")
    model = build_network(entry, classes=3, weights=weights, input_size=64, seed=1)
    crossing = list(partition_network(model, layers).crossing)
    found = FrozenLayers(model, crossing)(_images(2, 64))
    assert len(found) == tensors
    for own, expected in zip(found, _by_keras(model, crossing, _images(2, 64)), strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(own / scale, expected / scale, atol=1e-5)


def test_one_tensor_asked_for_twice() -> None:
    model = tiny_network()
    pooled = model.get_layer("pool").output
    first, second = FrozenLayers(model, [pooled, model.get_layer("dropout").output])(_images(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (2, 6)


def test_keras_takes_over_where_openvino_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_network()
    tensors = list(partition_network(model, FROZEN).crossing)
    with_openvino = FrozenLayers(model, tensors)(_images(40))
    monkeypatch.setitem(sys.modules, "openvino", None)
    layers = FrozenLayers(model, tensors)
    assert layers.engine == "keras"
    assert "OpenVINO does not take the frozen layers" in layers.fallback
    for own, expected in zip(layers(_images(40)), with_openvino, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_keras_takes_over_where_openvino_cannot_convert(monkeypatch: pytest.MonkeyPatch) -> None:
    class OpConversionFailure(Exception):
        """As OpenVINO has it: of no common kind."""

    def refuse(model: Any) -> Any:
        raise OpConversionFailure("no rule for this operation\nand many more lines")

    monkeypatch.setattr(frozen, "_converted", refuse)
    model = tiny_network()
    layers = FrozenLayers(model, list(partition_network(model, FROZEN).crossing))
    assert layers.engine == "keras"
    assert layers.fallback.endswith("(no rule for this operation)")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers(value: float) -> None:
    model = tiny_network()
    layers = FrozenLayers(model, [model.get_layer("relu_a").output])
    images = _images(3)
    images[1, 2, 2, 0] = value
    with pytest.raises(TrainingError, match="pixels that are infinite or no numbers"):
        layers(images)


def test_a_gpu_is_given_as_many_images_as_it_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code path of a GPU, with a stand-in for its limits."""
    monkeypatch.setattr(frozen, "has_gpu", lambda: True)
    model = tiny_network()
    tensors = list(partition_network(model, FROZEN).crossing)
    layers = FrozenLayers(model, tensors)
    assert layers.engine == "keras"
    asked: list[int] = []
    predict = layers._predict

    def limited(images: Any) -> Any:
        asked.append(len(images))
        if len(images) > 20:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory while allocating")
        return predict(images)

    monkeypatch.setattr(layers, "_predict", limited)
    found = layers(_images(70))
    assert asked == [70, 35, 17, 17, 17, 17, 2]
    for own, expected in zip(found, _by_keras(model, tensors, _images(70)), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_other_errors_and_a_single_image_that_does_not_fit_are_raised() -> None:
    def broken(images: Any) -> Any:
        raise ValueError("some other fault")

    def full(images: Any) -> Any:
        raise RuntimeError("OOM when allocating tensor")

    with pytest.raises(ValueError, match="some other fault"):
        device.in_fitting_batches(broken, _images(4), 8)
    with pytest.raises(RuntimeError, match="OOM"):
        device.in_fitting_batches(full, _images(4), 8)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dtype_policy("auto") == dtype_policy("float32") == "float32"
    assert dtype_policy("mixed") == "mixed_float16"
    monkeypatch.setattr(device, "has_gpu", lambda: True)
    assert dtype_policy("auto") == "mixed_float16"
    assert dtype_policy("float32") == "float32"


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnetv2-b0"])
def test_a_network_in_mixed_precision_and_its_copy_to_deliver(name: str) -> None:
    entry = network_entry(name)
    model = build_network(
        entry,
        classes=3,
        weights=resolve_weights(entry, "none"),
        input_size=32,
        precision="mixed",
        seed=1,
    )
    assert keras_backend().config.dtype_policy().name == "float32", "put back"
    assert model.layers[1].compute_dtype == "float16"
    assert {str(weight.dtype) for weight in model.weights if "seed" not in weight.path} == {
        "float32"
    }
    images = _images(2, 32)
    mixed = np.asarray(model(images, training=False))
    assert mixed.dtype == np.float32, "the probabilities are not rounded"
    delivered = as_float32(model)
    assert {layer.compute_dtype for layer in delivered.layers} == {"float32"}
    np.testing.assert_allclose(np.asarray(delivered(images, training=False)), mixed, atol=2e-3)
    assert as_float32(delivered) is delivered
