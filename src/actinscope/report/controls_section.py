"""The controls in the words of the report."""

from __future__ import annotations

from actinscope.explain import TITLES, Control, ControlResults, PermutedLabels
from actinscope.report.content import ControlRow, ControlsShown
from actinscope.wording import p_words, percent, points_interval

_SEES = {
    "brightness": "how many pixels are how bright, but not where",
    "texture": "patterns of a few pixels, whatever their brightness",
    "outline": "size and form of the bright region",
    "background": "the pixels around the cell, not the cell",
    "thumbnail": "the image at 8 x 8 pixels",
}


def controls_shown(results: ControlResults) -> ControlsShown:
    """What the report's section on controls shows."""
    return ControlsShown(
        rows=tuple(_row(control) for control in results.controls),
        shuffled=_shuffled(results.shuffled),
        resolution=tuple(
            ("as they are" if factor == 1 else f"reduced {factor} times", estimate)
            for factor, estimate in results.resolution
        ),
        batches=tuple(
            (
                one.column,
                str(one.batches),
                str(one.images),
                percent(one.balanced_accuracy),
                percent(one.chance),
                f"{one.association:.2f}",
            )
            for one in results.batches
        ),
    )


def _row(control: Control) -> ControlRow:
    ahead = points_interval(control.ahead.value, control.ahead.low, control.ahead.high, digits=0)
    return ControlRow(
        title=TITLES[control.name],
        sees=_SEES[control.name],
        control=control.balanced_accuracy,
        network=control.network,
        ahead=ahead,
        explains=control.explains,
    )


def _shuffled(shuffled: PermutedLabels) -> str:
    return (
        f"Chance: with the labels permuted {shuffled.how}, the same predictions reach "
        f"{percent(shuffled.mean)} on average and at most {percent(shuffled.high)} in 95 of "
        f"100 permutations; with the true labels {percent(shuffled.balanced_accuracy)} "
        f"({p_words(shuffled.p)})."
    )
