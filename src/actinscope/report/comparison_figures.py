"""Figures of a comparison for print: every run with its interval, and every pair."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actinscope.report import text
from actinscope.report.comparison_content import ComparisonContent
from actinscope.report.drawing import (
    BLUE,
    COLUMN_MM,
    MUTED,
    NAME,
    PAGE_MM,
    coloured_fields,
    interval_bar,
    rows_of_names,
    save_figures,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from actinscope.evaluation import Comparison

_SHOWN = ("accuracy", "balanced_accuracy")
_DEEPEST = 0.15  # a difference of this many, or more, gets the full colour
_BETTER, _WORSE = (30 / 255, 118 / 255, 178 / 255), (222 / 255, 120 / 255, 30 / 255)
_PALE = 0.955


def write_comparison_figures(content: ComparisonContent, folder: Path) -> None:
    """Draw ``runs`` and ``differences`` into ``folder``, each as ``.png`` and ``.svg``.

    Raises:
        OutputError: a file cannot be written.
    """

    def draw() -> Iterator[tuple[str, Figure]]:
        yield "runs", _runs(content.comparison)
        yield "differences", _differences(content.comparison)

    save_figures(draw, folder)


def _runs(compared: Comparison) -> Figure:
    """Accuracy and balanced accuracy of every run, a dot with its interval."""
    figure = sheet(PAGE_MM, 24 + 7.5 * len(compared.names))
    panels = figure.subplots(1, len(_SHOWN), sharey=True)
    lowest = _lowest(compared)
    for axes, metric in zip(panels, _SHOWN, strict=True):
        for row, evaluation in enumerate(compared.evaluations):
            found = evaluation.metrics[metric]
            if not math.isfinite(found.value):
                continue
            interval_bar(axes, found, row, BLUE)
            value = f"{100 * found.value:.1f}"
            axes.text(100 + 0.03 * (100 - lowest), row, value, va="center", size=6.5)
        axes.set_xlim(lowest, 100)
        axes.set_xlabel(f"{text.metric_title(metric)} (%); band: 95 % interval", labelpad=3)
        axes.grid(axis="x")
        rows_of_names(axes, compared.names)
    return figure


def _lowest(compared: Comparison) -> float:
    """Where the axis begins: a round number below all intervals, in per cent."""
    ends = [
        min(x for x in (found.value, found.low) if math.isfinite(x))
        for evaluation in compared.evaluations
        for found in (evaluation.metrics[metric] for metric in _SHOWN)
        if math.isfinite(found.value)
    ]
    return max(0.0, 10 * math.floor(10 * min(ends, default=0.0) - 0.2))


def _differences(compared: Comparison) -> Figure:
    """Accuracy of the row's run minus that of the column's, in points."""
    count = len(compared.names)
    side = min(PAGE_MM, max(COLUMN_MM, 36 + 17 * count))
    figure = sheet(side, 0.72 * side)
    axes = figure.subplots()
    names = [text.shorten(name, NAME) for name in compared.names]
    across = names
    if max(map(len, names)) * count > 40:  # too long side by side: columns get numbers
        across = [str(place) for place in range(1, count + 1)]
        names = [f"{name}  {place}" for place, name in enumerate(names, start=1)]
    colours = np.full((count, count, 3), _PALE)
    for row, (_, cells) in enumerate(difference_rows(compared)):
        for column, cell in enumerate(cells):
            if cell is None:
                continue
            if cell.look != "none":
                hue = np.array(_BETTER if cell.look == "hit" else _WORSE)
                colours[row, column] = cell.strength * hue + (1 - cell.strength) * _PALE
            field = axes.text(
                column, row, f"{cell.value}\n{cell.interval}", ha="center", va="center",
                size=min(7.0, 31 / count), weight="bold" if cell.told_apart else "normal",
            )  # fmt: skip
            field.set_in_layout(False)
    coloured_fields(axes, colours, (names, across))
    axes.set_xlabel("minus the accuracy of this run")
    axes.set_ylabel("accuracy of this run")
    title = f"Points on {text.whole(compared.n)} images, 95 % interval; bold: told apart"
    axes.set_title(title, size=6.5, color=MUTED)
    return figure


@dataclass(frozen=True)
class DifferenceCell:
    """One field of the matrix of differences: value, interval, and how to draw it."""

    value: str
    interval: str
    look: str
    strength: float
    told_apart: bool


def difference_rows(compared: Comparison) -> list[tuple[str, list[DifferenceCell | None]]]:
    """(run, cells) of the matrix: accuracy of the row minus that of the column."""
    places = range(len(compared.names))
    return [
        (name, [None if row == one else _difference_cell(compared, row, one) for one in places])
        for row, name in enumerate(compared.names)
    ]


def _difference_cell(compared: Comparison, row: int, column: int) -> DifferenceCell:
    pair = compared.pair(row, column)
    found = pair.accuracy.difference
    sign = 1 if pair.second == row else -1
    value = sign * found.value
    interval = ""
    if found.has_interval:
        low, high = sorted((sign * found.low, sign * found.high))
        interval = f"{text.points(low)} to {text.points(high)}"
    look = "none" if value == 0 else "hit" if value > 0 else "miss"
    strength = round(0.08 + 0.44 * min(1.0, abs(value) / _DEEPEST), 3)
    return DifferenceCell(text.points(value), interval, look, strength, pair.told_apart)
