"""Write the report: one HTML file, figures for print, tables for other programs."""

from __future__ import annotations

from pathlib import Path

from actinscope.files import make_folder, write_text_atomic
from actinscope.report.audit_content import AuditContent
from actinscope.report.content import ReportContent
from actinscope.report.paper_content import PaperContent


def write_report(content: ReportContent, folder: Path) -> Path:
    """Write ``report.html``, ``figures/`` and ``tables/`` into ``folder``.

    The same content gives the same bytes. Files that are there already are replaced.

    Returns:
        The path of ``report.html``.

    Raises:
        OutputError: the folder cannot be made or written.
        ValueError: a picture and its class activation map differ in size.
    """
    from actinscope.report.figures import write_figures
    from actinscope.report.page import render_page
    from actinscope.report.tables import write_tables

    folder = Path(folder)
    for needed in (folder, folder / "figures", folder / "tables"):
        make_folder(needed)
    page = folder / "report.html"
    write_tables(content, folder / "tables")
    write_figures(content, folder / "figures")
    write_text_atomic(page, render_page(content))
    return page


def write_paper_pages(content: PaperContent, folder: Path) -> Path:
    """Write ``report.html``, ``figures/`` and ``tables/`` of the paper's experiment.

    Returns:
        The path of ``report.html``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    from actinscope.report.paper_figures import write_paper_figures
    from actinscope.report.paper_page import render_paper
    from actinscope.report.paper_tables import write_paper_tables

    folder = Path(folder)
    for needed in (folder, folder / "figures", folder / "tables"):
        make_folder(needed)
    page = folder / "report.html"
    write_paper_tables(content, folder / "tables")
    write_paper_figures(content, folder / "figures")
    write_text_atomic(page, render_paper(content))
    return page


def write_audit_page(content: AuditContent, path: Path) -> None:
    """Write the page of an audit; the same content gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    from actinscope.report.audit_page import render_audit

    write_text_atomic(path, render_audit(content))
