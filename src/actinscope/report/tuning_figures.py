"""The charts of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from actinscope.report import text
from actinscope.report.drawing import (
    BAND,
    BLUE,
    MUTED,
    ORANGE,
    Chart,
)
from actinscope.report.tuning_content import TrialLine, TuningContent, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tuning_charts(content: TuningContent) -> dict[str, tuple[Chart, ...]]:
    """``history``, and ``slices`` where settings were varied."""
    trials = f"{len(content.trials)} trials"
    drawn: dict[str, tuple[Chart, ...]] = {}
    drawn["history"] = (Chart("Trials", trials, partial(_history, content), 60, wide=True),)
    if content.dimensions:
        drawn["slices"] = tuple(
            Chart(_spoken(name), f"log loss of {trials}", partial(_slice, content, name), 55)
            for name in content.dimensions
        )
    return drawn


def _spoken(name: str) -> str:
    """The last part of a setting's name, in words."""
    return name.rpartition(".")[2].replace("_", " ")


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
    _dots(axes, [(one.number, one) for one in content.trials])
    axes.set_xlabel("trial")
    _loss_axis(axes, content)
    ticks: Any = axes.xaxis.get_major_locator()
    ticks.set_params(integer=True)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)


def _dots(axes: Axes, places: Sequence[tuple[float, TrialLine]]) -> None:
    for x, one in places:
        if not math.isfinite(one.objective):
            continue
        colour = ORANGE if one.number == 0 else BLUE
        fill = colour if one.state == "complete" else "#ffffff"
        size = 6.5 if one.is_best else 4.0
        axes.plot(x, one.objective, "o", ms=size, mec=colour, mfc=fill, mew=0.9, clip_on=True)


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


def _position(scale: tuple[str, tuple[object, ...]], value: object) -> float | None:
    """Where a value lies on the axis of its dimension; None where it does not."""
    kind, ends = scale
    if kind == "choices":
        return float(ends.index(value)) if value in ends else None
    if not isinstance(value, int | float) or (kind == "log" and value <= 0):
        return None
    return math.log10(value) if kind == "log" else float(value)


def _slice(content: TuningContent, name: str, axes: Axes) -> None:
    scale = content.dimensions[name]
    found = [(_position(scale, one.values.get(name)), one) for one in content.trials]
    # Dots of one choice would cover each other: they are set side by side.
    shift = 0.3 if scale[0] == "choices" else 0.0
    count = max(1, len(content.trials) - 1)
    _dots(
        axes,
        [(x + shift * (2 * one.number / count - 1), one) for x, one in found if x is not None],
    )
    _loss_axis(axes, content)
    axes.set_xlabel(text.shorten(_spoken(name), 40))
    _value_axis(axes, scale)


def _value_axis(axes: Axes, scale: tuple[str, tuple[object, ...]]) -> None:
    kind, ends = scale
    if kind == "choices":
        labels = [text.shorten(short(value), 14) for value in ends]
        turn = 30 if max(map(len, labels)) * len(labels) > 26 else 0
        axes.set_xticks(range(len(ends)), labels, rotation=turn)
        axes.set_xlim(-0.6, len(ends) - 0.4)
        return
    low, high = (_position(scale, end) or 0.0 for end in ends)
    axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    if kind == "log":
        whole = [
            tick for tick in range(math.floor(low), math.ceil(high) + 1) if low <= tick <= high
        ]
        ticks = whole if len(whole) > 1 else [low, high]
        axes.set_xticks(ticks, [short(10.0**tick) for tick in ticks])
