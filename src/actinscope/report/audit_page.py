"""The page of an audit: one HTML file that needs no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.audit import Dots
from actinscope.files import write_text_atomic
from actinscope.report import text
from actinscope.report.audit_content import AuditContent
from actinscope.report.drawing import BLUE, Chart, rows_of_names
from actinscope.report.frame import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
