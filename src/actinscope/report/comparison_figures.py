"""The figure of a comparison for print: every run with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from actinscope.report import text
from actinscope.report.drawing import (
    BLUE,
    PAGE_MM,
    interval_bar,
    rows_of_names,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from actinscope.evaluation import Comparison

_SHOWN = ("accuracy", "balanced_accuracy")


def comparison_figures(compared: Comparison) -> Iterator[tuple[str, Figure]]:
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
    yield "runs", figure


def _lowest(compared: Comparison) -> float:
    """Where the axis begins: a round number below all intervals, in per cent."""
    ends = [
        min(x for x in (found.value, found.low) if math.isfinite(x))
        for evaluation in compared.evaluations
        for found in (evaluation.metrics[metric] for metric in _SHOWN)
        if math.isfinite(found.value)
    ]
    return max(0.0, 10 * math.floor(10 * min(ends, default=0.0) - 0.2))
