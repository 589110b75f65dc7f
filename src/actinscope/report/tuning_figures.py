"""The chart of a search."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from actinscope.report.drawing import (
    BAND,
    BLUE,
    MUTED,
    ORANGE,
    Chart,
)
from actinscope.report.tuning_content import TuningContent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def history_chart(content: TuningContent) -> Chart:
    """The log loss of every trial, in their order."""
    words = f"{len(content.trials)} trials"
    return Chart("Trials", words, partial(_history, content), 60, wide=True)


def _history(content: TuningContent, axes: Axes) -> None:
    complete = [one for one in content.trials if one.state == "complete"]
    base = content.trials[0].objective
    if math.isfinite(content.base_spread):
        low, high = base - content.base_spread, base + content.base_spread
        axes.axhspan(low, high, color=BAND, alpha=0.3, lw=0)
    axes.axhline(base, color=ORANGE, lw=0.9, ls=(0, (4, 3)), label="base recipe")
    numbers = [one.number for one in complete]
    best = np.minimum.accumulate([one.objective for one in complete])
    axes.step(numbers, best, where="post", color=BLUE, lw=1.2, label="best so far")
    for one in content.trials:
        if math.isfinite(one.objective):
            colour = BLUE if one.number else ORANGE
            fill = colour if one.state == "complete" else "#ffffff"
            size = 6.5 if one.is_best else 4.0
            axes.plot(one.number, one.objective, "o", ms=size, mec=colour, mfc=fill, mew=0.9)
    axes.set_xlabel("trial")
    _loss_axis(axes, content)
    ticks: Any = axes.xaxis.get_major_locator()
    ticks.set_params(integer=True)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)


def _loss_axis(axes: Axes, content: TuningContent) -> None:
    """Trials that went astray must not press all others into one line."""
    losses = np.array([one.objective for one in content.trials if math.isfinite(one.objective)])
    low, middle, upper = losses.min(), np.median(losses), np.quantile(losses, 0.75)
    high = min(losses.max(), middle + 3 * max(upper - low, 1e-3))
    spread = content.base_spread if math.isfinite(content.base_spread) else 0.0
    low, high = min(low, losses[0] - spread), max(high, losses[0] + spread)
    pad = 0.07 * max(high - low, 1e-3)
    axes.set_ylim(low - pad, high + pad)
    axes.set_ylabel("log loss, held out")
    axes.grid(axis="y")
    above = int((losses > high + pad).sum())
    if above:
        axes.text(
            0.01, 0.98, f"{above} above this range", transform=axes.transAxes, va="top", size=6,
            color=MUTED,
        )  # fmt: skip
