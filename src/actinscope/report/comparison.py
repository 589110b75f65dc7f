"""What the report of a comparison says: plain values, filled in by the caller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.files import make_folder, write_text_atomic
from actinscope.report.comparison_content import ComparisonContent

if TYPE_CHECKING:
    pass


def write_comparison(content: ComparisonContent, folder: Path) -> Path:
    """Write ``report.html``, ``figures/``, the tables and ``comparison.json`` into ``folder``.

    Returns:
        The path of ``report.html``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    from actinscope.report.comparison_figures import write_comparison_figures
    from actinscope.report.comparison_page import render_comparison
    from actinscope.report.comparison_tables import write_comparison_tables

    folder = Path(folder)
    for needed in (folder, folder / "figures"):
        make_folder(needed)
    write_comparison_tables(content, folder)
    write_comparison_figures(content, folder / "figures")
    page = folder / "report.html"
    write_text_atomic(page, render_comparison(content))
    return page
