"""Which images finished runs can be compared on: the same pixels, tested by all, seen by none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.runs.folder import ImageKey, ListedImage, RunFolder
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.wording import enumerate_some

_REMEDY = (
    "Train with `--manifest RUN/manifest.csv` of one of the runs, which keeps its parts, or "
    "let all bundles predict other images with --data"
)


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


def align(runs: Mapping[str, RunFolder], *, group: str | None = None) -> AlignedRuns:
    """Find the test images that all runs have in common and none has learnt from.

    An image is the same where name, object and pixels (SHA-256) are. It is left out where
    it, or another image with the same pixels, is in the training or validation part of any
    run, and the reason is counted.

    Args:
        runs: name -> run, two or more.
        group: column that groups the images; "none" for none; None takes the column that
            the runs were split by.

    Raises:
        StudyError: the classes or a label differ, no image is left, or there is no such column.
    """
    classes = _common_classes(runs)
    sides = [_Side.of(name, run) for name, run in runs.items()]
    candidates = dict.fromkeys(key for side in sides for key in side.tested)
    lost: Counter[str] = Counter()
    kept: list[ImageKey] = []
    for key in candidates:
        why = _why_not(key, sides)
        if why:
            lost[why] += 1
        else:
            kept.append(key)
    if not kept:
        raise _nothing_left(sides, lost)
    labels = _common_labels(kept, sides)
    column, groups, notes = _groups(kept, sides, group)
    index = {name: number for number, name in enumerate(classes)}
    return AlignedRuns(
        names=tuple(runs),
        classes=classes,
        keys=tuple(kept),
        labels=np.array([index[label] for label in labels], dtype=np.int64),
        probabilities=np.stack([side.probabilities(kept, classes) for side in sides]),
        groups=groups,
        group=column,
        lost=tuple(lost.items()),
        notes=(*notes, *_unknown_pasts(sides), *_familiar(kept, sides, column)),
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """One run, with what is looked up in it for every image."""

    name: str
    run: RunFolder
    tested: Mapping[ImageKey, int]
    """Image of the test part -> row of the predictions."""
    listed: Mapping[ImageKey, ListedImage]
    learnt: Mapping[str, str]
    """SHA-256 -> part, of the images that the run has learnt from."""

    @staticmethod
    def of(name: str, run: RunFolder) -> _Side:
        predictions = run.predictions
        return _Side(
            name=name,
            run=run,
            tested={predictions.keys[row]: row for row in predictions.rows_of(TEST)},
            listed={image.key: image for image in run.images},
            learnt={
                image.pixel_hash: image.part
                for image in run.images
                if image.part in {TRAIN, VALIDATION} and image.pixel_hash
            },
        )

    def pixel_hash(self, key: ImageKey) -> str:
        image = self.listed.get(key)
        return image.pixel_hash if image is not None else ""

    def part_learnt_in(self, key: ImageKey, pixel_hashes: set[str]) -> str:
        """Training or validation part that holds the image or its pixels; else empty."""
        image = self.listed.get(key)
        if image is not None and image.part != TEST:
            return image.part
        return next((self.learnt[one] for one in pixel_hashes if one in self.learnt), "")

    def label(self, key: ImageKey) -> str:
        return self.run.predictions.labels[self.tested[key]]

    def column(self, key: ImageKey, name: str) -> str | None:
        """A cell of the predictions or the manifest; None where there is no such column."""
        own = self.run.predictions.groups[self.tested[key]]
        image = self.listed.get(key)
        return own.get(name) if name in own or image is None else image.groups.get(name)

    def probabilities(
        self, keys: Sequence[ImageKey], classes: Sequence[str]
    ) -> NDArray[np.float64]:
        """(N, K) of ``keys``, columns in the order of ``classes``."""
        predictions = self.run.predictions
        order = [predictions.classes.index(name) for name in classes]
        return predictions.probabilities[[self.tested[key] for key in keys]][:, order]


def _common_classes(runs: Mapping[str, RunFolder]) -> tuple[str, ...]:
    first, *others = runs.items()
    classes = first[1].predictions.classes
    for name, run in others:
        if set(run.predictions.classes) != set(classes):
            raise StudyError(
                f"{name} tells {', '.join(run.predictions.classes)} apart, and {first[0]} "
                f"{', '.join(classes)}",
                where=run.path,
                remedy="Compare runs with the same classes",
            )
    return classes


def _why_not(key: ImageKey, sides: Sequence[_Side]) -> str:
    """Why an image cannot be compared on; empty where it can."""
    hashes = {side.pixel_hash(key) for side in sides} - {""}
    for side in sides:
        part = side.part_learnt_in(key, hashes)
        if part:
            return f"in the {'training' if part == TRAIN else part} part of {side.name}"
    if len(hashes) > 1:
        return "not the same pixels in all runs, under one name"
    for side in sides:
        if key not in side.tested and key in side.listed:
            return f"not predicted by {side.name}"
        if key not in side.tested:
            return f"not among the images of {side.name}"
    return ""


def _nothing_left(sides: Sequence[_Side], lost: Mapping[str, int]) -> StudyError:
    reasons = "; ".join(f"{count} {why}" for why, count in lost.items())
    renamed = set.intersection(
        *({side.pixel_hash(key) for key in side.tested} - {""} for side in sides)
    )
    hint = (
        f". {len(renamed)} test images have the same pixels under other names: train with the "
        "same DATA folder and manifest"
        if renamed
        else ""
    )
    return StudyError(
        f"the runs {', '.join(side.name for side in sides)} have no test image in common "
        f"({reasons}){hint}",
        remedy=_REMEDY,
    )


def _common_labels(keys: Sequence[ImageKey], sides: Sequence[_Side]) -> list[str]:
    wrong = [key for key in keys if len({side.label(key) for side in sides}) > 1]
    if wrong:
        told = ", ".join(f"{side.label(wrong[0])} in {side.name}" for side in sides)
        raise StudyError(
            f"the true class of {len(wrong)} images differs between the runs: "
            f"{enumerate_some(key[0] for key in wrong)} ({told})",
            remedy="Settle the label, train or evaluate again with one manifest, and compare those",
        )
    return [sides[0].label(key) for key in keys]


def _groups(
    keys: Sequence[ImageKey], sides: Sequence[_Side], asked: str | None
) -> tuple[str | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Column, group of each image, and notes."""
    if asked == "none":
        return None, None, ()
    used = list(dict.fromkeys(side.run.group for side in sides if side.run.group is not None))
    column = asked if asked is not None else used[0] if used else None
    if column is None:
        return None, None, _possible_groups(sides)
    for side in sides:
        cells = [side.column(key, column) for key in keys]
        if all(cells):
            several = asked is None and len(used) > 1
            note = f"the runs were split by {' and '.join(used)}; {column} is taken"
            return column, tuple(cell or "" for cell in cells), (note,) if several else ()
    raise StudyError(
        f"no run has a value in the column {column!r} for every image",
        remedy="Name another column with --group, or --group none",
    )


def _possible_groups(sides: Sequence[_Side]) -> tuple[str, ...]:
    columns = dict.fromkeys(
        name for side in sides for row in side.run.predictions.groups[:1] for name in row
    )
    if not columns:
        return ()
    return (f"no group was named; columns that could be it: {', '.join(columns)}",)


def _unknown_pasts(sides: Sequence[_Side]) -> tuple[str, ...]:
    unknown = [side.name for side in sides if not side.learnt]
    if not unknown:
        return ()
    return (
        f"what {' and '.join(unknown)} learnt from is not known here: that its model never saw "
        "these images is for you to make sure",
    )


def _familiar(
    keys: Sequence[ImageKey], sides: Sequence[_Side], column: str | None
) -> tuple[str, ...]:
    """A note for each run that learnt from other images of the groups that it is tested on."""
    notes = []
    for side in sides if column is not None else ():
        known = {
            image.groups.get(column or "") for image in side.run.images if image.part != TEST
        } - {None, ""}
        count = sum(side.column(key, column or "") in known for key in keys)
        if count:
            notes.append(
                f"{side.name} learnt from other images of the same {column} as {count} of the "
                f"{len(keys)} compared ones: its figures are too good beside those of the others"
            )
    return tuple(notes)
