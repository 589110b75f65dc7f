"""Pieces of SVG for the page; colours come from the page's style sheet by class name."""

from __future__ import annotations

from markupsafe import Markup


def tag(name: str, content: str = "", **attributes: object) -> Markup:
    """One SVG element. Values and text are escaped; Markup passes as it is.

    Keyword names become attribute names: ``class_`` is class, ``text_anchor`` is
    text-anchor; names with capitals (``viewBox``) stay.
    """
    pairs = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), value)
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), pairs, content)


def join(*pieces: Markup) -> Markup:
    """Several elements one after the other."""
    return Markup("").join(pieces)
