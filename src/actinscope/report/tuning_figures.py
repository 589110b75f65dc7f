"""Figures of a search, for print and for its page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actinscope.report import text
from actinscope.report.figures import save_figures
from actinscope.report.sheet import COLUMN_MM, INK, MUTED, PAGE_MM, sheet
from actinscope.report.tuning_content import TrialLine, TuningContent, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE, _BLUE, _ORANGE, _BAND = "#d5d9da", "#0b5c94", "#b04e00", "#9cc3e0"
_PANELS_A_ROW = 4
_LABEL = 30


def write_tuning_figures(content: TuningContent, folder: Path) -> dict[str, Path]:
    """Draw what there are values for, as ``.png`` and ``.svg``; name -> SVG file.

    Raises:
        OutputError: a file cannot be written.
    """
    return save_figures(lambda: _figures(content), folder)


def _figures(content: TuningContent) -> Iterator[tuple[str, Figure]]:
    yield "history", _history(content)
    if content.dimensions:
        yield "slices", _slices(content)
    complete = [one for one in content.trials if one.state == "complete"]
    if len(content.dimensions) > 1 and len(complete) > 2:
        yield "parallel", _parallel(content, complete)
    if content.importances:
        yield "importances", _importances(content)


def _history(content: TuningContent) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure = sheet(PAGE_MM, 72)
    axes = figure.subplots()
    complete = [one for one in content.trials if one.state == "complete"]
    base = content.trials[0].objective
    if math.isfinite(content.base_spread):
        low, high = base - content.base_spread, base + content.base_spread
        axes.axhspan(low, high, color=_BAND, alpha=0.3, lw=0)
    axes.axhline(base, color=_ORANGE, lw=0.9, ls=(0, (4, 3)), label="base recipe")
    numbers = [one.number for one in complete]
    best = np.minimum.accumulate([one.objective for one in complete])
    axes.step(numbers, best, where="post", color=_BLUE, lw=1.2, label="best so far")
    _dots(axes, [(one.number, one) for one in content.trials])
    axes.set_xlabel("trial")
    _loss_axis(axes, content)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": 2}
    axes.legend(frameon=False, fontsize=6.5, **place)
    return figure


def _dots(axes: Axes, places: Sequence[tuple[float, TrialLine]]) -> None:
    for x, one in places:
        if not math.isfinite(one.objective):
            continue
        colour = _ORANGE if one.number == 0 else _BLUE
        fill = colour if one.state == "complete" else "white"
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
    axes.grid(axis="y", color=_LINE, lw=0.5)
    axes.set_axisbelow(True)
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


def _slices(content: TuningContent) -> Figure:
    names = list(content.dimensions)
    rows = -(-len(names) // _PANELS_A_ROW)
    figure = sheet(PAGE_MM, 8 + 46 * rows)
    columns = min(_PANELS_A_ROW, len(names))
    panels: Any = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(panels.flat, names, strict=False):
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
        if axes is not panels[0, 0] and axes not in panels[:, 0]:
            axes.set_ylabel("")
        axes.set_xlabel(text.shorten(name.rpartition(".")[2].replace("_", " "), _LABEL))
        _value_axis(axes, scale)
    return figure


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


def _parallel(content: TuningContent, complete: Sequence[TrialLine]) -> Figure:
    names = list(content.dimensions)
    figure = sheet(PAGE_MM, 80)
    axes = figure.subplots()
    order = sorted(complete, key=lambda one: -one.objective)  # the best on top
    for rank, one in enumerate(order):
        heights = [_share(content.dimensions[name], one.values.get(name)) for name in names]
        strength = 0.12 + 0.88 * (rank / max(1, len(order) - 1)) ** 2
        look: dict[str, Any] = {"color": _BLUE, "alpha": strength, "lw": 0.8 + strength}
        if one.number == 0:
            look = {"color": _ORANGE, "alpha": 1.0, "lw": 1.4, "ls": (0, (4, 2))}
        axes.plot(range(len(names)), heights, **look)
    for place, name in enumerate(names):
        axes.axvline(place, color=MUTED, lw=0.6)
        kind, ends = content.dimensions[name]
        marks = ends if kind == "choices" else (ends[0], ends[-1])
        box = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.8}
        for value in marks:
            height, words = _share((kind, ends), value), text.shorten(short(value), 14)
            axes.text(place + 0.03, height, words, size=6, color=INK, va="center", bbox=box)
    labels = [text.shorten(name.rpartition(".")[2].replace("_", " "), _LABEL) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=20 if len(names) > 5 else 0)
    axes.set_yticks([])
    axes.set_ylim(-0.06, 1.06)
    axes.set_xlim(-0.1, len(names) - 0.7)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _share(scale: tuple[str, tuple[object, ...]], value: object) -> float:
    """Height 0..1 of a value between the ends of its dimension; NaN where it has none."""
    kind, ends = scale
    place = _position(scale, value)
    if place is None:
        return math.nan
    if kind == "choices":
        return place / (len(ends) - 1) if len(ends) > 1 else 0.5
    low, high = _position(scale, ends[0]), _position(scale, ends[-1])
    assert low is not None and high is not None
    return (place - low) / (high - low)


def _importances(content: TuningContent) -> Figure:
    names = list(content.importances)
    figure = sheet(COLUMN_MM, 14 + 7 * len(names))
    axes = figure.subplots()
    shares = [100 * content.importances[name] for name in names]
    axes.barh(range(len(names)), shares, height=0.55, color=_BLUE)
    axes.set_yticks(range(len(names)), [text.shorten(name, _LABEL) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("share of the differences explained (%)")
    axes.grid(axis="x", color=_LINE, lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    return figure
