"""The figure on calibration for print: reliability, and accuracy against the share answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actinscope.report.sheet import INK, MUTED, PAGE_MM, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from actinscope.evaluation import UncertaintyEvaluation

_BLUE, _ORANGE, _LINE = "#0b5c94", "#b04e00", "#d5d9da"


def probability_figure(worth: UncertaintyEvaluation) -> Figure:
    """Two panels: the reliability diagram, and accuracy for every share answered."""
    figure = sheet(PAGE_MM, 76)
    left, right = figure.subplots(1, 2)
    left.plot([0, 100], [0, 100], "--", color=MUTED, lw=0.8)
    before = [(100 * one.confidence, 100 * one.accuracy.value) for one in worth.points_before]
    left.plot(
        *zip(*before, strict=True), "o", mfc="none", color=_ORANGE, ms=4, label="network's own"
    )
    for point in worth.points:
        estimate, x = point.accuracy, 100 * point.confidence
        if estimate.has_interval:
            left.plot([x, x], [100 * estimate.low, 100 * estimate.high], color=_BLUE, lw=1.0)
        left.annotate(
            f"{estimate.n}",
            (x, 100 * estimate.value),
            xytext=(4, -8),
            textcoords="offset points",
            size=5.4,
            color=MUTED,
        )
    after = [(100 * one.confidence, 100 * one.accuracy.value) for one in worth.points]
    left.plot(*zip(*after, strict=True), "o", color=_BLUE, ms=4, label="calibrated")
    left.set_xlabel("mean highest probability (%); small: images")
    left.set_ylabel("right answers (%)")
    left.legend(frameon=False, fontsize=6.5, loc="lower right")
    right.plot(100 * worth.curve.answered, 100 * worth.curve.accuracy, color=_BLUE, lw=1.3)
    if worth.answered is not None and worth.accuracy_answered is not None:
        place = (100 * worth.answered.value, 100 * worth.accuracy_answered.value)
        right.plot(*place, "o", mfc="none", color=INK, ms=6, label="as delivered")
        right.legend(frameon=False, fontsize=6.5, loc="lower left")
    right.set_xlabel("images answered (%)")
    right.set_ylabel("right among the answered (%)")
    for axes in (left, right):
        axes.grid(color=_LINE, lw=0.5)
        axes.set_axisbelow(True)
    return figure
