"""The page of the paper's experiment: content in, one self-contained HTML text out."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

from actinscope.report import bars, leak_chart, pictures, text
from actinscope.report.curves import curve_panels
from actinscope.report.page import environment, frame, matrix_rows, picture_view, setting_groups
from actinscope.report.paper_content import LeakRow, PaperContent, PaperRow, PaperTable
from actinscope.report.paper_tables import shown

_MANY_CLASSES = 6


def render_paper(content: PaperContent) -> str:
    """The whole report as HTML; the same content gives the same text."""
    return environment().get_template("paper.html").render(_view(content))


def _view(content: PaperContent) -> dict[str, Any]:
    floor = leak_chart.leak_floor(content.leak)
    classes = next((one[1].classes for f in content.figures for one in f.matrices), ())
    return {
        "c": content,
        **frame("page.css", "paper.css"),
        "sections": _sections(content),
        "group_word": "group",
        "bars": bars,
        "text": text,
        "ramp": pictures.ramp_uri(),
        "matrix_rows": matrix_rows,
        "is_dense": len(classes) > _MANY_CLASSES,
        "picture": picture_view,
        "panels": lambda history: curve_panels(history, None),
        "shown": shown,
        "by_name": _by_name,
        "leak_rows": [
            (network, list(rows))
            for network, rows in groupby(content.leak, key=lambda row: row.network)
        ],
        "leak_bar": lambda row: leak_chart.leak_bar(row, floor),
        "leak_scale": leak_chart.leak_scale(floor),
        "points": points,
        "share": _share,
        "settings": setting_groups(content.settings),
    }


def points(value: float, low: float, high: float) -> str:
    """A difference of accuracies in points with its interval: "+12.3 (5.0 to 19.1)"."""
    words = text.points(value)
    if math.isfinite(low) and math.isfinite(high):
        low_words, high_words = (text.points(end).removeprefix("+") for end in (low, high))
        words += f" ({low_words} to {high_words})"
    return words


def _share(row: LeakRow, part: str) -> str:
    one = row.own if part == "own" else row.unseen
    words = text.percent(one.value)
    between = text.interval(one, "accuracy")
    return f"{words} ({between})" if between else f"{words} (no interval)"


def _by_name(table: PaperTable) -> list[tuple[str, list[PaperRow]]]:
    return [(name, list(rows)) for name, rows in groupby(table.rows, key=lambda row: row.name)]


def _sections(content: PaperContent) -> dict[str, str]:
    trained = any(one.curves for one in content.figures)
    sections = (
        ("verdict", "What the numbers are worth", True),
        ("notices", "Before you rely on this", content.notices),
        ("leak", "The cost of the leak", content.leak),
        ("tables", "Tables I to IV", True),
        ("examples", "Figure 1: images of each class", content.examples),
        ("curves", "Figure 4: how the training went", trained),
        ("confusion", "Figure 5: which classes are confused", trained),
        ("doubts", "What is doubtful about the published numbers", True),
        ("runs", "The report of every run", content.links),
        ("settings", "Settings", content.settings),
        ("environment", "Environment", content.environment),
        ("reproduce", "How to reproduce this", content.command),
    )
    return {anchor: title for anchor, title, filled in sections if filled}
