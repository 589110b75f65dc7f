"""Figures of a comparison for print: every run with its interval, and every pair."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.report import text
from actinscope.report.comparison_content import ComparisonContent
from actinscope.report.figures import save_figures
from actinscope.report.sheet import BAND, BLUE, COLUMN_MM, INK, LINE, MUTED, PAGE_MM, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from actinscope.evaluation import Comparison, Estimate

_NAME = 26  # characters of a run's name
_SHOWN = ("accuracy", "balanced_accuracy")
_DEEPEST = 0.15  # a difference of this many, or more, gets the full colour
_BETTER, _WORSE = (30 / 255, 118 / 255, 178 / 255), (222 / 255, 120 / 255, 30 / 255)
_PALE = (0.955, 0.955, 0.955)


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
            if found.has_interval:
                ends = [100 * found.low, 100 * found.high]
                axes.plot(ends, [row, row], color=BAND, lw=4, solid_capstyle="butt")
            axes.plot(100 * found.value, row, "o", color=BLUE, ms=4.5, clip_on=False)
            told = f"{100 * found.value:.1f}"
            axes.text(100 + 0.03 * (100 - lowest), row, told, va="center", size=6.5, color=INK)
        axes.set_xlim(lowest, 100)
        axes.set_xlabel(f"{text.metric_title(metric)} (%); band: 95 % interval", labelpad=3)
        axes.grid(axis="x", color=LINE, lw=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    names = [text.shorten(name, _NAME) for name in compared.names]
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
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
    import numpy as np

    count = len(compared.names)
    side = min(PAGE_MM, max(COLUMN_MM, 36 + 17 * count))
    figure = sheet(side, 0.72 * side)
    axes = figure.subplots()
    colours = np.full((count, count, 3), _PALE[0])
    size = min(7.0, 31 / count)
    for row, column in np.ndindex(count, count):
        if row == column:
            continue
        pair = compared.pair(row, column)
        sign = 1 if pair.second == row else -1
        value = sign * pair.accuracy.difference.value
        share = min(1.0, abs(value) / _DEEPEST)
        hue = _BETTER if value > 0 else _WORSE
        strength = 0.5 * share
        colours[row, column] = [
            strength * h + (1 - strength) * p for h, p in zip(hue, _PALE, strict=True)
        ]
        words = f"{text.points(value)}\n{_interval(pair.accuracy.difference, sign)}"
        weight = "bold" if pair.told_apart else "normal"
        field = axes.text(
            column, row, words, ha="center", va="center", size=size, color=INK, weight=weight
        )
        field.set_in_layout(False)
    axes.imshow(colours, aspect="auto")
    names = [text.shorten(name, _NAME) for name in compared.names]
    across = names
    if max(map(len, names)) * count > 40:  # too long side by side: columns get numbers
        across = [str(place) for place in range(1, count + 1)]
        names = [f"{name}  {place}" for place, name in enumerate(names, start=1)]
    axes.set_xticks(range(count), across)
    axes.set_yticks(range(count), names)
    axes.set_xlabel("minus the accuracy of this run")
    axes.set_ylabel("accuracy of this run")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(0.5, count - 1), minor=True)
    axes.set_yticks(np.arange(0.5, count - 1), minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)
    axes.set_title(
        f"Points on {text.whole(compared.n)} images, 95 % interval; bold: told apart",
        size=6.5,
        color=MUTED,
        loc="left",
    )
    return figure


def _interval(found: Estimate, sign: int) -> str:
    if not found.has_interval:
        return ""
    low, high = sorted((sign * found.low, sign * found.high))
    return f"{text.points(low)} to {text.points(high)}"
