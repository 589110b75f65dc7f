"""Folds of a cross-validation inside the page: a dot each, and what all together gave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup

from actinscope.report import text
from actinscope.report.bars import along, scale
from actinscope.report.svg import join, tag

if TYPE_CHECKING:
    from actinscope.report.content import FoldsShown

_ROW = 16  # pixels a fold
_TOP = 8


def fold_dots(shown: FoldsShown) -> Markup:
    """Accuracy of every fold, one below the other, over the pooled value and its interval.

    A dot is the larger, the more images its fold tested: its area follows their number.
    """
    base = _TOP + _ROW * len(shown.rows) + 4
    pieces = scale(base)
    pooled = shown.pooled
    words = f"pooled accuracy {text.percent(pooled.value)}"
    if math.isfinite(pooled.low) and math.isfinite(pooled.high):
        wide, tall = along(max(0.004, pooled.high - pooled.low)), base - _TOP + 4
        low = along(pooled.low)
        pieces.append(tag("rect", class_="band", x=low, width=wide, y=_TOP - 4, height=tall))
    where = along(pooled.value)
    pieces.append(tag("line", class_="point", x1=where, x2=where, y1=_TOP - 4, y2=base))
    most = max((row.images for row in shown.rows), default=1)
    for index, row in enumerate(shown.rows):
        value = row.figures["accuracy"].value if "accuracy" in row.figures else math.nan
        if not math.isfinite(value):
            continue
        radius = round(2.5 + 3.5 * math.sqrt(row.images / max(1, most)), 2)
        told = f"fold {row.name}: {text.percent(value)} of {text.whole(row.images)} images"
        words += f"; {told}"
        middle = _TOP + _ROW * index + _ROW / 2 - 2
        dot = tag("title", text.clean(told))
        pieces.append(tag("circle", dot, class_="fold", cx=along(value), cy=middle, r=radius))
    return tag(
        "svg",
        join(*pieces),
        width="100%",
        class_="fold-dots",
        height=base + 24,
        role="img",
        aria_label=text.clean(words),
    )
