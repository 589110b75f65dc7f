"""The tables of `what_helps.py`, one for all data sets."""

from __future__ import annotations

from typing import Any

_CRITICAL = {5: 2.776, 6: 2.571}  # Student's t at 95 %, two-sided, of as many folds


def what_helps_table(records: list[dict[str, Any]]) -> str:
    """A row for each variant; for each data set accuracy, what it gained, and log loss."""
    if not records:
        return ""
    text = (
        "## Parts of a linear probe on real cells\n\n"
        "EfficientNet-Lite0 with ImageNet weights, no layer trained; groups kept in one fold. In "
        "each cell: mean balanced accuracy over the folds, points gained on the first row of the "
        "column "
        "(95 % interval of the corrected resampled t-test), log loss. Intensity is scaled on all "
        "images, without labels.\n\n"
    )
    names = [f"{one['data']}, {one['folds']} folds" for one in records]
    lines = [
        "| what the head reads, and what it is | " + " | ".join(names) + " |",
        "|---" * (1 + len(records)) + "|",
    ]
    titles = dict.fromkeys(row["variant"] for one in records for row in one["rows"])
    for title in titles:
        cells = [_cell(one, title) for one in records]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    commands = ", ".join(f"`{one['command']}`" for one in records)
    return f"{text}{chr(10).join(lines)}\n\nCommands: {commands}, {records[-1]['date']}.\n\n"


def few_images_table(records: list[dict[str, Any]]) -> str:
    """The usual probe and that on all stages, from a few images of each class."""
    text = "## Few images\n\nAs above, each training part cut to so many images of each class.\n\n"
    lines = [
        "| data | trained on | balanced accuracy | gained | log loss |",
        "|---|---|---|---|---|",
    ]
    for one in records:
        for row in one["rows"]:
            half = 100 * _CRITICAL[one["folds"]] * row["error"]
            gained = 100 * row["gained"]
            interval = f"{gained:+.1f} ({gained - half:+.1f} to {gained + half:+.1f})"
            lines.append(
                f"| {one['data']} | {row['variant']} | {row['balanced_accuracy']:.3f} "
                f"| {interval if row['error'] else '-'} | {row['log_loss']:.2f} |"
            )
    commands = ", ".join(f"`{one['command']}`" for one in records)
    return f"{text}{chr(10).join(lines)}\n\nCommands: {commands}.\n\n" if records else ""


def _cell(record: dict[str, Any], title: str) -> str:
    rows = [row for row in record["rows"] if row["variant"] == title]
    if not rows:
        return "-"
    row = rows[0]
    text = f"{row['balanced_accuracy']:.3f}"
    if row is not record["rows"][0]:
        half = 100 * _CRITICAL[record["folds"]] * row["error"]
        gained = 100 * row["gained"]
        text += f", {gained:+.1f} ({gained - half:+.1f} to {gained + half:+.1f})"
    return f"{text}, {row['log_loss']:.2f}"
