"""The table of RESULTS.md that settings were chosen from: folds divided by another seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]

_BASE = "recipe fine-tuned"


def settings_table(records: Sequence[Record]) -> str:
    """Grouped folds of other split seeds than 0, each variant against the recipe fine-tuned."""
    kept = [one for one in records if one.get("split_seed") and "user" in one]
    text = ""
    for place in sorted({(one["data"], one["split_seed"]) for one in kept}):
        rows = [one for one in kept if (one["data"], one["split_seed"]) == place]
        base = [one for one in rows if one["variant"] == _BASE]
        if base:
            text += _table(*place, rows, base[-1])
    return text


def _table(data: str, split_seed: int, rows: Sequence[Record], base: Record) -> str:
    lines = [
        f"## {data}, settings compared on folds divided by seed {split_seed}\n",
        "What is chosen here is judged on folds of seed 0. Differences are to the recipe",
        "fine-tuned, with their standard error over the folds; a lower log loss is better.",
        "Processor seconds",
        "are of all folds, tests included, beside other work.\n",
        "| settings | balanced accuracy | difference, points | log loss | difference | processor s "
        "| date | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        score, loss = (statistics.mean(row[name]) for name in ("balanced_accuracy", "log_loss"))
        gained = _difference(row, base, "balanced_accuracy", 100)
        lines.append(
            f"| {row['variant'].removeprefix(_BASE + ', ')} | {score:.3f} | {gained} "
            f"| {loss:.3f} | {_difference(row, base, 'log_loss', 1)} | {row['user']} "
            f"| {row['date']} | `{row['command']}` |"
        )
    return "\n".join([*lines, f"\nMachine: {rows[-1]['machine']}.\n\n"])


def _difference(row: Record, base: Record, name: str, scale: float) -> str:
    if row is base:
        return "-"
    pairs = zip(row[name], base[name], strict=True)
    each = [scale * (mine - others) for mine, others in pairs]
    digits = 1 if scale > 1 else 3
    error = statistics.stdev(each) / len(each) ** 0.5
    return f"{statistics.mean(each):+.{digits}f} +- {error:.{digits}f}"
