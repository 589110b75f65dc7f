"""Images that are blank, saturated, out of focus or wrongly exposed, and mixed kinds of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.audit.findings import AuditFinding, Shot, words_of
from actinscope.study import MEASURES, ImageStatistics, Manifest
from actinscope.wording import percent

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
    for kind, chosen, measure in (
        ("blank", blank, "signal"),
        ("saturated", saturated, "saturated"),
        ("out of focus", focus & ~blank, "focus"),
        ("exposure", exposure & ~blank, "mean"),
    ):
        if chosen.any():
            yield _finding(kind, manifest, observations, chosen, (measure, column[measure]))
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
    kind: str,
    manifest: Manifest,
    observations: Sequence[ImageStatistics],
    chosen: NDArray[np.bool_],
    measure: tuple[str, NDArray[np.float64]],
) -> AuditFinding:
    name, values = measure
    numbers = np.flatnonzero(chosen)
    order = numbers[np.argsort(values[numbers], kind="stable")]
    if name == "saturated":
        order = order[::-1]
    by_class = Counter(manifest.records[number].label for number in numbers)
    counts = ", ".join(f"{label} {count}" for label, count in by_class.most_common(6))
    many = len(numbers) > 0.02 * len(values)
    return AuditFinding(
        **words_of(
            kind, count=len(numbers), share=percent(len(numbers) / len(values)), classes=counts
        ),
        severity="warning" if many else "info",
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
            **words_of("mixed pixel types", count=len(kinds), kinds=counts),
            severity="warning",
            numbers={name: float(count) for name, count in kinds.items()},
        )


def _stretched(
    observations: Sequence[ImageStatistics], column: dict[str, NDArray[np.float64]]
) -> Iterator[AuditFinding]:
    eight = np.array(["uint8" in one.facts.get("pixel type", "") for one in observations])
    full = eight & (column["saturated"] > 0)
    if eight.sum() >= _FEWEST and full.sum() > 0.9 * eight.sum():
        yield AuditFinding(
            **words_of("stretched images", full=int(full.sum()), count=int(eight.sum())),
            severity="info",
            numbers={"images": float(full.sum())},
        )
