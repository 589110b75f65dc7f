"""The report of the paper's experiment: page, figures and tables."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from actinscope.files import make_folder, write_text_atomic
from actinscope.report import text
from actinscope.report.frame import render
from actinscope.report.paper_content import LeakRow, PaperContent, PaperRow, PaperTable
from actinscope.report.paper_figures import leak_charts, network_charts, write_paper_figures
from actinscope.report.paper_tables import shown, write_paper_tables
from actinscope.report.report_page import setting_groups


def write_paper_pages(content: PaperContent, folder: Path) -> Path:
    """Write ``report.html``, ``figures/`` and ``tables/`` of the paper's experiment.

    Returns:
        The path of ``report.html``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    for name in ("figures", "tables"):
        make_folder(folder / name)
    write_paper_tables(content, folder / "tables")
    write_paper_figures(content, folder / "figures")
    page = folder / "report.html"
    write_text_atomic(page, render_paper(content))
    return page


def render_paper(content: PaperContent) -> str:
    """The whole page as HTML; the same content gives the same text."""
    return render(
        "paper.html",
        content,
        styles=("paper.css",),
        leak_charts=leak_charts,
        network_charts=network_charts,
        shown=shown,
        by_name=_by_name,
        leak_rows=[
            (network, list(rows))
            for network, rows in groupby(content.leak, key=lambda row: row.network)
        ],
        share=_share,
        settings=setting_groups(content.page.settings),
    )


def _share(row: LeakRow, part: str) -> str:
    one = row.own if part == "own" else row.unseen
    words = text.percent(one.value)
    between = text.interval(one, "accuracy")
    return f"{words} ({between})" if between else f"{words} (no interval)"


def _by_name(table: PaperTable) -> list[tuple[str, list[PaperRow]]]:
    return [(name, list(rows)) for name, rows in groupby(table.rows, key=lambda row: row.name)]
