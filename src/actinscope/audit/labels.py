"""Which labels to look at again: confident learning on out-of-fold probabilities.

The probabilities come at little cost from a frozen pretrained network and logistic regression,
whole groups left out. A label is doubted where another class gets at least the probability that
its own images get on average (Northcutt, Jiang and Chuang, Confident learning: estimating
uncertainty in dataset labels, Journal of Artificial Intelligence Research 70, 2021). The package
cleanlab does this and much else; the rule is a few lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from actinscope.audit.findings import AuditFinding, Shot, words_of
from actinscope.cells import CropReader
from actinscope.errors import SplitError, StudyError
from actinscope.networks import NetworkEntry, ResolvedWeights, StageGraph
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Progress
from actinscope.runs import images_of, labels_of, network_input
from actinscope.runtimes import quickest_engine
from actinscope.study import Fingerprints, Manifest, grouped_folds
from actinscope.training import Recipe, logistic_head

_FOLDS = 5
_BATCH = 64
_SHOWN = 24
_HARDLY_BETTER = 0.1  # accuracy above guessing below which doubts about labels mean nothing


@dataclass(frozen=True, eq=False)
class LabelReview:
    """All images in the order in which their labels should be looked at again.

    Attributes:
        order: (N,) image numbers, the most doubtful first.
        suggested: (N,) by image: the class that the others speak for.
        doubted: (N,) by image: confident learning takes the label for wrong.
    """

    order: NDArray[np.intp]
    suggested: NDArray[np.intp]
    doubted: NDArray[np.bool_]


def review_labels(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> LabelReview:
    """Rank images by doubt in their label.

    Args:
        probabilities: (N, K) by models that have not seen the image, rows sum to 1.
        labels: (N,) class indices as given.

    Raises:
        StudyError: the shapes do not fit, or a probability is no number from 0 to 1.
    """
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or not len(labels):
        raise StudyError(f"probabilities {probabilities.shape} and {len(labels)} labels do not fit")
    if (
        not (np.isfinite(probabilities).all() and (probabilities >= 0).all())
        or (np.abs(probabilities.sum(axis=1) - 1) > 1e-3).any()
    ):
        raise StudyError("the probabilities of an image must be from 0 to 1 and sum to 1")
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    classes = range(probabilities.shape[1])
    usual = np.array([own[labels == k].mean() if k in labels else np.inf for k in classes])
    confident = np.where(probabilities >= usual, probabilities, 0.0)
    likely = confident.argmax(axis=1)
    doubted = (confident.max(axis=1) > 0) & (likely != labels)
    others = probabilities.astype(np.float64)
    others[rows, labels] = -1.0
    suggested = np.where(doubted, likely, others.argmax(axis=1))
    margin = own - others.max(axis=1)  # the smaller, the more doubtful
    return LabelReview(np.lexsort((margin, ~doubted)), suggested, doubted)


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
    """(N, D) means of all stages of the pretrained network, for every record."""
    records = manifest.records
    images = images_of(records, reader, progress, "Measuring intensities")
    preprocess = fit_preprocess(images, recipe.preprocess, network_input(entry, recipe))
    graph = StageGraph.of(
        entry, weights, size=preprocess.size, channels=preprocess.network_channels
    )
    engine = quickest_engine(graph.features_model())
    inputs = map(preprocess.apply, images_of(records, reader, progress, "Describing images"))
    pieces = []
    while batch := list(islice(inputs, _BATCH)):
        pieces.append(engine.run(np.stack(batch))[0])
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


def label_findings(reviewed: ReviewedLabels, fingerprints: Fingerprints) -> Iterator[AuditFinding]:
    """Labels that the network doubts; nothing where it is hardly better than guessing."""
    manifest, review = fingerprints.manifest, reviewed.review
    doubted = int(review.doubted.sum())
    counts = np.unique([r.label for r in manifest.records], return_counts=True)[1]
    if reviewed.accuracy < counts.max() / counts.sum() + _HARDLY_BETTER or not doubted:
        return
    pictures = [one.sketch.picture for one in fingerprints.observations]
    shots = [
        Shot(
            manifest.records[i].title,
            (
                f"is {manifest.records[i].label}",
                f"looks like {manifest.classes[review.suggested[i]]}",
            ),
            pictures[i],
        )
        for i in review.order[:_SHOWN]
    ]
    yield AuditFinding(
        **words_of(
            "doubtful labels", doubted=doubted, others="groups" if manifest.group else "images"
        ),
        severity="info",
        images=tuple(manifest.records[i].title for i in review.order[:doubted]),
        numbers={"doubted": doubted, "agreement": reviewed.accuracy},
        shots=tuple(shots),
    )
