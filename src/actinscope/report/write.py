"""Write the report: one HTML file, figures for print, tables for other programs."""

from __future__ import annotations

from pathlib import Path

from actinscope.files import make_folder, write_text_atomic
from actinscope.report.audit_content import AuditContent
from actinscope.report.content import ReportContent


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


def write_audit_page(content: AuditContent, path: Path) -> None:
    """Write the page of an audit; the same content gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    from actinscope.report.audit_page import render_audit

    write_text_atomic(path, render_audit(content))
