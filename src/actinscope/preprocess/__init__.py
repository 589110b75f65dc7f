"""From an image to what a network is fed: channels, intensity, size, and augmentation.

``fit_preprocess`` decides everything once on the training part; the ``Preprocess`` that
it returns is stored with the model and is the only way from an image to network input.
``augment`` varies training images only.
"""

from actinscope.preprocess.augmentation import (
    AugmentParameters,
    AugmentSettings,
    affine_matrix,
    apply_parameters,
    augment,
    draw_parameters,
)
from actinscope.preprocess.fit import fit_preprocess
from actinscope.preprocess.pipeline import Preprocess
from actinscope.preprocess.settings import NetworkInput, PreprocessSettings

__all__ = [
    "AugmentParameters",
    "AugmentSettings",
    "NetworkInput",
    "Preprocess",
    "PreprocessSettings",
    "affine_matrix",
    "apply_parameters",
    "augment",
    "draw_parameters",
    "fit_preprocess",
]
