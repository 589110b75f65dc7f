"""Images that are blank, saturated, out of focus or wrongly exposed, and mixed kinds of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.report import AuditFinding, Shot
from actinscope.study import MEASURES, ImageStatistics, Manifest

_SHOWN = 12
_SATURATED = 0.01  # share of an image's pixels
_BLANK = 3.0  # bright structure in standard deviations of the noise
_FAR = 6.0  # robust standard deviations from the class's median
_LEAST_SPREAD = 0.03  # decades, 7 %: images that are all alike do not make a small difference large
_FEWEST = 10  # images of a class, to speak of outliers


def quality_findings(
    manifest: Manifest, observations: Sequence[ImageStatistics]
) -> Iterator[AuditFinding]:
    """Suspicious images, each kind as one finding."""
    table = np.stack([one.measures for one in observations])  # (N, M)
    column = {name: table[:, place] for place, name in enumerate(MEASURES)}
    labels = np.array([record.label for record in manifest.records])
    saturated = column["saturated"] > _SATURATED
    blank = column["signal"] < _BLANK
    focus = _deviations(column["focus"], labels) < -_FAR
    exposure = np.abs(_deviations(np.log10(np.maximum(column["mean"], 1e-9)), labels)) > _FAR
    for chosen, measure, words in (
        (blank, "signal", _BLANK_WORDS),
        (saturated, "saturated", _SATURATED_WORDS),
        (focus & ~blank, "focus", _FOCUS_WORDS),
        (exposure & ~blank, "mean", _EXPOSURE_WORDS),
    ):
        if chosen.any():
            yield _finding(manifest, observations, chosen, (measure, column[measure]), words)
    yield from _mixed(observations)
    yield from _stretched(observations, column)


def _deviations(values: NDArray[np.float64], labels: NDArray[np.str_]) -> NDArray[np.float64]:
    """(N,) distance from the class's median in robust standard deviations (1.4826 MAD).

    Values are logarithms to base 10: the result does not depend on the unit.
    """
    away = np.zeros(len(values))
    for label in np.unique(labels):
        own = labels == label
        if own.sum() < _FEWEST:
            continue
        middle = np.median(values[own])
        spread = 1.4826 * np.median(np.abs(values[own] - middle))
        away[own] = (values[own] - middle) / max(float(spread), _LEAST_SPREAD)
    return away


def _finding(
    manifest: Manifest,
    observations: Sequence[ImageStatistics],
    chosen: NDArray[np.bool_],
    measure: tuple[str, NDArray[np.float64]],
    words: tuple[str, str, str, str],
) -> AuditFinding:
    name, values = measure
    kind, title, detail, remedy = words
    numbers = np.flatnonzero(chosen)
    order = numbers[np.argsort(values[numbers], kind="stable")]
    if name == "saturated":
        order = order[::-1]
    by_class = Counter(manifest.records[number].label for number in numbers)
    counts = ", ".join(f"{label} {count}" for label, count in by_class.most_common(6))
    many = len(numbers) > 0.02 * len(values)
    return AuditFinding(
        kind=kind,
        severity="warning" if many else "info",
        title=title.format(count=len(numbers), share=f"{100 * len(numbers) / len(values):.1f} %"),
        detail=f"{detail} By class: {counts}.",
        remedy=remedy,
        images=tuple(manifest.records[number].title for number in order),
        numbers={"images": len(numbers)},
        shots=tuple(
            Shot(
                manifest.records[number].title,
                (manifest.records[number].label, f"{name} {values[number]:.3g}"),
                observations[number].sketch.picture,
            )
            for number in order[:_SHOWN]
        ),
    )


def _mixed(observations: Sequence[ImageStatistics]) -> Iterator[AuditFinding]:
    kinds = Counter(one.facts.get("pixel type", "") for one in observations)
    if len(kinds) > 1:
        counts = ", ".join(f"{name}: {count}" for name, count in kinds.most_common(5))
        yield AuditFinding(
            kind="mixed pixel types",
            severity="warning",
            title=f"The images have {len(kinds)} different pixel types",
            detail=f"{counts}. Images of one study should come from one camera at one bit depth; "
            "8-bit copies of 16-bit images have mostly been stretched, each by itself.",
            remedy="Export all images again from the raw data in the same way",
            numbers={name: float(count) for name, count in kinds.items()},
        )


def _stretched(
    observations: Sequence[ImageStatistics], column: dict[str, NDArray[np.float64]]
) -> Iterator[AuditFinding]:
    eight = np.array(["uint8" in one.facts.get("pixel type", "") for one in observations])
    full = eight & (column["saturated"] > 0)
    if eight.sum() >= _FEWEST and full.sum() > 0.9 * eight.sum():
        yield AuditFinding(
            kind="stretched images",
            severity="info",
            title="The 8-bit images look as if each had been stretched to its own brightest pixel",
            detail=f"{int(full.sum())} of {int(eight.sum())} reach 255 in some pixel. Brightness "
            "can then not be compared between images.",
            remedy="If brightness matters to the question, use the raw images",
            numbers={"images": float(full.sum())},
        )


_BLANK_WORDS = (
    "blank",
    "Images that show hardly anything but background: {count} ({share})",
    "Their bright structures rise less than three standard deviations of the noise above the rest.",
    "Look at them, and remove those without a cell",
)
_SATURATED_WORDS = (
    "saturated",
    "Saturated images: {count} ({share})",
    "More than 1 % of their pixels have the highest value that the file can hold: the structure in "
    "these places is lost, and a network may learn the exposure instead of the cell.",
    "Expose or export them again; if that cannot be, check that no class has more of them",
)
_FOCUS_WORDS = (
    "out of focus",
    "Images much less sharp than others of their class: {count} ({share})",
    "Fine structure is weaker by more than six robust standard deviations.",
    "Look at them; remove those out of focus, or keep them in all classes alike",
)
_EXPOSURE_WORDS = (
    "exposure",
    "Images much darker or brighter than others of their class: {count} ({share})",
    "Their mean differs by more than six robust standard deviations (on a logarithmic scale).",
    "Look at them; they may be from another exposure, magnification or stain",
)
