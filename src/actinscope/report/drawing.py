"""Drawing: each chart is drawn once, by matplotlib, for the page and for print.

A page takes a chart as SVG in its own colours and font, which follow light and dark; text stays
text, and a chart is as wide as a phone, so that it can be read on one. The same chart is written
as SVG and as PNG of 300 dpi, on white, in widths of journal columns, with text as outlines, so
that the files look the same everywhere. Colours can be told apart without colour vision and in
grey. No global drawing state is used and no date is written: the same content gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup, escape

from actinscope.files import atomic_path, make_folder
from actinscope.names import DRAWN_BY
from actinscope.report import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from actinscope.evaluation import Estimate

COLUMN_MM, PAGE_MM = 85.0, 180.0
INK, MUTED, LINE = "#1c2328", "#566068", "#dcdfe0"
BLUE, ORANGE, BAND = "#0b5c94", "#a34700", "#9cc3e0"
NAME = 26  # characters of a name in a chart

#: Colours of points: told apart without colour vision as far as twelve can be. Seven of Okabe and
#: Ito (2008) without black, then five of Tol's "muted" set that differ from them in lightness.
COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#332288",
    "#882255",
    "#999933",
    "#44aa99",
    "#8c8c8c",
)

_DOTS_PER_INCH = 300
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
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
    "svg.hashsalt": "actinscope",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
#: Colours of a chart -> names of the page's style sheet.
_NAMES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    BLUE: "blue",
    ORANGE: "orange",
    BAND: "band",
    "#ffffff": "paper",
}


@dataclass(frozen=True, eq=False)
class Chart:
    """One pair of axes, for the page and for print.

    Attributes:
        title: stands above it.
        words: what it shows, for those who cannot see it.
        draw: draws it.
        height: mm, at the width of a journal column.
        wide: it takes a whole page's width.
    """

    title: str
    words: str
    draw: Callable[[Axes], None]
    height: float = 62.0
    wide: bool = False

    def svg(self) -> Markup:
        """The chart as an element of a page."""
        stream = io.StringIO()
        with _style("none"):
            figure = sheet(PAGE_MM if self.wide else COLUMN_MM, self.height)
            self.draw(figure.subplots())
            figure.savefig(stream, format="svg", transparent=True, metadata=_NO_WORDS)
        return _inline(stream.getvalue(), f"{self.title}: {self.words}", wide=self.wide)


def sheet(
    width_mm: float, height_mm: float, *, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """An empty figure of the given size; ``layout`` None leaves the places to the caller."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout=layout)


def side_by_side(charts: Sequence[Chart], *, across: int = 2, title: str = "") -> Figure:
    """Charts in rows of ``across`` on one sheet for print."""
    across = min(across, len(charts))
    rows = [charts[start : start + across] for start in range(0, len(charts), across)]
    heights = [max(chart.height for chart in row) for row in rows]
    wide = across > 1 or charts[0].wide
    figure = sheet(PAGE_MM if wide else COLUMN_MM, sum(heights) + (6 if title else 0))
    if title:
        figure.suptitle(text.shorten(title, 90), fontsize=8)
    board = figure.subplots(len(rows), across, squeeze=False, height_ratios=heights)
    for axes in board.flat[len(charts) :]:
        axes.set_axis_off()
    for axes, chart in zip(board.flat, charts, strict=False):
        chart.draw(axes)
        if len(charts) > 1:
            axes.set_title(text.shorten(chart.title, 60))
    return figure


def save_figures(drawn: Iterable[tuple[str, Figure]], folder: Path) -> None:
    """Save figures by their names as PNG and SVG; a generator draws them in this room's style.

    Raises:
        OutputError: the folder cannot be made, or a file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    make_folder(folder)
    with _style("path"):
        for name, figure in drawn:
            FigureCanvasAgg(figure)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, for both files
            with atomic_path(folder / f"{name}.png") as path:
                metadata = dict([DRAWN_BY])
                figure.savefig(path, format="png", dpi=_DOTS_PER_INCH, metadata=metadata)
            with atomic_path(folder / f"{name}.svg") as path:
                figure.savefig(path, format="svg", metadata=_NO_WORDS)


_NO_WORDS: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextmanager
def _style(text_as: Literal["path", "none"]) -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # Class names may be in scripts that the built-in font lacks; it draws a box for each sign.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        mpl.rcdefaults()  # a person's own matplotlibrc must not change the figures
        mpl.rcParams.update(_STYLE | {"svg.fonttype": text_as})
        yield


def _inline(svg: str, words: str, *, wide: bool) -> Markup:
    """matplotlib's SVG as a part of a page: without what only a file needs, in its colours."""
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    body = svg[svg.index(">", box.end()) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'#([\w-]+)["\)]', body))
    body = re.sub("<[^>]*>", lambda one: _tag(one[0], used), body)  # text has no < or > of its own
    look = "chart wide" if wide else "chart"
    head = f'<svg class="{look}" {box[0]} role="img" aria-label="{escape(text.clean(words))}">'
    body = re.sub(r">\s+<", "><", body)
    return Markup(f"{head}{body}</svg>")


def _tag(tag: str, used: set[str]) -> str:
    """One tag: names that nothing refers to go, numbers get two digits, colours their names."""
    tag = re.sub(r' id="([^"]*)"', lambda one: one[0] if one[1] in used else "", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", re.sub(r"\s*\n\s*", " ", tag))
    for colour, name in _NAMES.items():
        tag = tag.replace(colour, f"var(--{name})")
    return tag.replace("'DejaVu Sans'", "var(--sans)").replace("xlink:href", "href")


def colour_of(number: int) -> str:
    """The colour of the class or group ``number``, from 0; from the thirteenth on they repeat."""
    return COLOURS[number % len(COLOURS)]


def interval_bar(axes: Axes, estimate: Estimate, place: float, colour: str) -> None:
    """A dot at a share in per cent, and its interval as a band; nothing where it has no value."""
    if estimate.has_interval:
        ends = (100 * estimate.low, 100 * estimate.high)
        axes.plot(ends, (place, place), color=colour, alpha=0.4, lw=4, solid_capstyle="butt")
    axes.plot(100 * estimate.value, place, "o", color=colour, ms=4.5, clip_on=False)


def beside(axes: Axes, words: str, place: tuple[float, float]) -> None:
    """A small note to the right of a point."""
    axes.annotate(
        words, place, xytext=(5, 0), textcoords="offset points", va="center", size=5.6, color=MUTED
    )


def rows_of_names(axes: Axes, names: Sequence[str]) -> None:
    """Names along the y axis from the top, without marks."""
    axes.set_yticks(range(len(names)), [text.shorten(name, NAME) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
