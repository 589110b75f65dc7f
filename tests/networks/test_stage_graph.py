"""The ONNX graph of an EfficientNet-Lite against Keras' network, its head against arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from actinscope.bundle import Bundle, quantize_network
from actinscope.errors import SettingsError
from actinscope.explain.weight_randomization import randomized_networks
from actinscope.networks import StageGraph, has_stage_graph, network_entry, resolve_weights
from actinscope.networks.stage_graph import area_means
from actinscope.runtimes import run_by_onnxruntime
from helpers.bundles import bundle_info, fitted_preprocess, grey_image

LITE = network_entry("efficientnet-lite0")
# 100 pixels: the sides 50, 25, 13, 7 and 4 are odd ones, where borders differ on either side.
SIZE = 100


@pytest.fixture(scope="module")
def graph() -> StageGraph:
    return StageGraph.of(LITE, resolve_weights(LITE), size=SIZE, channels=3)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)


def test_features_are_the_means_of_keras_maps(graph: StageGraph, images: np.ndarray) -> None:
    import keras

    from actinscope.networks import build_network

    model = build_network(LITE, classes=2, weights=resolve_weights(LITE), seed=0, input_size=SIZE)
    ends = ["block1a_project_bn"]
    ends += [f"block{n}_add" for n in ("2b", "3b", "4c", "5c", "6d")] + ["block7a_project_bn"]
    layers = ["stem_activation"]
    for end in ends:
        layers += [f"{end.partition('_')[0]}_activation", end]
    maps = [model.get_layer(name).output for name in (*layers, "top_activation")]
    means = keras.Model(model.input, [keras.ops.mean(one, axis=(1, 2)) for one in maps])
    expected = np.concatenate([np.asarray(one) for one in means(images)], axis=1)

    found = run_by_onnxruntime(graph.features_model(), images)["embedding"]

    assert found.shape == (2, graph.features) == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)
    body = sum(np.prod(one.shape) for layer in model.layers[:-1] for one in layer.weights)
    assert graph.parameters == body


def test_class_maps_plus_bias_are_the_logits(graph: StageGraph, images: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(graph.features, 3)).astype(np.float32) * 0.02
    bias = np.float32([0.1, 0.2, -0.3])

    found = run_by_onnxruntime(graph.classifier(kernel, bias), images)

    logits = found["embedding"] @ kernel + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        found["probabilities"], powers / powers.sum(axis=1, keepdims=True), atol=1e-6
    )
    assert found["class_maps"].shape == (2, 4, 4, 3)
    np.testing.assert_allclose(found["class_maps"].mean(axis=(1, 2)) + bias, logits, atol=1e-4)


def test_a_pixel_on_a_border_between_two_areas_counts_in_both() -> None:
    third = 1 / 3
    np.testing.assert_allclose(area_means(3, 2), [[2 * third, third, 0], [0, third, 2 * third]])


def test_an_input_below_the_smallest_is_refused() -> None:
    with pytest.raises(SettingsError, match="16 is too small"):
        StageGraph.of(LITE, resolve_weights(LITE), size=16, channels=3)


def test_only_published_lites_have_a_graph() -> None:
    assert has_stage_graph(LITE, resolve_weights(LITE))
    assert not has_stage_graph(LITE, resolve_weights(LITE, "none"))
    small = network_entry("small-cnn")
    assert not has_stage_graph(small, resolve_weights(small))


def test_maps_of_a_shuffled_head_are_the_maps_of_that_head(
    graph: StageGraph, images: np.ndarray
) -> None:
    """Nothing but the kernel and the bias is the head: areas are averaged as before."""
    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(graph.features, 3)).astype(np.float32) * 0.02
    model = graph.classifier(kernel, np.float32([0.1, 0.2, -0.3]))
    info = bundle_info(fitted_preprocess([grey_image(0)]))

    step = randomized_networks(Bundle(Path("probe"), info, "", model, b""), seed=0)[0]

    found = run_by_onnxruntime(step.bundle.model, images)
    stored = onnx.load_model_from_string(step.bundle.model).graph.initializer
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in stored}
    assert step.shuffled == "the head"
    assert not np.array_equal(arrays["kernel"], kernel)
    logits = found["embedding"] @ arrays["kernel"] + arrays["bias"]
    means = found["class_maps"].mean(axis=(1, 2)) + arrays["bias"]
    np.testing.assert_allclose(means, logits, atol=1e-3)


def test_the_head_of_an_8_bit_copy_stays_exact(graph: StageGraph, images: np.ndarray) -> None:
    kernel = np.random.default_rng(3).normal(size=(graph.features, 3)).astype(np.float32) * 0.02
    bias = np.float32([0.1, 0.2, -0.3])
    found = run_by_onnxruntime(quantize_network(graph.classifier(kernel, bias), images), images)
    logits = found["embedding"] @ kernel + bias
    np.testing.assert_allclose(found["class_maps"].mean(axis=(1, 2)) + bias, logits, atol=1e-3)


def test_weights_are_counted_as_the_input_has_channels(graph: StageGraph) -> None:
    wider = StageGraph.of(LITE, resolve_weights(LITE), size=SIZE, channels=4)
    assert wider.parameters - graph.parameters == 3 * 3 * 32
