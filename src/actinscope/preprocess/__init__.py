"""From an image to what a network is fed: channels, intensity, size, and augmentation.

``fit_preprocess`` decides everything once on the training part; the ``Preprocess`` that
it returns is stored with the model and is the only way from an image to network input.
``augment`` varies training images only.
"""

from __future__ import annotations

from actinscope.preprocess.appearance import (
    Appearance,
    AppearanceCounter,
    appearance_of,
    matched,
)
from actinscope.preprocess.augmentation import AugmentSettings, augment
from actinscope.preprocess.dihedral import dihedral_views, turned, turned_back
from actinscope.preprocess.fit import fit_preprocess, require_one_kind
from actinscope.preprocess.pipeline import Preprocess
from actinscope.preprocess.settings import NetworkInput, PreprocessSettings

__all__ = [
    "Appearance",
    "AppearanceCounter",
    "AugmentSettings",
    "NetworkInput",
    "Preprocess",
    "PreprocessSettings",
    "appearance_of",
    "augment",
    "dihedral_views",
    "fit_preprocess",
    "matched",
    "require_one_kind",
    "turned",
    "turned_back",
]
