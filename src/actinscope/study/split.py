"""Train, validation and test part, and the folds of cross-validation, by group and by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, SplitError
from actinscope.study.keep_together import (
    KeepTogetherSets,
    find_keep_together_sets,
    independent_images,
    label_conflicts,
    same_pixels,
)
from actinscope.study.records import PARTS, TEST, TRAIN, Manifest
from actinscope.study.stratify import share_out
from actinscope.wording import counted, enumerate_some

_FEWEST_SETS = 3  # one for each part
#: A test part with fewer of either is small: above them the accuracy of one split lies within
#: five points of the truth in nine of ten studies (``benchmarks/small_test_split.py``).
_ENOUGH_TESTED = {"images": 100, "groups": 20}
_USUAL_FOLDS = 5
_TOLERANCE = 0.05  # deviations of a class's share beyond this are noted


@dataclass(frozen=True)
class Split:
    """A manifest in which every record has a part.

    Attributes:
        manifest: the records in the order given, each with its part.
        notes: what was merged, what could not be honoured and what contradicts itself.
        by_image: no group was kept together, so the results are an upper bound.
        leak: the parts were given, and divide groups or sets of identical images.
    """

    manifest: Manifest
    notes: tuple[str, ...]
    by_image: bool
    leak: bool = False


def split(
    manifest: Manifest, *, seed: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> Split:
    """Divide a study into the parts train, validation and test.

    Groups stay whole, also those that hold several classes, and so do images with the
    same pixels (where the fingerprints are known). Every class has at least one image
    in each part. Parts that the manifest already has are kept as they are; notes say
    where they divide a group. A missing validation part is drawn from the training part.

    The result depends on the seed and on the records, not on their order.

    Args:
        manifest: the study.
        seed: of the random choice, not negative.
        fractions: of each class for train, validation and test.

    Raises:
        SplitError: a class has fewer than three groups (or different images, where
            there is no group), or groups overlap so that some class would lack a part.
        SettingsError: the fractions are not positive or do not sum to 1.
    """
    if all(record.part for record in manifest.records) and manifest.records:
        if {record.part for record in manifest.records} != {TRAIN, TEST}:
            return _as_given(manifest)
        given = _as_given(_with_validation(manifest, seed, fractions))
        note = "no validation part was given: it is drawn from the training part"
        return replace(given, notes=(*given.notes, note))
    if any(record.part for record in manifest.records):
        raise SplitError(
            "some records have a part and some have none",
            where=manifest.root,
            remedy="Give all of them a part, or none",
        )
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise SettingsError(
            f"the fractions of the split are {', '.join(f'{f:g}' for f in fractions)}",
            remedy="They must be positive and sum to 1, as 0.8, 0.1, 0.1",
        )
    sets = find_keep_together_sets(manifest)
    _require_sets(sets, manifest, least=_FEWEST_SETS)
    places = share_out(sets.counts, fractions, rng=np.random.default_rng(seed))
    if lacking := [
        f"{label!r} in the {part} part"
        for part, labels in _lacking(sets, places, PARTS).items()
        for label in labels
    ]:
        raise SplitError(
            f"no split was found that keeps every group whole and has {enumerate_some(lacking)}",
            where=manifest.root,
            remedy="Choose a finer group column, image more groups, or merge classes",
        )
    notes = (*_deviations(sets, places, fractions, manifest), *_few_tested(places, manifest))
    return _divided(manifest, sets, places, PARTS, notes)


def _sets_in_words(manifest: Manifest) -> str:
    """What keeps the records of this study together, in the plural."""
    return "different images" if manifest.group is None else f"groups ({manifest.group})"


def _require_sets(sets: KeepTogetherSets, manifest: Manifest, *, least: int) -> None:
    """Refuse classes that lie in fewer than ``least`` sets.

    Raises:
        SplitError: names each such class and what would do.
    """
    found = (sets.counts > 0).sum(0)
    few = [
        f"{label!r} has {count} in {images} images"
        for label, count, images in zip(sets.classes, found, sets.counts.sum(0), strict=True)
        if count < least
    ]
    if not few:
        return
    remedy = "Add images, or merge or leave out the class"
    if manifest.group is not None:
        remedy = (
            "Image more of them, choose a finer group column, or split by image "
            "with --group none (the results are then an upper bound)"
        )
    raise SplitError(
        f"every class needs at least {least} {_sets_in_words(manifest)}: {enumerate_some(few)}",
        where=manifest.root,
        remedy=remedy,
    )


def _images_held(sets: KeepTogetherSets, places: NDArray[np.intp], parts: int) -> NDArray[np.int64]:
    """(P, K) images of each class in each part; sets with a negative place are in none."""
    held = np.zeros((parts, len(sets.classes)), dtype=np.int64)
    placed = places >= 0
    np.add.at(held, places[placed], sets.counts[placed])
    return held


def _deviations(
    sets: KeepTogetherSets,
    places: NDArray[np.intp],
    fractions: Sequence[float],
    manifest: Manifest,
) -> tuple[str, ...]:
    held = _images_held(sets, places, len(PARTS))
    shares = held / held.sum(0)
    wanted = ":".join(f"{100 * fraction:.3g}" for fraction in fractions)
    notes = []
    for k, label in enumerate(sets.classes):
        if np.abs(shares[:, k] - fractions).max() <= _TOLERANCE:
            continue
        got = ":".join(f"{100 * share:.0f}" for share in shares[:, k])
        amount = f"{held[:, k].sum()} images"
        if manifest.group is not None:
            amount += f" in {np.count_nonzero(sets.counts[:, k])} {_sets_in_words(manifest)}"
        notes.append(
            f"class {label!r} is split {got} instead of {wanted} (train:validation:test), "
            f"as near as its {amount} allow"
        )
    return tuple(notes)


def _few_tested(places: NDArray[np.intp], manifest: Manifest) -> tuple[str, ...]:
    tested = int(np.count_nonzero(places == PARTS.index(TEST)))
    if manifest.group is None or tested >= _FEWEST_SETS:
        return ()
    return (
        f"the test part holds only {tested} of {len(places)} {_sets_in_words(manifest)}; its "
        "result says little about other groups, cross-validation by group says more",
    )


def _as_given(manifest: Manifest) -> Split:
    """Keep the parts of the manifest, and say what is wrong with them."""
    present = {record.part for record in manifest.records}
    if missing := [part for part in PARTS if part not in present]:
        raise SplitError(
            f"the split is given, but has no image in: {', '.join(missing)}",
            where=manifest.root,
            remedy="Give images of all parts; or have it made: empty the column part of the CSV "
            "that `actinscope scan` writes",
        )
    seen = {(record.part, record.label) for record in manifest.records}
    lacking = [label for label in manifest.classes if (TRAIN, label) not in seen]
    if lacking or len(manifest.classes) < 2:
        raise SplitError(
            "the split is given, but the train part lacks "
            f"{enumerate_some(map(repr, lacking)) or 'a second class'}",
            where=manifest.root,
            remedy="Move images of the class there, or empty the column part to have it split",
        )
    notes = ["the split is the one given, by the column part or by folders train, val and test"]
    notes += [
        f"the {part} part has no image of class {label!r}"
        for part in PARTS[1:]
        for label in manifest.classes
        if (part, label) not in seen
    ]
    notes += label_conflicts(manifest.records)
    leaks = _leaks(manifest)
    return _split_of(manifest, [*notes, *leaks], leak=bool(leaks))


def _with_validation(
    manifest: Manifest, seed: int, fractions: tuple[float, float, float]
) -> Manifest:
    """With a validation part out of the training part, where people gave train and test only."""
    training = tuple(record for record in manifest.records if record.part == TRAIN)
    share = fractions[1] / (fractions[0] + fractions[1])
    drawn = train_and_validation(
        replace(manifest, records=training), seed=seed, validation_fraction=share
    )
    part_of = {record.key: record.part for record in drawn.manifest.records}
    records = (replace(one, part=part_of.get(one.key, one.part)) for one in manifest.records)
    return replace(manifest, records=tuple(records))


def _leaks(manifest: Manifest) -> list[str]:
    """Loud notes where given parts divide groups or exact copies."""
    notes = []
    if manifest.group is not None:
        parts: dict[str, set[str]] = {}
        for record in manifest.records:
            parts.setdefault(manifest.group_of(record), set()).add(record.part)
        divided = [name for name, found in parts.items() if len(found) > 1]
        if divided:
            notes.append(
                f"LEAK: {len(divided)} of {len(parts)} groups ({manifest.group}) lie in more than "
                f"one part: {enumerate_some(divided)}. The results are too good"
            )
    straddling = [
        " = ".join(f"{record.title} ({record.part})" for record in found[:3])
        for found in same_pixels(manifest.records)
        if len({record.part for record in found}) > 1
    ]
    if straddling:
        notes.append(
            f"LEAK: {len(straddling)} sets of identical images lie in more than one part: "
            f"{enumerate_some(straddling, most=3)}. The results are too good"
        )
    return notes


def folds_for_size(manifest: Manifest, *, test_share: float) -> tuple[int, str]:
    """How many folds a study of this size is tested by, and what a test part would hold.

    One, where the manifest fixes the parts, where the test part would have 100 images and
    20 groups, or where a class has too few groups for folds; else five, or as many as the
    rarest class has groups (different images, where there is no group).

    Args:
        manifest: the study.
        test_share: of the test part of one split, 0..1.
    """
    groups = len(find_keep_together_sets(manifest).counts)
    distinct = set(independent_images(manifest.records, manifest.group)[0])
    tested = {"images": round(test_share * len(distinct))}
    if manifest.group is not None:
        tested["groups"] = max(1, round(test_share * groups))
    few = [f"{tested[what]} {what}" for what in tested if tested[what] < _ENOUGH_TESTED[what]]
    given = any(record.part for record in manifest.records)
    folds = possible_folds(manifest)
    if given or not few or folds < 2:
        return 1, ""
    return folds, " in ".join(
        counted(count, what.removesuffix("s")) for what, count in tested.items()
    )


def possible_folds(manifest: Manifest) -> int:
    """Five, or as many folds as the rarest class has groups; 1 where it has too few for folds."""
    counts = find_keep_together_sets(manifest).counts
    folds = min(_USUAL_FOLDS, int((counts > 0).sum(0).min()))
    return folds if folds >= _FEWEST_SETS else 1


def grouped_folds(
    manifest: Manifest, *, folds: int, seed: int, validation_fraction: float = 0.125
) -> tuple[Split, ...]:
    """Splits for cross-validation: every record is in the test part of exactly one.

    Groups and images with the same pixels stay whole and classes are spread evenly, as
    in :func:`split`. In each split the validation part is cut from what is not in the
    test part, in whole groups too. Parts that the manifest has are ignored.

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
    _require_share(validation_fraction)
    sets = find_keep_together_sets(manifest)
    _require_sets(sets, manifest, least=_FEWEST_SETS)
    if len(sets.counts) < folds:
        raise SplitError(
            f"{folds} folds cannot be made from {len(sets.counts)} {_sets_in_words(manifest)}",
            where=manifest.root,
            remedy=f"Ask for at most {len(sets.counts)} folds",
        )
    rng = np.random.default_rng(seed)
    fold_of = share_out(sets.counts, [1 / folds] * folds, rng=rng)
    if empty := sorted(set(range(folds)) - set(fold_of.tolist())):
        raise SplitError(
            f"{len(empty)} of {folds} folds stay empty",
            where=manifest.root,
            remedy="Ask for fewer folds",
        )
    return tuple(
        _one_fold(manifest, sets, fold_of == fold, (fold, validation_fraction), rng)
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
    _require_share(validation_fraction)
    sets = find_keep_together_sets(manifest)
    _require_sets(sets, manifest, least=2)
    shares = (1 - validation_fraction, validation_fraction)
    places = share_out(sets.counts, shares, rng=np.random.default_rng(seed))
    return _trained_split(manifest, sets, places, fold=None)


def _require_share(validation_fraction: float) -> None:
    if not 0 < validation_fraction < 1:
        raise SettingsError(
            f"validation_fraction is {validation_fraction:g}", remedy="It must be between 0 and 1"
        )


def _one_fold(
    manifest: Manifest,
    sets: KeepTogetherSets,
    tested: NDArray[np.bool_],
    fold: tuple[int, float],
    rng: np.random.Generator,
) -> Split:
    number, fraction = fold
    places = np.full(len(tested), 2, dtype=np.intp)
    rest = sets.counts[~tested]
    present = rest.sum(0) > 0
    places[~tested] = share_out(rest[:, present], (1 - fraction, fraction), rng=rng)
    return _trained_split(manifest, sets, places, fold=number + 1)


def _trained_split(
    manifest: Manifest, sets: KeepTogetherSets, places: NDArray[np.intp], *, fold: int | None
) -> Split:
    """A fold, or train and validation part alone; refused where the train part lacks a class."""
    parts = PARTS[:2] if fold is None else PARTS
    gaps = {
        part: enumerate_some(map(repr, labels))
        for part, labels in _lacking(sets, places, parts).items()
        if labels
    }
    if TRAIN in gaps:
        which, more = (
            ("", "Image") if fold is None else (f"in fold {fold} ", "Ask for more folds, or image")
        )
        raise SplitError(
            f"{which}the train part would have no image of {gaps[TRAIN]}",
            where=manifest.root,
            remedy=f"{more} more groups of these classes",
        )
    which = "" if fold is None else f"fold {fold}: "
    notes = [f"{which}the {part} part has no image of {labels}" for part, labels in gaps.items()]
    return _divided(manifest, sets, places, parts, notes)


def _lacking(
    sets: KeepTogetherSets, places: NDArray[np.intp], parts: Sequence[str]
) -> dict[str, list[str]]:
    """The classes that each part has no image of."""
    held = _images_held(sets, places, len(parts))
    return {
        part: [sets.classes[k] for k in np.flatnonzero(held[p] == 0)]
        for p, part in enumerate(parts)
    }


def _divided(
    manifest: Manifest,
    sets: KeepTogetherSets,
    places: NDArray[np.intp],
    parts: Sequence[str],
    notes: Sequence[str],
) -> Split:
    """Every record in the part that its set was given; ``places`` are numbers of ``parts``."""
    part_of = {
        record.key: parts[places[number]]
        for record, number in zip(sets.records, sets.set_of, strict=True)
    }
    records = tuple(replace(record, part=part_of[record.key]) for record in manifest.records)
    return _split_of(replace(manifest, records=records), (*sets.notes, *notes))


def _split_of(manifest: Manifest, notes: Sequence[str], *, leak: bool = False) -> Split:
    return Split(manifest, tuple(notes), manifest.group is None, leak)
