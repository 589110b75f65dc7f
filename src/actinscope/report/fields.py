"""Matrices of fields: how often which class was predicted, and which run is how far ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from actinscope import wording
from actinscope.report import text
from actinscope.report.drawing import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from actinscope.evaluation import Comparison, Evaluation

_DEEPEST = 0.15  # a difference of this many, or more, gets the full colour
_HUES = {
    "hit": np.array((30, 118, 178)) / 255,
    "miss": np.array((222, 120, 30)) / 255,
    "none": np.full(3, 0.955),
}


@dataclass(frozen=True)
class Field:
    """What stands in a field, and how to draw it.

    Attributes:
        value, below: in large and in small type.
        look: blue, orange or without colour.
        strength: of the colour, 0..1.
        framed: it stands out.
    """

    value: str
    below: str = ""
    look: Literal["hit", "miss", "none"] = "none"
    strength: float = 0.0
    framed: bool = False


Rows = Sequence[tuple[str, Sequence[Field | None]]]


def confusion_rows(evaluation: Evaluation) -> Rows:
    """Counts of a confusion matrix with their shares of the true class, row by row."""
    rows = []
    for index, name in enumerate(evaluation.classes):
        counts = [int(count) for count in evaluation.confusion[index]]
        fields = []
        for column, count in enumerate(counts):
            if not count:
                fields.append(Field("0"))
                continue
            share = count / sum(counts)
            look: Literal["hit", "miss"] = "hit" if column == index else "miss"
            strength = round(0.08 + 0.44 * share, 3)
            fields.append(Field(text.whole(count), text.percent(share), look, strength))
        rows.append((name, fields))
    return rows


def difference_rows(compared: Comparison) -> Rows:
    """Accuracy of the row's run minus that of the column's, in points; None on the diagonal."""
    places = range(len(compared.names))
    return [
        (name, [None if row == one else _difference(compared, row, one) for one in places])
        for row, name in enumerate(compared.names)
    ]


def _difference(compared: Comparison, row: int, column: int) -> Field:
    pair = compared.pair(row, column)
    found = pair.accuracy.difference
    sign = 1 if pair.second == row else -1
    value = sign * found.value
    interval = ""
    if found.has_interval:
        low, high = sorted((sign * found.low, sign * found.high))
        interval = f"{wording.points(low)} to {wording.points(high)}"
    strength = round(0.08 + 0.44 * min(1.0, abs(value) / _DEEPEST), 3)
    if value == 0:
        return Field(wording.points(value), interval, framed=pair.told_apart)
    look: Literal["hit", "miss"] = "hit" if value > 0 else "miss"
    return Field(wording.points(value), interval, look, strength, pair.told_apart)


def draw_fields(axes: Axes, rows: Rows, columns: Sequence[str], size: float) -> None:
    """Draw a matrix with the names of its rows and columns; text in points of ``size``."""
    colours = np.full((len(rows), len(columns), 3), _HUES["none"])
    for row, column in np.ndindex(colours.shape[:2]):
        field = rows[row][1][column]
        if field is None:
            continue
        if field.look != "none":
            colours[row, column] = field.strength * _HUES[field.look] + (1 - field.strength)
        drawn = axes.text(column, row, f"{field.value}\n{field.below}".strip(), size=size)
        drawn.set(ha="center", va="center", color=MUTED if field.value == "0" else INK)
        drawn.set_in_layout(False)  # it lies within the axes; measuring hundreds takes seconds
    axes.imshow(colours, aspect="auto")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xticks(range(len(columns)), columns)
    axes.spines[:].set_visible(False)
    axes.set_xticks([place + 0.5 for place in range(len(columns) - 1)], minor=True)
    axes.set_yticks([place + 0.5 for place in range(len(rows) - 1)], minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)
