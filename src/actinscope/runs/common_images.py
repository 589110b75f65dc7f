"""Which images models can be compared on: the same pixels, predicted by all, seen by none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.runs.folder import ImageKey, ListedImage, RunFolder
from actinscope.runs.provenance import TrainingProvenance
from actinscope.study import TEST, TRAIN, first_of_copies, joined_groups
from actinscope.wording import enumerate_some


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model to be compared, and its predictions.

    Attributes:
        name: of the model.
        classes: in the order of its probabilities.
        tested: image that it predicted -> row of ``probabilities``.
        hashes: image -> its pixels as the model reads them, to find images stored twice.
        listed: all images that it lists, with the columns of the study; the part is not test
            where the image trained the model.
        probabilities: (N, K).
        training: what is known of the images that trained it.
        group: column that its study was split by, or None.
    """

    name: str
    classes: tuple[str, ...]
    tested: Mapping[ImageKey, int]
    listed: Mapping[ImageKey, ListedImage]
    training: TrainingProvenance
    group: str | None
    hashes: Mapping[ImageKey, str]
    probabilities: NDArray[np.float64]

    @classmethod
    def of_run(cls, name: str, run: RunFolder) -> Candidate:
        """As a finished run predicted its test part."""
        found = run.predictions
        images = run.images or found.images
        return cls(
            name=name,
            classes=found.classes,
            tested={found.images[row].key: row for row in found.rows_of(TEST)},
            listed={image.key: image for image in images},
            training=TrainingProvenance.of_run(images, name),
            group=run.group,
            hashes={image.key: image.pixel_hash for image in images},
            probabilities=found.probabilities,
        )

    def reason_against(self, key: ImageKey, pixel_hashes: set[str]) -> str:
        """That the image, or another with its pixels, trained the model; empty where not."""
        image = self.listed.get(key)
        parts = [] if image is None or image.part == TEST else [image.part]
        parts += [
            part for one in pixel_hashes if (part := self.training.images.get(one)) is not None
        ]
        if not parts:
            return ""
        return f"in the {'training' if parts[0] == TRAIN else parts[0]} part of {self.name}"

    def rows(self, keys: Sequence[ImageKey], classes: Sequence[str]) -> NDArray[np.float64]:
        """(N, K) probabilities of ``keys``, columns in the order of ``classes``."""
        order = [self.classes.index(name) for name in classes]
        return self.probabilities[[self.tested[key] for key in keys]][:, order]


@dataclass(frozen=True, eq=False)
class AlignedRuns:
    """R runs and the N images that they are compared on.

    Attributes:
        names: of the runs.
        classes: of the K classes.
        keys: (N,) image each.
        labels: (N,) true class indices.
        probabilities: (R, N, K).
        groups: (N,) or None where no group is known.
        group: name of the group column, or None.
        lost: (why, how many) of the images that were left out.
        notes: what else a reader must know.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    keys: tuple[ImageKey, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: tuple[str, ...] | None
    group: str | None
    lost: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


def align(candidates: Sequence[Candidate], *, group: str | None = None) -> AlignedRuns:
    """Put the predictions of several models for their common images side by side.

    Args:
        candidates: two or more.
        group: column that groups the images; "none" for none; None takes the column that
            the runs were split by.

    Raises:
        StudyError: the classes or a label differ, no image is left, or there is no such column.
    """
    keys, lost = _common_images(candidates)
    classes = candidates[0].classes
    column, groups, notes = _groups(keys, candidates, group)
    hashes = [candidates[0].hashes.get(key, "") for key in keys]
    distinct = sorted(set(first_of_copies(hashes, _labels(keys, candidates))))
    if groups is not None:
        groups = joined_groups(groups, hashes)
        groups = tuple(groups[place] for place in distinct)
    if copies := len(keys) - len(distinct):
        lost = {**lost, "exact copies of other compared images, which count once": copies}
    keys = [keys[place] for place in distinct]
    return AlignedRuns(
        names=tuple(one.name for one in candidates),
        classes=classes,
        keys=tuple(keys),
        labels=np.array([classes.index(name) for name in _labels(keys, candidates)], np.int64),
        probabilities=np.stack([one.rows(keys, classes) for one in candidates]),
        groups=groups,
        group=column,
        lost=tuple(lost.items()),
        notes=(*notes, *_unknown_training(candidates), *_familiar(groups, candidates, column)),
    )


def _require_same_classes(candidates: Sequence[Candidate]) -> None:
    """Refuse models that tell different classes apart; the order may differ.

    Raises:
        StudyError: names the first that differs.
    """
    first, *others = candidates
    for one in others:
        if set(one.classes) != set(first.classes):
            raise StudyError(
                f"the classes of {one.name} are {', '.join(one.classes)}, and those of "
                f"{first.name} {', '.join(first.classes)}",
                remedy="Compare runs with the same classes",
            )


def _common_images(candidates: Sequence[Candidate]) -> tuple[list[ImageKey], Mapping[str, int]]:
    """The images that all models test and none was trained on, and why others are left out.

    An image is the same where name, object and pixels (SHA-256) are. It is left out where
    it, or another image with the same pixels, trained any of the models, and the reason is
    counted.

    Raises:
        StudyError: the classes differ, or no image is left.
    """
    _require_same_classes(candidates)
    reasons = {
        key: _why_not(key, candidates)
        for key in dict.fromkeys(key for one in candidates for key in one.tested)
    }
    lost = Counter(filter(None, reasons.values()))
    kept = [key for key, why in reasons.items() if not why]
    if not kept:
        raise _nothing_left(candidates, lost)
    return kept, lost


def _why_not(key: ImageKey, candidates: Sequence[Candidate]) -> str:
    """Why an image cannot be compared on; empty where it can."""
    listed = [one.listed[key] for one in candidates if key in one.listed]
    hashes = {image.pixel_hash for image in listed} - {""}
    for one in candidates:
        if reason := one.reason_against(key, hashes):
            return reason
    if len(hashes) > 1:
        return "not the same pixels in all runs, under one name"
    for one in candidates:
        if key not in one.tested:
            return (
                f"not {'predicted by' if key in one.listed else 'among the images of'} {one.name}"
            )
    return ""


def _nothing_left(candidates: Sequence[Candidate], lost: Mapping[str, int]) -> StudyError:
    reasons = "; ".join(f"{count}: {why}" for why, count in lost.items())
    renamed = set.intersection(
        *({one.listed[key].pixel_hash for key in one.tested} - {""} for one in candidates)
    )
    hint = (
        f". {len(renamed)} test images have the same pixels under other names: train with the "
        "same DATA folder and manifest"
        if renamed
        else ""
    )
    return StudyError(
        f"{', '.join(one.name for one in candidates)} have no image in common that none was "
        f"trained on ({reasons}){hint}",
        remedy="Train with `--manifest RUN/manifest.csv` of one of the runs, which keeps its "
        "parts, or let `evaluate` test all bundles on images that none of them has seen",
    )


def _labels(keys: Sequence[ImageKey], candidates: Sequence[Candidate]) -> list[str]:
    wrong = [key for key in keys if len({one.listed[key].label for one in candidates}) > 1]
    if wrong:
        labels = ", ".join(f"{one.listed[wrong[0]].label} in {one.name}" for one in candidates)
        raise StudyError(
            f"the true class of {len(wrong)} images differs between the runs: "
            f"{enumerate_some(key[0] for key in wrong)} ({labels})",
            remedy="Settle the label, train or evaluate again with one manifest, and compare those",
        )
    return [candidates[0].listed[key].label for key in keys]


def _groups(
    keys: Sequence[ImageKey], candidates: Sequence[Candidate], asked: str | None
) -> tuple[str | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Column, group of each image, and notes."""
    if asked == "none":
        return None, None, ()
    used = list(dict.fromkeys(one.group for one in candidates if one.group is not None))
    column = asked if asked is not None else used[0] if used else None
    if column is None:
        columns = dict.fromkeys(name for one in candidates for name in one.listed[keys[0]].groups)
        note = f"no group was named; columns that could be it: {', '.join(columns)}"
        return None, None, (note,) if columns else ()
    for one in candidates:
        cells = [one.listed[key].groups.get(column, "") for key in keys]
        if all(cells):
            several = asked is None and len(used) > 1
            note = f"the runs were split by {' and '.join(used)}; {column} is taken"
            return column, tuple(cells), (note,) if several else ()
    raise StudyError(
        f"no run has a value in the column {column!r} for every image",
        remedy="Name another column with --group, or --group none",
    )


def _unknown_training(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    unknown = " and ".join(one.name for one in candidates if not one.training.complete)
    note = (
        f"which images trained {unknown} is not known here: make sure yourself that these were not "
        "among them"
    )
    return (note,) if unknown else ()


def _familiar(
    groups: Sequence[str] | None, candidates: Sequence[Candidate], column: str | None
) -> tuple[str, ...]:
    """A note for each model trained on other images of the groups that it is tested on."""
    if groups is None or column is None:
        return ()
    notes = []
    for one in candidates:
        known = one.training.units((column,), {(name,) for name in groups})
        count = sum((name,) in known for name in groups)
        if count:
            notes.append(
                f"{one.name} was trained on other images of the same {column} as {count} of the "
                f"{len(groups)} compared ones: its metrics are an upper bound for a new {column}"
            )
    return tuple(notes)
