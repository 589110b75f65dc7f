"""The table of RESULTS.md that shows what INT8 costs and gains."""

from __future__ import annotations

from statistics import median
from typing import Any

from actinscope.evaluation import exact_mcnemar
from actinscope.evaluation.paired import agresti_min


def int8_table(record: dict[str, Any]) -> str:
    """Markdown of one measurement of `int8.py`: a row a fold, and all folds together."""
    rows = record["rows"]
    lines = [
        f"## INT8 against float32: {record['data']}, {record['network']}\n",
        f"Test images of folds that keep each {record['group']} whole, through the delivered "
        "bundle; speed with both networks in turns.\n",
        "| fold | images | accuracy float32 | INT8 | only float32 right | only INT8 right "
        "| answers changed | largest difference of a probability | times as fast |",
        "|---" * 9 + "|",
    ]
    lines += [
        f"| {row['fold']} | {row['images']} | {row['accuracy_float32']:.3f} "
        f"| {row['accuracy_int8']:.3f} | {row['only_float32_right']} "
        f"| {row['only_int8_right']} | {row['changed']} "
        f"| {row['largest_probability_difference']:.3f} | {_speed([row])} |"
        for row in rows
    ]
    return "\n".join([*lines, _together(rows), "", _sentence(record)])


def _together(rows: list[dict[str, Any]]) -> str:
    total = sum(row["images"] for row in rows)
    shares = [
        sum(row[name] * row["images"] for row in rows) / total
        for name in ("accuracy_float32", "accuracy_int8")
    ]
    sums = [sum(row[name] for row in rows) for name in ("only_float32_right", "only_int8_right")]
    changed = sum(row["changed"] for row in rows)
    largest = max(row["largest_probability_difference"] for row in rows)
    return (
        f"| **all** | {total} | **{shares[0]:.3f}** | **{shares[1]:.3f}** | {sums[0]} | {sums[1]} "
        f"| {changed} ({100 * changed / total:.1f} %) | {largest:.3f} | **{_speed(rows)}** |"
    )


def _sentence(record: dict[str, Any]) -> str:
    rows = record["rows"]
    worse, better = (
        sum(row[name] for row in rows) for name in ("only_float32_right", "only_int8_right")
    )
    total = sum(row["images"] for row in rows)
    found = agresti_min(worse, better, total)
    refused = sum(bool(row["warning"]) for row in rows)
    return (
        f"Difference of the accuracy {100 * found.value:+.1f} points, 95 % interval "
        f"{100 * found.low:+.1f} to {100 * found.high:+.1f} (images taken as independent), exact "
        f"McNemar p = {exact_mcnemar(worse, better):.2g}. In {refused} of {len(rows)} folds "
        f"`quantize` would have refused to store INT8. `{record['command']}`, {record['date']}. "
        f"Machine: {record['machine']}.\n\n"
    )


def _speed(rows: list[dict[str, Any]]) -> str:
    found = [row["speed_ratio"] for row in rows if "speed_ratio" in row]
    return f"{median(found):.1f}" if found else "not taken"
