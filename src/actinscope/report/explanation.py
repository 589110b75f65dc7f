"""What a report says about what the network looks at: plain values, and their drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate


@dataclass(frozen=True, eq=False)
class MeanMapShown:
    """The mean image of a class under the mean map of its right or wrong answers.

    Attributes:
        pixels: uint8 (H, W) or (H, W, 3).
        heat: float32 (H, W), 0..1; 1 is the largest value of all mean maps.
    """

    label: str
    answers: str
    images: int
    pixels: NDArray[np.uint8]
    heat: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PrototypeShown:
    """A training image that stands for its class."""

    name: str
    group: str
    pixels: NDArray[np.uint8]
    stands_for: str


@dataclass(frozen=True, eq=False)
class FeatureMapShown:
    """Images as points of a plane.

    Attributes:
        title, note: heading and what a reader must know.
        axes: what stands along x and y.
        points: (N, 2) float64.
        classes, groups: (N,) numbers of ``class_names`` and ``group_names``; groups is
            empty where there are none.
        is_test: (N,) test images, drawn as rings.
        name: of the figure's file.
    """

    title: str
    note: str
    axes: tuple[str, str]
    points: NDArray[np.float64]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    group_word: str
    is_test: NDArray[np.bool_]
    name: str


@dataclass(frozen=True, eq=False)
class ExplanationShown:
    """The section on what the network looks at.

    Attributes:
        method: how maps are made, in a sentence or two.
        attention: (what, estimate) of shares, 0..1.
        attention_sentence: what they mean; empty where there are none.
        ahead: how far attention is ahead of even attention, as text.
        doubtful: the attention is a reason not to trust the network.
        means: by class.
        sanity: rows of what was shuffled, rank correlation, of strength, SSIM, images.
        sanity_sentence: what they mean.
        sanity_bad: maps hardly change.
        prototypes: class -> training images.
        maps: of the features.
        images: rows of the table explanation_images.csv, the first being its header.
    """

    method: str
    attention: tuple[tuple[str, Estimate], ...] = ()
    attention_sentence: str = ""
    ahead: str = ""
    doubtful: bool = False
    means: tuple[MeanMapShown, ...] = ()
    sanity: tuple[tuple[str, ...], ...] = ()
    sanity_sentence: str = ""
    sanity_bad: bool = False
    prototypes: Mapping[str, tuple[PrototypeShown, ...]] = field(default_factory=dict)
    maps: tuple[FeatureMapShown, ...] = ()
    images: tuple[tuple[str, ...], ...] = ()
