"""The tables of RESULTS.md about the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]


def audit_tables(records: Sequence[Record]) -> str:
    """All of them, for the newest records of each kind."""
    return "".join(
        table([one for one in records if one["benchmark"] == name])
        for name, table in (
            ("audit duplicates", _duplicates),
            ("audit confounds", _confounds),
            ("audit label errors", _labels),
            ("audit speed", _speed),
        )
    )


def _duplicates(records: Sequence[Record]) -> str:
    if not records:
        return ""
    one = records[-1]
    lines = [
        "## Audit: planted near copies\n",
        f"{one['copies']} copies of each kind among {one['images']:,} images of {one['data']}; "
        "recall of the planted copies, precision of all reported pairs, on the half of the movies",
        f"that the threshold {one['chosen_threshold']} was not chosen on (built in: "
        f"{one['built_in_threshold']}).\n",
        "| kind | threshold | planted in this half | recall | precision |",
        "|---|---|---|---|---|",
        *(
            f"| {row['kind']} | {row['threshold']} | {row['planted']} | {row['recall']:.3f} "
            f"| {row['precision']:.3f} |"
            for row in one["rows"]
        ),
    ]
    return "\n".join([*lines, f"\n`{one['command']}`, {one['date']}.\n\n"])


def _confounds(records: Sequence[Record]) -> str:
    if not records:
        return ""
    lines = [
        "## Audit: planted confounds\n",
        "| data | groups | shuffles without confound: false alarms | planted and found | date "
        "| command |",
        "|---|---|---|---|---|---|",
    ]
    for one in records:
        times = one["planted_times"]
        found = ", ".join(f"{name} {hits} of {times}" for name, hits in one["found"].items())
        lines.append(
            f"| {one['data']} | {one['groups']} ({one['group']}) | {one['false_alarms']} of "
            f"{one['shuffles']} | {found} | {one['date']} | `{one['command']}` |"
        )
    return "\n".join([*lines, "\n\n"])


def _labels(records: Sequence[Record]) -> str:
    if not records:
        return ""
    lines = [
        "## Audit: planted label errors\n",
        "| data | images | planted | share of them in the first part of the queue | among the "
        "doubted | date | command |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in records:
        shares = ", ".join(f"{part}: {found:.2f}" for part, found in one["found_in_first"].items())
        lines.append(
            f"| {one['data']} | {one['images']:,} | {one['planted']} | {shares} "
            f"| {one['planted_among_doubted']} of {one['doubted']} doubted | {one['date']} "
            f"| `{one['command']}` |"
        )
    return "\n".join([*lines, "\n\n"])


def _speed(records: Sequence[Record]) -> str:
    if not records:
        return ""
    lines = [
        "## Audit: time\n",
        "Whole command without the review of labels, 224 x 224 pixels, 8-bit PNG.\n",
        "| images | wall s | user s | peak MB | remark | date | command |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {one['images']:,} | {one['wall']} | {one['user']} | {one['peak_mb']} "
            f"| {one.get('remark', '')} (load {one['load']}) | {one['date']} | `{one['command']}` |"
            for one in records
        ),
    ]
    return "\n".join([*lines, "\n\n"])
