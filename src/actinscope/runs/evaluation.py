"""Predicting labelled images with a bundle and judging the predictions."""

from __future__ import annotations

import csv
import io
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
from actinscope.files import write_json_atomic, write_text_atomic
from actinscope.predict import (
    DECISION_COLUMNS,
    DecisionRules,
    Decisions,
    Predictor,
    decision_cells,
    predict_records,
)
from actinscope.progress import Progress, StepCounter
from actinscope.runs.levels import assess_level
from actinscope.runs.prepare import labels_of
from actinscope.study import Manifest, Record


@dataclass(frozen=True, eq=False)
class LabelledPredictions:
    """What a network said about the images of one part, nothing judged yet.

    Attributes:
        records: the N images that could be predicted, in the manifest's order.
        labels: (N,) true class indices.
        output: probabilities not judged yet, features and class maps.
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
    """What a bundle said about the images of one part, and how good that was.

    Attributes:
        judged: calibrated probabilities, prediction sets, what is abstained from and what is
            unfamiliar.
        evaluation: all figures with intervals, of the calibrated probabilities.
        worth: what the probabilities are worth; None where the bundle has no rules.
        levels: the same summed up to fields, donors, ..., as far as asked for.
    """

    judged: Decisions
    evaluation: Evaluation
    worth: UncertaintyEvaluation | None = None
    levels: tuple[LevelEvaluation, ...] = ()

    def to_json(self) -> dict[str, dict[str, float | int | str | None]]:
        """The part's entry of metrics.json."""
        figures = evaluation_to_json(self.evaluation)
        if self.worth is not None:
            figures |= estimates_to_json(uncertainty_estimates(self.worth))
        for level in self.levels:
            figures |= level_to_json(level)
        return figures

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(N, K), calibrated where the bundle has a temperature."""
        return self.judged.probabilities


def predict_and_evaluate(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    reader: CropReader,
    seed: int,
    progress: Progress,
    rules: Sequence[LevelRule] = (),
) -> EvaluatedPredictions:
    """Predict ``records`` through the one inference path and evaluate the answers.

    ``rules`` name the levels that the answers are summed up to besides.

    Raises:
        StudyError: a label is no class of the bundle, or no image could be predicted.
    """
    answers = predict_labelled(predictor, records, manifest, reader=reader, progress=progress)
    return evaluate_predictions(
        answers, predictor.judge, predictor.classes, manifest, rules=rules, seed=seed
    )


def predict_labelled(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    reader: CropReader,
    progress: Progress,
) -> LabelledPredictions:
    """Predict ``records`` through the one inference path.

    Raises:
        StudyError: as :func:`predict_and_evaluate`.
    """
    classes = predictor.bundle.info.classes
    check_labels(records, classes, manifest.root)
    counter = StepCounter(progress, "Predicting")
    predicted = predict_records(predictor, records, reader, progress=counter)
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
    groups = tuple(manifest.group_of(record) for record in good) if manifest.group else None
    return LabelledPredictions(good, labels_of(good, classes), output, groups, problems)


def evaluate_predictions(
    answers: LabelledPredictions,
    judge: DecisionRules,
    classes: Sequence[str],
    manifest: Manifest,
    *,
    rules: Sequence[LevelRule] = (),
    seed: int,
    trained: bool = False,
) -> EvaluatedPredictions:
    """Judge and evaluate what was predicted; ``rules`` name levels to sum up to besides.

    With ``trained`` the images trained the network: what its probabilities for them are worth
    is not asked.
    """
    judged = judge(answers.output)
    labels, groups = answers.labels, answers.groups
    evaluation = evaluate(labels, judged.probabilities, classes=classes, groups=groups, seed=seed)
    found = None
    if judge.has_rules and not trained:
        found = evaluate_uncertainty(
            labels,
            answers.output.uncalibrated,
            judged,
            judge.all_rules,
            classes=classes,
            groups=groups,
            seed=seed,
        )
    levels = tuple(
        assess_level(
            answers.records,
            labels,
            judged.probabilities,
            manifest,
            rule,
            classes=classes,
            seed=seed,
        )
        for rule in rules
    )
    return EvaluatedPredictions(
        **vars(answers), judged=judged, evaluation=evaluation, worth=found, levels=levels
    )


def check_labels(records: Sequence[Record], classes: Sequence[str], where: Path) -> None:
    """Refuse labels that the bundle does not know.

    Raises:
        StudyError: names the first of them.
    """
    unknown = sorted({record.label for record in records} - set(classes))
    if unknown:
        raise StudyError(
            f"the bundle does not know the label {unknown[0]!r}",
            where=where,
            remedy=f"Its classes are {', '.join(classes)}: rename the folder or the label",
        )


def write_evaluation(
    folder: Path, assessments: Mapping[str, EvaluatedPredictions], manifest: Manifest
) -> None:
    """Write ``metrics.json`` and ``predictions.csv`` of all parts."""
    write_json_atomic(
        folder / "metrics.json",
        {part: one.to_json() for part, one in assessments.items()},
    )
    text = io.StringIO()
    first = next(iter(assessments.values()))
    classes = first.evaluation.classes
    judged = DECISION_COLUMNS if first.judged.in_set is not None else ()
    columns = [column for column in manifest.group_columns if column not in _COLUMNS]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *columns, *(f"probability_{name}" for name in classes), *judged])
    for part, one in assessments.items():
        for place, record in enumerate(one.records):
            row = one.probabilities[place]
            writer.writerow(
                [
                    record.name,
                    record.object_id,
                    part,
                    record.label,
                    classes[int(row.argmax())],
                    *(record.groups.get(column, "") for column in columns),
                    *(f"{value:.6f}" for value in row),
                    *decision_cells(one.judged, place, classes),
                ]
            )
    write_text_atomic(folder / "predictions.csv", text.getvalue())


_COLUMNS = ("path", "object", "part", "label", "predicted")
