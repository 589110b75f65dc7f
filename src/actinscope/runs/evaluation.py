"""Predicting labelled images with a bundle and evaluating the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from actinscope.study import Manifest, Record


@dataclass(frozen=True, eq=False)
class LabelledPredictions:
    """The outputs of a network for the images of one part, before any decision rule.

    Attributes:
        records: the N images that could be predicted, in the manifest's order.
        labels: (N,) true class indices.
        output: uncalibrated probabilities, features and class maps.
        groups: group of each image, or None where there is no group column.
        problems: (name, message) of the images that could not be predicted.
    """

    records: tuple[Record, ...]
    labels: NDArray[np.int64]
    output: NetworkOutput
    groups: tuple[str, ...] | None
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
    predicted = predict_records(predictor, records, images, progress=counter)
    named = zip(records, predicted.errors, strict=True)
    problems = tuple((record.title, error) for record, error in named if error)
    good = tuple(record for record, ok in zip(records, predicted.ok, strict=True) if ok)
    if not good:
        raise StudyError(
            "none of the images could be predicted",
            where=manifest.root,
            remedy=f"The first error was: {problems[0][1]}" if problems else "There are none",
        )
    output = predicted.output.rows(predicted.ok)
    return LabelledPredictions(
        good, labels_of(good, classes), output, manifest.groups_of(good), problems
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
    labels, groups, probabilities = predicted.labels, predicted.groups, decisions.probabilities
    uncertainty = None
    if judge.has_rules and not trained:
        uncertainty = evaluate_uncertainty(
            labels,
            predicted.output.uncalibrated,
            decisions,
            judge.all_rules,
            classes=classes,
            groups=groups,
            seed=seed,
        )
    return EvaluatedPredictions(
        **vars(predicted),
        decisions=decisions,
        evaluation=evaluate(labels, probabilities, classes=classes, groups=groups, seed=seed),
        uncertainty=uncertainty,
        levels=evaluate_levels(
            rules,
            predicted.records,
            labels,
            probabilities,
            manifest=manifest,
            classes=classes,
            seed=seed,
        ),
    )


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
            for row in record_rows(one.records, part, one.decisions, groups=groups, classes=classes)
        ],
    )
