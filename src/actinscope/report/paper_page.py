"""The report of the paper's experiment: page, figures and tables."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from actinscope.files import write_text_atomic
from actinscope.names import RunFile
from actinscope.report import text
from actinscope.report.drawing import save_figures
from actinscope.report.frame import render
from actinscope.report.paper_content import LeakRow, PaperContent
from actinscope.report.paper_figures import leak_charts, network_charts, paper_figures
from actinscope.report.paper_tables import shown, write_paper_tables
from actinscope.report.report_page import setting_groups


def write_paper_pages(content: PaperContent, folder: Path) -> None:
    """Write ``report.html``, ``figures/`` and ``tables/`` of the paper's experiment.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    write_paper_tables(content, folder / "tables")
    save_figures(paper_figures(content), folder / "figures")
    write_text_atomic(folder / RunFile.REPORT, render_paper(content))


def render_paper(content: PaperContent) -> str:
    """The whole page as HTML; the same content gives the same text."""
    return render(
        "paper.html",
        content,
        styles=("paper.css",),
        leak_charts=leak_charts,
        network_charts=network_charts,
        shown=shown,
        by_network=lambda rows: _runs_of(rows, "network"),
        by_name=lambda rows: _runs_of(rows, "name"),
        share=_share,
        settings=setting_groups(content.page.settings),
    )


def _share(row: LeakRow, part: str) -> str:
    one = row.own if part == "own" else row.unseen
    words = text.percent(one.value)
    between = text.interval(one, "accuracy")
    return f"{words} ({between})" if between else f"{words} (no interval)"


def _runs_of(rows: Iterable[object], name: str) -> list[tuple[str, list[object]]]:
    """Rows that follow one another with the same value of an attribute, together."""
    return [(value, list(found)) for value, found in groupby(rows, key=attrgetter(name))]
