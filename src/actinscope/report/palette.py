"""Colours of points: told apart without colour vision as far as twelve can be.

Seven of Okabe and Ito (2008) without black, then five of Tol's "muted" set that differ
from them in lightness. From the thirteenth on they repeat.
"""

from __future__ import annotations

COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#332288",
    "#882255",
    "#999933",
    "#44aa99",
    "#8c8c8c",
)


def colour_of(number: int) -> str:
    """The colour of the class or group ``number``, from 0."""
    return COLOURS[number % len(COLOURS)]


def colours_repeat(count: int) -> bool:
    """Whether so many classes or groups get a colour more than once."""
    return count > len(COLOURS)
