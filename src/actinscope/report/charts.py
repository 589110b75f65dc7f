"""The charts of a report: training curves, folds, calibration, maps of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from actinscope.report import text
from actinscope.report.content import FeatureMapShown, FoldsShown
from actinscope.report.drawing import (
    BAND,
    BLUE,
    COLOURS,
    INK,
    MUTED,
    ORANGE,
    Chart,
    beside,
    colour_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from actinscope.evaluation import UncertaintyEvaluation

_MOST_POINTS = 400  # of a curve
_LEGEND = 22  # characters of a name in a legend

History = Mapping[str, Sequence[float]]


def epochs_of(history: History) -> list[float]:
    """The epochs of a history; counted from 1 where they are not named."""
    most = max(map(len, history.values()), default=0)
    return list(history.get("epoch", ())) or [float(number) for number in range(1, most + 1)]


def curve_charts(history: History, best_epoch: int | None) -> tuple[Chart, ...]:
    """Loss and accuracy over the epochs, as far as the history has values for them."""
    charts = []
    for title, key in (("Loss", "loss"), ("Accuracy", "accuracy")):
        keys = {"training": key, "validation": f"validation_{key}"}
        found = {
            name: np.asarray(history.get(series, ()), dtype=np.float64)
            for name, series in keys.items()
        }
        found = {name: values for name, values in found.items() if np.isfinite(values).any()}
        if not found:
            continue
        ends = [f"{name} ends at {values[-1]:.3f}" for name, values in found.items()]
        words = "; ".join([f"{len(epochs_of(history))} epochs", *ends])
        draw = partial(_curves, epochs_of(history), found, best_epoch, key == "accuracy")
        charts.append(Chart(title, words, draw))
    return tuple(charts)


def _curves(
    epochs: Sequence[float],
    found: Mapping[str, Any],
    best_epoch: int | None,
    shares: bool,
    axes: Axes,
) -> None:
    for name, values in found.items():
        colour, dash = (MUTED, (0, (1, 2))) if name == "training" else (BLUE, "-")
        line = (100.0 if shares else 1.0) * values[: len(epochs)]
        look = axes.plot(epochs[: len(values)], line, label=name, color=colour, ls=dash, lw=1.4)
        # A value between gaps has no line: it is a dot.
        there = np.isfinite(np.concatenate([[math.nan], line, [math.nan]]))
        alone = np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])
        if len(alone):
            look[0].set(marker="o", markersize=4, markevery=alone.tolist())
    if best_epoch is not None:
        label = f"kept: epoch {best_epoch}"
        axes.axvline(best_epoch, color=ORANGE, lw=0.9, ls=(0, (4, 3)), label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy (%)" if shares else "loss")
    if shares:
        axes.set_ylim(top=101)
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.grid(axis="y")
    ticks: Any = axes.xaxis.get_major_locator()
    ticks.set_params(integer=True)
    axes.legend(
        handlelength=2.0, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0,
        columnspacing=1.2,
    )  # fmt: skip


def folds_chart(shown: FoldsShown) -> Chart:
    """Accuracy of every fold over the pooled value and its interval.

    A dot is the larger, the more images its fold tested: its area follows their number.
    """
    found = [
        (row.name, row.metrics["accuracy"].value, row.images)
        for row in shown.rows
        if "accuracy" in row.metrics and math.isfinite(row.metrics["accuracy"].value)
    ]
    words = [f"pooled {text.percent(shown.pooled.value)}"]
    words += [
        f"fold {name}: {text.percent(value)} of {text.whole(images)} images"
        for name, value, images in found
    ]

    def draw(axes: Axes) -> None:
        pooled = shown.pooled
        if pooled.has_interval:
            axes.axvspan(100 * pooled.low, 100 * pooled.high, color=BAND, alpha=0.5, lw=0)
        axes.axvline(100 * pooled.value, color=INK, lw=1.2)
        most = max((images for *_, images in found), default=1)
        for place, (_, value, images) in enumerate(found):
            size = 3 + 4 * math.sqrt(images / most)
            axes.plot(100 * value, place, "o", color=BLUE, ms=size, clip_on=False)
        axes.set_xlim(0, 100)
        axes.set_yticks(range(len(found)), [text.shorten(name, _LEGEND) for name, *_ in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("accuracy (%); line: all folds together, band: its interval")
        axes.grid(axis="x")

    return Chart("Accuracy of every fold", "; ".join(words), draw, height=18 + 4.2 * len(found))


def calibration_charts(uncertainty: UncertaintyEvaluation) -> tuple[Chart, Chart]:
    """The reliability diagram, and the accuracy for every share answered."""
    bins = "; ".join(
        f"at probability {text.percent(p.confidence)} right {text.percent(p.accuracy.value)}"
        for p in uncertainty.points
    )
    words = f"{text.percent(float(uncertainty.curve.accuracy[-1]))} where all are answered"
    if uncertainty.answered is not None and uncertainty.accuracy_answered is not None:
        accuracy, share = uncertainty.accuracy_answered.value, uncertainty.answered.value
        words += f"; as delivered {text.percent(accuracy)} of {text.percent(share)}"
    return (
        Chart("Reliability diagram", bins, partial(_reliability, uncertainty), height=70),
        Chart(
            "Accuracy by share of images answered",
            words,
            partial(_answered, uncertainty),
            height=70,
        ),
    )


def _reliability(uncertainty: UncertaintyEvaluation, axes: Axes) -> None:
    axes.plot([0, 100], [0, 100], "--", color=MUTED, lw=0.8)
    for point in uncertainty.points:
        estimate, x = point.accuracy, 100 * point.confidence
        if estimate.has_interval:
            axes.plot([x, x], [100 * estimate.low, 100 * estimate.high], color=BAND, lw=4)
        beside(axes, f"{estimate.n}", (x, 100 * estimate.value))
    for points, fill, colour, label in (
        (uncertainty.points_before, "none", ORANGE, "uncalibrated"),
        (uncertainty.points, BLUE, BLUE, "calibrated"),
    ):
        sure = [100 * one.confidence for one in points]
        correct = [100 * one.accuracy.value for one in points]
        axes.plot(sure, correct, "o", mfc=fill, color=colour, ms=4.5, label=label, clip_on=False)
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.set_xlabel("mean highest probability (%); small: images")
    axes.set_ylabel("correct predictions (%)")
    axes.grid()
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0, handlelength=1)


def _answered(uncertainty: UncertaintyEvaluation, axes: Axes) -> None:
    curve = uncertainty.curve
    last = len(curve.answered) - 1
    some = sorted({*range(0, last, max(1, last // _MOST_POINTS)), last})
    axes.plot(100 * curve.answered[some], 100 * curve.accuracy[some], color=BLUE, lw=1.4)
    if uncertainty.answered is not None and uncertainty.accuracy_answered is not None:
        x, y = 100 * uncertainty.answered.value, 100 * uncertainty.accuracy_answered.value
        axes.plot(x, y, "o", mfc="none", color=INK, ms=6, label="as delivered", clip_on=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, handlelength=1)
    axes.set_xlim(0, 100)
    axes.set_ylim(top=100.5)
    axes.set_xlabel("images answered (%)")
    axes.set_ylabel("correct among the answered (%)")
    axes.grid()


def feature_charts(shown: FeatureMapShown) -> tuple[Chart, ...]:
    """The points coloured by class, and by group where there are groups."""
    kinds = [("class", shown.classes, shown.class_names)]
    if len(shown.groups):
        kinds.append((shown.group_word, shown.groups, shown.group_names))
    rings = "; rings: test images" if shown.is_test.any() else ""
    return tuple(
        Chart(
            f"Coloured by {what}{rings}",
            f"{len(numbers)} images as points of a plane",
            partial(_points, shown, numbers, names),
            height=78 + 4 * math.ceil(min(len(names), len(COLOURS) + 1) / 3),
        )
        for what, numbers, names in kinds
    )


def _points(shown: FeatureMapShown, numbers: Any, names: Sequence[str], axes: Axes) -> None:
    colours = np.array([colour_of(int(number)) for number in numbers])
    known, test = ~shown.is_test, shown.is_test
    x, y = shown.points[:, 0], shown.points[:, 1]
    axes.scatter(x[known], y[known], s=9, c=list(colours[known]), lw=0)
    # Rings last: there are fewer of them, and they are what the result rests on.
    axes.scatter(x[test], y[test], s=22, facecolors="none", edgecolors=list(colours[test]), lw=1.1)
    axes.set(xlabel=shown.axes[0], ylabel=shown.axes[1], aspect="equal", xticks=[], yticks=[])
    axes.set_adjustable("datalim")
    short = [text.shorten(name, _LEGEND) for name in names]
    if len(names) > len(COLOURS):
        words = f"{len(names)} values: colours repeat after twelve."
        axes.plot([], [], " ", label=words)
    else:
        for number, name in enumerate(short):
            # A legend leaves out names that begin with an underscore.
            label = f" {name}" if name.startswith("_") else name
            axes.plot([], [], "o", ms=3.5, color=colour_of(number), label=label)
    axes.legend(
        fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.08), handletextpad=0.2,
        columnspacing=1.0, ncols=2 if max(map(len, short)) > 14 else 3,
    )  # fmt: skip
