"""The controls in the words of the report."""

from __future__ import annotations

from actinscope.explain.control_models import Control, PermutedLabels, warnings_of
from actinscope.explain.controls import ControlResults
from actinscope.report import ControlRow, ControlsShown
from actinscope.wording import percent

#: Title and what it sees, for every control.
_WORDS = {
    "brightness": ("Brightness", "how many pixels are how bright, but not where"),
    "texture": ("Texture", "patterns of a few pixels, whatever their brightness"),
    "outline": ("Outline", "size and form of the bright region"),
    "background": ("Background", "the pixels around the cell, not the cell"),
    "thumbnail": ("Thumbnail", "the image at 8 x 8 pixels"),
}
TITLES = {name: title for name, (title, _) in _WORDS.items()}


def control_warnings(results: ControlResults) -> tuple[str, ...]:
    """A sentence for every control that explains the result."""
    return warnings_of(results.controls, results.batches, TITLES)


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
    title, sees = _WORDS[control.name]
    difference = control.ahead
    ahead = f"{100 * difference.value:+.0f} points"
    if difference.has_interval:
        ahead += f" ({100 * difference.low:+.0f} to {100 * difference.high:+.0f})"
    else:
        ahead += " (no interval)"
    return ControlRow(
        title=title,
        sees=sees,
        control=control.balanced_accuracy,
        network=control.network,
        ahead=ahead.replace("-", "\u2212"),
        explains=control.explains,
    )


def _shuffled(shuffled: PermutedLabels) -> str:
    return (
        f"Chance: with the labels dealt out anew {shuffled.how}, the same answers reach "
        f"{percent(shuffled.mean)} on average and at most {percent(shuffled.high)} in 95 of "
        f"100 deals; with the true labels {percent(shuffled.balanced_accuracy)} "
        f"(p = {shuffled.p:.3f})."
    )
