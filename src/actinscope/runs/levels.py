"""Levels above the single cell: which columns, which units are new, tables and report section."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, StudyError, UsageError
from actinscope.evaluation import (
    RULES,
    LevelEvaluation,
    LevelRule,
    Unit,
    evaluate_level,
    parse_level,
)
from actinscope.files import write_csv
from actinscope.study import TEST, TRAIN, VALIDATION, Manifest, Record, joined_groups
from actinscope.training import LevelSettings

_PATH = "path"  # every image file is a unit, too


def level_rules(
    settings: LevelSettings, manifest: Manifest, classes: Sequence[str] | None = None
) -> tuple[LevelRule, ...]:
    """The levels of a recipe, all of them columns of the manifest, or ``path`` for the file.

    ``classes`` are those of the tables, where they are not the manifest's.

    Raises:
        SettingsError: what is written is no level, or one stands there twice.
        StudyError: there is no such column; the nearest is suggested.
        UsageError: a column has a name that the tables of levels use themselves.
    """
    rules = tuple(
        level_rule(
            text,
            settings,
            columns=(*manifest.group_columns, _PATH),
            header=lambda rule: _header_of_run(rule, classes or manifest.classes),
            where=manifest.root,
        )
        for text in settings.by
    )
    names = [rule.name for rule in rules]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SettingsError(
            f"the level {twice[0]} is named twice",
            where="levels.by",
            remedy="Keep one of them, with one rule",
        )
    return rules


def level_rule(
    text: str,
    settings: LevelSettings,
    *,
    columns: Sequence[str],
    header: Callable[[LevelRule], Sequence[str]],
    where: Path,
) -> LevelRule:
    """One level as the user writes it.

    Args:
        columns: that can be a level.
        header: the columns of the table that the level will be written to.
        where: for messages.

    Raises:
        SettingsError: what is written is no level.
        StudyError: there is no such column; the nearest is suggested.
        UsageError: a column has a name that the table uses itself.
    """
    rule = parse_level(
        text, known=columns, fewest_cells=settings.fewest_cells, agreement=settings.agreement
    )
    for column in rule.columns:
        if column in columns:
            continue
        near = difflib.get_close_matches(column, columns, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise StudyError(
            f"there is no column {column!r} to sum cells up by",
            where=where,
            remedy=f"{hint}Columns that can be a level: {', '.join(columns)}. A level is written "
            f"COLUMN or COLUMN:RULE with a rule of {', '.join(RULES)}",
        )
    names = list(header(rule))
    twice = [column for column in rule.columns if names.count(column) > 1]
    if twice:
        raise UsageError(
            f"the column {twice[0]!r} of the level {rule.name} has a name that the result uses "
            "itself",
            where=where,
            remedy="Rename the column",
        )
    return rule


def unit_of(record: Record, rule: LevelRule) -> tuple[str, ...]:
    """The unit that a record belongs to; a value is empty where its column is."""
    return tuple(
        record.name if column == _PATH else record.groups.get(column, "") for column in rule.columns
    )


def evaluate_levels(
    rules: Sequence[LevelRule],
    records: Sequence[Record],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    unfamiliar: NDArray[np.bool_] | None,
    manifest: Manifest,
    classes: Sequence[str],
    seed: int,
) -> tuple[LevelEvaluation, ...]:
    """Aggregate predictions to each level, and count the units that training has seen.

    Args:
        rules: the levels.
        records: N images of one part.
        labels: (N,) true class indices.
        probabilities: (N, K).
        unfamiliar: (N,) images without an answer, which no unit counts; None where that is not
            known.
        manifest: of all parts.
        seed: of the intervals.
    """
    left_out = 0 if unfamiliar is None else int(unfamiliar.sum())
    if unfamiliar is not None:
        labels, probabilities = labels[~unfamiliar], probabilities[~unfamiliar]
        records = [one for one, far in zip(records, unfamiliar, strict=True) if not far]
    copies = [record.pixel_hash for record in records], [record.copy_set for record in records]
    levels = []
    for rule in rules:
        units = [unit_of(record, rule) for record in records]
        own = [manifest.group_of(record) for record in records]
        if not manifest.group:  # units that share copies are not independent
            own = ["\x00".join(unit) if all(unit) else "" for unit in units]
        level = evaluate_level(
            labels,
            probabilities,
            units,
            rule,
            classes=classes,
            groups=joined_groups(own, *copies),
            group=manifest.group,
            seed=seed,
        )
        if {record.part for record in records} == {TEST}:
            trained = (one for one in manifest.records if one.part in {TRAIN, VALIDATION})
            level = with_familiar(level, {unit_of(one, rule) for one in trained})
        levels.append(replace(level, unfamiliar=left_out))
    return tuple(levels)


def with_familiar(level: LevelEvaluation, known: Collection[tuple[str, ...]]) -> LevelEvaluation:
    """``level`` with the number of its units of which other cells trained the model."""
    met = sum(unit.name in known for unit in level.units)
    return replace(level, familiar=max(met, level.familiar))


def unit_header(rule: LevelRule, classes: Sequence[str], *, labelled: bool) -> list[str]:
    """Names of the columns of :func:`unit_row`."""
    truth = ["label", *(f"labelled_{name}" for name in classes)] if labelled else []
    return [
        *rule.columns,
        "cells",
        *truth,
        "answer",
        "undecided",
        "agreement",
        *(f"probability_{name}" for name in classes),
        *(f"cells_named_{name}" for name in classes),
        *(f"mean_probability_{name}" for name in classes),
    ]


def unit_row(unit: Unit, classes: Sequence[str]) -> list[str]:
    """One unit as text; ``undecided`` says why there is no answer."""
    truth = []
    if unit.labels is not None:
        label = "mixed" if unit.label is None else classes[unit.label]
        truth = [label, *(str(count) for count in unit.labels)]
    leading = int(unit.votes.max() if unit.answer is None else unit.votes[unit.answer])
    return [
        *unit.name,
        str(unit.cells),
        *truth,
        "" if unit.answer is None else classes[unit.answer],
        unit.why,
        f"{leading / unit.cells:.4f}",
        *(f"{value:.6f}" for value in unit.probabilities),
        *(str(count) for count in unit.votes),
        *(f"{value:.6f}" for value in unit.mean),
    ]


def level_file(level: str, taken: set[str]) -> str:
    """Name of the CSV of a level, unlike those ``taken`` on every file system; it is taken then."""
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "_", level)[:60]
    free = (safe, *(f"{safe}_{number}" for number in range(2, len(taken) + 3)))
    stem = next(one for one in free if one.lower() not in taken)
    taken.add(stem.lower())
    return f"level_{stem}.csv"


def write_levels(folder: Path, levels: Mapping[str, Sequence[LevelEvaluation]]) -> tuple[str, ...]:
    """Write one CSV a level with all units of all parts; returns the names of the files.

    Raises:
        OutputError: a file cannot be written.
    """
    names: list[str] = []
    taken: set[str] = set()
    for place, first in enumerate(next(iter(levels.values()), ())):
        name = level_file(first.rule.name, taken)
        rows = [
            [part, *unit_row(unit, first.classes)]
            for part, own in levels.items()
            for unit in own[place].units
        ]
        write_csv(folder / name, _header_of_run(first.rule, first.classes), rows)
        names.append(name)
    return tuple(names)


def _header_of_run(rule: LevelRule, classes: Sequence[str]) -> list[str]:
    return ["part", *unit_header(rule, classes, labelled=True)]
