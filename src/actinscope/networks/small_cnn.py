"""A small network for training from scratch on pictures of single cells."""

from __future__ import annotations

from typing import Any

from actinscope.networks.backend import keras_backend

FILTERS = (32, 64, 128, 256)


def small_cnn(shape: tuple[int, int, int]) -> Any:
    """Keras model from (N, S, S, C) to a feature map (N, S/16, S/16, 256).

    Four blocks of two convolutions of 3 x 3, each with batch normalisation and ReLU, then
    maximum pooling that halves the resolution; the filters double from block to block, as in
    VGG (Simonyan and Zisserman 2015). Together 1.2 million weights.
    """
    keras = keras_backend()
    layers = keras.layers
    image = keras.Input(shape, name="image")
    x = image
    for block, filters in enumerate(FILTERS, start=1):
        for number in (1, 2):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    return keras.Model(image, x, name="small_cnn")
