"""The table of RESULTS.md with the systems that the paper cites."""

from __future__ import annotations

from typing import Any


def cited_table(records: list[dict[str, Any]]) -> str:
    """One row a system; empty where none was measured."""
    if not records:
        return ""
    lines = [
        f"## The systems that the paper cites, on {records[-1]['data']}\n",
        "One fold that keeps each field whole, for `patches` one split by field. So few test "
        "images prove little: no way is shown to be better than another.\n",
        "| system | network | test images right | accuracy (95 % interval) | balanced accuracy "
        "| minutes | date | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['what']} | {row['network']} | {row['right']} of {row['test_images']} "
        f"| {row['accuracy']:.3f} ({_interval(row)}) | {row['balanced_accuracy']:.3f} "
        f"| {row['seconds'] / 60:.1f} | {row['date']} | `{row['command']}` |"
        for row in records
    ]
    lines.append(f"\nMachine: {records[-1]['machine']}.\n\n")
    return "\n".join(lines)


def _interval(row: dict[str, Any]) -> str:
    return "none" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
