"""The page: content in, one HTML text out that needs no other file and no network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from actinscope.report import bars, folds, pictures, probabilities, scatter, text
from actinscope.report.content import CellPicture, Finding, ReportContent, SplitTable
from actinscope.report.curves import curve_panels, epochs_of

if TYPE_CHECKING:
    from jinja2 import Environment

    from actinscope.evaluation import Evaluation

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_PICTURES = 60  # of one kind: the page stays small enough to send by mail
_MOST_PROBABILITIES = 4
_MANY_CLASSES = 6  # from here on names of columns stand upright

# Folded parts are opened for printing; style sheets alone cannot do it in every browser.
_OPEN_FOR_PRINT = (
    "addEventListener('beforeprint',function(){"
    "document.querySelectorAll('details').forEach(function(d){d.open=true})})"
)


@dataclass(frozen=True)
class MatrixCell:
    """One field of a confusion matrix: count, share of its row, and how to draw it."""

    count: int
    share: float
    look: str
    strength: float


def render_page(content: ReportContent) -> str:
    """The whole report as HTML; the same content gives the same text."""
    return environment().get_template("page.html").render(_view(content))


@cache
def environment() -> Environment:
    """The templates of all pages: everything is escaped, nothing may be left undefined."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": foreign,
        "percent": text.percent,
        "groups": text.groups,
        "whole": text.whole,
        "part": text.part_title,
        "metric": text.metric_title,
        "clean": text.clean,
        "short": text.shorten,
    }
    return environment


def foreign(value: object) -> Markup:
    """Foreign text set apart, so that its writing direction does not spread to the page."""
    return Markup("<bdi>{}</bdi>").format(escape(text.clean(value)))


def matrix_rows(evaluation: Evaluation) -> list[tuple[str, int, list[MatrixCell]]]:
    """(class, number of its images, cells) of a confusion matrix, row by row."""
    rows = []
    for index, name in enumerate(evaluation.classes):
        numbers = [int(count) for count in evaluation.confusion[index]]
        total = sum(numbers)
        cells = []
        for column, count in enumerate(numbers):
            share = count / total if total else 0.0
            look = "none" if not count else "hit" if column == index else "miss"
            cells.append(MatrixCell(count, share, look, round(0.08 + 0.44 * share, 3)))
        rows.append((name, total, cells))
    return rows


def frame(*styles: str) -> dict[str, Any]:
    """What every page's frame needs: style sheets of the templates' folder, the one script."""
    sheets = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in styles]
    return {
        "style": Markup("\n".join(sheets)),
        "script": Markup(_OPEN_FOR_PRINT),
        "script_hash": _source_hash(_OPEN_FOR_PRINT),
    }


def _view(content: ReportContent) -> dict[str, Any]:
    parts = _part_order(content)
    return {
        "c": content,
        **frame("page.css"),
        "sections": _sections(content),
        "group_word": (content.split and content.split.group_name) or "group",
        "parts": parts,
        "main": content.evaluations.get(content.headline.part),
        "metrics": _metric_names(content, parts),
        "bars": bars,
        "folds": folds,
        "text": text,
        "probabilities": probabilities,
        "worth": probabilities.main_worth(content.worth, content.headline.part),
        "matrix_rows": matrix_rows,
        "is_dense": len(content.classes) > _MANY_CLASSES,
        "panels": curve_panels(content.history, content.best_epoch),
        "epochs": _history_rows(content),
        "findings": _by_severity(content.findings),
        "picture": picture_view,
        "ramp": pictures.ramp_uri(),
        "has_maps": any(cell.heat is not None for cell in (*content.errors, *content.right)),
        "errors": content.errors[:_MOST_PICTURES],
        "right": content.right[:_MOST_PICTURES],
        "errors_total": _error_count(content),
        "largest_part": _largest_part(content.split),
        "settings": setting_groups(content.settings),
        "picture_uri": pictures.data_uri,
        "overlay_uri": pictures.overlay_uri,
        "scatter": scatter.scatter,
        "scatter_legend": scatter.legend,
    }


def _sections(content: ReportContent) -> dict[str, str]:
    """Anchor -> heading of the sections that this content fills, in their order."""
    maps = any(cell.heat is not None for cell in content.right)
    sections = (
        ("notices", "Before you rely on this", content.notices),
        ("question", "What was asked", True),
        ("verdict", "The verdict", True),
        (
            "curves",
            "How the training went",
            curve_panels(content.history, content.best_epoch),
        ),
        ("confusion", "Which classes are confused", True),
        ("metrics", "All figures", True),
        ("classes", "Each class", True),
        ("folds", "Fold by fold", content.folds),
        ("levels", _levels_title(content), content.levels),
        ("probabilities", "What the probabilities are worth", content.worth),
        ("controls", "Would something simpler do as well?", content.controls),
        ("explanation", "What the network looks at", content.explanation),
        ("examples", "Examples of each class", content.examples),
        ("errors", "The errors", True),
        ("right", f"Right answers{', and what they rest on' if maps else ''}", content.right),
        ("split", "What was trained and tested on what", content.split or content.split_notes),
        ("data", "Warnings about the data", True),
        ("settings", "Settings", _has_settings(content)),
        ("environment", "Environment", content.environment),
        ("reading", "How to read this", True),
        ("reproduce", "How to reproduce this", True),
        ("methods", "Methods, to paste into a paper", content.methods),
        ("checklists", "Checklists for authors and reviewers", content.checklists),
    )
    return {anchor: title for anchor, title, filled in sections if filled}


def _levels_title(content: ReportContent) -> str:
    things = ", ".join(level.things for level in content.levels)
    return f"At the level of {text.shorten(things, 80)}"


def _has_settings(content: ReportContent) -> bool:
    return bool(content.settings or content.network or content.preprocessing or content.timing)


def _part_order(content: ReportContent) -> list[str]:
    """The part of the headline first, then test, validation and train, then the others."""
    first = [content.headline.part, "test", "validation", "train"]
    known = [part for part in dict.fromkeys(first) if part in content.evaluations]
    return known + [part for part in content.evaluations if part not in known]


def _metric_names(content: ReportContent, parts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(m for part in parts for m in content.evaluations[part].metrics))


def _source_hash(script: str) -> str:
    """Of a script, as a Content-Security-Policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _history_rows(content: ReportContent) -> list[tuple[str, ...]]:
    """The history as rows of text: epoch, both losses, both accuracies, rate, seconds."""
    if not content.history:
        return []
    epochs = epochs_of(content.history)

    def cell(key: str, row: int) -> str:
        values = content.history.get(key, ())
        if row >= len(values) or not math.isfinite(values[row]):
            return text.UNDEFINED
        if key.endswith("accuracy"):
            return text.percent(values[row])
        return f"{values[row]:.4g}"

    losses = ("loss", "validation_loss")
    keys = (*losses, "accuracy", "validation_accuracy", "learning_rate", "seconds")
    return [(f"{epoch:g}", *(cell(key, row) for key in keys)) for row, epoch in enumerate(epochs)]


def _by_severity(findings: Sequence[Finding]) -> list[Finding]:
    order = ("error", "warning", "info")
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def picture_view(cell: CellPicture) -> dict[str, Any]:
    """What the template needs to draw one cell."""
    ranked = sorted(cell.probabilities.items(), key=lambda item: -item[1])
    shown = ranked[:_MOST_PROBABILITIES]
    # The true class is always among the bars, however little the network gave it.
    shown += [item for item in ranked[_MOST_PROBABILITIES:] if item[0] == cell.label]
    height, width = cell.pixels.shape[:2]
    return {
        "uri": pictures.data_uri(cell.pixels),
        "map_uri": None if cell.heat is None else pictures.data_uri(pictures.heat_over(cell)),
        "bars": shown,
        "rest": len(ranked) - len(shown),
        "height": height,
        "width": width,
        "where": text.clean(f"{cell.name} · {cell.object_id}" if cell.object_id else cell.name),
    }


def _error_count(content: ReportContent) -> int:
    """Wrong answers in the headline part: as told, else as the confusion matrix counts them."""
    if content.errors_total is not None:
        return content.errors_total
    main = content.evaluations.get(content.headline.part)
    if main is None:
        return len(content.errors)
    return int(main.confusion.sum() - main.confusion.trace())


def _largest_part(split: SplitTable | None) -> int:
    if split is None:
        return 0
    return max((sum(members.values()) for members in split.members.values()), default=0)


def setting_groups(settings: Mapping[str, object]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Settings as (heading, rows); values at the top stand under an empty heading."""
    tables = {k: v for k, v in settings.items() if isinstance(v, Mapping) and v}
    top = {k: v for k, v in settings.items() if k not in tables}
    groups = [("", list(text.flatten(top)))] if top else []
    return groups + [(str(key), list(text.flatten(value))) for key, value in tables.items()]
