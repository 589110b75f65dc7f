"""The split into training, validation and test part, by group and by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, SplitError
from actinscope.study.keep_together import (
    KeepTogetherSets,
    find_keep_together_sets,
    label_doubts,
    same_pixels,
)
from actinscope.study.records import PARTS, TEST, TRAIN, Manifest
from actinscope.study.stratify import share_out
from actinscope.wording import enumerate_some

LEAST_UNITS = 3  # one for each part
_TOLERANCE = 0.05  # deviations of a class's share beyond this are told
UPPER_BOUND = (
    "the split is by image, with no group: images of one field, slide or culture may lie in "
    "different parts, so the results are an upper bound of what new material would give"
)


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
    where they divide a group.

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
        return _as_given(manifest)
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
    units = find_keep_together_sets(manifest)
    require_units(units, manifest, least=LEAST_UNITS)
    places = share_out(units.counts, fractions, rng=np.random.default_rng(seed))
    part_of = {
        record.key: PARTS[places[unit]]
        for record, unit in zip(units.records, units.unit_of, strict=True)
    }
    _require_every_class(units, places, manifest)
    notes = (
        *units.notes,
        *_deviations(units, places, fractions, manifest),
        *_few_tested(places, manifest),
    )
    return with_parts(manifest, part_of, notes)


def with_parts(
    manifest: Manifest, part_of: Mapping[tuple[str, str], str], notes: Sequence[str]
) -> Split:
    """The split that gives each record (by its key) a part."""
    records = tuple(replace(record, part=part_of[record.key]) for record in manifest.records)
    by_image = manifest.group is None
    said = (*notes, UPPER_BOUND) if by_image else tuple(notes)
    return Split(replace(manifest, records=records), said, by_image)


def unit_word(manifest: Manifest) -> str:
    """What the units of this study are called in messages, in the plural."""
    return "different images" if manifest.group is None else f"groups ({manifest.group})"


def require_units(units: KeepTogetherSets, manifest: Manifest, *, least: int) -> None:
    """Refuse classes that lie in fewer than ``least`` units.

    Raises:
        SplitError: names each such class and what would do.
    """
    found = (units.counts > 0).sum(0)
    few = [
        f"{label!r} has {count} in {images} images"
        for label, count, images in zip(units.classes, found, units.counts.sum(0), strict=True)
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
        f"every class needs at least {least} {unit_word(manifest)}: {enumerate_some(few)}",
        where=manifest.root,
        remedy=remedy,
    )


def images_held(units: KeepTogetherSets, places: NDArray[np.intp], parts: int) -> NDArray[np.int64]:
    """(P, K) images of each class in each part; units with a negative place are in none."""
    held = np.zeros((parts, len(units.classes)), dtype=np.int64)
    placed = places >= 0
    np.add.at(held, places[placed], units.counts[placed])
    return held


def _require_every_class(
    units: KeepTogetherSets, places: NDArray[np.intp], manifest: Manifest
) -> None:
    held = images_held(units, places, len(PARTS))
    lacking = [
        f"{units.classes[k]!r} in the {PARTS[p]} part" for p, k in np.argwhere(held == 0).tolist()
    ]
    if lacking:
        raise SplitError(
            f"no split was found that keeps every unit whole and has {enumerate_some(lacking)}",
            where=manifest.root,
            remedy="Choose a finer group column, image more groups, or merge classes",
        )


def _deviations(
    units: KeepTogetherSets,
    places: NDArray[np.intp],
    fractions: Sequence[float],
    manifest: Manifest,
) -> tuple[str, ...]:
    held = images_held(units, places, len(PARTS))
    shares = held / held.sum(0)
    wanted = ":".join(f"{100 * fraction:.3g}" for fraction in fractions)
    notes = []
    for k, label in enumerate(units.classes):
        if np.abs(shares[:, k] - fractions).max() <= _TOLERANCE:
            continue
        got = ":".join(f"{100 * share:.0f}" for share in shares[:, k])
        amount = f"{held[:, k].sum()} images"
        if manifest.group is not None:
            amount += f" in {np.count_nonzero(units.counts[:, k])} {unit_word(manifest)}"
        notes.append(
            f"class {label!r} is split {got} instead of {wanted} (train:validation:test), "
            f"as near as its {amount} allow"
        )
    return tuple(notes)


def _few_tested(places: NDArray[np.intp], manifest: Manifest) -> tuple[str, ...]:
    tested = int(np.count_nonzero(places == PARTS.index(TEST)))
    if manifest.group is None or tested >= LEAST_UNITS:
        return ()
    return (
        f"the test part holds only {tested} of {len(places)} {unit_word(manifest)}; its result "
        "says little about other groups, cross-validation by group says more",
    )


def _as_given(manifest: Manifest) -> Split:
    """Keep the parts of the manifest, and say what is wrong with them."""
    present = {record.part for record in manifest.records}
    if missing := [part for part in PARTS if part not in present]:
        raise SplitError(
            f"the manifest fixes the split but has no record in: {', '.join(missing)}",
            where=manifest.root,
            remedy="Name records of all three parts, or empty the column part to have it split",
        )
    seen = {(record.part, record.label) for record in manifest.records}
    lacking = [label for label in manifest.classes if (TRAIN, label) not in seen]
    if lacking or len(manifest.classes) < 2:
        raise SplitError(
            "the manifest fixes the split but the train part lacks "
            f"{enumerate_some(map(repr, lacking)) or 'a second class'}",
            where=manifest.root,
            remedy="Move images of the class there, or empty the column part to have it split",
        )
    notes = ["the split is the one that the column part of the manifest gives"]
    notes += [
        f"the {part} part has no image of class {label!r}"
        for part in PARTS[1:]
        for label in manifest.classes
        if (part, label) not in seen
    ]
    notes += label_doubts(manifest.records)
    leaks = _leaks(manifest)
    given = {record.key: record.part for record in manifest.records}
    return replace(with_parts(manifest, given, [*notes, *leaks]), leak=bool(leaks))


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
