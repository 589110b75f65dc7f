"""What cross-validation gives: the folds' test predictions together, and the folds apart.

Everything is read from what the folds have written, so that folds of an earlier start and
folds of this one go the same way.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ManifestError, StudyError
from actinscope.evaluation import (
    METRICS,
    Estimate,
    Evaluation,
    LevelEvaluation,
    LevelRule,
    estimates_to_json,
    evaluate,
    evaluation_to_json,
    level_to_json,
)
from actinscope.files import write_json_atomic, write_text_atomic
from actinscope.runs.folder import RunFolder, read_run
from actinscope.runs.levels import assess_level, unit_of, with_familiar
from actinscope.study import TEST, TRAIN, VALIDATION, Manifest, Record

OUT_OF_FOLD = "out_of_fold"
OWN_COLUMNS = ("repeat", "fold")
#: Written in this order, so that the last one shows that a fold is finished.
_LEFT_BY_A_FOLD = ("predictions.csv", "metrics.json", "report.html")


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One finished fold; ``repeat`` and ``number`` count from 1."""

    repeat: int
    number: int
    run: RunFolder

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.run.path.name

    @property
    def test(self) -> Mapping[str, Estimate]:
        """The figures of its test part."""
        return self.run.metrics.get(TEST, {})


@dataclass(frozen=True, eq=False)
class Pooled:
    """The test predictions of all folds of one repeat.

    Attributes:
        repeat: from 1.
        records: the N images, in the manifest's order.
        labels: (N,) true class indices.
        probabilities: (N, K).
        folds: (N,) number of the fold that each image was tested in, from 1.
        groups: group of each image, or None where there is no group column.
        missing: names of the images that a fold could not predict.
        evaluation: all figures, with intervals over the groups.
    """

    repeat: int
    records: tuple[Record, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    folds: NDArray[np.int64]
    groups: tuple[str, ...] | None
    missing: tuple[str, ...]
    evaluation: Evaluation


def require_free_columns(manifest: Manifest) -> None:
    """Refuse columns that the table of predictions has itself.

    Raises:
        ManifestError: names the first of them.
    """
    taken = [column for column in manifest.group_columns if column in OWN_COLUMNS]
    if taken:
        raise ManifestError(
            f"the column {taken[0]!r} has a name that predictions.csv uses itself here",
            where=manifest.root,
            remedy="Rename the column",
        )


def is_finished(folder: Path) -> bool:
    """True where a fold has written all that it writes."""
    return all((folder / name).is_file() for name in _LEFT_BY_A_FOLD)


def read_fold(folder: Path, repeat: int, number: int) -> FoldResult:
    """A finished fold.

    Raises:
        StudyError, SettingsError, BundleError: as :func:`read_run`.
    """
    return FoldResult(repeat, number, read_run(folder))


def pool(folds: Sequence[FoldResult], manifest: Manifest, *, seed: int) -> Pooled:
    """The test predictions of the folds of one repeat as one set, evaluated.

    Args:
        manifest: all images; parts do not matter.
        seed: of the intervals.

    Raises:
        StudyError: an image was tested twice, or is none of the manifest's.
    """
    place_of = {record.key: place for place, record in enumerate(manifest.records)}
    classes = manifest.classes
    rows: dict[int, tuple[int, NDArray[np.float64]]] = {}
    for fold in folds:
        found = fold.run.predictions
        for row in found.rows_of(TEST):
            place = place_of.get(found.keys[row])
            if place is None or place in rows or found.classes != classes:
                raise StudyError(
                    f"{found.keys[row][0]} was tested twice, or is not among the images",
                    where=fold.run.path / "predictions.csv",
                    remedy="Delete the folder of this fold and go on with --resume",
                )
            rows[place] = (fold.number, found.probabilities[row])
    places = sorted(rows)
    records = tuple(manifest.records[place] for place in places)
    labels = np.array([classes.index(record.label) for record in records], dtype=np.int64)
    probabilities = np.stack([rows[place][1] for place in places])
    groups = None
    if manifest.group is not None:
        groups = tuple(manifest.group_of(record) for record in records)
    missing = [one.title for place, one in enumerate(manifest.records) if place not in rows]
    return Pooled(
        repeat=folds[0].repeat,
        records=records,
        labels=labels,
        probabilities=probabilities,
        folds=np.array([rows[place][0] for place in places], dtype=np.int64),
        groups=groups,
        missing=tuple(missing),
        evaluation=evaluate(labels, probabilities, classes=classes, groups=groups, seed=seed),
    )


def unpredicted(pooled: Sequence[Pooled]) -> tuple[tuple[str, str], ...]:
    """(name, message) of the images that a fold could not predict."""
    return tuple(
        (name, f"could not be predicted when it was tested (repeat {one.repeat})")
        for one in pooled
        for name in one.missing
    )


def pooled_levels(
    pooled: Pooled, manifest: Manifest, rules: Sequence[LevelRule], *, seed: int
) -> tuple[LevelEvaluation, ...]:
    """The same summed up to fields, donors, ...; units that stand in two folds are counted."""
    levels = []
    for rule in rules:
        level = assess_level(
            pooled.records,
            pooled.labels,
            pooled.probabilities,
            manifest,
            rule,
            classes=manifest.classes,
            seed=seed,
        )
        folds: dict[tuple[str, ...], set[int]] = {}
        for record, fold in zip(pooled.records, pooled.folds.tolist(), strict=True):
            folds.setdefault(unit_of(record, rule), set()).add(fold)
        levels.append(with_familiar(level, {one for one, met in folds.items() if len(met) > 1}))
    return tuple(levels)


def fold_figures(folds: Sequence[FoldResult], metric: str) -> list[float]:
    """The values of one figure that are defined, fold by fold."""
    values = (fold.test[metric].value for fold in folds if metric in fold.test)
    return [value for value in values if math.isfinite(value)]


def spread_words(values: Sequence[float]) -> str:
    """Mean, standard deviation and range of the folds, and what they are not."""
    if len(values) < 2:
        return "too few folds for a spread"
    return (
        f"mean over {len(values)} folds; standard deviation {statistics.stdev(values):.4g}, "
        f"{min(values):.4g} to {max(values):.4g}; no interval follows from it, as the folds "
        "share training images"
    )


def metrics_json(
    pooled: Sequence[Pooled], folds: Sequence[FoldResult], levels: Sequence[LevelEvaluation]
) -> dict[str, Any]:
    """``metrics.json``: the pooled figures of each repeat, and means without intervals."""
    first, *others = pooled
    figures: dict[str, Any] = {OUT_OF_FOLD: evaluation_to_json(first.evaluation)}
    for level in levels:
        figures[OUT_OF_FOLD] |= level_to_json(level)
    for other in others:
        figures[f"{OUT_OF_FOLD}_repeat_{other.repeat}"] = evaluation_to_json(other.evaluation)
    if others:
        figures["mean_over_repeats"] = estimates_to_json(mean_over_repeats(pooled))
    figures["mean_over_folds"] = estimates_to_json(
        {
            metric: _bare(values, spread_words(values))
            for metric in METRICS
            if (values := fold_figures(folds, metric))
        }
    )
    return figures


def mean_over_repeats(pooled: Sequence[Pooled]) -> dict[str, Estimate]:
    """Means of the pooled figures; repeats are not new images, so they give no interval."""
    method = f"mean over {len(pooled)} repeats on the same images, which gives no interval"
    return {
        metric: _bare([one.evaluation.metrics[metric].value for one in pooled], method)
        for metric in METRICS
    }


def _bare(values: Sequence[float], method: str) -> Estimate:
    return Estimate(statistics.fmean(values), math.nan, math.nan, len(values), None, method)


def write_results(folder: Path, folds: Sequence[FoldResult], figures: Mapping[str, Any]) -> None:
    """Write ``predictions.csv``, ``folds.csv`` and ``metrics.json``.

    Raises:
        OutputError: a file cannot be written.
    """
    write_text_atomic(folder / "predictions.csv", _predictions(folds))
    write_text_atomic(folder / "folds.csv", _fold_table(folds))
    write_json_atomic(folder / "metrics.json", figures)


def _predictions(folds: Sequence[FoldResult]) -> str:
    """The test rows of every fold as the fold has written them."""
    columns: dict[str, None] = dict.fromkeys(OWN_COLUMNS)
    rows: list[dict[str, str]] = []
    for fold in folds:
        with (fold.run.path / "predictions.csv").open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            columns |= dict.fromkeys(reader.fieldnames or ())
            own = {"repeat": str(fold.repeat), "fold": str(fold.number)}
            rows += [own | row for row in reader if row["part"] == TEST]
    return _table(list(columns), rows)


def _fold_table(folds: Sequence[FoldResult]) -> str:
    parts = (TRAIN, VALIDATION, TEST)
    columns = [*OWN_COLUMNS, *(f"{part}_images" for part in parts), "test_groups", "kept_epoch",
               *METRICS, "folder"]  # fmt: skip
    rows: list[dict[str, object]] = []
    for fold in folds:
        row: dict[str, object] = {
            "repeat": fold.repeat,
            "fold": fold.number,
            "test_groups": group_count(fold),
            "kept_epoch": fold.run.info.training.get("kept_epoch") if fold.run.info else None,
            "folder": fold.name,
        }
        row |= {f"{part}_images": len(fold.run.predictions.rows_of(part)) for part in parts}
        row |= {
            metric: repr(fold.test[metric].value)
            for metric in METRICS
            if metric in fold.test and math.isfinite(fold.test[metric].value)
        }
        rows.append(row)
    return _table(columns, rows)


def group_count(fold: FoldResult) -> int | None:
    """Number of groups in the test part; None where there is no group column."""
    group = fold.run.group
    if group is None:
        return None
    found = fold.run.predictions
    return len({found.groups[row].get(group, "") for row in found.rows_of(TEST)})


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
