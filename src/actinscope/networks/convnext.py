"""ConvNeXt of Keras Applications, with all its layers in one row.

Keras hides the stem and the three downsampling blocks in models of their own, which can
neither be cut nor be given weights layer by layer; here their layers stand in the open. Keras'
GELU is computed with TensorFlow's complementary error function, for which ONNX has no word; here
it is written with the error function, which is the same in exact arithmetic. Keras writes
depthwise convolutions as grouped ones, which TensorFlow has only within XLA on a CPU. And a dense
layer on a map asks for its shape while it runs; a bundle's shapes are all known before.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from numpy.typing import NDArray

from actinscope.networks.backend import keras_backend


@dataclass(frozen=True)
class ConvNeXt:
    """Builder of a body; ``variant`` is ``tiny``, ``small`` or ``base``."""

    variant: str

    def __call__(self, shape: tuple[int, int, int]) -> Any:
        """Keras model from (N, S, S, C) to the normalised embedding (N, D).

        As in the pretrained network the feature map is pooled before the last layer
        normalisation, so that the last layer cannot be applied to single positions.
        """
        keras = keras_backend()
        name = f"convnext_{self.variant}"
        build = getattr(keras.applications, f"ConvNeXt{self.variant.capitalize()}")
        with warnings.catch_warnings():
            # Keras warns of inputs with more than three channels, which are meant here.
            warnings.filterwarnings("ignore", message=".*usually expects 1 or 3 input channels")
            whole = build(
                include_top=True, include_preprocessing=False, weights=None, input_shape=shape
            )
        body = keras.Model(whole.input, whole.get_layer(f"{name}_head_layernorm").output, name=name)
        return keras.models.clone_model(body, clone_function=_copied, call_function=_called)

    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Which layers Keras' weights file keeps together under one name."""
        name = f"convnext_{self.variant}"
        down = f"{name}_downsampling"
        return {f"{name}_stem": (f"{name}_stem_conv", f"{name}_stem_layernorm")} | {
            f"{down}_block_{number}": (f"{down}_layernorm_{number}", f"{down}_conv_{number}")
            for number in range(3)
        }


def _copied(layer: Any) -> Any:
    if isinstance(layer, keras_backend().Sequential):
        return layer  # taken apart where it is called
    if getattr(layer, "groups", 1) > 1:
        return keras_backend().layers.DepthwiseConv2D(
            layer.kernel_size, padding=layer.padding, name=layer.name, dtype=layer.dtype_policy
        )
    if getattr(layer, "activation", None) is keras_backend().activations.gelu:
        return _gelu_layer()(name=layer.name, dtype=layer.dtype_policy)
    if isinstance(layer, keras_backend().layers.Dense):
        return _dense_on_maps().from_config(layer.get_config())
    return type(layer).from_config(layer.get_config())


def depthwise_kernel(name: str, arrays: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
    """Arrays of a layer in Keras' file as the layer here has them.

    The kernel of a convolution in C groups is (7, 7, 1, C), of a depthwise one (7, 7, C, 1).
    """
    if not name.endswith("_depthwise_conv"):
        return arrays
    return tuple(
        one.transpose(0, 1, 3, 2) if one.ndim == 4 and one.shape[2] == 1 else one for one in arrays
    )


@cache
def _gelu_layer() -> Any:
    """The class of a layer x Phi(x), Phi the normal distribution (Hendrycks and Gimpel 2016)."""
    keras = keras_backend()

    class ExactGelu(keras.layers.Layer):  # type: ignore[misc, name-defined, unused-ignore]
        """(N, ...) to the same shape."""

        def call(self, x: Any) -> Any:
            return 0.5 * x * (1.0 + keras.ops.erf(x / math.sqrt(2.0)))

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    return ExactGelu


@cache
def _dense_on_maps() -> Any:
    """The class of a dense layer at every position: (N, h, w, C) to (N, h, w, units)."""
    keras = keras_backend()

    class DenseOnMaps(keras.layers.Dense):  # type: ignore[misc, name-defined, unused-ignore]
        """Equal to a dense layer, but for shapes that are known when it is built."""

        def call(self, x: Any, training: Any = None) -> Any:
            _, height, width, channels = x.shape
            rows = super().call(keras.ops.reshape(x, (-1, channels)), training=training)
            return keras.ops.reshape(rows, (-1, height, width, self.units))

    return DenseOnMaps


def _called(layer: Any, *arguments: Any, **options: Any) -> Any:
    if not isinstance(layer, keras_backend().Sequential):
        return layer(*arguments, **options)
    (x,) = arguments
    for inner in layer.layers:
        x = _copied(inner)(x)
    return x
