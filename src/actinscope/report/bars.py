"""Bars, intervals and group strips inside the page.

Positions along the axis are written in per cent of the width, so that a bar follows
its box and its text keeps its size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup

from actinscope.report.text import clean, groups, percent, whole

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate
    from actinscope.report.content import Headline


def headline_bar(headline: Headline) -> Markup:
    """The main number's interval on a scale from 0 to 100 %, against its baseline."""
    estimate = headline.estimate
    words = f"{headline.name} {percent(estimate.value)}"
    pieces = _scale(62)
    if estimate.has_interval:
        pieces.append(_band(estimate, y=34, height=20, least=0.004))
        words += f", interval {percent(estimate.low)} to {percent(estimate.high)}"
    if headline.baseline is not None:
        where = _along(headline.baseline)
        edge = _anchor(headline.baseline)
        label = f"guessing {percent(headline.baseline)}"
        pieces.append(tag("line", class_="baseline", x1=where, x2=where, y1=20, y2=62))
        pieces.append(tag("text", label, class_="baseline", x=where, y=13, text_anchor=edge))
        words += f"; {headline.baseline_name} {percent(headline.baseline)}"
    if math.isfinite(estimate.value):
        where = _along(estimate.value)
        pieces.append(tag("line", class_="point", x1=where, x2=where, y1=29, y2=59))
    return _stretched(pieces, class_="headline-bar", height=84, role="img", aria_label=clean(words))


def small_bar(estimate: Estimate) -> Markup:
    """Value and interval of a share on a line from 0 to 100 %, for one table cell.

    The same numbers stand beside it as text, so it is hidden from screen readers.
    """
    if not math.isfinite(estimate.value):
        return Markup("")
    pieces = [tag("line", class_="axis", x1="0%", x2="100%", y1=6, y2=6)]
    if estimate.has_interval:
        pieces.append(_band(estimate, y=3, height=6, least=0.01))
    where = _along(estimate.value)
    pieces.append(tag("line", class_="point", x1=where, x2=where, y1=0.5, y2=11.5))
    return _stretched(pieces, class_="small-bar", height=12, aria_hidden="true")


def share_bar(value: float) -> Markup:
    """A probability 0..1 as a filled bar; the number stands beside it as text."""
    share = value if math.isfinite(value) else 0.0
    pieces = [
        tag("rect", class_="back", x="0%", width="100%", y=0, height=8, rx=2),
        tag("rect", class_="fill", x="0%", width=_along(share), y=0, height=8, rx=2),
    ]
    return _stretched(pieces, class_="share-bar", height=8, aria_hidden="true")


def group_strip(members: Mapping[str, int], total: int) -> Markup:
    """The groups of one part as blocks, as wide as they have images among ``total``."""
    pieces = []
    at = 0.0
    for index, (name, images) in enumerate(members.items()):
        wide = images / max(1, total)
        title = tag("title", clean(f"{name}: {whole(images)}"))
        look = "block odd" if index % 2 else "block"
        place = {"x": _along(at), "width": _along(wide), "y": 0, "height": 20}
        pieces.append(tag("rect", title, class_=look, **place))
        at += wide
    words = f"{groups(len(members))}, {whole(sum(members.values()))} images"
    return _stretched(pieces, class_="strip", height=20, role="img", aria_label=words)


def _stretched(pieces: list[Markup], **attributes: object) -> Markup:
    return tag("svg", Markup("").join(pieces), width="100%", **attributes)


def _scale(base: int) -> list[Markup]:
    """A line from 0 to 100 % at the height ``base``, with numbers below it."""
    pieces = [tag("line", class_="axis", x1="0%", x2="100%", y1=base, y2=base)]
    for tick in (0, 25, 50, 75, 100):
        text = f"{tick}\u202f%" if tick == 100 else f"{tick}"
        edge = {0: "start", 100: "end"}.get(tick, "middle")
        where = f"{tick}%"
        pieces.append(tag("line", class_="axis", x1=where, x2=where, y1=base, y2=base + 5))
        pieces.append(tag("text", text, class_="tick", x=where, y=base + 19, text_anchor=edge))
    return pieces


def _band(estimate: Estimate, *, y: float, height: float, least: float) -> Markup:
    wide = _along(max(least, estimate.high - estimate.low))
    low = _along(estimate.low)
    return tag("rect", class_="band", x=low, width=wide, y=y, height=height, rx=2)


def _along(share: float) -> str:
    """Where a share 0..1 lies, as SVG writes it."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def _anchor(share: float) -> str:
    if share < 0.12:
        return "start"
    return "end" if share > 0.88 else "middle"


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
