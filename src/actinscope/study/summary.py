"""How many images and groups each class has in each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actinscope.study.records import PARTS, Manifest


@dataclass(frozen=True)
class StudySummary:
    """Counts for a report.

    Attributes:
        classes: the labels, sorted.
        parts: the parts in use, in the order train, validation, test; ``("",)`` before a split.
        group: the group column, or None.
        images: ``images[part][label]``, number of records.
        groups: ``groups[part][label]``, number of groups with such a record; empty where
            there is no group column.
        images_in_all: number of records.
        groups_in_all: number of groups, or None.
    """

    classes: tuple[str, ...]
    parts: tuple[str, ...]
    group: str | None
    images: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, Mapping[str, int]]
    images_in_all: int
    groups_in_all: int | None


def summarise(manifest: Manifest) -> StudySummary:
    """Count the images and groups of ``manifest`` by class and part."""
    classes = manifest.classes
    present = {record.part for record in manifest.records}
    parts = tuple(part for part in (*PARTS, "") if part in present)
    images = {part: dict.fromkeys(classes, 0) for part in parts}
    members: dict[str, dict[str, set[str]]] = {
        part: {label: set() for label in classes} for part in parts
    }
    for record in manifest.records:
        images[record.part][record.label] += 1
        members[record.part][record.label].add(manifest.group_of(record))
    grouped = manifest.group is not None
    groups = {part: {label: len(found) for label, found in members[part].items()} for part in parts}
    everyone = {manifest.group_of(record) for record in manifest.records}
    return StudySummary(
        classes=classes,
        parts=parts,
        group=manifest.group,
        images=images,
        groups=groups if grouped else {},
        images_in_all=len(manifest.records),
        groups_in_all=len(everyone) if grouped else None,
    )
