"""The graph that a CPU trains: the same numbers as Keras, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from actinscope.networks import freeze, freeze_batch_norm, keras_backend, training_graph
from actinscope.networks.training_graph import _planned

SIZE = 9


def _network(middle: Callable[[Any, Any], Any]) -> Any:
    """Whatever ``middle`` makes, between an image and a softmax."""
    keras = keras_backend()
    keras.utils.set_random_seed(3)
    image = keras.layers.Input((SIZE, SIZE, 4))
    x = middle(image, keras.layers)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # not the identity of a new one
            shape = layer.gamma.shape
            layer.set_weights([rng.uniform(0.5, 2, shape).astype(np.float32) for _ in range(4)])
    return model


def _pointwise(x: Any, layers: Any) -> Any:
    x = layers.Conv2D(6, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("swish")(x)
    return layers.Conv2D(5, 1, activation="relu")(x)  # its own activation: nothing is folded


def _biased(x: Any, layers: Any) -> Any:
    x = layers.Conv2D(6, 1, bias_initializer="ones")(x)
    return layers.BatchNormalization()(x)


def _depthwise(kernel: int, stride: int, padding: str) -> Callable[[Any, Any], Any]:
    def middle(x: Any, layers: Any) -> Any:
        x = layers.DepthwiseConv2D(
            kernel, strides=stride, padding=padding, use_bias=False,
            depthwise_initializer="glorot_normal",
        )(x)  # fmt: skip
        x = layers.BatchNormalization()(x)
        return layers.Activation("relu6")(x)

    return middle


def _excited(x: Any, layers: Any) -> Any:
    """Squeeze and excite, a skip connection, a layer read twice and an ordinary convolution."""
    y = layers.Conv2D(4, 3, padding="same")(x)
    s = layers.GlobalAveragePooling2D(keepdims=True)(y)
    s = layers.Conv2D(2, 1, activation="swish")(s)
    s = layers.Conv2D(4, 1, activation="sigmoid")(s)
    y = layers.Multiply()([y, s])
    return layers.Add()([x, layers.BatchNormalization()(y)])


NETWORKS = {
    "pointwise": _pointwise,
    "biased": _biased,
    "depthwise 3": _depthwise(3, 1, "same"),
    "depthwise 5": _depthwise(5, 1, "same"),
    "depthwise 4": _depthwise(4, 1, "same"),
    "depthwise 6": _depthwise(6, 1, "same"),
    "depthwise 5 valid": _depthwise(5, 1, "valid"),
    "depthwise 5 stride 2": _depthwise(5, 2, "same"),
    "excited": _excited,
}


def _gradients(model: Any, run: Callable[[Any], Any]) -> tuple[float, list[NDArray[Any]]]:
    import tensorflow as tf

    rng = np.random.default_rng(1)
    images = tf.constant(rng.normal(size=(5, SIZE, SIZE, 4)).astype(np.float32))
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.reduce_sum(targets * tf.math.log(run(images)), axis=1))
    return float(loss), [np.asarray(one) for one in tape.gradient(loss, variables)]


@pytest.mark.parametrize("norm", ["trained", "frozen"])
@pytest.mark.parametrize("name", NETWORKS)
def test_loss_gradients_and_statistics_are_those_of_keras(name: str, norm: str) -> None:
    model = _network(NETWORKS[name])
    if norm == "frozen":
        freeze_batch_norm(model)
    start = model.get_weights()
    loss, gradients = _gradients(model, lambda images: model(images, training=True))
    after = model.get_weights()
    model.set_weights(start)
    graph = training_graph(model.inputs, model.layers, model.output)
    own_loss, own_gradients = _gradients(model, lambda images: graph([images]))
    assert own_loss == pytest.approx(loss, rel=1e-5)
    assert len(own_gradients) == len(gradients) > 2
    assert np.mean([np.abs(one).max() > 1e-3 for one in gradients]) > 0.5
    for own, expected in zip(own_gradients, gradients, strict=True):
        # A bias before a trained normalisation has no gradient but rounding.
        np.testing.assert_allclose(own, expected, rtol=2e-4, atol=5e-6)
    for own, expected in zip(model.get_weights(), after, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)
    moved = any(not np.array_equal(a, b) for a, b in zip(start, after, strict=True))
    assert moved == (norm == "trained")


def test_a_frozen_normalisation_is_folded_and_a_trained_one_is_not() -> None:
    model = _network(_pointwise)
    layers = model.layers[1:]
    assert len(_planned(layers)) == len(layers)
    freeze_batch_norm(model)
    assert len(_planned(layers)) == len(layers) - 1


def test_what_several_layers_read_is_not_folded_away() -> None:
    def middle(x: Any, layers: Any) -> Any:
        y = layers.Conv2D(4, 1)(x)
        return layers.Add()([layers.BatchNormalization()(y), y])

    model = _network(middle)
    freeze_batch_norm(model)
    assert len(_planned(model.layers[1:])) == len(model.layers) - 1


def test_dropout_is_on() -> None:
    model = _network(lambda x, layers: layers.Dropout(0.9)(layers.Conv2D(8, 1)(x)))
    freeze(model, 1)
    graph = training_graph(model.inputs, model.layers, model.output)
    images = np.ones((2, SIZE, SIZE, 4), np.float32)
    assert not np.array_equal(np.asarray(graph([images])), np.asarray(graph([images])))
