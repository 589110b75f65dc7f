"""The sheet that figures for print are drawn on: widths, colours of text, fonts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_MM, PAGE_MM = 85.0, 180.0
DOTS_PER_INCH = 300
INK, MUTED = "#1c2328", "#5a646b"
LINE, BLUE, ORANGE, BAND = "#d5d9da", "#0b5c94", "#b04e00", "#9cc3e0"

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$x$"
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "actinscope",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def sheet(
    width_mm: float, height_mm: float, *, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """An empty figure of the given size; ``layout`` None leaves the places to the caller."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout=layout)
