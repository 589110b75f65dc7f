"""The report's tables as CSV files, for spreadsheets and statistics programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actinscope import files
from actinscope.report.content import ReportContent
from actinscope.report.text import clean

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate

ESTIMATE_COLUMNS = ("value", "low", "high", "n", "count", "method")


def write_tables(content: ReportContent, folder: Path) -> None:
    """Write ``metrics.csv``, ``per_class.csv`` and ``confusion_matrix.csv`` into ``folder``.

    Values are written in full precision, shares as 0..1; what is not defined is left empty.
    """
    files.make_folder(folder)
    write_csv(folder / "metrics.csv", ("part", "metric", *ESTIMATE_COLUMNS), _metrics(content))
    write_csv(
        folder / "per_class.csv",
        ("part", "class", "metric", *ESTIMATE_COLUMNS),
        _per_class(content),
    )
    header = ("part", "true_class", "predicted_class", "count")
    write_csv(folder / "confusion_matrix.csv", header, _confusion(content))


def _metrics(content: ReportContent) -> Iterator[tuple[str, ...]]:
    for part, evaluation in content.evaluations.items():
        for metric, estimate in evaluation.metrics.items():
            yield (part, metric, *estimate_cells(estimate))


def _per_class(content: ReportContent) -> Iterator[tuple[str, ...]]:
    for part, evaluation in content.evaluations.items():
        for name, metrics in evaluation.per_class.items():
            for metric, estimate in metrics.items():
                yield (part, name, metric, *estimate_cells(estimate))


def _confusion(content: ReportContent) -> Iterator[tuple[str, ...]]:
    for part, evaluation in content.evaluations.items():
        for true, row in zip(evaluation.classes, evaluation.confusion, strict=True):
            for predicted, count in zip(evaluation.classes, row, strict=True):
                yield (part, true, predicted, str(int(count)))


def estimate_cells(estimate: Estimate) -> tuple[str, ...]:
    """Value, low, high, n, count and method in full precision; empty where not defined."""
    ends = (exact(value) for value in (estimate.value, estimate.low, estimate.high))
    count = "" if estimate.count is None else str(estimate.count)
    return (*ends, str(estimate.n), count, estimate.method)


def exact(value: float) -> str:
    """A number in full precision; empty where it is not finite."""
    return repr(float(value)) if math.isfinite(value) else ""


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write one table; characters that no file can hold are replaced.

    Raises:
        OutputError: ``path`` cannot be written.
    """
    files.write_csv(
        path,
        [clean(cell) for cell in header],
        ([clean(cell) for cell in row] for row in rows),
    )
