"""The findings of an audit for other programs: audit.json and three CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actinscope.audit.copies import CopyPair
from actinscope.audit.findings import AuditFinding
from actinscope.audit.labels import ReviewedLabels
from actinscope.audit.permutation import Confound
from actinscope.files import write_csv, write_json_atomic
from actinscope.study import Manifest

_DRAWN = {"pairs", "shots", "dots"}
_COPY_COLUMNS = (
    "first",
    "second",
    "label_first",
    "label_second",
    "part_first",
    "part_second",
    "exact",
    "agreement",
    "overlap",
    "how",
)
_QUEUE_COLUMNS = (
    "rank",
    "image",
    "label",
    "suggested",
    "doubted",
    "probability_label",
    "probability_suggested",
)


def write_findings(
    folder: Path, findings: Sequence[AuditFinding], confounds: Sequence[Confound]
) -> None:
    """Write ``audit.json`` (all findings and checks) and ``findings.csv``."""
    listed = [
        {"rank": rank, **{key: value for key, value in vars(f).items() if key not in _DRAWN}}
        for rank, f in enumerate(findings, start=1)
    ]
    checks = [{**vars(one), "strength": one.strength} for one in confounds]
    write_json_atomic(folder / "audit.json", {"findings": listed, "checks": checks})
    write_csv(
        folder / "findings.csv",
        ("rank", "severity", "kind", "title", "detail", "remedy", "images"),
        [
            (str(n), f.severity, f.kind, f.title, f.detail, f.remedy, str(len(f.images)))
            for n, f in enumerate(findings, start=1)
        ],
    )


def write_copies(folder: Path, copies: Sequence[CopyPair], parts: Manifest | None) -> None:
    """Write ``duplicates.csv``, a row for each pair; the parts where there is a split."""
    part_of = {record.key: record.part for record in parts.records} if parts else {}
    write_csv(
        folder / "duplicates.csv",
        _COPY_COLUMNS,
        [
            (
                pair.first.title,
                pair.second.title,
                pair.first.label,
                pair.second.label,
                part_of.get(pair.first.key, ""),
                part_of.get(pair.second.key, ""),
                "yes" if pair.exact else "no",
                f"{pair.agreement:.3f}",
                f"{pair.overlap:.2f}",
                pair.how,
            )
            for pair in copies
        ],
    )


def write_queue(folder: Path, manifest: Manifest, reviewed: ReviewedLabels) -> None:
    """Write ``review_queue.csv``: every image, the most doubtful label first."""
    review, classes = reviewed.review, manifest.classes
    rows = []
    for rank, number in enumerate(review.order, start=1):
        record = manifest.records[number]
        own = reviewed.probabilities[number, classes.index(record.label)]
        other = reviewed.probabilities[number, review.suggested[number]]
        doubted = "yes" if review.doubted[number] else "no"
        suggested = classes[review.suggested[number]]
        rows.append(
            (
                str(rank),
                record.title,
                record.label,
                suggested,
                doubted,
                f"{own:.4f}",
                f"{other:.4f}",
            )
        )
    write_csv(folder / "review_queue.csv", _QUEUE_COLUMNS, rows)
