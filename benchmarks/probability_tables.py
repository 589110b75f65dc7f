"""Tables of RESULTS.md on what the probabilities are worth."""

from __future__ import annotations

from typing import Any


def probability_tables(records: list[dict[str, Any]]) -> str:
    """Coverage of prediction sets, and images that are flagged as unfamiliar."""
    coverage = [one for one in records if one["benchmark"] == "conformal coverage"]
    text = _coverage_table(coverage) if coverage else ""
    for one in records:
        if one["benchmark"] == "unfamiliar":
            text += _unfamiliar_table(one)
    return text


def _coverage_table(records: list[dict[str, Any]]) -> str:
    lines = [
        "## Coverage of nominal 90 % prediction sets\n",
        "A logistic head on the embedding of the untouched network; whole groups are drawn for "
        "training, validation (10 % of the groups) and test. Head, temperature and threshold are "
        "chosen on the validation part. Mean over the splits, in brackets the standard deviation "
        "of single splits. Hierarchical conformal prediction needs at least 9 groups for 90 %; "
        "with fewer all sets hold all classes.\n",
        "| data | groups | splits | as delivered | images as exchangeable | hierarchical "
        "| mean size | splits with a threshold | date | command |",
        "|---" * 10 + "|",
    ]
    for one in records:
        cells = [
            f"{100 * one['coverage'][name]:.1f} % ({100 * one['spread'][name]:.1f})"
            for name in ("as delivered", "images as exchangeable", "hierarchical")
        ]
        lines.append(
            f"| {one['data']} | {one['groups']} | {one['splits']} | **{cells[0]}** | {cells[1]} "
            f"| {cells[2]} | {one['mean_size']:.2f} | {one['share_with_threshold']:.2f} "
            f"| {one['date']} | `{one['command']}` |"
        )
    lines.append("\n")
    return "\n".join(lines)


def _unfamiliar_table(record: dict[str, Any]) -> str:
    kinds = list(record["rows"][0]["auroc"])
    lines = [
        f"## Images that are unfamiliar to a model of {record['data']}\n",
        "AUROC of three scores between the model's own validation and test images and foreign "
        "images of the same bit depth and range of brightness, and the share that the bundle "
        f"flags. Of {record['own_test_images']} own test images it flags "
        f"{100 * record['own_flagged']:.1f} %.\n",
        "| foreign images | number | " + " | ".join(kinds) + " | flagged |",
        "|---" * (3 + len(kinds)) + "|",
    ]
    for row in record["rows"]:
        cells = " | ".join(f"{row['auroc'][kind]:.3f}" for kind in kinds)
        flagged = f"{100 * row['flagged']:.0f} %"
        lines.append(f"| {row['images']} | {row['count']} | {cells} | {flagged} |")
    lines.append(f"\n`{record['command']}`, {record['date']}.\n\n")
    return "\n".join(lines)
