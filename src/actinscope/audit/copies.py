"""What the audit says of images that are there more than once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actinscope.audit.copy_matching import NearPair, sets_of
from actinscope.audit.findings import AuditFinding, Severity, Shot, words_of
from actinscope.study import Fingerprints, ImageStatistics, Manifest, Record
from actinscope.wording import counted

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
    part_of: Mapping[tuple[str, str], str],
    observations: Sequence[ImageStatistics],
) -> Iterator[AuditFinding]:
    """Findings on copies: in different parts, with different labels, in different groups.

    Args:
        pairs: all copies.
        manifest: the study, in the order of ``observations``.
        part_of: where each record goes, such as ``train part`` or ``tested by fold 3``; empty
            where no split can be made.
        observations: for the pictures.
    """
    group = manifest.group or ""
    place = {record.key: number for number, record in enumerate(manifest.records)}
    pictures = [one.sketch.picture for one in observations]

    def shot(record: Record) -> Shot:
        lines = [record.label]
        if group:
            lines.append(f"{group} {record.groups[group]}")
        if part_of:
            lines.append(part_of[record.key])
        return Shot(record.title, tuple(lines), pictures[place[record.key]])

    def finding(
        kind: str, severity: Severity, chosen: Sequence[CopyPair], what: Callable[[Record], str]
    ) -> AuditFinding:
        both = (chosen[0].first, chosen[0].second)
        example = " = ".join(f"{one.title} ({what(one)})" for one in both)
        sets = sets_of([(place[p.first.key], place[p.second.key]) for p in chosen])
        members = [manifest.records[number].title for found in sets for number in found]
        return AuditFinding(
            **words_of(
                kind, pairs=counted(len(chosen), "pair"), images=len(members), example=example
            ),
            severity=severity,
            images=tuple(members),
            numbers={"pairs": len(chosen), "images": len(members), "sets": len(sets)},
            pairs=tuple((shot(p.first), shot(p.second)) for p in chosen[:_SHOWN]),
        )

    def label_of(record: Record) -> str:
        return record.label

    conflicting = [p for p in pairs if p.first.label != p.second.label]
    apart = [p for p in pairs if part_of and part_of[p.first.key] != part_of[p.second.key]]
    if conflicting:
        yield finding("copies with two labels", "error", conflicting, label_of)
    if apart:
        yield finding("copies in two parts", "error", apart, lambda record: part_of[record.key])
    graver = {(p.first.key, p.second.key) for p in (*conflicting, *apart)}
    rest = [p for p in pairs if (p.first.key, p.second.key) not in graver]
    across = []
    if group:
        across = [p for p in rest if p.first.groups[group] != p.second.groups[group]]
        rest = [p for p in rest if p.first.groups[group] == p.second.groups[group]]
    exact, near = [p for p in rest if p.exact], [p for p in rest if not p.exact]
    if across:
        yield finding("copies in two groups", "warning", across, lambda one: one.groups[group])
    if exact:
        yield finding("exact copies", "info", exact, label_of)
    if near:
        yield finding("near copies", "info", near, label_of)
