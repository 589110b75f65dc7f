"""Every number that the paper prints in its Tables I to IV, read from ``published.toml``.

Kakumani and Padma Sree, "Deep learning architecture for classification of breast cancer cells
in fluorescence microscopy images". The numbers are for the paper's images, which are not at
hand; they are no measurement of this program. ``doubts`` recomputes what can be told from them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources


@dataclass(frozen=True)
class Printed:
    """A share as the paper prints it.

    Attributes:
        text: the digits, such as ``98.15`` or ``0.9916``.
        in_percent: whether ``text`` is in per cent.
    """

    text: str
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
class PublishedNetwork:
    """What the paper prints of a network; empty where it prints nothing.

    Attributes:
        title: its name in the paper.
        training, validation: accuracy and precision on these parts (Table II).
        test: accuracy, precision, recall and F1 on the test part (Table III).
        accuracy_and_epochs: of the comparison with a rival (Table IV), as printed.
    """

    title: str
    training: tuple[Printed, ...] = ()
    validation: tuple[Printed, ...] = ()
    test: tuple[Printed, ...] = ()
    accuracy_and_epochs: tuple[str, ...] = ()


_PAPER = tomllib.loads(
    resources.files("actinscope.paper").joinpath("published.toml").read_text("utf-8")
)

CITATION: str = _PAPER["citation"]

NOT_STATED: tuple[str, ...] = tuple(_PAPER["not_stated"])
"""What the paper does not say and a repetition has to know."""

SETTINGS: Mapping[str, tuple[str, str]] = {
    what: (value, _PAPER["places"].get(what, "section III, IV.B and Table I"))
    for what, value in _PAPER["settings"].items()
}
"""Table I: what is set -> its value in the paper's words, and where it is said."""

PUBLISHED: Mapping[str, PublishedNetwork] = {
    name: PublishedNetwork(
        title=printed["title"],
        training=tuple(Printed(text, in_percent=False) for text in printed.get("training", ())),
        validation=tuple(Printed(text, in_percent=False) for text in printed.get("validation", ())),
        test=tuple(Printed(text, in_percent=True) for text in printed.get("test", ())),
        accuracy_and_epochs=tuple(printed.get("accuracy_and_epochs", ())),
    )
    for name, printed in _PAPER["networks"].items()
}
"""The networks that the paper compares, by the names that they have here."""
