"""ConvNeXt of Keras Applications, with all its layers in one row.

Keras hides the stem and the three downsampling blocks in models of their own, which can
neither be cut nor be given weights layer by layer; here their layers stand in the open.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actinscope.networks.backend import keras_backend


@dataclass(frozen=True)
class ConvNeXt:
    """Builder of a body.

    Attributes:
        variant: ``tiny``, ``small`` or ``base``.
    """

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
        found = {f"{name}_stem": (f"{name}_stem_conv", f"{name}_stem_layernorm")}
        for number in range(3):
            found[f"{name}_downsampling_block_{number}"] = (
                f"{name}_downsampling_layernorm_{number}",
                f"{name}_downsampling_conv_{number}",
            )
        return found


def _copied(layer: Any) -> Any:
    if isinstance(layer, keras_backend().Sequential):
        return layer  # taken apart where it is called
    return type(layer).from_config(layer.get_config())


def _called(layer: Any, *arguments: Any, **options: Any) -> Any:
    if not isinstance(layer, keras_backend().Sequential):
        return layer(*arguments, **options)
    (x,) = arguments
    for inner in layer.layers:
        x = _copied(inner)(x)
    return x
