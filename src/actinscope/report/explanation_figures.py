"""Figures for print on what the network looks at: mean maps, and maps of the features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from actinscope.report import pictures, text
from actinscope.report.content import ExplanationShown, FeatureMapShown, MeanMapShown
from actinscope.report.palette import colour_of, colours_repeat
from actinscope.report.sheet import MUTED, PAGE_MM, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CLASSES = 8
_NAME = 22


def explanation_figures(shown: ExplanationShown) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of all that there are values for."""
    if shown.means:
        yield "mean_maps", _means(shown.means)
    for one in shown.maps:
        yield one.name, _features(one)


def _means(means: Sequence[MeanMapShown]) -> Figure:
    """A class a row: mean image and map of its right answers, then of its wrong ones."""
    labels = list(dict.fromkeys(one.label for one in means))[:_MOST_CLASSES]
    kinds = list(dict.fromkeys(one.answers for one in means))
    columns = 2 * len(kinds)
    figure = sheet(36 * columns, 46 * len(labels))
    board = figure.subplots(len(labels), columns, squeeze=False)
    for axes in board.ravel():
        axes.set_axis_off()
    for one in means:
        if one.label not in labels:
            continue
        row, column = labels.index(one.label), 2 * kinds.index(one.answers)
        left, right = board[row][column], board[row][column + 1]
        left.imshow(pictures.as_rgb(one.pixels), interpolation="nearest")
        right.imshow(pictures.overlay(one.pixels, one.heat), interpolation="nearest")
        left.set_title(
            f"{text.shorten(one.label, _NAME)}\n{one.answers}, {text.whole(one.images)} "
            f"image{'s' if one.images != 1 else ''}",
            size=6.5, loc="left",
        )  # fmt: skip
    return figure


def _features(shown: FeatureMapShown) -> Figure:
    has_groups = len(shown.groups) > 0
    figure = sheet(PAGE_MM if has_groups else PAGE_MM / 2, 92)
    panels = figure.subplots(1, 2 if has_groups else 1, squeeze=False)[0]
    _panel(panels[0], shown, by_group=False)
    if has_groups:
        _panel(panels[1], shown, by_group=True)
    return figure


def _panel(axes: Axes, shown: FeatureMapShown, *, by_group: bool) -> None:
    numbers = shown.groups if by_group else shown.classes
    names = shown.group_names if by_group else shown.class_names
    colours = np.array([colour_of(int(number)) for number in numbers])
    known, test = ~shown.is_test, shown.is_test
    x, y = shown.points[:, 0], shown.points[:, 1]
    axes.scatter(x[known], y[known], s=7, c=list(colours[known]), lw=0)
    axes.scatter(x[test], y[test], s=17, facecolors="none", edgecolors=list(colours[test]), lw=1)
    axes.set(xlabel=shown.axes[0], ylabel=shown.axes[1], aspect="equal", xticks=[], yticks=[])
    axes.set_adjustable("datalim")
    axes.set_title(
        f"by {shown.group_word if by_group else 'class'}; rings: test images"
        if test.any()
        else f"by {shown.group_word if by_group else 'class'}",
        size=7, loc="left",
    )  # fmt: skip
    if colours_repeat(len(names)):
        axes.text(
            0.0, -0.09, f"{len(names)} values: colours repeat", size=6, color=MUTED,
            transform=axes.transAxes, va="top",
        )  # fmt: skip
        return
    for number, name in enumerate(names):
        axes.plot([], [], "o", ms=3.5, color=colour_of(number), label=text.shorten(name, _NAME))
    longest = max(len(text.shorten(name, _NAME)) for name in names)
    axes.legend(
        frameon=False, fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.08),
        ncols=2 if longest > 14 else 3, handletextpad=0.2, columnspacing=1.0,
    )  # fmt: skip
