"""Figures for print: PNG of 300 dpi and SVG, at the widths of journal columns.

They are drawn on white in fixed colours that can be told apart without colour vision
and in grey. Text is drawn as outlines, so that the files look the same everywhere.
No global drawing state is used and no date is written: the same content gives the
same bytes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actinscope.files import atomic_path
from actinscope.report import text
from actinscope.report.content import ReportContent
from actinscope.report.curves import epochs_of
from actinscope.report.explanation_figures import explanation_figures
from actinscope.report.montages import errors_figure, examples_figure
from actinscope.report.probabilities import main_worth
from actinscope.report.probability_figure import probability_figure
from actinscope.report.sheet import (
    BAND,
    BLUE,
    COLUMN_MM,
    DOTS_PER_INCH,
    INK,
    LINE,
    MUTED,
    ORANGE,
    PAGE_MM,
    STYLE,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from actinscope.evaluation import Evaluation

_HIT, _MISS = (30 / 255, 118 / 255, 178 / 255), (222 / 255, 120 / 255, 30 / 255)
_MANY_CLASSES = 6
_NAME = 26  # characters of a class name in a figure


def write_figures(content: ReportContent, folder: Path) -> None:
    """Draw every figure that the content has values for into ``folder``.

    ``curves``, ``confusion_matrix``, ``per_class``, ``probabilities``, ``examples``, ``errors``,
    ``mean_maps`` and ``features``, each as ``.png`` and ``.svg``. A figure without values is
    not written.

    Raises:
        OutputError: a file cannot be written.
    """
    save_figures(lambda: _figures(content), folder)


def save_figures(draw: Callable[[], Iterable[tuple[str, Figure]]], folder: Path) -> dict[str, Path]:
    """Save what ``draw`` yields, (name, figure), as PNG and SVG in the house's style.

    Returns:
        The SVG file of each name.

    Raises:
        OutputError: a file cannot be written.
    """
    import matplotlib as mpl

    drawn = {}
    with mpl.rc_context(), _no_word_on_missing_glyphs():
        mpl.rcdefaults()  # a person's own matplotlibrc must not change the figures
        mpl.rcParams.update(STYLE)
        for name, figure in draw():
            _save(figure, folder / name)
            drawn[name] = folder / f"{name}.svg"
    return drawn


def _figures(content: ReportContent) -> Iterator[tuple[str, Figure]]:
    main = content.evaluations.get(content.headline.part)
    if any(map(math.isfinite, [*_values(content, "loss"), *_values(content, "accuracy")])):
        yield "curves", _curves(content)
    if main is not None:
        yield "confusion_matrix", _confusion(main)
        yield "per_class", _recalls(main)
    worth = main_worth(content.worth, content.headline.part)
    if worth is not None:
        yield "probabilities", probability_figure(worth)
    if any(content.examples.values()):
        yield "examples", examples_figure(content.examples)
    if content.errors:
        yield "errors", errors_figure(content.errors)
    if content.explanation:
        yield from explanation_figures(content.explanation)


def _values(content: ReportContent, key: str) -> list[float]:
    return [*content.history.get(key, ()), *content.history.get(f"validation_{key}", ())]


@contextmanager
def _no_word_on_missing_glyphs() -> Iterator[None]:
    # Class names may be in scripts that the built-in font lacks; it draws a box for each sign.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        yield


def _save(figure: Figure, stem: Path) -> None:
    """Write ``stem.png`` and ``stem.svg``.

    Raises:
        OutputError: a file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with atomic_path(stem.with_suffix(".png")) as path:
        figure.savefig(path, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    with atomic_path(stem.with_suffix(".svg")) as path:
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _curves(content: ReportContent) -> Figure:
    figure = sheet(PAGE_MM, 62)
    left, right = figure.subplots(1, 2)
    for axes, key in ((left, "loss"), (right, "accuracy")):
        draw_curves(axes, content.history, key, content.best_epoch)
    return figure


def draw_curves(
    axes: Axes, history: Mapping[str, Sequence[float]], key: str, best_epoch: int | None
) -> None:
    """Training and validation curve of ``loss`` or ``accuracy``, with the epoch that was kept."""
    epochs = epochs_of(history)
    scale = 100.0 if key == "accuracy" else 1.0
    looks = ((key, "training", MUTED, ":"), (f"validation_{key}", "validation", BLUE, "-"))
    for series, name, colour, dash in looks:
        values = np.asarray(history.get(series, ()), dtype=np.float64)
        if np.isfinite(values).any():
            dot = "o" if len(values) == 1 else ""
            line = scale * values[: len(epochs)]
            axes.plot(
                epochs[: len(values)], line, dash, color=colour, lw=1.3, marker=dot, label=name
            )
    if best_epoch is not None:
        label = f"kept: epoch {best_epoch}"
        axes.axvline(best_epoch, color=ORANGE, lw=0.9, ls=(0, (4, 3)), label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy (%)" if key == "accuracy" else "loss")
    axes.grid(axis="y", color=LINE, lw=0.5)
    axes.set_axisbelow(True)
    ticks: Any = axes.xaxis.get_major_locator()
    ticks.set_params(integer=True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=6.5, handlelength=2.4)


def _confusion(evaluation: Evaluation) -> Figure:
    classes = len(evaluation.classes)
    dense = classes > _MANY_CLASSES
    figure = sheet(PAGE_MM, 165) if dense else sheet(COLUMN_MM, 34 + 11 * classes)
    draw_matrix(figure.subplots(), evaluation)
    return figure


def draw_matrix(axes: Axes, evaluation: Evaluation) -> None:
    """A confusion matrix: counts and shares of each true class."""
    classes = len(evaluation.classes)
    dense = classes > _MANY_CLASSES
    counts = np.asarray(evaluation.confusion, dtype=np.float64)  # (K, K)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axes.imshow(_matrix_colours(counts, shares), aspect="auto" if classes < 4 else "equal")
    size = min(5.4, 86 / classes) if dense else 8.0
    for row, column in np.ndindex(classes, classes):
        count = int(counts[row, column])
        words = text.whole(count)
        if count:
            words += f"\n{text.percent(shares[row, column])}"
        colour = INK if count else MUTED
        field = axes.text(column, row, words, ha="center", va="center", size=size, color=colour)
        field.set_in_layout(False)  # it lies within the axes; measuring hundreds takes seconds
    names = [text.shorten(name, _NAME) for name in evaluation.classes]
    upright = dense or max(map(len, names)) * classes > 40
    axes.set_xticks(range(classes), names, rotation=90 if dense else 30 if upright else 0)
    if upright and not dense:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(classes), names)
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
    _no_frame(axes)
    axes.set_xticks(np.arange(0.5, classes - 1), minor=True)
    axes.set_yticks(np.arange(0.5, classes - 1), minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)


def _matrix_colours(counts: Any, shares: Any) -> Any:
    """Blue on the diagonal, orange beside it, paler for smaller shares; (K, K, 3) 0..1."""
    strength = np.where(counts > 0, 0.08 + 0.44 * shares, 0.0)[:, :, None]
    hue = np.where(np.eye(len(counts), dtype=bool)[:, :, None], _HIT, _MISS)
    blank = np.full(hue.shape, 0.955)
    return np.where(strength > 0, strength * hue + (1 - strength), blank)


def _recalls(evaluation: Evaluation) -> Figure:
    classes = evaluation.classes
    figure = sheet(COLUMN_MM, 20 + 6.5 * len(classes))
    axes = figure.subplots()
    for row, name in enumerate(classes):
        estimate = evaluation.per_class.get(name, {}).get("recall")
        if estimate is None or not math.isfinite(estimate.value):
            axes.text(50, row, "no images", ha="center", va="center", size=6, color=MUTED)
            continue
        if math.isfinite(estimate.low) and math.isfinite(estimate.high):
            ends = (100 * estimate.low, 100 * estimate.high)
            axes.barh(row, ends[1] - ends[0], left=ends[0], height=0.46, color=BAND)
        axes.plot(100 * estimate.value, row, "|", color=INK, ms=8, mew=1.6, clip_on=False)
        axes.text(103, row, text.counts(estimate), va="center", size=6, color=MUTED)
    axes.set_yticks(range(len(classes)), [text.shorten(name, _NAME) for name in classes])
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("recall (%); band: interval; right: images found")
    axes.grid(axis="x", color=LINE, lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    return figure


def _no_frame(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
