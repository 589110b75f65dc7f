"""The report of a run or an evaluation: page, figures and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope import wording
from actinscope.evaluation import level_words
from actinscope.explain import TITLES, ControlResults, attention_sentence, sanity_sentence
from actinscope.files import write_text_atomic
from actinscope.names import RunFile
from actinscope.report import charts, text, uncertainty
from actinscope.report.charts import curve_charts, epochs_of
from actinscope.report.content import CellPicture, Finding, ReportContent, SplitTable
from actinscope.report.drawing import save_figures
from actinscope.report.explanation_section import sanity_rows
from actinscope.report.figures import report_figures
from actinscope.report.frame import render
from actinscope.report.levels import unit_table
from actinscope.report.tables import write_tables

if TYPE_CHECKING:
    from actinscope.audit import AuditFinding

_MOST_PICTURES = 60  # of one kind: the page stays small enough to send by mail
_OPEN_ERRORS = 12
_IN_STRIP = 4  # pictures of a kind beside the result


def write_report(content: ReportContent, folder: Path, *, figures: bool = True) -> None:
    """Write ``report.html``, ``tables/`` and, unless told otherwise, ``figures/`` into ``folder``.

    The same content gives the same bytes. Files that are there already are replaced.

    Raises:
        OutputError: the folder cannot be made or written.
        ValueError: a picture and its class activation map differ in size.
    """
    write_tables(content, folder / "tables")
    if figures:
        save_figures(report_figures(content), folder / "figures")
    write_text_atomic(folder / RunFile.REPORT, render_report(content))


def render_report(content: ReportContent) -> str:
    """The whole page as HTML; the same content gives the same text."""
    return render("report.html", content, **_view(content))


def _view(content: ReportContent) -> dict[str, Any]:
    parts = _part_order(content)
    return {
        "group_word": (content.split and content.split.group_name) or "group",
        "parts": parts,
        "main": content.evaluations.get(content.headline.part),
        "metrics": list(dict.fromkeys(m for p in parts for m in content.evaluations[p].metrics)),
        "control_titles": TITLES,
        "batches": _batches(content.controls),
        "attention_sentence": attention_sentence,
        "sanity_sentence": sanity_sentence,
        "sanity_rows": sanity_rows,
        "level_words": level_words,
        "unit_table": unit_table,
        "words": uncertainty,
        "uncertainty": uncertainty.main_uncertainty(content.uncertainty, content.headline.part),
        "charts": charts,
        "curves": curve_charts(content.history, content.best_epoch),
        "epochs": _history_rows(content),
        "findings": _by_severity(content.findings),
        "has_maps": any(cell.heat is not None for cell in (*content.errors, *content.right)),
        "limits": (*content.page.notices, *content.verdict.reasons),
        "shown_right": _shown_right(content),
        "shown_wrong": content.errors[:_IN_STRIP],
        "open_errors": _OPEN_ERRORS,
        "errors": content.errors[:_MOST_PICTURES],
        "right": content.right[:_MOST_PICTURES],
        "errors_total": _error_count(content),
        "largest_part": _largest_part(content.split),
        "settings": setting_groups(content.page.settings),
    }


def _shown_right(content: ReportContent) -> list[CellPicture]:
    """A few of the cells that were named correctly, the classes in turn."""
    turns = zip_longest(*content.examples.values())
    examples = [cell for turn in turns for cell in turn if cell is not None]
    found = [cell for cell in (*content.right, *examples) if cell.label == cell.predicted]
    return found[:_IN_STRIP]


def _part_order(content: ReportContent) -> list[str]:
    """The part of the headline first, then test, validation and train, then the others."""
    order = (content.headline.part, "test", "validation", "train", *content.evaluations)
    return [part for part in dict.fromkeys(order) if part in content.evaluations]


def _history_rows(content: ReportContent) -> list[tuple[str, ...]]:
    """The history as rows of text: epoch, both losses, both accuracies, rate, seconds."""
    if not content.history:
        return []

    def cell(key: str, row: int) -> str:
        values = content.history.get(key, ())
        if row >= len(values) or not math.isfinite(values[row]):
            return text.UNDEFINED
        if key.endswith("accuracy"):
            return text.percent(values[row])
        return f"{values[row]:.4g}"

    losses = ("loss", "validation_loss")
    keys = (*losses, "accuracy", "validation_accuracy", "learning_rate", "seconds")
    epochs = epochs_of(content.history)
    return [(f"{epoch:g}", *(cell(key, row) for key in keys)) for row, epoch in enumerate(epochs)]


def _batches(controls: ControlResults | None) -> list[tuple[str, ...]]:
    return [
        (
            one.column,
            str(one.batches),
            str(one.images),
            wording.percent(one.balanced_accuracy),
            wording.percent(one.chance),
            f"{one.association:.2f}",
        )
        for one in (controls.batches if controls else ())
    ]


def _by_severity(findings: Sequence[Finding | AuditFinding]) -> list[Finding | AuditFinding]:
    order = ("error", "warning", "info")
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def _error_count(content: ReportContent) -> int:
    """Wrong answers in the headline part: as given, else as the confusion matrix counts them."""
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
