"""Images as points of a plane, inside the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from actinscope.report.content import FeatureMapShown
from actinscope.report.palette import COLOURS, colour_of, colours_repeat
from actinscope.report.svg import join, tag
from actinscope.report.text import clean

_SIDE = 440.0
_EDGE = 16.0
_FOOT = 34.0


def scatter(shown: FeatureMapShown, *, by_group: bool) -> Markup:
    """The points coloured by class, or by group; test images as larger rings."""
    numbers = shown.groups if by_group else shown.classes
    x, y = places(shown.points, _SIDE, _EDGE)
    pieces = [tag("rect", class_="frame", x=0.5, y=0.5, width=_SIDE - 1, height=_SIDE - 1)]
    # Rings last: there are fewer of them, and they are what the result rests on.
    for row in [*np.flatnonzero(~shown.is_test), *np.flatnonzero(shown.is_test)]:
        colour = colour_of(int(numbers[row]))
        place = {"cx": f"{x[row]:.1f}", "cy": f"{y[row]:.1f}", "fill": colour}
        if shown.is_test[row]:
            pieces.append(tag("circle", class_="ring", r=5, style=f"stroke:{colour}", **place))
        else:
            pieces.append(tag("circle", r=3.4, **place))
    pieces.append(
        tag("text", clean(f"{shown.axes[0]} \u2192"), x=_SIDE, y=_SIDE + 20, text_anchor="end")
    )
    pieces.append(tag("text", clean(f"\u2191 {shown.axes[1]}"), x=0, y=_SIDE + 20))
    what = shown.group_word if by_group else "class"
    return tag(
        "svg",
        join(*pieces),
        class_="scatter",
        viewBox=f"0 0 {_SIDE:g} {_SIDE + _FOOT:g}",
        role="img",
        aria_label=clean(f"{shown.title}, {len(x)} images as points coloured by {what}"),
    )


def places(
    points: NDArray[np.float64], side: float, edge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (N, 2) in a square of ``side``, one scale for both axes, y upwards."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle, width = (low + high) / 2, float((high - low).max()) or 1.0
    unit = (points - middle) / width + 0.5  # (N, 2), within 0..1
    return edge + unit[:, 0] * (side - 2 * edge), side - edge - unit[:, 1] * (side - 2 * edge)


def legend(names: Sequence[str]) -> list[tuple[str, Markup]]:
    """(name, dot) of each class or group; empty where colours repeat."""
    if colours_repeat(len(names)):
        return []
    return [
        (
            name,
            tag(
                "svg",
                tag("circle", cx=6, cy=6, r=5, fill=COLOURS[number]),
                width=12,
                height=12,
                aria_hidden="true",
            ),
        )
        for number, name in enumerate(names)
    ]
