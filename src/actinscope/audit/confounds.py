"""What tells the classes apart besides the cells: columns, files, brightness, marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.audit.findings import AuditFinding, Dots, Shot, words_of
from actinscope.audit.permutation import Confound, find_confounds
from actinscope.study import CORNER, MEASURES, ImageStatistics, Manifest, independent_images
from actinscope.wording import p_words, percent

LEVEL = 0.05
"""Chance of any false alarm over all checks of one study."""

_STRONG = 0.5  # strength from which a confound is a warning
_MOST_VALUES = 40  # of a column that is compared value by value
_MOST_DOTS = 80  # of a class in a drawing
_MOST_UNITS = 3000  # one class of one group each, or images without groups, that are tested

#: Check -> its measures; the logarithm is taken of those that are scales.
_MEASURED = {
    "brightness": ("mean", "bright"),
    "background and noise": ("background", "noise"),
    "file size": ("bytes",),
    "image size": ("height", "width"),
    "sharpness": ("focus",),
    "saturation": ("saturated",),
}
_LINEAR = {"focus", "saturated"}


def confound_checks(
    manifest: Manifest, observations: Sequence[ImageStatistics]
) -> dict[str, NDArray[np.float64]]:
    """Name -> (N, D) features of each check that varies at all."""
    table = np.stack([one.measures for one in observations])
    checks: dict[str, NDArray[np.float64]] = {}
    for name, measures in _MEASURED.items():
        features = np.stack([_scaled(table, one) for one in measures], axis=1)
        if features.std() > 0:
            checks[name] = features
    corners = np.stack([one.corners.ravel() for one in observations]).astype(np.float64)
    checks["corners of the picture"] = corners
    facts = sorted({name for one in observations for name in one.facts})
    for name in facts:
        values = [one.facts.get(name, "not told") for one in observations]
        if (coded := _by_value(values)) is not None:
            checks[name] = coded
    for column in manifest.group_columns:
        if column == manifest.group:
            continue
        values = [record.groups.get(column, "") for record in manifest.records]
        if (coded := _of_column(values)) is not None:
            checks[f"column {column}"] = coded
    return checks


def run_checks(
    manifest: Manifest, observations: Sequence[ImageStatistics], *, seed: int
) -> tuple[Confound, ...]:
    """All checks of a study; of whole groups drawn at random where there are very many."""
    checks = confound_checks(manifest, observations)
    classes = {label: number for number, label in enumerate(manifest.classes)}
    labels = np.array([classes[record.label] for record in manifest.records])
    groups = None
    if manifest.group is not None:
        groups = [manifest.group_of(record) for record in manifest.records]
    chosen = _drawn(labels, groups, np.random.default_rng([seed, 23]))
    chosen = np.intersect1d(chosen, independent_images(manifest.records, None)[0])
    if not checks or len(np.unique(labels[chosen])) < 2:
        return ()
    some = {name: features[chosen] for name, features in checks.items()}
    if groups is not None:
        groups = [groups[number] for number in chosen]
    return find_confounds(some, labels[chosen], groups=groups, seed=seed)


def _drawn(
    labels: NDArray[np.int_], groups: Sequence[str] | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Images of as many whole groups, drawn at random, as hold at most ``_MOST_UNITS`` units."""
    own = np.arange(len(labels))
    if groups is not None:
        _, own = np.unique(np.asarray(groups), return_inverse=True)
        own = own.reshape(-1)
    units = np.bincount(np.unique(np.stack([own, labels], axis=1), axis=0)[:, 0])  # of each group
    order = rng.permutation(len(units))
    kept = order[np.cumsum(units[order]) <= _MOST_UNITS]
    return np.flatnonzero(np.isin(own, kept))


def confound_findings(
    found: Sequence[Confound], manifest: Manifest, observations: Sequence[ImageStatistics]
) -> Iterator[AuditFinding]:
    """One finding for each check that separates the classes, the strongest first."""
    shown = [one for one in found if one.p <= LEVEL and one.strength > 0]
    for one in sorted(shown, key=lambda one: -one.strength):
        yield _confounded(one, manifest, observations)
    hidden = [
        one for one in found if one.p > LEVEL and len(found) * one.least_p > LEVEL
        and one.strength >= _STRONG
    ]  # fmt: skip
    if hidden:
        names = ", ".join(f"{one.name} ({one.balanced_accuracy:.2f})" for one in hidden)
        yield AuditFinding(
            **words_of("cannot be told", names=names, least=hidden[0].least_p, checks=len(found)),
            severity="warning",
            numbers={one.name: one.balanced_accuracy for one in hidden},
            dots=_dots(hidden[0].name, manifest, observations),
        )


def _confounded(
    one: Confound, manifest: Manifest, observations: Sequence[ImageStatistics]
) -> AuditFinding:
    strong = one.strength >= _STRONG
    biology = (
        " It may be biology (larger or brighter cells); then say so beside the result."
        if one.name in {*_MEASURED, "corners of the picture"}
        else ""
    )
    return AuditFinding(
        **words_of(
            "confound",
            what=_spoken(one.name),
            weakly="" if strong else ", though not well",
            sample=manifest.group or "image",
            accuracy=percent(one.balanced_accuracy),
            expected=percent(one.expected),
            p=p_words(one.p),
            biology=biology,
            remedy=_REMEDIES.get(one.name, _REMEDIES["column"]),
        ),
        severity="warning" if strong else "info",
        numbers={
            "balanced accuracy": one.balanced_accuracy,
            "by chance": one.expected,
            "p": one.p,
        },
        dots=_dots(one.name, manifest, observations),
        shots=_corner_shots(manifest, observations) if "corner" in one.name else (),
    )


_REMEDIES = {
    "corners of the picture": "Look at the mean corners below: crop marks, scale bars and burnt-in "
    "text off all images; a difference that is biology, such as crowding, stays",
    "file size": "Export all images with one program and one compression",
    "image size": "Crop all images to one size in pixels, around the cell",
    "column": "Image all classes on the same plates, on the same days, with the same settings; "
    "until then test on plates or days where the classes are mixed",
}
_REMEDIES |= dict.fromkeys(
    ("brightness", "background and noise", "sharpness", "saturation"),
    "Check exposure, lamp and staining of the classes; image them side by side, on the same "
    "plates and days",
)


def _spoken(name: str) -> str:
    if name.startswith("column "):
        return f"the {name}"
    return f"the {name}" + (" alone" if name in _MEASURED else "")


def _scaled(table: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    values = table[:, MEASURES.index(name)]
    if name in _LINEAR:
        return values
    scaled: NDArray[np.float64] = np.log10(np.maximum(values, 1e-6))
    return scaled


def _by_value(values: Sequence[str]) -> NDArray[np.float64] | None:
    """(N, V) one column for each of the most frequent values; None where all are the same."""
    names, number, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    # A value that only one image has says nothing of another.
    kept = [n for n in np.argsort(-counts, kind="stable")[:_MOST_VALUES] if counts[n] > 1]
    if len(names) < 2 or not kept:
        return None
    return np.stack([number.reshape(-1) == n for n in kept], axis=1).astype(np.float64)


def _of_column(values: Sequence[str]) -> NDArray[np.float64] | None:
    """A column of the manifest: numbers as they are where they are many, else value by value."""
    different = set(values)
    if len(different) > _MOST_VALUES:
        try:
            numbers = np.array([float(value) for value in values])
        except ValueError:
            return _by_value(values)
        return numbers[:, None] if np.isfinite(numbers).all() else None
    return _by_value(values)


def _dots(name: str, manifest: Manifest, observations: Sequence[ImageStatistics]) -> Dots | None:
    """The first measure of the check for every group, by class."""
    if name not in _MEASURED:
        return None
    measure = _MEASURED[name][0]
    place = MEASURES.index(measure)
    values: dict[str, dict[str, list[float]]] = {label: {} for label in manifest.classes}
    for record, one in zip(manifest.records, observations, strict=True):
        own = values[record.label]
        own.setdefault(manifest.group_of(record), []).append(float(one.measures[place]))
    rows = {
        label: tuple(float(np.mean(found)) for found in list(groups.values())[:_MOST_DOTS])
        for label, groups in values.items()
    }
    words = {"bytes": "size of the file, bytes", "mean": "mean value of the pixels"}
    return Dots(f"{words.get(measure, measure)}, a dot for each {manifest.group or 'image'}", rows)


def _corner_shots(manifest: Manifest, observations: Sequence[ImageStatistics]) -> tuple[Shot, ...]:
    """Mean corners of the classes, put together as one picture each."""
    labels = np.array([record.label for record in manifest.records])
    corners = np.stack([one.corners for one in observations])  # (N, 4, 8, 8)
    means = [corners[labels == label].mean(axis=0) for label in manifest.classes]
    low, high = float(np.min(means)), float(np.max(means))
    shots = []
    for label, mean in zip(manifest.classes, means, strict=True):
        four = (mean.reshape(2, 2, CORNER, CORNER) - low) / max(high - low, 1e-9)
        joined = four.transpose(0, 2, 1, 3).reshape(2 * CORNER, 2 * CORNER)
        shots.append(
            Shot(label, ("mean of the four corners",), np.round(255 * joined).astype(np.uint8))
        )
    return tuple(shots)
