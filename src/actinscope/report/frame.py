"""The frame of every page: one HTML text that needs no other file and no network."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from markupsafe import Markup, escape

from actinscope import wording
from actinscope.report import bars, pictures, text
from actinscope.report.fields import confusion_rows

if TYPE_CHECKING:
    from jinja2 import Environment

    from actinscope.report.content import CellPicture, Page

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_PROBABILITIES = 4

# Folded parts are opened for printing; style sheets alone cannot do it in every browser.
_OPEN_FOR_PRINT = (
    "addEventListener('beforeprint',function(){"
    "document.querySelectorAll('details').forEach(function(d){d.open=true})})"
)


class _HasPage(Protocol):
    @property
    def page(self) -> Page: ...


def render(
    template: str, content: _HasPage, *, styles: tuple[str, ...] = (), **view: object
) -> str:
    """A page as HTML; the same content gives the same text.

    Args:
        template: a file of the templates' folder, which finds ``content`` as ``c``.
        content: what the page says.
        styles: style sheets besides that of all pages.
        view: what else the template needs.
    """
    sheets = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", *styles)]
    digest = hashlib.sha256(_OPEN_FOR_PRINT.encode()).digest()
    context: dict[str, object] = {
        "c": content,
        "page": content.page,
        # Filled while the page is drawn: by its headings, and by the words that were explained.
        "sections": [],
        "explained": [],
        "style": Markup("\n".join(sheets)),
        "script": Markup(_OPEN_FOR_PRINT),
        # As a Content-Security-Policy names it.
        "script_hash": base64.b64encode(digest).decode("ascii"),
    }
    return _environment().get_template(template).render(context | view)


@cache
def _environment() -> Environment:
    """The templates of all pages: everything is escaped, nothing may be left undefined."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": foreign,
        "percent": text.percent,
        "groups": text.groups,
        "whole": text.whole,
        "part": text.part_title,
        "part_phrase": text.part_phrase,
        "metric": text.metric_title,
        "clean": text.clean,
        "short": text.shorten,
    }
    environment.globals |= {
        "text": text,
        "wording": wording,
        "bars": bars,
        "pictures": pictures,
        "confusion_rows": confusion_rows,
        "likeliest": likeliest,
        "where": where,
    }
    return environment


def foreign(value: object) -> Markup:
    """Foreign text set apart, so that its writing direction does not spread to the page."""
    if isinstance(value, Markup):
        return value
    return Markup("<bdi>{}</bdi>").format(escape(text.clean(value)))


def likeliest(cell: CellPicture) -> list[tuple[str, float]]:
    """(class, probability) of the bars beside a cell: the highest, and always its true class."""
    ranked = sorted(cell.probabilities.items(), key=lambda item: -item[1])
    rest = ranked[_MOST_PROBABILITIES:]
    return ranked[:_MOST_PROBABILITIES] + [item for item in rest if item[0] == cell.label]


def where(name: str, object_id: str) -> str:
    """The file of a cell, and which of its cells it is."""
    return text.clean(f"{name} · {object_id}" if object_id else name)
