"""The whole job of ``actinscope summarise``: a CSV of cells to a CSV of their units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ManifestError, UsageError
from actinscope.evaluation import LevelRule, evaluate_level, level_words, parse_level, sum_up
from actinscope.files import write_csv
from actinscope.predict import DECISION_COLUMNS
from actinscope.runs import (
    require_columns,
    require_new_file,
    require_own_names,
    unit_header,
    unit_row,
    with_familiar,
)
from actinscope.study import PARTS, TEST, TRAIN, VALIDATION, Row, read_table
from actinscope.training import LevelSettings
from actinscope.wording import counted

_PROBABILITY = "probability_"
# What was found out about a cell names no unit that it comes from.
_NO_LEVEL = frozenset(
    {"label", "predicted", "part", "error", "y", "x", "sha256", *DECISION_COLUMNS}
)
# Cells of these parts are not new to the model.
_KNOWN = frozenset({TRAIN, VALIDATION})
_SUM_TOLERANCE = 1e-3  # six decimals of each of many classes


@dataclass(frozen=True)
class SummariseRequest:
    """Which predictions, to which level, into which file.

    Attributes:
        part: of a run, or ``all``; None takes the test part where there are several.
    """

    predictions: Path
    levels: LevelSettings
    output: Path
    part: str | None = None


@dataclass(frozen=True)
class SummariseOutcome:
    """What to say of the units that were written."""

    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CellTable:
    """A predictions CSV of any command, as far as it is needed here.

    Attributes:
        classes: the K classes, in the order of the probabilities.
        columns: all columns that name something about a cell.
        rows: the N cells that were predicted, column -> text.
        probabilities: (N, K), each row summing to 1.
        labels: (N,) true class indices; None without a column ``label``.
        failed: rows without a prediction.
        unfamiliar: rows that ``predict`` left unnamed, as the image is unfamiliar.
    """

    classes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    failed: int
    unfamiliar: int = 0


def summarise_predictions(request: SummariseRequest) -> SummariseOutcome:
    """Read, sum up, write.

    Raises:
        ManifestError: no table of predictions, or a broken one; names the line.
        StudyError: there is no such column.
        UsageError: the output is there already, several levels, or a part that is not there.
        OutputError: the output cannot be written.
    """
    require_new_file(request.output)
    if len(request.levels.by) != 1:
        raise UsageError(
            f"{len(request.levels.by)} levels for one file",
            remedy="Give --level once, and call the command again for the next level",
        )
    whole = read_cells(request.predictions)
    table, notes = _of_part(whole, request.part, request.predictions)
    columns = [name for name in table.columns if name not in _NO_LEVEL]
    rule = parse_level(
        request.levels.by[0],
        known=columns,
        fewest_cells=request.levels.fewest_cells,
        agreement=request.levels.agreement,
    )
    require_columns(rule, columns, request.predictions)
    header = unit_header(rule, table.classes, labelled=table.labels is not None)
    require_own_names(rule, header, request.predictions)
    names = _names(table, rule)
    units = sum_up(table.probabilities, names, rule, labels=table.labels)
    write_csv(request.output, header, [unit_row(unit, table.classes) for unit in units])
    said = [f"{request.output}: {counted(len(units), rule.word)} from {len(table.rows)} cells."]
    undecided = sum(unit.answer is None for unit in units)
    if undecided:
        said.append(f"{counted(undecided, rule.word)} without an answer; the CSV says why.")
    if table.failed:
        said.append(f"{table.failed} rows hold no prediction and are left out.")
    if table.unfamiliar:
        said.append(
            f"{table.unfamiliar} rows hold an unfamiliar image, which is not named, and are left "
            "out."
        )
    if table.labels is not None and units:
        level = evaluate_level(
            table.labels, table.probabilities, names, rule, classes=table.classes
        )
        if not any(row.get("part") in _KNOWN for row in table.rows):
            known = zip(whole.rows, _names(whole, rule), strict=True)
            level = with_familiar(level, {n for row, n in known if row.get("part") in _KNOWN})
        said += level_words(level)
    elif any(not all(name) for name in names):
        missing = sum(not all(name) for name in names)
        said.append(f"{missing} cells have no {rule.word} and are left out.")
    return SummariseOutcome((*notes, *said))


def _names(table: CellTable, rule: LevelRule) -> list[tuple[str, ...]]:
    """The unit of each cell."""
    return [tuple(row[column] for column in rule.columns) for row in table.rows]


def read_cells(path: Path) -> CellTable:
    """Read a predictions.csv of ``predict``, ``evaluate`` or ``train``.

    Raises:
        ManifestError: not there, or no such table; names the line.
    """
    table = read_table(path)
    classes = tuple(
        name.removeprefix(_PROBABILITY) for name in table.columns if name.startswith(_PROBABILITY)
    )
    if len(classes) < 2 or "path" not in table.columns or not all(classes):
        raise ManifestError(
            "this is no table of predictions",
            where=path,
            remedy="Give a CSV that `actinscope predict`, `evaluate` or `train` wrote",
        )
    good = [row for row in table.rows if not row.get("error")]
    kept = [row for row in good if not _unnamed(row)]
    chances = np.array([_probabilities(row, classes, path) for row in kept], dtype=np.float64)
    if not kept:
        what = "every image is unfamiliar" if good else "no row holds a prediction"
        raise ManifestError(
            what, where=path, remedy="Predict other images" if good else "Predict again"
        )
    columns = tuple(name for name in table.columns if not name.startswith(_PROBABILITY))
    return CellTable(
        classes=classes,
        columns=columns,
        rows=tuple({name: row.get(name) for name in columns} for row in kept),
        probabilities=chances / chances.sum(axis=1, keepdims=True),
        labels=_labels(kept, classes, path) if "label" in table.columns else None,
        failed=len(table.rows) - len(good),
        unfamiliar=len(good) - len(kept),
    )


def _unnamed(row: Row) -> bool:
    """Whether ``predict`` gave no name; in tables with labels every image has one, and counts."""
    return row.get("unfamiliar") == "true" and not row.get("predicted")


def _probabilities(row: Row, classes: tuple[str, ...], path: Path) -> list[float]:
    try:
        values = [float(row.get(f"{_PROBABILITY}{name}")) for name in classes]
    except ValueError as error:
        raise ManifestError(
            f"line {row.line} has a probability that is no number ({error})",
            where=path,
            remedy="Predict again",
        ) from error
    if not all(0 <= value <= 1 for value in values) or abs(sum(values) - 1) > _SUM_TOLERANCE:
        raise ManifestError(
            f"line {row.line} has probabilities that do not lie in 0..1 and sum to 1",
            where=path,
            remedy="Predict again",
        )
    return values


def _labels(rows: list[Row], classes: tuple[str, ...], path: Path) -> NDArray[np.int64] | None:
    if not any(row.get("label") for row in rows):
        return None
    index = {name: number for number, name in enumerate(classes)}
    for row in rows:
        if row.get("label") not in index:
            raise ManifestError(
                f"line {row.line} has the label {row.get('label')!r}, which is none of the classes",
                where=path,
                remedy=f"The classes are {', '.join(classes)}; correct the column or delete it",
            )
    return np.array([index[row.get("label")] for row in rows], dtype=np.int64)


def _of_part(table: CellTable, part: str | None, where: Path) -> tuple[CellTable, tuple[str, ...]]:
    """The cells of one part, and a sentence on the choice that nobody made."""
    present = {row.get("part", "") for row in table.rows} & set(PARTS)
    if part is None and len(present) > 1 and TEST in present:
        chosen, rows = _only(table, TEST)
        note = (
            f"Only the {rows} cells of the test part: the others trained the model or chose its "
            "epoch (--part all takes them too)."
        )
        return chosen, (note,)
    if part in (None, "all"):
        return table, _not_new(table)
    if part not in present:
        raise UsageError(
            f"there is no cell of the part {part!r}",
            where=where,
            remedy=f"Parts in the file: {', '.join(sorted(present)) or 'none'}",
        )
    chosen = _only(table, part)[0]
    return chosen, _not_new(chosen)


def _not_new(table: CellTable) -> tuple[str, ...]:
    """A sentence where cells are not new to the model."""
    known = sum(row.get("part") in _KNOWN for row in table.rows)
    if not known:
        return ()
    return (
        f"{known} of {len(table.rows)} cells trained the model or chose its epoch (parts train and "
        "validation): the result is too good for new cells.",
    )


def _only(table: CellTable, part: str) -> tuple[CellTable, int]:
    kept = [place for place, row in enumerate(table.rows) if row.get("part") == part]
    chosen = CellTable(
        classes=table.classes,
        columns=table.columns,
        rows=tuple(table.rows[place] for place in kept),
        probabilities=table.probabilities[kept],
        labels=None if table.labels is None else table.labels[kept],
        failed=table.failed,
        unfamiliar=table.unfamiliar,
    )
    return chosen, len(kept)
