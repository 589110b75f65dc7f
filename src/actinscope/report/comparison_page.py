"""The report of a comparison: page, figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.files import write_text_atomic
from actinscope.names import RunFile
from actinscope.report import text
from actinscope.report.comparison_content import ComparisonContent, ContestedImage
from actinscope.report.comparison_figures import comparison_figures
from actinscope.report.comparison_tables import write_comparison_tables
from actinscope.report.drawing import save_figures
from actinscope.report.fields import difference_rows
from actinscope.report.frame import render
from actinscope.wording import signed

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate

_MOST_PICTURES = 36  # of one kind: the page stays small enough to send by mail
_MOST_ROWS = 60


def write_comparison(content: ComparisonContent, folder: Path) -> None:
    """Write ``report.html``, ``figures/``, the tables and ``comparison.json`` into ``folder``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    save_figures(comparison_figures(content.comparison), folder / "figures")
    write_comparison_tables(content, folder)
    write_text_atomic(folder / RunFile.REPORT, render_comparison(content))


def render_comparison(content: ComparisonContent) -> str:
    """The whole page as HTML; the same content gives the same text."""
    return render(
        "compare.html",
        content,
        styles=("compare.css",),
        metrics=list(content.comparison.evaluations[0].metrics),
        differences=difference_rows(content.comparison),
        decimal=decimal,
        shown=_shown(content.contested),
        shown_wrong=_shown(content.all_wrong),
        most_rows=_MOST_ROWS,
    )


def decimal(found: Estimate) -> tuple[str, str]:
    """A signed difference that is no share, and its interval, with three decimals."""
    interval = f"{signed(found.low, 3)} to {signed(found.high, 3)}" if found.has_interval else ""
    return signed(found.value, 3, undefined=text.UNDEFINED), interval


def _shown(images: Sequence[ContestedImage]) -> list[ContestedImage]:
    return [image for image in images if image.pixels is not None][:_MOST_PICTURES]
