"""Examples of each class as a figure for print.

All cells of a figure lie in one pair of axes, on a grid of squares of side 1; a pair
of axes for every cell would take the layout many seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actinscope.report import pictures, text
from actinscope.report.content import CellPicture
from actinscope.report.drawing import PAGE_MM, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 6
_GAP = 0.04  # between cells, in sides of a cell
_MOST_CLASSES = 16
_LABELS = 34.0  # mm for the names of classes
_TALLEST = 235.0  # mm, what a page holds


def examples_figure(examples: Mapping[str, Sequence[CellPicture]]) -> Figure:
    """The first cells of each class, a class a row; at most 16 classes."""
    rows = [(name, cells) for name, cells in examples.items() if cells][:_MOST_CLASSES]
    columns = min(_COLUMNS, max(len(cells) for _, cells in rows))
    side = min((PAGE_MM - _LABELS) / _COLUMNS, _TALLEST / len(rows))  # mm
    figure, axes = _board(columns, len(rows), side)
    for row, (_, cells) in enumerate(rows):
        for column, cell in enumerate(cells[:columns]):
            _place(axes, pictures.as_rgb(cell.pixels), column, row)
    axes.set_yticks([row + 0.5 for row in range(len(rows))])
    axes.set_yticklabels([text.shorten(name, 22) for name, _ in rows], size=7)
    return figure


def _board(width: int, height: int, side: float) -> tuple[Figure, Axes]:
    """A figure of width x height squares of ``side`` mm, with labels on the left."""
    across, down = _LABELS + side * width, side * height
    figure = sheet(across, down, layout=None)
    axes = figure.add_axes((_LABELS / across, 0.0, 1 - _LABELS / across, 1.0))
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure, axes


def _place(axes: Axes, pixels: Any, left: int, top: int) -> None:
    """Draw one cell into its square, whole and in its proportions."""
    height, width = pixels.shape[:2]
    side = (1 - _GAP) / max(height, width)
    x, y = left + (1 - side * width) / 2, top + (1 - side * height) / 2
    edges = (x, x + side * width, y + side * height, y)
    # autoscale off: the picture must not move the limits of the board.
    axes.set_autoscale_on(False)
    axes.imshow(pixels, extent=edges, aspect="equal", interpolation="nearest")
