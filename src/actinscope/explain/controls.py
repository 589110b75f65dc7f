"""Controls of a trained network: simpler models on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.explain.control_features import CONTROL_FEATURES, Scaled, control_features
from actinscope.explain.control_models import (
    BatchControl,
    Control,
    ControlPredictions,
    PermutedLabels,
    batch_control,
    judge_control,
    permuted_labels,
)
from actinscope.predict import ScaledImages
from actinscope.progress import Progress
from actinscope.runs import EvaluatedPredictions
from actinscope.study import Manifest

#: Images of a part that controls are fitted on or tried on at most, drawn at random.
MOST_IMAGES = 1000


@dataclass(frozen=True, eq=False)
class ControlResults:
    """Everything that the controls gave.

    Attributes:
        controls: linear models on what is seen without a network, and on a thumbnail.
        shuffled: chance, as the test images and their groups make it.
        batches: one entry a column whose values could be told apart or not.
    """

    controls: tuple[Control, ...]
    shuffled: PermutedLabels
    batches: tuple[BatchControl, ...]


def run_controls(
    training: EvaluatedPredictions,
    test: EvaluatedPredictions,
    manifest: Manifest,
    *,
    images: ScaledImages,
    seed: int,
    progress: Progress,
) -> ControlResults:
    """Try all controls on (at most a thousand) test images of a finished network.

    Raises:
        ImageError: an image that could be predicted can no longer be read.
    """
    rng = np.random.default_rng([seed, 6])
    fitted, asked = (_some(len(part.records), rng) for part in (training, test))
    network = _answers(test, asked)
    progress.phase("Controls", len(fitted) + len(asked))

    def scaled_of(part: EvaluatedPredictions, rows: NDArray[np.int64]) -> Iterator[Scaled]:
        for row in rows:
            yield images.of(part.records[row])
            progress.advance(1)

    fitted_features = _features(scaled_of(training, fitted))
    features = _features(scaled_of(test, asked))
    controls = [
        judge_control(name, fitted_features[name], training.labels[fitted], features[name], network)
        for name in CONTROL_FEATURES
    ]
    return ControlResults(
        controls=tuple(one for one in controls if one is not None),
        shuffled=permuted_labels(network, seed=seed),
        batches=_batches(training, manifest, fitted, seed),
    )


def _some(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All numbers below ``count``, or a thousand of them at random, in order."""
    return np.sort(rng.permutation(count)[:MOST_IMAGES])


def _answers(test: EvaluatedPredictions, rows: NDArray[np.int64]) -> ControlPredictions:
    groups = None if test.clusters is None else [test.clusters[row] for row in rows]
    return ControlPredictions(
        labels=test.labels[rows],
        predicted=test.output.probabilities[rows].argmax(axis=1),
        groups=groups,
        classes=test.evaluation.classes,
    )


def _features(scaled_images: Iterable[Scaled]) -> dict[str, NDArray[np.float64]]:
    """{control: (N, F)}."""
    rows = [control_features(scaled) for scaled in scaled_images]
    return {name: np.stack([row[name] for row in rows]) for name in CONTROL_FEATURES}


def _batches(
    training: EvaluatedPredictions, manifest: Manifest, rows: NDArray[np.int64], seed: int
) -> tuple[BatchControl, ...]:
    """One entry for every column that has batches to tell apart among ``rows`` of training."""
    embedding = training.output.embedding
    if embedding is None:
        return ()
    found = [
        batch_control(
            embedding[rows],
            training.labels[rows],
            [training.records[row].groups.get(column, "") for row in rows],
            column=column,
            is_group=_kept_together(manifest, column),
            seed=seed,
        )
        for column in manifest.group_columns
    ]
    return tuple(one for one in found if one is not None)


def _kept_together(manifest: Manifest, column: str) -> bool:
    """Whether no value of the column stands in two parts."""
    part_of: dict[str, str] = {}
    return all(
        part_of.setdefault(value, record.part) == record.part
        for record in manifest.records
        if (value := record.groups.get(column, ""))
    )
