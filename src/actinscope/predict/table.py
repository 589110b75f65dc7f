"""Predictions tables: their columns, their rows, and reading them back.

``predict`` writes a row for every file or cell, ``train`` and ``evaluate`` one for every labelled
image with its part, and ``train --folds`` the same with the fold before it. All of them have
``path``, ``object``, ``predicted``, ``probability_CLASS``, the columns of the study, and
``DECISION_COLUMNS`` where the bundle has rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ManifestError, OutputError, UsageError
from actinscope.predict.decision import DECISION_COLUMNS, DecisionRules, Decisions, decision_cells
from actinscope.predict.pipeline import PredictedBatch
from actinscope.predict.tasks import Task
from actinscope.study import Record, Row, read_table

FOLD_COLUMNS = ("repeat", "fold")
_OF_TASKS = ("path", "object", "y", "x")
_OF_RECORDS = ("path", "object", "part", "label")
_PROBABILITY = "probability_"
_SUM_TOLERANCE = 1e-3  # six decimals of each of many classes
_TIE = 2e-6  # equal, as far as six decimals show
_AGAIN = "Give the table as actinscope wrote it"


def is_own_column(name: str) -> bool:
    """Whether a predictions table fills a column of this name itself, so that no group can."""
    return name in {"predicted", "error", *DECISION_COLUMNS} or name.startswith(_PROBABILITY)


def require_free_columns(columns: Iterable[str], where: Path, *, folds: bool = False) -> None:
    """Refuse columns of a study that a predictions table fills itself.

    With ``folds`` also those that the table of a cross-validation fills.

    Raises:
        ManifestError: there are some; it names the first.
    """
    for name in columns:
        if is_own_column(name) or (folds and name in FOLD_COLUMNS):
            raise ManifestError(
                f"the column {name!r} has a name that predictions.csv uses itself",
                where=where,
                remedy="Rename the column",
            )


# Writing


def task_header(groups: Sequence[str], classes: Sequence[str], *, decisions: bool) -> list[str]:
    """The columns of :func:`task_rows`; ``decisions`` where the bundle has rules."""
    return [*_OF_TASKS, *groups, *answer_header(classes, decisions=decisions), "error"]


def task_rows(
    batch: PredictedBatch[Task], groups: Sequence[str], classes: Sequence[str], rules: DecisionRules
) -> list[list[str]]:
    """One row of text per task of ``batch``."""
    decisions = rules(batch.output)
    answers = (answer_cells(decisions, place, classes) for place in range(len(batch.output)))
    empty = [""] * len(answer_header(classes, decisions=rules.has_rules))
    return [
        [*identity(task, groups), *(empty if error else next(answers)), error]
        for task, error in zip(batch.items, batch.errors, strict=True)
    ]


def identity(task: Task, groups: Sequence[str]) -> list[str]:
    """The cells that say what a row is about, known before anything is predicted."""
    region = task.region
    place = ["", ""] if region is None else [f"{region.y:.2f}", f"{region.x:.2f}"]
    return [task.name, task.object_id, *place, *(task.groups.get(name, "") for name in groups)]


def record_header(groups: Sequence[str], classes: Sequence[str], *, decisions: bool) -> list[str]:
    """The columns of :func:`record_rows`; ``decisions`` where the bundle has rules."""
    predicted, *measures = answer_header(classes, decisions=decisions)
    return [*_OF_RECORDS, predicted, *groups, *measures]


def record_rows(
    listed: Sequence[tuple[Record, int]],
    part: str,
    decisions: Decisions,
    *,
    groups: Sequence[str],
    classes: Sequence[str],
) -> list[list[str]]:
    """One row of text per labelled image, given with its place in ``decisions``."""
    rows = []
    for record, place in listed:
        predicted, *measures = answer_cells(decisions, place, classes)
        own = (record.groups.get(name, "") for name in groups)
        rows.append([record.name, record.object_id, part, record.label, predicted, *own, *measures])
    return rows


def answer_header(classes: Sequence[str], *, decisions: bool) -> list[str]:
    """The columns of :func:`answer_cells`; ``decisions`` where the bundle has rules."""
    columns = DECISION_COLUMNS if decisions else ()
    return ["predicted", *(f"{_PROBABILITY}{name}" for name in classes), *columns]


def answer_cells(decisions: Decisions, place: int, classes: Sequence[str]) -> list[str]:
    """What every command answers for one image; an unfamiliar one has no predicted class."""
    named = decisions.answer(place)
    probabilities = (f"{value:.6f}" for value in decisions.probabilities[place])
    best = "" if named is None else classes[named]
    return [best, *probabilities, *decision_cells(decisions, place, classes)]


def require_replaceable(output: Path) -> None:
    """Refuse to replace a file that is not a predictions table, such as an image or a manifest.

    Raises:
        UsageError: ``output`` is such a file.
        OutputError: ``output`` cannot be read.
    """
    if not output.is_file():
        return
    start = (",".join(_OF_TASKS) + ",").encode()
    try:
        with output.open("rb") as stream:
            found = stream.read(len(start))
        if found.startswith(b"PK"):
            found = (",".join(read_table(output).columns[: len(_OF_TASKS)]) + ",").encode()
    except ManifestError:
        pass  # a workbook of something else
    except OSError as error:
        raise OutputError(
            f"is there and cannot be read ({error.strerror})",
            where=output,
            remedy="Give -o another name",
        ) from error
    if found not in (b"", start):
        raise UsageError(
            "is there already and is not a predictions table",
            where=output,
            remedy="Give -o another name, or delete it first",
        )


# Reading


@dataclass(frozen=True, eq=False)
class PredictionsTable:
    """A predictions table of any command; N rows that hold a prediction, K classes.

    Attributes:
        path: the file.
        columns: all of them.
        classes: in the order of the probabilities.
        rows: (N,) the cells of each row.
        probabilities: (N, K) float64, each row summing to 1 but for rounding. Where the largest
            are equal but for rounding, that of the class that the file calls predicted is the
            largest.
        failed: number of rows without a prediction.
        unfamiliar: number of rows that name no class, as the image is unfamiliar.
    """

    path: Path
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    probabilities: NDArray[np.float64]
    failed: int
    unfamiliar: int

    def having(self, column: str, value: str) -> PredictionsTable:
        """The rows with one value in a column, maybe none."""
        kept = [place for place, row in enumerate(self.rows) if row.get(column) == value]
        rows = tuple(self.rows[place] for place in kept)
        return replace(self, rows=rows, probabilities=self.probabilities[kept])

    def labels(self) -> NDArray[np.int64]:
        """(N,) true class indices.

        Raises:
            ManifestError: a label is none of the classes; names the line.
        """
        found = [_class_index(row, "label", self.classes) for row in self.rows]
        return np.array(found, dtype=np.int64)


def read_predictions(
    path: Path, required: Sequence[str] = ("path",), *, unfamiliar: bool = False
) -> PredictionsTable:
    """Read the predictions of any command; rows without a prediction are counted and left out.

    With ``unfamiliar`` unfamiliar images are kept: metrics are of all images.

    Raises:
        ManifestError: not there, no such table, without a column of ``required`` or without any
            prediction, or its probabilities are no probabilities; names the line.
    """
    table = read_table(path, required)
    columns = [name for name in table.columns if name.startswith(_PROBABILITY)]
    classes = tuple(name.removeprefix(_PROBABILITY) for name in columns)
    if len(classes) < 2 or not all(classes):
        raise ManifestError(
            "this is not a predictions table: there are no columns with the probabilities of two "
            "classes or more",
            where=path,
            remedy="Give a CSV that `actinscope predict`, `evaluate` or `train` wrote",
        )
    good = [row for row in table.rows if not row.get("error")]
    # The cell "unfamiliar" is not asked: a spreadsheet writes WAHR or VRAI for true.
    known = {"predicted", "unfamiliar"} <= {*table.columns}
    kept = [row for row in good if unfamiliar or row.get("predicted") or not known]
    if not kept:
        what = "every image is unfamiliar" if good else "no row holds a prediction"
        raise ManifestError(what, where=path, remedy="Predict other images")
    number = table.number_reader(columns)
    return PredictionsTable(
        path=path,
        columns=table.columns,
        classes=classes,
        rows=tuple(kept),
        probabilities=np.array([_probabilities(row, columns, classes, number) for row in kept]),
        failed=len(table.rows) - len(good),
        unfamiliar=len(good) - len(kept),
    )


def _probabilities(
    row: Row,
    columns: Sequence[str],
    classes: tuple[str, ...],
    number: Callable[[str], float],
) -> list[float]:
    try:
        values = [number(row.get(name)) for name in columns]
    except ValueError as error:
        raise row.error(f": a probability is not a number ({error})", _AGAIN) from error
    if not (all(0 <= one <= 1 for one in values) and abs(sum(values) - 1) <= _SUM_TOLERANCE):
        raise row.error(
            ": the probabilities do not lie in 0..1 and sum to 1 (their sum is "
            f"{math.fsum(values):.6g})",
            _AGAIN,
        )
    if not row.get("predicted"):
        return values
    answer = _class_index(row, "predicted", classes)
    largest = max(values)
    if values[answer] < largest - _TIE:
        raise row.error(
            f": {classes[answer]!r} is called predicted, and another class is more probable", _AGAIN
        )
    if values.index(largest) != answer:
        values[answer] = math.nextafter(largest, 1.0) if largest < 1 else largest
    return values


def _class_index(row: Row, column: str, classes: tuple[str, ...]) -> int:
    name = row.word(column)
    if name not in classes:
        raise row.error(
            f": the {column} {name[:40]!r} is none of the classes {', '.join(classes)}", _AGAIN
        )
    return classes.index(name)
