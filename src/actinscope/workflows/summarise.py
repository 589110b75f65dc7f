"""The whole job of ``actinscope cells summarise``: a CSV of cells to a CSV of their units."""

from __future__ import annotations

from actinscope.errors import UsageError
from actinscope.evaluation import LevelRule, evaluate_level, level_words, sum_up
from actinscope.files import write_table
from actinscope.predict import PredictionsTable, is_own_column, read_predictions
from actinscope.requests import SummariseRequest
from actinscope.runs import level_rule, require_new_file, unit_header, unit_row, with_familiar
from actinscope.study import PARTS, TEST, TRAIN, VALIDATION, Row
from actinscope.wording import counted

# What was found out about a cell names no unit that it comes from.
_NO_LEVEL = frozenset({"label", "part", "y", "x", "sha256"})


def summarise_predictions(request: SummariseRequest) -> tuple[str, ...]:
    """Read, sum up, write; returns what to say of the units that were written.

    Raises:
        ManifestError: not a predictions table, or a broken one; names the line.
        StudyError: there is no such column.
        UsageError: the output is there already, or several levels.
        OutputError: the output cannot be written.
    """
    require_new_file(request.output)
    if len(request.levels.by) != 1:
        raise UsageError(
            f"{len(request.levels.by)} levels for one file",
            remedy="Give --level once, and call the command again for the next level",
        )
    whole = read_predictions(request.predictions)
    table, notes = _tested(whole)
    labels = table.labels() if any(row.get("label") for row in table.rows) else None
    columns = [name for name in table.columns if name not in _NO_LEVEL and not is_own_column(name)]
    rule = level_rule(
        request.levels.by[0],
        request.levels,
        columns=columns,
        header=lambda rule: unit_header(rule, table.classes, labelled=labels is not None),
        where=table.path,
    )
    names = [_unit(row, rule) for row in table.rows]
    probabilities = table.probabilities / table.probabilities.sum(axis=1, keepdims=True)
    units = sum_up(probabilities, names, rule, labels=labels)
    header = unit_header(rule, table.classes, labelled=labels is not None)
    write_table(request.output, [header, *(unit_row(unit, table.classes) for unit in units)])
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
    missing = sum(not all(name) for name in names)
    if labels is not None and units:
        level = evaluate_level(labels, probabilities, names, rule, classes=table.classes)
        if not any(map(_is_known, table.rows)):
            known = {_unit(row, rule) for row in whole.rows if _is_known(row)}
            level = with_familiar(level, known)
        said += level_words(level)
    elif missing:
        said.append(f"{missing} cells have no {rule.word} and are left out.")
    return (*notes, *said)


def _unit(row: Row, rule: LevelRule) -> tuple[str, ...]:
    """The unit of a cell; a value is empty where its column is."""
    return tuple(map(row.get, rule.columns))


def _is_known(row: Row) -> bool:
    """Whether the cell is not new to the model."""
    return row.get("part") in {TRAIN, VALIDATION}


def _tested(table: PredictionsTable) -> tuple[PredictionsTable, tuple[str, ...]]:
    """The cells of the test part, of a table of a run, and a note on cells that are not new."""
    present = {row.get("part") for row in table.rows} & set(PARTS)
    if len(present) > 1 and TEST in present:
        chosen = table.having("part", TEST)
        note = (
            f"Only the {len(chosen.rows)} cells of the test part: the others trained the model or "
            "chose its epoch."
        )
        return chosen, (note,)
    known = sum(map(_is_known, table.rows))
    if not known:
        return table, ()
    note = (
        f"{known} of {len(table.rows)} cells trained the model or chose its epoch (parts train and "
        "validation): the result is too good for new cells."
    )
    return table, (note,)
