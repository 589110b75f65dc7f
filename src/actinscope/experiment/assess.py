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
from actinscope.errors import StudyError
from actinscope.evidence import (
    Evaluation,
    LevelEvaluation,
    LevelRule,
    evaluate,
    evaluation_to_json,
    level_to_json,
)
from actinscope.experiment.levels import assess_level
from actinscope.experiment.prepare import labels_of
from actinscope.files import write_json_atomic, write_text_atomic
from actinscope.images import CropReader
from actinscope.predict import Predictor, predict_records
from actinscope.progress import Progress, StepCounter
from actinscope.study import Manifest, Record


@dataclass(frozen=True, eq=False)
class Assessment:
    """What a bundle said about the images of one part, and how good that was.

    Attributes:
        records: the N images that could be predicted, in the manifest's order.
        labels: (N,) true class indices.
        output: probabilities, embedding and class maps of the N images.
        groups: group of each image, or None where there is no group column.
        evaluation: all figures with intervals.
        problems: (name, message) of the images that could not be predicted.
        levels: the same summed up to fields, donors, ..., as far as asked for.
    """

    records: tuple[Record, ...]
    labels: NDArray[np.int64]
    output: NetworkOutput
    groups: tuple[str, ...] | None
    evaluation: Evaluation
    problems: tuple[tuple[str, str], ...]
    levels: tuple[LevelEvaluation, ...] = ()

    def to_json(self) -> dict[str, dict[str, float | int | str | None]]:
        """The part's entry of metrics.json."""
        figures = evaluation_to_json(self.evaluation)
        for level in self.levels:
            figures |= level_to_json(level)
        return figures


def assess(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    reader: CropReader,
    seed: int,
    progress: Progress,
    rules: Sequence[LevelRule] = (),
) -> Assessment:
    """Predict ``records`` through the one inference path and evaluate the answers.

    ``rules`` name the levels that the answers are summed up to besides.

    Raises:
        StudyError: a label is no class of the bundle, or no image could be predicted.
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
    output = rows_of(predicted.output, predicted.ok)
    labels = labels_of(good, classes)
    groups = tuple(manifest.group_of(record) for record in good) if manifest.group else None
    evaluation = evaluate(labels, output.probabilities, classes=classes, groups=groups, seed=seed)
    levels = tuple(
        assess_level(good, labels, output.probabilities, manifest, rule, classes=classes, seed=seed)
        for rule in rules
    )
    return Assessment(good, labels, output, groups, evaluation, problems, levels)


def rows_of(output: NetworkOutput, ok: NDArray[np.bool_]) -> NetworkOutput:
    """The rows of ``output`` where ``ok`` is true."""
    embedding, maps = output.embedding, output.class_maps
    return NetworkOutput(
        probabilities=output.probabilities[ok],
        embedding=None if embedding is None else embedding[ok],
        class_maps=None if maps is None else maps[ok],
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


def write_assessment(
    folder: Path, assessments: Mapping[str, Assessment], manifest: Manifest
) -> None:
    """Write ``metrics.json`` and ``predictions.csv`` of all parts."""
    write_json_atomic(
        folder / "metrics.json",
        {part: one.to_json() for part, one in assessments.items()},
    )
    text = io.StringIO()
    classes = next(iter(assessments.values())).evaluation.classes
    columns = [column for column in manifest.group_columns if column not in _COLUMNS]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *columns, *(f"probability_{name}" for name in classes)])
    for part, one in assessments.items():
        for record, row in zip(one.records, one.output.probabilities, strict=True):
            writer.writerow(
                [
                    record.name,
                    record.object_id,
                    part,
                    record.label,
                    classes[int(row.argmax())],
                    *(record.groups.get(column, "") for column in columns),
                    *(f"{value:.6f}" for value in row),
                ]
            )
    write_text_atomic(folder / "predictions.csv", text.getvalue())


_COLUMNS = ("path", "object", "part", "label", "predicted")
