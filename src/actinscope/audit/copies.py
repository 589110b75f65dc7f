"""What the audit says of images that are there more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from actinscope.audit.copy_matching import NearPair, sets_of
from actinscope.report import AuditFinding, Shot
from actinscope.study import Fingerprints, ImageStatistics, Manifest, Record

COPIES_SEARCHED = (
    "Exact copies (the same pixels) were looked for among all images; changed copies (turned, "
    "mirrored, shifted, stored at another size, recompressed or changed in brightness) only among "
    "the likeliest few partners of each image, so that some may have been missed. The "
    "search does not cover copies at another magnification."
)
"""What the search for copies covers, for every text that says that one was made."""

_SHOWN = 12


@dataclass(frozen=True)
class CopyPair:
    """Two records that show the same; ``exact`` where every pixel is equal."""

    first: Record
    second: Record
    agreement: float
    overlap: float
    how: str
    exact: bool


def copy_pairs(fingerprints: Fingerprints, near: Sequence[NearPair]) -> tuple[CopyPair, ...]:
    """Exact copies first, then the near ones, the surest first; exact ones are not repeated."""
    records = fingerprints.manifest.records
    by_hash: dict[str, list[Record]] = {}
    for record in records:
        by_hash.setdefault(record.pixel_hash, []).append(record)
    exact = [
        CopyPair(found[0], other, 1.6, 1.0, "every pixel is the same", exact=True)
        for found in by_hash.values()
        for other in found[1:]
    ]
    others = [
        CopyPair(records[p.first], records[p.second], p.agreement, p.overlap, p.how, exact=False)
        for p in near
        if records[p.first].pixel_hash != records[p.second].pixel_hash
    ]
    return (*exact, *others)


def copy_findings(
    pairs: Sequence[CopyPair],
    manifest: Manifest,
    parts: Manifest | None,
    observations: Sequence[ImageStatistics],
) -> Iterator[AuditFinding]:
    """Findings on copies: in different parts, with different labels, in different groups.

    Args:
        pairs: all copies.
        manifest: the study, in the order of ``observations``.
        parts: the same records after the split that training would use, or None.
        observations: for the pictures.
    """
    place = {record.key: number for number, record in enumerate(manifest.records)}
    pictures = [one.sketch.picture for one in observations]
    part_of = {record.key: record.part for record in parts.records} if parts else {}

    def shot(record: Record) -> Shot:
        lines = [record.label]
        if manifest.group is not None:
            lines.append(f"{manifest.group} {manifest.group_of(record)}")
        if part_of:
            lines.append(f"{part_of[record.key]} part")
        return Shot(record.title, tuple(lines), pictures[place[record.key]])

    def finding(
        kind: str,
        severity: Literal["error", "warning", "info"],
        chosen: Sequence[CopyPair],
        words: tuple[str, str, str],
    ) -> AuditFinding:
        sets = sets_of([(place[p.first.key], place[p.second.key]) for p in chosen])
        members = [manifest.records[number].title for found in sets for number in found]
        title, detail, remedy = words
        return AuditFinding(
            kind=kind,
            severity=severity,
            title=title.format(count=len(chosen), images=len(members), sets=len(sets)),
            detail=detail,
            remedy=remedy,
            images=tuple(members),
            numbers={"pairs": len(chosen), "images": len(members), "sets": len(sets)},
            pairs=tuple((shot(p.first), shot(p.second)) for p in chosen[:_SHOWN]),
        )

    told: set[tuple[tuple[str, str], tuple[str, str]]] = set()

    def left(chosen: Sequence[CopyPair]) -> list[CopyPair]:
        fresh = [p for p in chosen if (p.first.key, p.second.key) not in told]
        told.update((p.first.key, p.second.key) for p in fresh)
        return fresh

    conflicting = [p for p in pairs if p.first.label != p.second.label]
    if conflicting:
        yield finding("copies with two labels", "error", conflicting, _TWO_LABELS)
    apart = [p for p in pairs if part_of and part_of[p.first.key] != part_of[p.second.key]]
    if apart:
        yield finding("copies in two parts", "error", apart, _TWO_PARTS)
    told.update((p.first.key, p.second.key) for p in (*conflicting, *apart))
    if manifest.group is not None:
        across = left(
            [p for p in pairs if manifest.group_of(p.first) != manifest.group_of(p.second)]
        )
        if across:
            yield finding("copies in two groups", "warning", across, _TWO_GROUPS)
    exact = left([p for p in pairs if p.exact])
    if exact:
        yield finding("exact copies", "warning", exact, _EXACT)
    near = left([p for p in pairs if not p.exact])
    if near:
        yield finding("near copies", "info", near, _NEAR)


_TWO_LABELS = (
    "Images of the same cells with different labels: {count} pairs",
    "Each pair shows one piece of one specimen (equal, or turned, mirrored, shifted, or otherwise "
    "changed), but stands in two classes. Where a picture holds several cells this can be right: "
    "the label then belongs to the cell in the middle. Otherwise one of the labels is wrong.",
    "Look at each pair; correct the label, or remove the copy",
)
_TWO_PARTS = (
    "Images of the same cells in two parts of the study: {count} pairs",
    "The network would be tested on cells that it has learnt from, and the result would be too "
    "good. The parts are those that training with these options and this seed would use.",
    "Remove the copies; or name with --group what they come from (field, slide, culture); or set "
    "keep_copies = true in the section [split] of the recipe, which keeps copies in one part",
)
_TWO_GROUPS = (
    "Images of the same cells in two groups: {count} pairs",
    "Groups are meant to be independent samples. Another seed would put these pairs into two "
    "parts.",
    "Check how these images were named; give both groups one name, or set keep_copies = true in "
    "the section [split] of the recipe",
)
_EXACT = (
    "{images} images are exact copies of each other",
    "Equal pixels under several names. They are kept in one part, but the cells count more often "
    "than others.",
    "Remove the copies; they add nothing to training or test",
)
_NEAR = (
    "Images that overlap or are changed copies, within one group: {count} pairs",
    "They stay in one part, so that the test is not spoilt; but there are fewer independent cells "
    "than images.",
    "Nothing has to be done; remove copies where they were made by hand (turned, mirrored)",
)
