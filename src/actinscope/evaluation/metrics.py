"""Figures of merit for a classifier, computed for many resamples at once.

Every function works on *weights*: an array (N, B) that says how often each of N
images counts in each of B resamples. One column of ones gives the plain value,
so that the value and its bootstrap distribution come from the same lines. That is why they
are written here: scikit-learn computes one sample at a time. The tests compare both.

Conventions, the same as scikit-learn's with ``zero_division=0``:

- The predicted class is the one of highest probability, the first of equals.
- ``*_macro`` averages over the classes that occur among the labels or the
  predictions; a class never predicted has precision 0. A resample that lacks all
  images of a class says nothing of it, and there the mean leaves it out, as that of
  the recalls does: a zero for it would be no draw of the figure.
- ``*_weighted`` averages with the number of images of each class as weight.
- ``balanced_accuracy`` averages the recall of the classes among the labels.
- ``mcc`` is 0 where its denominator is 0 (one class only, or one predicted).
- ``auroc``: two classes, class index 1 is the positive one; more classes, the
  plain mean of one-versus-rest areas. NaN where an area is not defined.
- ``log_loss``: natural logarithm, probabilities clipped to the float64 epsilon.

One departure, for the figures *of one class*: recall is NaN, not 0, for a class
without images, and precision and F1 are NaN for a class that is neither among the
labels nor among the predictions. A zero there would read as a bad result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "mcc",
    "auroc",
    "log_loss",
)
"""Names of the figures for all classes together, in the order of reports."""

CLASS_METRICS = ("recall", "precision", "f1", "auroc")
"""Names of the figures of one class, in the order of reports."""

_TOLERANCE = 1e-3  # float16 outputs of a network sum to 1 only so far


@dataclass(frozen=True, eq=False)
class Scored:
    """Labels and predictions of N images, with the orders that all resamples share.

    Attributes:
        labels: (N,) class index of each image.
        predicted: (N,) class index of highest probability.
        class_count: K.
        losses: (N,) minus the natural logarithm of the label's probability.
        ranks: one entry a class, see `_RankedClass`.
    """

    labels: Integers
    predicted: Integers
    class_count: int
    losses: Floats
    ranks: tuple[_RankedClass, ...]


@dataclass(frozen=True, eq=False)
class _RankedClass:
    """Order of the images by one class's probability.

    Attributes:
        negatives: indices of the images of other classes, ascending probability.
        positives: indices of the images of the class.
        below: for each positive, how many negatives have a lower probability.
        not_above: for each positive, how many have a lower or an equal one.
    """

    negatives: Integers
    positives: Integers
    below: Integers
    not_above: Integers


def score(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Scored:
    """Check labels and probabilities and prepare them for `all_metrics`.

    Args:
        labels: (N,) integers in 0..K-1.
        probabilities: (N, K) in 0..1, each row summing to 1 within 0.001.

    Raises:
        StudyError: no image, or a label outside 0..K-1.
        ValueError: the rows are not probability distributions.
    """
    truth = np.asarray(labels)
    chances = np.asarray(probabilities, dtype=np.float64)
    _check(truth, chances)
    truth = truth.astype(np.int64)
    rows = np.arange(len(truth))
    smallest = np.finfo(np.float64).eps
    of_label = np.clip(chances[rows, truth], smallest, 1 - smallest)
    return Scored(
        labels=truth,
        predicted=chances.argmax(axis=1).astype(np.int64),
        class_count=chances.shape[1],
        losses=-np.log(of_label),
        ranks=tuple(_rank(chances[:, k], truth == k) for k in range(chances.shape[1])),
    )


def _check(labels: NDArray[np.integer], probabilities: Floats) -> None:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise StudyError(
            f"labels must be a list of class indices, not {labels.dtype} {labels.shape}",
            remedy="Give one integer for each image",
        )
    if len(labels) == 0:
        raise StudyError("there is no image to evaluate", remedy="Give at least one image")
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(
            f"probabilities must be (images, classes) with two classes or more, "
            f"not {probabilities.shape}"
        )
    if len(labels) != len(probabilities):
        raise StudyError(f"{len(labels)} labels for {len(probabilities)} predicted images")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        wrong = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise StudyError(
            f"label {labels[wrong]} of image {wrong} is not one of the {classes} class indices"
        )
    sums = probabilities.sum(axis=1)
    sound = (np.abs(sums - 1) <= _TOLERANCE) & (probabilities >= 0).all(axis=1)
    if not sound.all():
        first = int(np.flatnonzero(~sound)[0])
        raise ValueError(
            f"row {first} is not a probability distribution: "
            f"it sums to {sums[first]:.6g}, its smallest value is {probabilities[first].min():.6g}"
        )


def _rank(chance: Floats, is_class: NDArray[np.bool_]) -> _RankedClass:
    others = np.flatnonzero(~is_class)
    negatives = others[np.argsort(chance[others], kind="stable")]
    positives = np.flatnonzero(is_class)
    ascending = chance[negatives]
    return _RankedClass(
        negatives=negatives,
        positives=positives,
        below=np.searchsorted(ascending, chance[positives], side="left"),
        not_above=np.searchsorted(ascending, chance[positives], side="right"),
    )


def confusion_counts(scored: Scored, weights: Floats | None = None) -> Floats:
    """Confusion matrices (B, K, K), rows the true class, for weights (N, B)."""
    size = scored.class_count
    cells = scored.labels * size + scored.predicted
    if weights is None:
        counts = np.bincount(cells, minlength=size * size).astype(np.float64)
        return counts.reshape(1, size, size)
    order = np.argsort(cells, kind="stable")
    used, starts = np.unique(cells[order], return_index=True)
    confusion = np.zeros((size * size, weights.shape[1]))
    confusion[used] = np.add.reduceat(weights[order], starts, axis=0)
    return confusion.T.reshape(-1, size, size)


def all_metrics(
    scored: Scored, weights: Floats | None = None
) -> tuple[Mapping[str, Floats], Mapping[str, Floats]]:
    """All figures for B resamples.

    Args:
        scored: from `score`.
        weights: (N, B) multiplicities; None means every image once (B = 1).

    Returns:
        {name in METRICS: (B,)} and {name in CLASS_METRICS: (B, K)}. The overall
        AUROC is the mean of the areas that are defined in the resample.
    """
    if weights is None:
        weights = np.ones((len(scored.labels), 1))
    labelled = np.bincount(scored.labels, minlength=scored.class_count) > 0
    overall, by_class = _confusion_metrics(confusion_counts(scored, weights), labelled)
    areas = aurocs(scored, weights)
    by_class["auroc"] = areas
    overall["auroc"] = areas[:, 1] if scored.class_count == 2 else _mean_of_defined(areas)
    overall["log_loss"] = _ratio(scored.losses @ weights, weights.sum(axis=0))
    return overall, by_class


def _confusion_metrics(
    confusion: Floats, labelled: NDArray[np.bool_]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """All figures that need the confusion matrices (B, K, K) only; see `all_metrics`.

    ``labelled`` (K,) says which classes have images in the sample that was resampled.
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2)  # (B, K)
    true = confusion.sum(axis=2)
    called = confusion.sum(axis=1)
    total = true.sum(axis=1)
    recall = _ratio(hits, true)
    lost = labelled & (true == 0)  # by the draw: the sample has images of it
    precision = np.where(lost, np.nan, _ratio(hits, called))
    f1 = np.where(lost, np.nan, _ratio(2 * hits, true + called))
    seen = ((true + called) > 0) & ~lost
    parts = {"precision": precision, "recall": recall, "f1": f1}
    overall = {
        "accuracy": _ratio(hits.sum(axis=1), total),
        "balanced_accuracy": _mean_of_defined(recall),
    }
    for name, values in parts.items():
        zeroed = np.nan_to_num(values)
        overall[f"{name}_macro"] = _ratio(zeroed.sum(axis=1), seen.sum(axis=1))
        overall[f"{name}_weighted"] = _ratio((zeroed * true).sum(axis=1), total)
    overall["mcc"] = _mcc(hits, true, called)
    # A class with images that is never predicted has precision 0; without either, none.
    precision = np.where(seen, np.nan_to_num(precision), np.nan)
    return overall, {"recall": recall, "precision": precision, "f1": f1}


def _mcc(hits: Floats, true: Floats, called: Floats) -> Floats:
    # Gorodkin (2004), Comput. Biol. Chem. 28: 367, correlation coefficient R_K.
    total = true.sum(axis=1)
    covariance = hits.sum(axis=1) * total - (true * called).sum(axis=1)
    spread_true = total**2 - (true**2).sum(axis=1)
    spread_called = total**2 - (called**2).sum(axis=1)
    return np.nan_to_num(_ratio(covariance, np.sqrt(spread_true) * np.sqrt(spread_called)))


def aurocs(scored: Scored, weights: Floats) -> Floats:
    """One-versus-rest areas under the ROC curve, (B, K); NaN where not defined.

    The area is the chance that an image of the class has a higher probability for
    it than an image of another class, ties counting one half (Mann-Whitney).
    """
    areas = np.full((weights.shape[1], scored.class_count), np.nan)
    for k, ranked in enumerate(scored.ranks):
        if not len(ranked.negatives) or not len(ranked.positives):
            continue
        before = np.zeros((len(ranked.negatives) + 1, weights.shape[1]))
        np.cumsum(weights[ranked.negatives], axis=0, out=before[1:])
        won = (before[ranked.below] + before[ranked.not_above]) / 2
        mine = weights[ranked.positives]
        areas[:, k] = _ratio((won * mine).sum(axis=0), mine.sum(axis=0) * before[-1])
    return areas


def _ratio(above: NDArray[np.generic], below: NDArray[np.generic]) -> Floats:
    result = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=result, where=np.asarray(below) > 0)
    return result


def _mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis without NaN; NaN where nothing is defined."""
    return _ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))
