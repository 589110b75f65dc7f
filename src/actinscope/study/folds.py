"""Folds for cross-validation, by group and by label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, SplitError
from actinscope.study.keep_together import KeepTogetherSets, find_keep_together_sets
from actinscope.study.records import TEST, TRAIN, VALIDATION, Manifest
from actinscope.study.split import (
    LEAST_UNITS,
    Split,
    images_held,
    require_units,
    unit_word,
    with_parts,
)
from actinscope.study.stratify import share_out
from actinscope.wording import enumerate_some


def grouped_folds(
    manifest: Manifest, *, folds: int, seed: int, validation_fraction: float = 0.125
) -> tuple[Split, ...]:
    """Splits for cross-validation: every record is in the test part of exactly one.

    Groups and images with the same pixels stay whole and classes are spread evenly, as
    in :func:`actinscope.study.split`. In each split the validation part is cut, by
    unit too, from what is not in the test part. Parts that the manifest has are ignored.

    Args:
        manifest: the study.
        folds: number of splits, at least 2; as many as there are groups is
            leave-one-group-out.
        seed: of the random choice, not negative.
        validation_fraction: of each class among the records outside the test part.

    Raises:
        SplitError: a class lies in fewer than three groups (different images, where
            there is no group), there are fewer of them than folds, or the train part of
            some fold would lack a class.
        SettingsError: ``folds`` or ``validation_fraction`` is out of range.
    """
    if folds < 2:
        raise SettingsError(f"folds is {folds}", remedy="Cross-validation needs at least 2")
    if not 0 < validation_fraction < 1:
        raise SettingsError(
            f"validation_fraction is {validation_fraction:g}", remedy="It must be between 0 and 1"
        )
    units = find_keep_together_sets(manifest)
    require_units(units, manifest, least=LEAST_UNITS)
    if len(units.counts) < folds:
        raise SplitError(
            f"{folds} folds cannot be made from {len(units.counts)} {unit_word(manifest)}",
            where=manifest.root,
            remedy=f"Ask for at most {len(units.counts)} folds",
        )
    rng = np.random.default_rng(seed)
    fold_of = share_out(units.counts, [1 / folds] * folds, rng=rng)
    if empty := sorted(set(range(folds)) - set(fold_of.tolist())):
        raise SplitError(
            f"{len(empty)} of {folds} folds stay empty",
            where=manifest.root,
            remedy="Ask for fewer folds",
        )
    return tuple(
        _one_fold(manifest, units, fold_of == fold, (fold, validation_fraction), rng)
        for fold in range(folds)
    )


def train_and_validation(manifest: Manifest, *, seed: int, validation_fraction: float) -> Split:
    """All records in the parts train and validation, none in test: for a model to deliver.

    Groups and images with the same pixels stay whole, as in :func:`grouped_folds`. Parts
    that the manifest has are ignored.

    Raises:
        SplitError: a class lies in fewer than two groups (different images, where there is
            no group), or the train part would lack a class.
        SettingsError: ``validation_fraction`` is out of range.
    """
    if not 0 < validation_fraction < 1:
        raise SettingsError(
            f"validation_fraction is {validation_fraction:g}", remedy="It must be between 0 and 1"
        )
    units = find_keep_together_sets(manifest)
    require_units(units, manifest, least=2)
    shares = (1 - validation_fraction, validation_fraction)
    places = share_out(units.counts, shares, rng=np.random.default_rng(seed))
    parts = (TRAIN, VALIDATION)
    lacking = _lacking(units, places, parts)
    if lacking[TRAIN]:
        raise SplitError(
            f"the train part would have no image of {enumerate_some(map(repr, lacking[TRAIN]))}",
            where=manifest.root,
            remedy="Image more groups of these classes",
        )
    notes = [
        f"the validation part has no image of {enumerate_some(map(repr, lacking[VALIDATION]))}"
    ] if lacking[VALIDATION] else []  # fmt: skip
    return _divided(manifest, units, places, parts, notes)


def _one_fold(
    manifest: Manifest,
    units: KeepTogetherSets,
    tested: NDArray[np.bool_],
    fold: tuple[int, float],
    rng: np.random.Generator,
) -> Split:
    number, fraction = fold
    places = np.full(len(tested), 2, dtype=np.intp)
    rest = units.counts[~tested]
    present = rest.sum(0) > 0
    places[~tested] = share_out(rest[:, present], (1 - fraction, fraction), rng=rng)
    parts = (TRAIN, VALIDATION, TEST)
    lacking = _lacking(units, places, parts)
    if lacking[TRAIN]:
        raise SplitError(
            f"in fold {number + 1} the train part would have no image of "
            f"{enumerate_some(map(repr, lacking[TRAIN]))}",
            where=manifest.root,
            remedy="Ask for more folds, or image more groups of these classes",
        )
    notes = [
        f"fold {number + 1}: the {part} part has no image of {enumerate_some(map(repr, labels))}"
        for part, labels in lacking.items()
        if labels
    ]
    return _divided(manifest, units, places, parts, notes)


def _lacking(
    units: KeepTogetherSets, places: NDArray[np.intp], parts: Sequence[str]
) -> dict[str, list[str]]:
    """The classes that each part has no image of."""
    held = images_held(units, places, len(parts))
    return {
        part: [units.classes[k] for k in np.flatnonzero(held[p] == 0)]
        for p, part in enumerate(parts)
    }


def _divided(
    manifest: Manifest,
    units: KeepTogetherSets,
    places: NDArray[np.intp],
    parts: Sequence[str],
    notes: Sequence[str],
) -> Split:
    """Every record in the part that its unit was given; ``places`` are numbers of ``parts``."""
    part_of = {
        record.key: parts[places[unit]]
        for record, unit in zip(units.records, units.unit_of, strict=True)
    }
    return with_parts(manifest, part_of, (*units.notes, *notes))
