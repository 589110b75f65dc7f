"""Figures of a comparison for print: every run with its interval, and every pair."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from actinscope.report import text
from actinscope.report.drawing import (
    BLUE,
    COLUMN_MM,
    MUTED,
    NAME,
    PAGE_MM,
    interval_bar,
    rows_of_names,
    sheet,
)
from actinscope.report.fields import difference_rows, draw_fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from actinscope.evaluation import Comparison

_SHOWN = ("accuracy", "balanced_accuracy")


def comparison_figures(compared: Comparison) -> Iterator[tuple[str, Figure]]:
    """All figures, by the names of their files."""
    yield "runs", _runs(compared)
    yield "differences", _differences(compared)


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
    fields = [row for _, row in difference_rows(compared)]
    draw_fields(axes, list(zip(names, fields, strict=True)), across, size=min(7.0, 31 / count))
    axes.set_xlabel("minus the accuracy of this run")
    axes.set_ylabel("accuracy of this run")
    title = f"Points on {text.whole(compared.n)} images, 95 % interval; bold: told apart"
    axes.set_title(title, size=6.5, color=MUTED)
    return figure
