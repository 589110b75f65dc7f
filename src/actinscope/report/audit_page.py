"""The page of an audit: one HTML file that needs no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.audit import AuditFinding, Dots
from actinscope.files import write_text_atomic
from actinscope.report import text
from actinscope.report.content import Page
from actinscope.report.drawing import BLUE, Chart, rows_of_names
from actinscope.report.frame import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from actinscope.evaluation import Verdict


@dataclass(frozen=True, eq=False)
class AuditContent:
    """The whole page.

    Attributes:
        verdict: what the audit comes to, read first.
        findings: the gravest first.
        counts: rows of (class, images, groups or "").
        checks: rows of the confound tests: name, accuracy, expected, p, in words.
        reviewed: the queue of labels lies beside the page.
        done: what was looked at and what was not, one sentence each.
    """

    page: Page
    verdict: Verdict
    findings: tuple[AuditFinding, ...]
    counts: tuple[tuple[str, str, str], ...]
    group_name: str | None = None
    checks: tuple[tuple[str, str, str, str], ...] = ()
    reviewed: bool = False
    done: tuple[str, ...] = ()


def write_audit_page(content: AuditContent, path: Path) -> None:
    """Write the page of an audit; the same content gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    write_text_atomic(path, render("audit.html", content, dots=dots_chart))


def dots_chart(dots: Dots) -> Chart:
    """One row a class, a dot for each value."""

    def draw(axes: Axes) -> None:
        for row, values in enumerate(dots.rows.values()):
            axes.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.45, ms=5, mew=0)
        rows_of_names(axes, list(dots.rows))
        axes.set_xlabel(text.shorten(dots.axis, 60))
        axes.grid(axis="x")

    return Chart(dots.axis, f"by class: {', '.join(dots.rows)}", draw, 14 + 6 * len(dots.rows))
