"""Figures 1, 4 and 5 in the paper's layout, and the cost of the leak, for print."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.report import text
from actinscope.report.figures import draw_curves, draw_matrix, save_figures
from actinscope.report.montages import examples_figure
from actinscope.report.paper_content import LeakRow, PaperContent, ProtocolFigures
from actinscope.report.sheet import COLUMN_MM, INK, MUTED, PAGE_MM, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from actinscope.evaluation import Estimate

_OWN, _UNSEEN, _LINE = "#0b5c94", "#b04e00", "#d5d9da"
_ACROSS = 3  # confusion matrices in a row
_MOST_NETWORKS = 8  # of one figure, so that it fits a page


def write_paper_figures(content: PaperContent, folder: Path) -> None:
    """Draw ``figure_1``, ``figure_4_PROTOCOL``, ``figure_5_PROTOCOL`` and ``cost_of_the_leak``.

    Each as ``.png`` and ``.svg``; a figure without values is not written.

    Raises:
        OutputError: a file cannot be written.
    """
    save_figures(lambda: _figures(content), folder)


def _figures(content: PaperContent) -> Iterator[tuple[str, Figure]]:
    if any(content.examples.values()):
        yield "figure_1", examples_figure(content.examples)
    for protocol in content.figures:
        if protocol.curves:
            yield f"figure_4_{protocol.key}", _curves(protocol)
            yield f"figure_5_{protocol.key}", _matrices(protocol)
    if content.leak:
        yield "cost_of_the_leak", _leak(content.leak)


def _curves(protocol: ProtocolFigures) -> Figure:
    shown = protocol.curves[:_MOST_NETWORKS]
    figure = sheet(PAGE_MM, 8 + 48 * len(shown))
    figure.suptitle(protocol.title, fontsize=8, color=INK)
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for row, one in zip(grid, shown, strict=True):
        for axes, key in zip(row, ("accuracy", "loss"), strict=True):
            draw_curves(axes, one.history, key, None)
            axes.set_title(text.shorten(one.title, 60), fontsize=7.5, loc="left", color=INK)
    return figure


def _matrices(protocol: ProtocolFigures) -> Figure:
    shown = protocol.matrices[:_MOST_NETWORKS]
    classes = len(shown[0][1].classes)
    across = 1 if classes > 4 else min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    height = 165 if classes > 4 else 34 + 11 * classes
    width = PAGE_MM if classes > 4 else min(PAGE_MM, COLUMN_MM * across)
    figure = sheet(width, 8 + height * down)
    figure.suptitle(f"{protocol.title}: own test part", fontsize=8, color=INK)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, evaluation) in zip(grid, shown, strict=False):
        draw_matrix(axes, evaluation)
        axes.set_title(_in_lines(title), fontsize=7.5, color=INK)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    return figure


def _in_lines(title: str) -> str:
    """A title that a narrow panel has room for: what stands in brackets goes to a second line."""
    name, bracket, rest = text.shorten(title, 40).partition(" (")
    return f"{name}\n({rest}" if bracket else name


def _leak(rows: Sequence[LeakRow]) -> Figure:
    """A pair of intervals for each network and protocol: own test part, and unseen groups."""
    figure = sheet(PAGE_MM, 22 + 11 * len(rows))
    axes = figure.subplots()
    names = []
    for place, row in enumerate(rows):
        # An earlier row of the same network has told its name.
        first = place == 0 or rows[place - 1].network != row.network
        names.append(f"{text.shorten(row.network, 40)}\n{row.protocol}" if first else row.protocol)
        for estimate, colour, offset, part in (
            (row.own, _OWN, -0.16, 0),
            (row.unseen, _UNSEEN, 0.16, 1),
        ):
            dots = [100 * pair[part] for pair in row.by_repeat]
            if len(dots) > 1:
                axes.plot(dots, [place + offset] * len(dots), "o", color=colour, ms=2, alpha=0.45)
            label = ("own test part", "groups never seen")[part] if place == 0 else None
            _interval(axes, estimate, place + offset, colour, label)
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("accuracy (%), with 95 % interval; small dots: single repeats")
    axes.grid(axis="x", color=_LINE, lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=7)
    return figure


def _interval(axes: Axes, one: Estimate, height: float, colour: str, label: str | None) -> None:
    if math.isfinite(one.low) and math.isfinite(one.high):
        axes.plot([100 * one.low, 100 * one.high], [height] * 2, "-", color=colour, lw=1.6)
    axes.plot([100 * one.value], [height], "o", color=colour, ms=4.5, label=label)
    if not math.isfinite(one.low):
        axes.annotate(
            "no interval",
            (100 * one.value, height),
            xytext=(5, 0),
            textcoords="offset points",
            fontsize=5.5,
            color=MUTED,
            va="center",
        )
