"""The predictions CSV: writing its rows and reading it back."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ManifestError, OutputError, UsageError
from actinscope.predict.decision import DECISION_COLUMNS, DecisionRules, Decisions, decision_cells
from actinscope.predict.pipeline import PredictedBatch
from actinscope.predict.tasks import Task

_FIRST = ("path", "object", "y", "x")
_PROBABILITY = "probability_"


def is_own_column(name: str) -> bool:
    """Whether a table of predictions fills a column of this name itself, so that no group can."""
    return name in {"predicted", "error", *DECISION_COLUMNS} or name.startswith(_PROBABILITY)


def header(groups: Sequence[str], classes: Sequence[str], *, judged: bool = False) -> list[str]:
    """The names of the columns; ``judged`` where the judge has rules."""
    probabilities = [f"{_PROBABILITY}{name}" for name in classes]
    more = DECISION_COLUMNS if judged else ()
    return [*_FIRST, *groups, "predicted", *probabilities, *more, "error"]


def rows_of(
    batch: PredictedBatch[Task],
    groups: Sequence[str],
    classes: Sequence[str],
    judge: DecisionRules | None = None,
) -> list[list[str]]:
    """One row of text per task of ``batch``; without a ``judge`` no column of its."""
    judge = judge or DecisionRules(None)
    judged = judge(batch.output)
    cells = iter(_predicted(classes, judged, place) for place in range(len(batch.output)))
    empty = [""] * (1 + len(classes) + (len(DECISION_COLUMNS) if judge.has_rules else 0))
    return [
        [*identity(task, groups), *(empty if error else next(cells)), error]
        for task, error in zip(batch.items, batch.errors, strict=True)
    ]


def identity(task: Task, groups: Sequence[str]) -> list[str]:
    """The cells that say what a row is about, known before anything is predicted."""
    region = task.region
    place = ["", ""] if region is None else [f"{region.y:.2f}", f"{region.x:.2f}"]
    return [task.name, task.object_id, *place, *(task.groups.get(name, "") for name in groups)]


def _predicted(classes: Sequence[str], judged: Decisions, place: int) -> list[str]:
    probabilities = judged.probabilities[place]
    unfamiliar = judged.unfamiliar is not None and bool(judged.unfamiliar[place])
    best = "" if unfamiliar else classes[int(probabilities.argmax())]
    cells = decision_cells(judged, place, classes)
    return [best, *(f"{value:.6f}" for value in probabilities), *cells]


def require_replaceable(output: Path) -> None:
    """Refuse to replace a file that is no table of predictions, such as an image or a manifest.

    Raises:
        UsageError: ``output`` is such a file.
        OutputError: ``output`` cannot be read.
    """
    start = (",".join(_FIRST) + ",").encode()
    if not output.is_file():
        return
    try:
        with output.open("rb") as stream:
            found = stream.read(len(start))
    except OSError as error:
        raise OutputError(
            f"is there and cannot be read ({error.strerror})",
            where=output,
            remedy="Give -o another name",
        ) from error
    if found not in (b"", start):
        raise UsageError(
            "is there already and is no table of predictions",
            where=output,
            remedy="Give -o another name, or delete it first",
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """A predictions CSV in memory; N rows, K classes.

    Attributes:
        classes: in the order of the probabilities.
        paths, objects: what each row is about; ``objects`` is empty for whole images.
        centres: (N, 2) y and x in pixels, NaN for whole images.
        groups: every other column.
        predicted: the class, empty where there is an error or the image is unfamiliar.
        probabilities: (N, K) float64, NaN where there is an error.
        judged: the columns ``prediction_set``, ``abstained``, ``unfamiliar`` and
            ``unfamiliarity`` as
            text; empty where the bundle had no rules.
        errors: the message, empty where there is a prediction.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    objects: tuple[str, ...]
    centres: NDArray[np.float64]
    groups: Mapping[str, tuple[str, ...]]
    predicted: tuple[str, ...]
    probabilities: NDArray[np.float64]
    errors: tuple[str, ...]
    judged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)


def read_predictions(path: Path) -> Predictions:
    """Read what ``predict_files`` wrote.

    Raises:
        ManifestError: not there, or not such a file; it names the line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.reader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(
            f"the predictions cannot be read ({error})", where=path, remedy="Predict again"
        ) from error
    names = lines[0] if lines else []
    classes = tuple(name[len(_PROBABILITY) :] for name in names if name.startswith(_PROBABILITY))
    groups = tuple(names[len(_FIRST) : names.index("predicted")]) if "predicted" in names else ()
    judged = all(name in names for name in DECISION_COLUMNS)
    if names != header(groups, classes, judged=judged) or not classes:
        raise ManifestError(
            "this is no table of predictions",
            where=path,
            remedy="Give a CSV that `actinscope predict` wrote",
        )
    for number, row in enumerate(lines[1:], start=2):
        if len(row) != len(names):
            raise ManifestError(
                f"row {number} has {len(row)} cells, the header has {len(names)}",
                where=path,
                remedy="Predict again",
            )
    columns = dict(zip(names, zip(*lines[1:], strict=True), strict=True)) if lines[1:] else {}
    return Predictions(
        classes=classes,
        paths=columns.get("path", ()),
        objects=columns.get("object", ()),
        centres=_numbers(columns, ("y", "x"), path),
        groups={name: columns.get(name, ()) for name in groups},
        predicted=columns.get("predicted", ()),
        probabilities=_numbers(columns, [f"{_PROBABILITY}{name}" for name in classes], path),
        errors=columns.get("error", ()),
        judged={name: columns.get(name, ()) for name in DECISION_COLUMNS if judged},
    )


def _numbers(
    columns: Mapping[str, Sequence[str]], names: Sequence[str], path: Path
) -> NDArray[np.float64]:
    try:
        values = [[float(cell) if cell else math.nan for cell in columns.get(n, ())] for n in names]
    except ValueError as error:
        raise ManifestError(
            f"a cell of the columns {', '.join(names)} is not a number ({error})",
            where=path,
            remedy="Predict again",
        ) from error
    return np.array(values, dtype=np.float64).T
