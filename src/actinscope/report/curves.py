"""Training curves inside the page: one panel for the loss, one for the accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from actinscope.report.svg import join, tag

_WIDTH, _HEIGHT = 440, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 90, 26, 40
_LABEL_GAP = 15.0
_MOST_EPOCH_TICKS = 6


@dataclass(frozen=True)
class Curve:
    """One line of a panel: its name, its class in the style sheet, one value an epoch."""

    name: str
    look: str
    values: Sequence[float]


@dataclass(frozen=True)
class _Frame:
    """Where an epoch and a value lie in the drawing."""

    epochs: tuple[float, float]
    values: tuple[float, float]

    def x(self, epoch: float) -> float:
        first, last = self.epochs
        share = (epoch - first) / (last - first) if last > first else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.values
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def curve_panels(
    history: Mapping[str, Sequence[float]], best_epoch: int | None
) -> tuple[tuple[str, Markup], ...]:
    """(title, drawing) of every panel that the history has values for."""
    epochs = epochs_of(history)
    panels = []
    for title, key in (("Loss", "loss"), ("Accuracy", "accuracy")):
        curves = [
            Curve(name, look, values)
            for name, look, values in (
                ("training", "train", history.get(key, ())),
                ("validation", "validation", history.get(f"validation_{key}", ())),
            )
            if any(math.isfinite(value) for value in values)
        ]
        if curves:
            panels.append((title, _panel(title, epochs, curves, best_epoch)))
    return tuple(panels)


def epochs_of(history: Mapping[str, Sequence[float]]) -> list[float]:
    """The epochs of a history; counted from 1 where they are not named."""
    named = history.get("epoch", ())
    return list(named) or [
        float(index + 1) for index in range(max(map(len, history.values()), default=0))
    ]


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values (steps of 1, 2 or 5 times a power of ten) that enclose ``low``..``high``.

    At least two and at most ``most`` + 2 values, in rising order.
    """
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * max(size, 1e-9):
        size = size if size > 1e-9 else 1.0
        low, high = low - size / 2, high + size / 2
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _panel(
    title: str, epochs: Sequence[float], curves: Sequence[Curve], best_epoch: int | None
) -> Markup:
    shares = title == "Accuracy"
    finite = [value for curve in curves for value in curve.values if math.isfinite(value)]
    ticks = nice_ticks(min(finite), 1.0) if shares else nice_ticks(min(0.0, *finite), max(finite))
    frame = _Frame((min(epochs), max(epochs)), (ticks[0], ticks[-1]))
    pieces = [*_value_axis(frame, ticks, shares), *_epoch_axis(frame)]
    if best_epoch is not None and min(epochs) <= best_epoch <= max(epochs):
        pieces += _best_mark(frame, best_epoch)
    for curve in curves:
        pieces += _line(frame, epochs, curve)
    pieces += _end_labels(frame, curves)
    words = _spoken(title, len(epochs), curves, best_epoch)
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return tag("svg", join(*pieces), class_="curves", viewBox=box, role="img", aria_label=words)


def _value_axis(frame: _Frame, ticks: Sequence[float], shares: bool) -> list[Markup]:
    pieces = []
    for tick in ticks:
        y = f"{frame.y(tick):.1f}"
        text = f"{100 * tick:g}\u202f%" if shares else f"{tick:g}"
        look = {"class_": "tick", "dy": "0.35em", "text_anchor": "end"}
        pieces.append(tag("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y))
        pieces.append(tag("text", text, x=_LEFT - 8, y=y, **look))
    return pieces


def _epoch_axis(frame: _Frame) -> list[Markup]:
    first, last = frame.epochs
    base = _HEIGHT - _BOTTOM
    ticks = nice_ticks(first, last, _MOST_EPOCH_TICKS) if last > first else [first]
    pieces = []
    for tick in ticks:
        if not first <= tick <= last or tick != round(tick):
            continue
        x = f"{frame.x(tick):.1f}"
        pieces.append(
            tag("text", f"{tick:g}", class_="tick", x=x, y=base + 17, text_anchor="middle")
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    pieces.append(tag("text", "epoch", class_="tick", x=middle, y=base + 34, text_anchor="middle"))
    return pieces


def _best_mark(frame: _Frame, best_epoch: int) -> list[Markup]:
    x = f"{frame.x(best_epoch):.1f}"
    late = frame.x(best_epoch) > (_LEFT + _WIDTH - _RIGHT) / 2
    label = f"kept: epoch {best_epoch}"
    edge = {"text_anchor": "end" if late else "start", "dx": 4 if late else -4}
    return [
        tag("line", class_="best", x1=x, x2=x, y1=_TOP - 6, y2=_HEIGHT - _BOTTOM),
        tag("text", label, class_="best", x=x, y=_TOP - 11, **edge),
    ]


def _line(frame: _Frame, epochs: Sequence[float], curve: Curve) -> list[Markup]:
    pieces = []
    run: list[str] = []
    for epoch, value in [*zip(epochs, curve.values, strict=False), (math.nan, math.nan)]:
        if math.isfinite(value):
            run.append(f"{frame.x(epoch):.1f},{frame.y(value):.1f}")
        elif len(run) == 1:
            x, y = run.pop().split(",")
            pieces.append(tag("circle", class_=f"dot {curve.look}", cx=x, cy=y, r=3))
        elif run:
            pieces.append(tag("polyline", class_=f"line {curve.look}", points=" ".join(run)))
            run = []
    return pieces


def _end_labels(frame: _Frame, curves: Sequence[Curve]) -> list[Markup]:
    """Names at the right ends of the lines, pushed apart where the lines meet."""
    ends = sorted(
        (frame.y(next(v for v in reversed(curve.values) if math.isfinite(v))), curve.look, curve)
        for curve in curves
    )
    heights = [end[0] for end in ends]
    if len(heights) == 2 and heights[1] - heights[0] < _LABEL_GAP:
        middle = sum(heights) / 2
        middle = min(middle, _HEIGHT - _BOTTOM - _LABEL_GAP / 2)
        heights = [middle - _LABEL_GAP / 2, middle + _LABEL_GAP / 2]
    return [
        tag(
            "text",
            curve.name,
            class_=f"name {look}",
            x=_WIDTH - _RIGHT + 7,
            y=f"{height:.1f}",
            dy="0.35em",
        )
        for height, (_, look, curve) in zip(heights, ends, strict=True)
    ]


def _spoken(title: str, epochs: int, curves: Sequence[Curve], best_epoch: int | None) -> str:
    words = [f"{title} over {epochs} epochs"]
    words += [f"{curve.name} ends at {curve.values[-1]:.3f}" for curve in curves]
    if best_epoch is not None:
        words.append(f"the weights of epoch {best_epoch} were kept")
    return "; ".join(words)
