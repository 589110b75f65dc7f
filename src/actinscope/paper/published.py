"""Every number that the paper prints in its Tables I to IV, with its place.

Kakumani and Padma Sree, "Deep learning architecture for classification of breast cancer cells
in fluorescence microscopy images". The numbers are for the paper's images, which are not at
hand; they are no measurement of this program. ``doubts`` recomputes what can be told from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

CITATION = (
    "Kakumani and Padma Sree, Deep learning architecture for classification of breast cancer "
    "cells in fluorescence microscopy images"
)


@dataclass(frozen=True)
class Printed:
    """A share as the paper prints it.

    Attributes:
        text: the digits, such as ``98.15`` or ``0.9916``.
        place: where it stands, such as ``Table III``.
        in_percent: whether ``text`` is in per cent.
    """

    text: str
    place: str
    in_percent: bool

    @property
    def exact(self) -> Fraction:
        """The printed share, 0..1, without rounding."""
        return Fraction(self.text) / (100 if self.in_percent else 1)

    @property
    def share(self) -> float:
        """The printed share, 0..1."""
        return float(self.exact)

    @property
    def rounding(self) -> Fraction:
        """Half a unit of the last printed digit: how far the true share may be from it."""
        decimals = len(self.text.partition(".")[2]) + (2 if self.in_percent else 0)
        return Fraction(1, 2 * 10**decimals)


@dataclass(frozen=True)
class Setting:
    """One line of the recipe: what, its value in the paper's words, and where it is said."""

    what: str
    value: str
    place: str


@dataclass(frozen=True)
class TrainingRow:
    """Table II: one network on the training or the validation part."""

    network: str
    title: str
    part: str
    accuracy: Printed
    precision: Printed


@dataclass(frozen=True)
class TestRow:
    """Table III: one network on the test part."""

    network: str
    title: str
    accuracy: Printed
    precision: Printed
    recall: Printed
    f1: Printed


@dataclass(frozen=True)
class RivalRow:
    """Table IV: accuracy and the number of epochs that it took."""

    network: str
    title: str
    accuracy: Printed
    epochs: int


_RECIPE = "section III, IV.B and Table I"

TABLE_I: tuple[Setting, ...] = (
    Setting("input", "resized to 224 x 224 x 3, each channel divided by 255", _RECIPE),
    Setting(
        "augmentation",
        "flip, zoom, shear, width shift, height shift, rotation; ranges not given",
        _RECIPE,
    ),
    Setting(
        "split",
        "80 % training, 10 % validation, 10 % test; "
        "\u201cafter data augmentation, the entire data is partitioned\u201d",
        _RECIPE,
    ),
    Setting("network", "EfficientNetV2-B0, ImageNet weights, 271 layers", _RECIPE),
    Setting("layers", "first 200 frozen, next 71 trained; last layer 3 neurons, softmax", _RECIPE),
    Setting("epochs", "70", _RECIPE),
    Setting("batch size", "16", _RECIPE),
    Setting("loss", "categorical cross-entropy", _RECIPE),
    Setting("initial learning rate", "0.00005", _RECIPE),
    Setting(
        "optimiser",
        "Adam (the text says \u201cStochastic gradient descent algorithm and ADAM\u201d)",
        "Table I",
    ),
    Setting(
        "model selection",
        "\u201cThe model with the highest performance is selected\u201d",
        _RECIPE,
    ),
)


def _fraction(text: str) -> Printed:
    return Printed(text, "Table II", in_percent=False)


def _percent(text: str, place: str = "Table III") -> Printed:
    return Printed(text, place, in_percent=True)


_NAMES = {
    "inception-v3": "Inception V3",
    "nasnet-mobile": "NASNet Mobile",
    "efficientnetv2-b0": "EfficientNetV2-B0",
    "vgg16": "VGG-16 \u201cmodel b\u201d",
}

TABLE_II: tuple[TrainingRow, ...] = tuple(
    TrainingRow(network, _NAMES[network], part, _fraction(accuracy), _fraction(precision))
    for network, part, accuracy, precision in (
        ("inception-v3", "train", "0.9726", "0.9746"),
        ("inception-v3", "validation", "0.9608", "0.9608"),
        ("nasnet-mobile", "train", "0.9979", "0.9935"),
        ("nasnet-mobile", "validation", "0.8627", "0.8648"),
        ("efficientnetv2-b0", "train", "0.9916", "0.9915"),
        ("efficientnetv2-b0", "validation", "0.9804", "0.9804"),
    )
)

TABLE_III: tuple[TestRow, ...] = tuple(
    TestRow(network, _NAMES[network], *(_percent(text) for text in texts))
    for network, texts in (
        ("inception-v3", ("94.44", "95.24", "94.44", "94.52")),
        ("nasnet-mobile", ("88.46", "89.12", "88.46", "89.63")),
        ("efficientnetv2-b0", ("98.15", "98.33", "98.15", "98.14")),
    )
)

TABLE_IV: tuple[RivalRow, ...] = (
    RivalRow("vgg16", _NAMES["vgg16"], _percent("97.20", "Table IV"), 1000),
    RivalRow("efficientnetv2-b0", _NAMES["efficientnetv2-b0"], _percent("98.15", "Table IV"), 70),
)

FIGURES: tuple[tuple[str, str], ...] = (
    ("Figure 1", "sample images of each class"),
    ("Figure 4", "training and validation curves of accuracy and loss, three networks"),
    ("Figure 5", "confusion matrices, three networks"),
)

NETWORKS: tuple[str, ...] = ("efficientnetv2-b0", "inception-v3", "nasnet-mobile", "vgg16")
"""The networks that the paper compares, by the names that they have here."""

NOT_STATED: tuple[str, ...] = (
    "Seeds, intervals and repeats: there is one split.",
    "A grouping by slide or culture: none is told of.",
    "The ranges of the augmentation, and by how much it multiplied the images.",
    "How many layers of Inception V3 and NASNet Mobile were frozen.",
    "VGG-16 \u201cmodel b\u201d beyond that it follows VGG-16, has two fully connected layers and "
    "was trained for 1000 epochs.",
    "Which measure makes a model \u201cthe one with the highest performance\u201d, and on which "
    "part.",
)
