"""Keep-together sets: records that must stay in one part, such as those of one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SplitError
from actinscope.study.records import Manifest, Record
from actinscope.wording import enumerate_some


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
    set_of = _join(
        [
            group_of,
            [r.pixel_hash or f"row {i}" for i, r in enumerate(records)],
            [r.copy_set or f"row {i}" for i, r in enumerate(records)],
        ]
    )
    _, first = np.unique(set_of, return_index=True)
    assert np.all(np.diff(first) > 0)  # in the order of `records`
    number = {label: k for k, label in enumerate(classes)}
    label_of = np.asarray([number[record.label] for record in records])
    counts = np.zeros((len(first), len(classes)), dtype=np.int64)
    np.add.at(counts, (set_of, label_of), 1)
    notes = (*label_conflicts(records), *_merged(records, group_of, manifest.group))
    return KeepTogetherSets(records, set_of, classes, counts, notes)


def _join(keys: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """(N,) set of each record: those with an equal value in any of ``keys`` share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(keys[0])
    pairs: list[tuple[int, int]] = []
    for values in keys:
        first: dict[str, int] = {}
        pairs += [(first.setdefault(value, index), index) for index, value in enumerate(values)]
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


def _merged(
    records: Sequence[Record], group_of: Sequence[str], group: str | None
) -> tuple[str, ...]:
    sets = same_pixels(records)
    if not sets:
        return ()
    extra = sum(len(found) - 1 for found in sets)
    notes = [
        f"{extra} images are exact copies of others ({len(sets)} sets); copies are kept in one part"
    ]
    if group is not None:
        by_key = {record.key: name for record, name in zip(records, group_of, strict=True)}
        joined = [sorted({by_key[record.key] for record in found}) for found in sets]
        joined = [names for names in joined if len(names) > 1]
        if joined:
            shown = enumerate_some((" and ".join(names[:3]) for names in joined), most=3)
            notes.append(f"groups that share an image are kept together: {shown}")
    return tuple(notes)
