"""Out-of-fold probabilities at little cost: frozen network, logistic regression, whole groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.audit.confident_learning import LabelReview, review_labels
from actinscope.cells import CropReader
from actinscope.errors import SplitError
from actinscope.networks import (
    FrozenLayers,
    NetworkEntry,
    ResolvedWeights,
    build_network,
    embedding_of,
    settle_head,
)
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Progress
from actinscope.runs import images_of, labels_of, network_input
from actinscope.study import Manifest, grouped_folds
from actinscope.training import Recipe, logistic_head

_FOLDS = 5
_BATCH = 64


@dataclass(frozen=True, eq=False)
class ReviewedLabels:
    """The review of a manifest's labels.

    Attributes:
        review: by number of the record.
        probabilities: (N, K) of models that have not seen the image's group.
        accuracy: share of images for which they name the label, 0..1.
        folds: number of folds.
    """

    review: LabelReview
    probabilities: NDArray[np.float64]
    accuracy: float
    folds: int


def review_study(
    manifest: Manifest,
    entry: NetworkEntry,
    weights: ResolvedWeights,
    recipe: Recipe,
    *,
    reader: CropReader,
    progress: Progress,
) -> ReviewedLabels:
    """Ask for each image what models trained on the other groups say.

    The intensity scaling is fitted on all images: it does not see labels.

    Raises:
        SplitError: too few groups for two folds.
    """
    labels = labels_of(manifest.records, manifest.classes)
    folds = _folds(manifest, recipe.seed)
    features = embeddings(manifest, entry, weights, recipe, reader=reader, progress=progress)
    classes = len(manifest.classes)
    probabilities = np.zeros((len(labels), classes))
    progress.phase("Asking about labels", len(folds))
    for held_out in folds:
        kernel, bias = logistic_head(features[~held_out], labels[~held_out], classes)
        logits = features[held_out] @ kernel + bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities[held_out] = powers / powers.sum(axis=1, keepdims=True)
        progress.advance()
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    return ReviewedLabels(review_labels(probabilities, labels), probabilities, accuracy, len(folds))


def embeddings(
    manifest: Manifest,
    entry: NetworkEntry,
    weights: ResolvedWeights,
    recipe: Recipe,
    *,
    reader: CropReader,
    progress: Progress,
) -> NDArray[np.float64]:
    """(N, D) what the pretrained network's last layer is given, for every record."""
    records = manifest.records
    images = images_of(records, reader, progress, "Measuring intensities")
    preprocess = fit_preprocess(images, recipe.preprocess, network_input(entry, recipe))
    model = build_network(
        entry,
        classes=2,
        weights=weights,
        input_size=preprocess.size,
        input_channels=preprocess.network_channels,
        # Fully connected layers would be new, and random: they describe nothing.
        head=settle_head(entry.head, kind="pooled"),
        seed=0,
    )
    frozen = FrozenLayers(model, [embedding_of(model)])
    pieces = []
    waiting = []
    for image in images_of(records, reader, progress, "Describing images"):
        waiting.append(preprocess.apply(image))
        if len(waiting) == _BATCH:
            pieces.append(frozen(np.stack(waiting))[0])
            waiting.clear()
    if waiting:
        pieces.append(frozen(np.stack(waiting))[0])
    features: NDArray[np.float64] = np.concatenate(pieces).astype(np.float64)
    return features.reshape(len(records), -1)


def _folds(manifest: Manifest, seed: int) -> list[NDArray[np.bool_]]:
    """(N,) which records each fold holds out; fewer folds where there are few groups."""
    for count in range(_FOLDS, 1, -1):
        try:
            splits = grouped_folds(manifest, folds=count, seed=seed)
        except SplitError:
            if count == 2:
                raise
            continue
        return [np.array([r.part == "test" for r in one.manifest.records]) for one in splits]
    raise AssertionError("two folds were made or refused")
