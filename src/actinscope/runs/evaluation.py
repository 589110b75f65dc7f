"""Predicting labelled images with a bundle and evaluating the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import NetworkOutput
from actinscope.cells import CropReader
from actinscope.errors import StudyError
from actinscope.evaluation import (
    Evaluation,
    LevelEvaluation,
    LevelRule,
    UncertaintyEvaluation,
    estimates_to_json,
    evaluate,
    evaluate_uncertainty,
    evaluation_to_json,
    level_to_json,
    uncertainty_estimates,
)
from actinscope.files import write_csv, write_json_atomic
from actinscope.names import RunFile
from actinscope.predict import (
    DecisionRules,
    Decisions,
    Predictor,
    ScaledImages,
    predict_records,
    record_header,
    record_rows,
)
from actinscope.progress import Progress, StepCounter
from actinscope.runs.levels import evaluate_levels
from actinscope.runs.prepare import labels_of
from actinscope.study import Manifest, Record, independent_images


@dataclass(frozen=True, eq=False)
class LabelledPredictions:
    """The outputs of a network for the images of one part, before any decision rule.

    Attributes:
        records: the N images that could be predicted, in the manifest's order; of exact copies
            with one label only the first.
        labels: (N,) true class indices.
        output: uncalibrated probabilities, features and class maps.
        groups: group of each image, or None where there is no group column.
        clusters: what counts as independent: the groups, joined where they share copies; without
            groups, sets of changed copies. None where every image counts by itself.
        listed: every record that could be predicted, copies too, and its place among ``records``.
        problems: (name, message) of the images that could not be predicted.
    """

    records: tuple[Record, ...]
    labels: NDArray[np.int64]
    output: NetworkOutput
    groups: tuple[str, ...] | None
    clusters: tuple[str, ...] | None
    listed: tuple[tuple[Record, int], ...]
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class EvaluatedPredictions(LabelledPredictions):
    """The predictions of a bundle for the images of one part, and their metrics.

    Attributes:
        decisions: calibrated probabilities, prediction sets, abstentions and unfamiliar images.
        evaluation: all metrics with intervals, of the calibrated probabilities.
        uncertainty: metrics of calibration, prediction sets and abstention; None where the
            bundle has no rules.
        levels: the metrics of fields, donors, ..., as far as asked for.
    """

    decisions: Decisions
    evaluation: Evaluation
    uncertainty: UncertaintyEvaluation | None = None
    levels: tuple[LevelEvaluation, ...] = ()

    def to_json(self) -> dict[str, dict[str, float | int | str | None]]:
        """The part's entry of metrics.json."""
        figures = evaluation_to_json(self.evaluation)
        if self.uncertainty is not None:
            figures |= estimates_to_json(uncertainty_estimates(self.uncertainty))
        for level in self.levels:
            figures |= level_to_json(level)
        return figures

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(N, K), calibrated where the bundle has a temperature."""
        return self.decisions.probabilities


def predict_and_evaluate(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    images: CropReader | ScaledImages,
    seed: int,
    progress: Progress,
    rules: Sequence[LevelRule] = (),
) -> EvaluatedPredictions:
    """Predict ``records`` through the one inference path and evaluate the predictions.

    ``rules`` name the levels that are evaluated besides the single image.

    Raises:
        StudyError: no image could be predicted.
    """
    predicted = predict_labelled(predictor, records, manifest, images=images, progress=progress)
    return evaluate_predictions(
        predicted, predictor.rules, predictor.classes, manifest, rules=rules, seed=seed
    )


def predict_labelled(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    images: CropReader | ScaledImages,
    progress: Progress,
) -> LabelledPredictions:
    """Predict ``records`` through the one inference path.

    Raises:
        StudyError: as :func:`predict_and_evaluate`.
    """
    classes = predictor.bundle.info.classes
    counter = StepCounter(progress, "Predicting")
    first, clusters = independent_images(records, manifest.group)
    distinct = sorted(set(first))
    predicted = predict_records(
        predictor, [records[place] for place in distinct], images, progress=counter
    )
    error_of = dict(zip(distinct, predicted.errors, strict=True))
    named = zip(records, first, strict=True)
    problems = tuple((record.title, error_of[at]) for record, at in named if error_of[at])
    row_of = {place: row for row, place in enumerate(p for p in distinct if not error_of[p])}
    if not row_of:
        raise StudyError(
            "none of the images could be predicted",
            where=manifest.root,
            remedy=f"The first error was: {problems[0][1]}" if problems else "There are none",
        )
    output = predicted.output.rows(predicted.ok)
    good = tuple(records[place] for place in row_of)
    return LabelledPredictions(
        records=good,
        labels=labels_of(good, classes),
        output=output,
        groups=manifest.groups_of(good),
        clusters=None if clusters is None else tuple(clusters[place] for place in row_of),
        listed=tuple(
            (record, row_of[at]) for record, at in zip(records, first, strict=True) if at in row_of
        ),
        problems=problems,
    )


def evaluate_predictions(
    predicted: LabelledPredictions,
    judge: DecisionRules,
    classes: Sequence[str],
    manifest: Manifest,
    *,
    rules: Sequence[LevelRule] = (),
    seed: int,
    trained: bool = False,
) -> EvaluatedPredictions:
    """Apply the rules of a bundle to its outputs and evaluate them.

    ``rules`` name the levels that are evaluated besides the single image. Of images that
    ``trained`` the network calibration, sets and abstention are not evaluated.
    """
    decisions = judge(predicted.output)
    labels, clusters, probabilities = predicted.labels, predicted.clusters, decisions.probabilities
    uncertainty = None
    if judge.has_rules and not trained:
        uncertainty = evaluate_uncertainty(
            labels,
            predicted.output.uncalibrated,
            decisions,
            judge.all_rules,
            classes=classes,
            groups=clusters,
            seed=seed,
        )
    listed, rows = map(list, zip(*predicted.listed, strict=True))
    return EvaluatedPredictions(
        **vars(predicted),
        decisions=decisions,
        evaluation=evaluate_distinct(
            labels,
            probabilities,
            clusters,
            classes=classes,
            grouped=manifest.group is not None,
            copies=len(listed) - len(labels),
            seed=seed,
        ),
        uncertainty=uncertainty,
        levels=evaluate_levels(  # a unit's answer is that of all its cells, as in `predict`
            rules,
            listed,
            labels[rows],
            probabilities[rows],
            unfamiliar=None if decisions.unfamiliar is None else decisions.unfamiliar[rows],
            manifest=manifest,
            classes=classes,
            seed=seed,
        ),
    )


def evaluate_distinct(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    clusters: Sequence[str] | None,
    *,
    classes: Sequence[str],
    grouped: bool,
    copies: int,
    seed: int,
) -> Evaluation:
    """`evaluate` for different images, with a note on the ``copies`` that were left out.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K).
        clusters: as :func:`actinscope.study.independent_images` names them.
        grouped: the clusters are groups, to be counted and named as such.
    """
    found = evaluate(labels, probabilities, classes=classes, groups=clusters, seed=seed)
    note = f"{copies} more are exact copies of these images; an image counts once."
    notes = (note, *found.notes) if copies else found.notes
    return replace(found, groups=found.groups if grouped else None, notes=notes)


def write_evaluation(
    folder: Path, assessments: Mapping[str, EvaluatedPredictions], manifest: Manifest
) -> None:
    """Write ``metrics.json`` and ``predictions.csv`` of all parts."""
    write_json_atomic(
        folder / RunFile.METRICS, {part: one.to_json() for part, one in assessments.items()}
    )
    first = next(iter(assessments.values()))
    classes = first.evaluation.classes
    groups = manifest.group_columns
    write_csv(
        folder / RunFile.PREDICTIONS,
        record_header(groups, classes, decisions=first.decisions.in_set is not None),
        [
            row
            for part, one in assessments.items()
            for row in record_rows(one.listed, part, one.decisions, groups=groups, classes=classes)
        ],
    )
