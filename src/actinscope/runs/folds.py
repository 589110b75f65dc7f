"""The results of a cross-validation: test predictions of all folds pooled, and fold by fold.

Everything is read from what the folds have written, so that folds of an earlier start and
folds of this one go the same way.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation import (
    METRICS,
    Estimate,
    Evaluation,
    LevelEvaluation,
    LevelRule,
    estimates_to_json,
    evaluation_to_json,
    level_to_json,
)
from actinscope.files import write_csv, write_json_atomic
from actinscope.names import RunFile
from actinscope.predict import FOLD_COLUMNS
from actinscope.runs.evaluation import evaluate_distinct
from actinscope.runs.folder import RunFolder
from actinscope.runs.levels import evaluate_levels, unit_of, with_familiar
from actinscope.study import TEST, TRAIN, VALIDATION, Manifest, Record, independent_images

OUT_OF_FOLD = "out_of_fold"
#: Written in this order, so that the last one shows that a fold is finished.
_LEFT_BY_A_FOLD = (RunFile.PREDICTIONS, RunFile.METRICS, RunFile.REPORT)


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
        """The metrics of its test part that are defined."""
        found = self.run.metrics.get(TEST, {})
        return {name: one for name, one in found.items() if math.isfinite(one.value)}

    @property
    def test_groups(self) -> int | None:
        """Number of groups in the test part; None where there is no group column."""
        group, found = self.run.group, self.run.predictions
        if group is None:
            return None
        return len({found.images[row].groups.get(group, "") for row in found.rows_of(TEST)})


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
        unfamiliar: (N,) images that got no answer.
        missing: names of the images that a fold could not predict.
        evaluation: all metrics, with intervals over the groups.
    """

    repeat: int
    records: tuple[Record, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    folds: NDArray[np.int64]
    groups: tuple[str, ...] | None
    unfamiliar: NDArray[np.bool_]
    missing: tuple[str, ...]
    evaluation: Evaluation


def is_finished(folder: Path) -> bool:
    """True where a fold has written all that it writes."""
    return all((folder / name).is_file() for name in _LEFT_BY_A_FOLD)


def pool(folds: Sequence[FoldResult], manifest: Manifest, *, seed: int) -> Pooled:
    """The test predictions of the folds of one repeat as one set, evaluated.

    The parts of ``manifest`` do not matter; ``seed`` is that of the intervals.

    Raises:
        StudyError: an image was tested twice, or is none of the manifest's.
    """
    place_of = {record.key: place for place, record in enumerate(manifest.records)}
    classes = manifest.classes
    rows: dict[int, tuple[int, NDArray[np.float64], bool]] = {}
    for fold in folds:
        found = fold.run.predictions
        for row in found.rows_of(TEST):
            image = found.images[row]
            place = place_of.get(image.key)
            if place is None or place in rows or found.classes != classes:
                raise StudyError(
                    f"{image.name} was tested twice, or is not among the images",
                    where=found.path,
                    remedy="Delete the folder of this fold and continue with --resume",
                )
            far = not found.rows[row].get("predicted")
            rows[place] = (fold.number, found.probabilities[row], far)
    places = sorted(rows)
    records = tuple(manifest.records[place] for place in places)
    labels = np.array([classes.index(record.label) for record in records], dtype=np.int64)
    probabilities = np.stack([rows[place][1] for place in places])
    groups = manifest.groups_of(records)
    first, clusters = independent_images(records, manifest.group)
    distinct = sorted(set(first))
    missing = [one.title for place, one in enumerate(manifest.records) if place not in rows]
    return Pooled(
        repeat=folds[0].repeat,
        records=records,
        labels=labels,
        probabilities=probabilities,
        folds=np.array([rows[place][0] for place in places], dtype=np.int64),
        groups=groups,
        unfamiliar=np.array([rows[place][2] for place in places], dtype=np.bool_),
        missing=tuple(missing),
        evaluation=evaluate_distinct(
            labels[distinct],
            probabilities[distinct],
            clusters and [clusters[row] for row in distinct],
            classes=classes,
            grouped=groups is not None,
            copies=len(records) - len(distinct),
            seed=seed,
        ),
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
    """The same for fields, donors, ...; units whose cells lie in several folds are counted."""
    levels = evaluate_levels(
        rules,
        pooled.records,
        pooled.labels,
        pooled.probabilities,
        unfamiliar=pooled.unfamiliar,
        manifest=manifest,
        classes=manifest.classes,
        seed=seed,
    )
    return tuple(with_familiar(level, _in_several_folds(pooled, level.rule)) for level in levels)


def _in_several_folds(pooled: Pooled, rule: LevelRule) -> set[tuple[str, ...]]:
    folds: dict[tuple[str, ...], set[int]] = {}
    for record, fold in zip(pooled.records, pooled.folds.tolist(), strict=True):
        folds.setdefault(unit_of(record, rule), set()).add(fold)
    return {unit for unit, met in folds.items() if len(met) > 1}


def fold_values(folds: Sequence[FoldResult], metric: str) -> list[float]:
    """The values of one metric, of the folds in which it is defined."""
    return [fold.test[metric].value for fold in folds if metric in fold.test]


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
    """``metrics.json``: the pooled metrics of each repeat, and means without intervals."""
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
            if (values := fold_values(folds, metric))
        }
    )
    return figures


def mean_over_repeats(pooled: Sequence[Pooled]) -> dict[str, Estimate]:
    """Means of the pooled metrics; repeats are not new images, so they give no interval."""
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
    tables = [fold.run.predictions for fold in folds]
    columns = dict.fromkeys(name for table in tables for name in table.columns)
    tested = [
        {"repeat": fold.repeat, "fold": fold.number, **fold.run.predictions.rows[row].cells}
        for fold in folds
        for row in fold.run.predictions.rows_of(TEST)
    ]
    write_csv(folder / RunFile.PREDICTIONS, [*FOLD_COLUMNS, *columns], tested)
    rows = [_fold_row(fold) for fold in folds]
    write_csv(folder / RunFile.FOLDS, list(rows[0]), rows)
    write_json_atomic(folder / RunFile.METRICS, figures)


def _fold_row(fold: FoldResult) -> dict[str, object]:
    return {
        "repeat": fold.repeat,
        "fold": fold.number,
        **{
            f"{part}_images": len(fold.run.predictions.rows_of(part))
            for part in (TRAIN, VALIDATION, TEST)
        },
        "test_groups": fold.test_groups,
        "kept_epoch": fold.run.info.training.get("kept_epoch") if fold.run.info else None,
        **dict.fromkeys(METRICS, ""),
        **{metric: repr(one.value) for metric, one in fold.test.items() if metric in METRICS},
        "folder": fold.name,
    }
