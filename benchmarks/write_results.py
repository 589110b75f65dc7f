"""Make RESULTS.md from results.jsonl: the last measurement of each command.

python benchmarks/write_results.py
"""

from __future__ import annotations

import json
import sys
from typing import Any

from audit_tables import audit_tables
from cited_table import cited_table
from int8_table import int8_table
from leak_table import leak_table
from prediction_tables import prediction_tables
from probability_tables import probability_tables
from record import HERE, RESULTS
from settings_table import settings_table
from training_tables import training_tables
from what_helps_table import few_images_table, what_helps_table

_HEAD = """\
# Measurements

Made by `benchmarks/write_results.py` from `benchmarks/results.jsonl`; the command in each row
makes the figure again (the newest run of a command counts). Times are of one run on the machine
named, partly while other work ran on it, and say little about another; nothing here is asserted
by a test. One seed and a few hundred test images: a difference of one or two points between two
rows is within the noise.

"""


_CHOOSING = 1  # the division into folds that settings are chosen on


def main() -> int:
    records = _latest([json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()])
    text = _HEAD + training_tables(records)
    folds = [one for one in records if one["benchmark"] == "grouped folds"]
    helps = [
        one
        for one in records
        if one["benchmark"] == "what helps" and one["split_seed"] == _CHOOSING
    ]
    text += what_helps_table([one for one in helps if not one.get("cut")])
    text += few_images_table([one for one in helps if one.get("cut")])
    text += settings_table(folds)
    folds = [one for one in folds if not one.get("split_seed")]
    for data in sorted({one["data"] for one in folds}):
        text += _fold_table(data, [one for one in folds if one["data"] == data])
    for one in records:
        if one["benchmark"] == "interval coverage":
            text += _coverage_table(one)
        if one["benchmark"] == "int8":
            text += int8_table(one)
    text += probability_tables(records)
    text += leak_table(records)
    text += cited_table([one for one in records if one["benchmark"] == "cited systems"])
    text += prediction_tables(records)
    text += audit_tables(records)
    (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
    return 0


def _latest(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # One command may measure several things, such as folds: each counts for itself.
    def measured(record: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(record.get(name) for name in ("command", "side", "fold", "seed"))

    return list({measured(record): record for record in records}.values())


def _fold_table(data: str, rows: list[dict[str, Any]]) -> str:
    group = rows[0]["group"]
    lines = [
        f"## {data}, folds that keep each {group} whole\n",
        "| what | network | mean balanced accuracy | folds | minutes | date | command |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        each = ", ".join(f"{value:.3f}" for value in row["balanced_accuracy"])
        lines.append(
            f"| {row['variant']} | {row['network']} | **{row['mean_balanced_accuracy']:.3f}** "
            f"| {each} | {row['seconds'] / 60:.1f} | {row['date']} | `{row['command']}` |"
        )
    lines += [f"\n{row['variant']}: {row['remark']}." for row in rows if "remark" in row]
    lines.append(f"\nMachine: {rows[-1]['machine']}.\n\n")
    return "\n".join(lines)


def _coverage_table(record: dict[str, Any]) -> str:
    names = list(record["rows"][0]["share_with_interval"])
    lines = [
        "## Coverage of nominal 95 % intervals"
        + (", one class in a group\n" if record.get("classes_apart") else "\n"),
        f"{record['studies']} simulated studies a row, groups of {record['images_per_group']} "
        "images. In brackets the share of studies in which an interval was given.\n",
        "| groups | true accuracy | correlation in a group | " + " | ".join(names) + " |",
        "|---" * (3 + len(names)) + "|",
    ]
    for row in record["rows"]:
        held, given = row["coverage"], row["share_with_interval"]
        cells = [f"{held.get(name, float('nan')):.2f} ({given[name]:.2f})" for name in names]
        lines.append(
            f"| {row['groups']} | {row['accuracy']} | {row['correlation']} | "
            + " | ".join(cells)
            + " |"
        )
    lines.append(f"\n`{record['command']}`, {record['date']}.\n\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
