"""The cost of the leak inside the page: two intervals a protocol on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from actinscope.report.paper_content import LeakRow
from actinscope.report.svg import join, tag

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate

_HEIGHT = 34
_OWN_AT, _UNSEEN_AT = 10, 24


def leak_floor(rows: Sequence[LeakRow]) -> float:
    """Where the scale of all rows begins: a tenth below everything that is drawn, 0..0.9."""
    lowest = min(
        (
            value
            for row in rows
            for one in (row.own, row.unseen)
            for value in (one.value, one.low)
            if math.isfinite(value)
        ),
        default=0.0,
    )
    repeats = [value for row in rows for pair in row.by_repeat for value in pair]
    return min(0.9, max(0.0, math.floor(10 * min([lowest, *repeats]) - 0.01) / 10))


def leak_bar(row: LeakRow, floor: float) -> Markup:
    """Own test part above (blue), unseen groups below (orange), each with its interval."""
    grid = [
        tag("line", class_="grid", x1=_along(tick, floor), x2=_along(tick, floor), y1=0, y2=_HEIGHT)
        for tick in _ticks(floor)
    ]
    pieces = [
        *grid,
        *_mark(row.own, floor, "own", _OWN_AT, [pair[0] for pair in row.by_repeat]),
        *_mark(row.unseen, floor, "unseen", _UNSEEN_AT, [pair[1] for pair in row.by_repeat]),
    ]
    # The numbers stand beside it as text.
    return tag(
        "svg", join(*pieces), width="100%", class_="leak-bar", height=_HEIGHT, aria_hidden="true"
    )


def leak_scale(floor: float) -> Markup:
    """The numbers below all rows."""
    pieces = []
    for tick in _ticks(floor):
        edge = "end" if tick == 1 else "start" if tick == floor else "middle"
        words = f"{100 * tick:.0f}\u202f%" if tick == 1 else f"{100 * tick:.0f}"
        where = _along(tick, floor)
        pieces.append(tag("text", words, class_="tick", x=where, y=13, text_anchor=edge))
    return tag("svg", join(*pieces), width="100%", height=18, aria_hidden="true")


def _ticks(floor: float) -> list[float]:
    step = 0.1 if floor >= 0.45 else 0.25 if floor >= 0.25 else 0.2
    steps = round((1 - floor) / step)
    return [
        round(1 - step * index, 3) for index in range(steps, -1, -1) if 1 - step * index >= floor
    ]


def _mark(
    one: Estimate, floor: float, look: str, height: float, repeats: Sequence[float]
) -> list[Markup]:
    pieces = []
    if math.isfinite(one.low) and math.isfinite(one.high):
        ends = {"x1": _along(one.low, floor), "x2": _along(one.high, floor)}
        pieces.append(tag("line", class_=f"reach {look}", y1=height, y2=height, **ends))
    if len(repeats) > 1:
        pieces += [
            tag("circle", class_=f"repeat {look}", cx=_along(value, floor), cy=height, r=2.5)
            for value in repeats
        ]
    pieces.append(tag("circle", class_=f"mean {look}", cx=_along(one.value, floor), cy=height, r=5))
    return pieces


def _along(share: float, floor: float) -> str:
    return f"{100 * min(1.0, max(0.0, (share - floor) / (1 - floor))):.2f}%"
