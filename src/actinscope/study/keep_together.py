"""Keep-together sets: records that must stay in one part, such as those of one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SplitError
from actinscope.study.records import Manifest, Record
from actinscope.wording import counted, enumerate_some


@dataclass(frozen=True)
class KeepTogetherSets:
    """The records of a manifest in S sets that are never divided.

    Attributes:
        records: sorted by name and object, so that nothing depends on the row order.
        set_of: (N,) set of each record; sets are numbered by their first record.
        classes: the K labels, sorted.
        counts: (S, K) records of each class in each set.
        notes: what was merged, and labels that contradict each other.
    """

    records: tuple[Record, ...]
    set_of: NDArray[np.intp]
    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    notes: tuple[str, ...]


def find_keep_together_sets(manifest: Manifest) -> KeepTogetherSets:
    """Join the records that share a group, have the same pixels or are marked as copies.

    Raises:
        SplitError: there are fewer than two classes.
    """
    classes = manifest.classes
    if len(classes) < 2:
        raise SplitError(
            f"there are {len(classes)} classes",
            where=manifest.root,
            remedy="A classifier needs at least two",
        )
    records = tuple(sorted(manifest.records, key=lambda record: record.key))
    group_of = [manifest.group_of(record) for record in records]
    set_of = _join([group_of, [r.pixel_hash for r in records], [r.copy_set for r in records]])
    _, first = np.unique(set_of, return_index=True)
    assert np.all(np.diff(first) > 0)  # in the order of `records`
    number = {label: k for k, label in enumerate(classes)}
    label_of = np.asarray([number[record.label] for record in records])
    counts = np.zeros((len(first), len(classes)), dtype=np.int64)
    np.add.at(counts, (set_of, label_of), 1)
    notes = (*label_conflicts(records), *copy_notes(records, manifest.group))
    return KeepTogetherSets(records, set_of, classes, counts, notes)


def _join(keys: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """(N,) set of each record: those with an equal value, not empty, in any of ``keys``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(keys[0])
    if not count:
        return np.zeros(0, np.intp)
    pairs: list[tuple[int, int]] = []
    for values in keys:
        first: dict[str, int] = {}
        pairs += [
            (first.setdefault(value, index) if value else index, index)
            for index, value in enumerate(values)
        ]
    ends = tuple(np.transpose(pairs))
    graph = coo_array((np.ones(len(pairs)), ends), shape=(count, count))
    number: NDArray[np.intp] = connected_components(graph, directed=False)[1].astype(np.intp)
    return number


def same_pixels(records: Sequence[Record]) -> list[list[Record]]:
    """Sets of two and more records with one pixel hash."""
    by_hash: dict[str, list[Record]] = {}
    for record in records:
        if record.pixel_hash:
            by_hash.setdefault(record.pixel_hash, []).append(record)
    return [found for found in by_hash.values() if len(found) > 1]


def first_of_copies(hashes: Sequence[str], labels: Sequence[str]) -> list[int]:
    """For each image the place of the first one with its pixels and its label, perhaps its own."""
    first: dict[tuple[str, str], int] = {}
    return [
        first.setdefault((pixels, label), place) if pixels else place
        for place, (pixels, label) in enumerate(zip(hashes, labels, strict=True))
    ]


def joined_groups(groups: Sequence[str], *shared: Sequence[str]) -> tuple[str, ...]:
    """The group of each image; groups that share an image are not independent and become one.

    Args:
        groups: of each image.
        shared: what makes images the same, such as their hashes; empty is shared with none.
    """
    set_of = _join([groups, *shared]).tolist()
    names: dict[int, dict[str, None]] = {}
    for number, group in zip(set_of, groups, strict=True):
        names.setdefault(number, {})[group] = None
    return tuple(" + ".join(names[number]) for number in set_of)


def independent_images(
    records: Sequence[Record], group: str | None
) -> tuple[list[int], tuple[str, ...] | None]:
    """What counts once, and what counts as independent, in every metric, interval and test.

    Args:
        records: N images.
        group: the column of the groups, or None.

    Returns:
        For each record the place of the first copy of its image, as `first_of_copies` gives it,
        and the name of the cluster that it belongs to: its group joined with those that share
        copies, exact or changed; without groups, its set of copies. None in place of the names
        where every image counts by itself.
    """
    hashes, copies = [r.pixel_hash for r in records], [r.copy_set for r in records]
    first = first_of_copies(hashes, [record.label for record in records])
    if group is not None:
        return first, joined_groups([record.groups[group] for record in records], hashes, copies)
    sets = _join([hashes, copies]).tolist()
    alone = len(set(sets)) == len(set(first))
    return first, None if alone else tuple(f"copies {number}" for number in sets)


def label_conflicts(records: Sequence[Record]) -> tuple[str, ...]:
    """A note on equal images with different labels."""
    conflicts = [
        " = ".join(f"{record.title} ({record.label})" for record in found[:3])
        for found in same_pixels(records)
        if len({record.label for record in found}) > 1
    ]
    if not conflicts:
        return ()
    return (
        f"LABEL CONFLICT: {len(conflicts)} sets of identical images have different labels: "
        f"{enumerate_some(conflicts, most=3)}. Correct the labels or remove these images",
    )


def copy_notes(records: Sequence[Record], group: str | None) -> tuple[str, ...]:
    """Notes for people on exact copies, and on the groups (of the column) that share images."""
    sets = same_pixels(records)
    if not sets:
        return ()
    extra = sum(len(found) - 1 for found in sets)
    example = " = ".join(record.title for record in sets[0][:2])
    notes = [
        f"{counted(extra, 'image')} {'is an exact copy' if extra == 1 else 'are exact copies'} of "
        f"others ({counted(len(sets), 'set')}, such as {example}); copies are kept together and "
        "count once"
    ]
    if group is not None:
        joined = [sorted({record.groups[group] for record in found}) for found in sets]
        shown = enumerate_some(
            (" and ".join(names[:3]) for names in joined if len(names) > 1), most=3
        )
        if shown:
            notes.append(f"groups that share an image are kept together and count as one: {shown}")
    return tuple(notes)
