"""The page of an audit: one HTML file that needs no other."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from actinscope.files import write_text_atomic
from actinscope.report import text
from actinscope.report.audit_content import AuditContent, Dots
from actinscope.report.frame import render
from actinscope.report.svg import join, tag

_ROW = 26  # height of one class in a drawing of dots, px
_LEFT = 30.0  # per cent of the width for the names


def write_audit_page(content: AuditContent, path: Path) -> None:
    """Write the page of an audit; the same content gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    numbered = enumerate(content.findings, start=1)
    sections = (
        ("verdict", "What the audit found", True),
        *((f"finding-{number}", finding.title, True) for number, finding in numbered),
        ("checks", "All checks for confounds", content.checks),
        ("data", "The images", True),
        ("done", "What was looked at", True),
    )
    write_text_atomic(path, render("audit.html", content, sections, dots=dots_drawing))


def dots_drawing(dots: Dots) -> Markup:
    """One row a class, a dot for each value; scaled between the lowest and the highest."""
    values = [value for row in dots.rows.values() for value in row]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    span = (high - low) or 1.0
    pieces = []
    for place, (name, row) in enumerate(dots.rows.items()):
        y = _ROW * place + 14
        words = text.shorten(name, 24)
        pieces.append(tag("text", words, x="0%", y=y + 4, class_="tick"))
        pieces.append(tag("line", class_="axis", x1=_at(0.0), x2=_at(1.0), y1=y, y2=y))
        pieces += [
            tag("circle", class_="spot", cx=_at((value - low) / span), cy=y, r=4) for value in row
        ]
    base = _ROW * len(dots.rows) + 14
    for share, value in ((0.0, low), (1.0, high)):
        edge = "start" if share == 0 else "end"
        pieces.append(
            tag("text", f"{value:.4g}", class_="tick", x=_at(share), y=base, text_anchor=edge)
        )
    pieces.append(
        tag("text", text.clean(dots.axis), class_="tick", x=_at(0.5), y=base, text_anchor="middle")
    )
    label = f"{dots.axis} by class: {', '.join(dots.rows)}"
    return tag(
        "svg",
        join(*pieces),
        width="100%",
        height=base + 10,
        class_="dots",
        role="img",
        aria_label=text.clean(label),
    )


def _at(share: float) -> str:
    return f"{_LEFT + (98 - _LEFT) * share:.2f}%"
