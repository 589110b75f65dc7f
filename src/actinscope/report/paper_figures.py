"""Figures 1, 4 and 5 in the paper's layout, and the cost of the leak."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from actinscope import wording
from actinscope.report import text
from actinscope.report.charts import curve_charts
from actinscope.report.drawing import (
    BLUE,
    COLUMN_MM,
    INK,
    ORANGE,
    PAGE_MM,
    Chart,
    beside,
    interval_bar,
    sheet,
    side_by_side,
)
from actinscope.report.figures import MANY_CLASSES, draw_matrix
from actinscope.report.montages import examples_figure
from actinscope.report.paper_content import LeakRow, PaperContent, ProtocolFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3  # confusion matrices in a row
_MOST_NETWORKS = 8  # of one figure, so that it fits a page


def paper_figures(content: PaperContent) -> Iterator[tuple[str, Figure]]:
    """Every figure that the content has values for, by the name of its file."""
    if any(content.examples.values()):
        yield "figure_1", examples_figure(content.examples)
    for protocol in content.figures:
        if protocol.curves:
            shown = protocol.curves[:_MOST_NETWORKS]
            charts = [chart for one in shown for chart in network_charts(*one)]
            yield f"figure_4_{protocol.key}", side_by_side(charts, title=protocol.title)
            yield f"figure_5_{protocol.key}", _matrices(protocol)
    if content.leak:
        yield "cost_of_the_leak", side_by_side(leak_charts(content.leak))


def network_charts(network: str, history: Mapping[str, Sequence[float]]) -> tuple[Chart, ...]:
    """Loss and accuracy of one network over the epochs."""
    found = curve_charts(history, None)
    return tuple(replace(chart, title=f"{network}: {chart.title.lower()}") for chart in found)


def _matrices(protocol: ProtocolFigures) -> Figure:
    shown = protocol.matrices[:_MOST_NETWORKS]
    classes = len(shown[0][1].classes)
    dense = classes > MANY_CLASSES - 2
    across = 1 if dense else min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    height = 165 if dense else 34 + 11 * classes
    figure = sheet(PAGE_MM if dense else min(PAGE_MM, COLUMN_MM * across), 8 + height * down)
    figure.suptitle(f"{protocol.title}: own test part", fontsize=8, color=INK)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, evaluation) in zip(grid, shown, strict=False):
        draw_matrix(axes, evaluation)
        axes.set_title(_in_lines(title), loc="center")
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    return figure


def _in_lines(title: str) -> str:
    """A title that a narrow panel has room for: what stands in brackets goes to a second line."""
    name, bracket, rest = text.shorten(title, 40).partition(" (")
    return f"{name}\n({rest}" if bracket else name


def leak_charts(rows: Sequence[LeakRow]) -> tuple[Chart, ...]:
    """A chart for each network, all on one scale: its own test part and unseen groups."""
    floor = leak_floor(rows)
    charts = []
    for network, own in groupby(rows, key=lambda row: row.network):
        found = list(own)
        words = "; ".join(
            f"{row.protocol}: own test part {text.percent(row.own.value)}, "
            f"unseen groups {text.percent(row.unseen.value)}"
            for row in found
        )
        charts.append(Chart(network, words, partial(_leak, found, floor), 12 + 12 * len(found)))
    return tuple(charts)


def _leak(rows: Sequence[LeakRow], floor: float, axes: Axes) -> None:
    """Below the name of each protocol its own test part (blue), then unseen groups (orange)."""
    for place, row in enumerate(rows):
        axes.text(100 * floor, place - 0.28, text.shorten(row.protocol, 44), va="center", size=6.5)
        off = f"{wording.points(row.optimism.value)} points"
        axes.text(100, place - 0.28, off, ha="right", va="center", size=6.5, weight="bold")
        for part, one, colour, y in (
            (0, row.own, BLUE, place + 0.04),
            (1, row.unseen, ORANGE, place + 0.34),
        ):
            if len(row.by_repeat) > 1:
                dots = [100 * pair[part] for pair in row.by_repeat]
                axes.plot(dots, [y] * len(dots), "o", color=colour, ms=2.2, alpha=0.45, mew=0)
            interval_bar(axes, one, y, colour)
            if not one.has_interval:
                beside(axes, "no interval", (100 * one.value, y))
    axes.set(xlim=(100 * floor, 100), ylim=(len(rows) - 0.4, -0.6), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy (%); band: 95 % interval; small dots: repeats")
    axes.grid(axis="x")


def leak_floor(rows: Sequence[LeakRow]) -> float:
    """Where the scale of all rows begins: a tenth below everything that is drawn, 0..0.9."""
    values = [
        value
        for row in rows
        for one in (row.own, row.unseen)
        for value in (one.value, one.low, *(share for pair in row.by_repeat for share in pair))
        if math.isfinite(value)
    ]
    return min(0.9, max(0.0, math.floor(10 * min(values, default=0.0) - 0.01) / 10))
