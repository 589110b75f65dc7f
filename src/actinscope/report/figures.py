"""The figures of a report for print: its charts, matrices, and pictures of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from actinscope.report import text
from actinscope.report.charts import calibration_charts, curve_charts, feature_charts, folds_chart
from actinscope.report.content import ReportContent
from actinscope.report.drawing import (
    COLUMN_MM,
    NAME,
    PAGE_MM,
    sheet,
    side_by_side,
)
from actinscope.report.fields import confusion_rows, draw_fields
from actinscope.report.montages import examples_figure
from actinscope.report.uncertainty import main_uncertainty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from actinscope.evaluation import Evaluation

MANY_CLASSES = 6


def report_figures(content: ReportContent) -> Iterator[tuple[str, Figure]]:
    """Every figure that the content has values for, by the name of its file."""
    main = content.evaluations.get(content.headline.part)
    if curves := curve_charts(content.history, content.best_epoch):
        yield "curves", side_by_side(curves)
    if main is not None:
        yield "confusion_matrix", _confusion(main)
    if content.folds:
        yield "folds", side_by_side([folds_chart(content.folds)])
    uncertainty = main_uncertainty(content.uncertainty, content.headline.part)
    if uncertainty is not None:
        yield "probabilities", side_by_side(calibration_charts(uncertainty))
    if any(content.examples.values()):
        yield "examples", examples_figure(content.examples)
    if content.explanation and content.explanation.features:
        yield "features", side_by_side(feature_charts(content.explanation.features))


def _confusion(evaluation: Evaluation) -> Figure:
    classes = len(evaluation.classes)
    dense = classes > MANY_CLASSES
    figure = sheet(PAGE_MM, 165) if dense else sheet(COLUMN_MM, 34 + 11 * classes)
    draw_matrix(figure.subplots(), evaluation)
    return figure


def draw_matrix(axes: Axes, evaluation: Evaluation) -> None:
    """A confusion matrix: counts and shares of each true class."""
    classes = len(evaluation.classes)
    dense = classes > MANY_CLASSES
    names = [text.shorten(name, NAME) for name in evaluation.classes]
    rows = [(text.shorten(name, NAME), row) for name, row in confusion_rows(evaluation)]
    draw_fields(axes, rows, names, size=min(5.4, 86 / classes) if dense else 8.0)
    axes.set_aspect("auto" if classes < 4 else "equal")
    if dense:
        axes.tick_params(axis="x", rotation=90)
    elif max(map(len, names)) * classes > 40:
        for label in axes.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
