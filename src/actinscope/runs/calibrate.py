"""Fitting temperature, prediction sets, abstention and out-of-distribution threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import (
    EARLY_FEATURES,
    Bf16Check,
    Bundle,
    NetworkOutput,
    OodRule,
    ReferenceFeatures,
    Reliability,
    calibrated,
    mean_of_views,
    reference_features,
)
from actinscope.errors import GoldenMismatch
from actinscope.evaluation import fit_abstention, fit_ood_threshold, fit_sets, fit_temperature
from actinscope.predict import Predictor, ScaledImages
from actinscope.progress import Progress
from actinscope.runs.evaluation import LabelledPredictions, predict_labelled
from actinscope.study import Manifest, Record
from actinscope.training import ProbabilitySettings

_VIEWS = (1, 2, 4, 8)
_MOST_FOR_VIEWS = 500  # validation images


def fit_reliability(
    predictor: Predictor,
    settings: ProbabilitySettings,
    *,
    validation: LabelledPredictions,
    training: LabelledPredictions,
    seed: int,
) -> tuple[Reliability, ReferenceFeatures | None]:
    """All rules of a new bundle, and the features of training images that one of them needs.

    Args:
        predictor: of the bundle.
        settings: what the user asked for.
        validation, training: the outputs of the network for these parts.
        seed: of the choice of training images that are stored, where there are many.
    """
    ood, references = None, None
    features = training.output.early_features
    # As the check of a bundle computes them: one view, in float32.
    golden = predictor.bundle.golden().outputs.get(EARLY_FEATURES)
    if features is not None and golden is not None:
        found, kept = reference_features(features, seed=seed)
        groups = training.clusters
        ood = fit_ood_threshold(
            found,
            _features_of(validation.output),
            training_groups=None if groups is None else [groups[place] for place in kept],
            share=settings.unfamiliar_share,
            golden=golden,
        )
        references = None if ood is None else found
    rules = _rules(
        settings,
        validation.labels,
        validation.output.probabilities,
        classes=predictor.classes,
        groups=validation.clusters,
        ood=ood,
    )
    return rules, references


def choose_answered_views(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    images: ScaledImages,
    progress: Progress,
    most: int,
) -> int:
    """How many views of a new bundle are averaged: the fewest that are within noise of the best.

    At most ``most``, which is as many as it was trained on. ``records``, the validation part, are
    judged by the log loss of calibrated answers; a number is within noise where the mean difference
    is at most its standard error over images.
    """
    views = predictor.bundle.info.views[: max(1, most)]
    records = records[:: -(-len(records) // _MOST_FOR_VIEWS) or 1]
    seen = [
        predict_labelled(
            predictor.with_views([view]), records, manifest, images=images, progress=progress
        )
        for view in views
    ]
    counts = [count for count in _VIEWS if count <= len(views)]
    labels = seen[0].labels
    losses = []
    for count in counts:
        output = mean_of_views([one.output for one in seen[:count]], views[:count])
        temperature = fit_temperature(labels, output.probabilities).value
        chances = calibrated(output.probabilities, temperature)
        losses.append(-np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-15)))
    best = min(losses, key=np.mean)
    for count, loss in zip(counts, losses, strict=True):
        excess = loss - best
        if excess.mean() <= excess.std() / np.sqrt(len(labels)):
            return count
    return counts[-1]


def check_bf16(
    predictor: Predictor,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    images: ScaledImages,
    progress: Progress,
) -> Bf16Check | None:
    """How many answers for ``records``, the validation part, bfloat16 changes on this computer.

    None where the golden outputs change by more than bfloat16 may change them.
    """
    try:
        coarse = Predictor(predictor.bundle, precision="bf16")
    except GoldenMismatch:
        return None
    answers = [
        predict_labelled(
            one, records, manifest, images=images, progress=progress
        ).output.probabilities.argmax(axis=1)
        for one in (predictor, coarse)
    ]
    return Bf16Check(images=len(answers[0]), changed=int((answers[0] != answers[1]).sum()))


def refit_reliability(
    bundle: Bundle,
    output: NetworkOutput,
    labels: NDArray[np.int64],
    *,
    groups: Sequence[str] | None,
    golden: NetworkOutput,
) -> Reliability | None:
    """The rules of a bundle for another network in it, such as its 8-bit copy.

    The training images stay those of the first network; how far a familiar image may be from
    them is found anew, on the validation part alone.

    Args:
        bundle: its rules say what is asked for; None is returned where it has none.
        output: of the other network for the N images of the validation part.
        labels: (N,) class indices.
        groups: group of each image, or None.
        golden: of the other network for the golden images.
    """
    first, references = bundle.info.reliability, bundle.references()
    if first is None:
        return None
    settings = ProbabilitySettings(
        coverage=first.sets.coverage,
        per_class=first.sets.per_class,
        abstain=first.abstain.by,
        target=first.abstain.target,
    )
    ood = None
    if references is not None and first.ood is not None and golden.early_features is not None:
        ood = fit_ood_threshold(
            references,
            _features_of(output),
            training_groups=None,
            share=first.ood.share,
            golden=golden.early_features,
            validation_only=True,
        )
    return _rules(
        settings,
        labels,
        output.probabilities,
        classes=bundle.info.classes,
        groups=groups,
        ood=ood,
    )


def _rules(
    settings: ProbabilitySettings,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None,
    ood: OodRule | None,
) -> Reliability:
    temperature = fit_temperature(labels, probabilities)
    chances = calibrated(probabilities, temperature.value)
    notes = (temperature.note, ood.note if ood else "")
    return Reliability(
        temperature=temperature.value,
        images=len(labels),
        groups=None if groups is None else len(set(groups)),
        sets=fit_sets(
            labels,
            chances,
            classes=classes,
            groups=groups,
            coverage=settings.coverage,
            per_class=settings.per_class,
        ),
        abstain=fit_abstention(
            settings.abstain, settings.target, labels=labels, probabilities=chances
        ),
        ood=ood,
        notes=tuple(note for note in notes if note),
    )


def _features_of(output: NetworkOutput) -> NDArray[np.float32]:
    assert output.early_features is not None  # a network gives them for all images or for none
    return output.early_features
