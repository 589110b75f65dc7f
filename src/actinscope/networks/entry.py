"""What is known of one network, as data, and the builders of bodies that are functions of Keras."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actinscope.networks.backend import keras_backend
from actinscope.networks.head import Head
from actinscope.networks.weight_sources import WeightsSource
from actinscope.preprocess import NetworkInput

Builder = Callable[[tuple[int, int, int]], Any]


@dataclass(frozen=True)
class NetworkEntry:
    """Everything that is particular to one network.

    Attributes:
        name, title: what recipes and the command line call it, and what reports do.
        input: side of the image in pixels and the value range that the weights expect.
        layer_count: Keras layers including input and the network's own head.
        frozen_layers: how many layers from the input on are not trained by default; 0 for a
            network that is made to be trained from scratch.
        licence: licence of the pretrained weights, as far as their publisher states it.
        weights: where the pretrained weights come from; None where there are none, because
            the network is made to be trained from scratch.
        builder: makes the body from the input shape (S, S, C): a Keras model that ends in
            the last feature map (N, h, w, D).
        head: the head that it has unless the recipe names another.
        smallest: side in pixels of the smallest input that it takes.
    """

    name: str
    title: str
    input: NetworkInput
    layer_count: int
    frozen_layers: int
    licence: str
    weights: WeightsSource | None
    builder: Builder
    head: Head = field(default_factory=Head)
    smallest: int = 32

    @property
    def has_class_maps(self) -> bool:
        """Whether, with its own head, it gives class activation maps."""
        return self.head.kind == "pooled"

    @property
    def from_scratch(self) -> bool:
        """Whether it is made to be trained from random numbers, all layers of it."""
        return self.weights is None


@dataclass(frozen=True)
class KerasApplication:
    """Builder of a body from ``keras.applications``, without weights.

    Attributes:
        function: its name there.
        options: what it is called with besides.
        first: name of the layer that is given the image; what stands before it rescales the
            image, which the preprocessing does here. Empty where nothing stands before it.
    """

    function: str
    options: tuple[tuple[str, Any], ...] = ()
    first: str = ""

    def __call__(self, shape: tuple[int, int, int]) -> Any:
        """Keras model from (N, S, S, C) to the last feature map, randomly initialised."""
        keras = keras_backend()
        build = getattr(keras.applications, self.function)
        with warnings.catch_warnings():
            # Keras warns of inputs with more than three channels, which are meant here.
            warnings.filterwarnings("ignore", message=".*usually expects 1 or 3 input channels")
            body = build(include_top=False, weights=None, input_shape=shape, **dict(self.options))
        if not self.first:
            return body
        part = keras.Model(body.get_layer(self.first).input, body.output, name=body.name)
        # Fresh layers: those of the part would still name the tensors of the whole.
        return keras.models.clone_model(part)


def small_cnn(shape: tuple[int, int, int]) -> Any:
    """A small network for training from scratch: (N, S, S, C) to a map (N, S/16, S/16, 256).

    Four blocks of two convolutions of 3 x 3, each with batch normalisation and ReLU, then
    maximum pooling that halves the resolution; the filters double from block to block, as in
    VGG (Simonyan and Zisserman 2015). Together 1.2 million weights.
    """
    keras = keras_backend()
    layers = keras.layers
    image = x = keras.Input(shape, name="image")
    for block, filters in enumerate((32, 64, 128, 256), start=1):
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
