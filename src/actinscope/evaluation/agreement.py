"""Where classifiers agree, where they differ, and which images all of them get wrong."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from actinscope.evaluation.metrics import Floats, Integers


def agreement_share(first: NDArray[np.integer], second: NDArray[np.integer]) -> float:
    """Share of images that both give the same answer for, 0..1; (n,) indices, n at least 1."""
    return float((first == second).mean())


def cohen_kappa(first: NDArray[np.integer], second: NDArray[np.integer]) -> float:
    """Agreement beyond what their frequencies of answers give by chance: 1 full, 0 chance.

    Args:
        first, second: (n,) class indices, n at least 1.

    Returns:
        (observed - expected) / (1 - expected); NaN where both give one and the same
        answer for all images, as chance then explains everything.

    Source: Cohen, Educ. Psychol. Meas. 20: 37 (1960).
    """
    size = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(one, minlength=size) / len(one) for one in (first, second)]
    expected = float(shares[0] @ shares[1])
    if expected >= 1:
        return math.nan
    return (agreement_share(first, second) - expected) / (1 - expected)


def contested_images(probabilities: Floats) -> Integers:
    """Images that runs answer differently, the most contested first.

    Ordered by the share of pairs of runs with different answers, then by how far their
    probabilities lie apart (mean total variation distance over the pairs).

    Args:
        probabilities: (R, N, K) of R runs.

    Returns:
        (M,) indices of the images with at least two different answers.
    """
    answers = probabilities.argmax(axis=2)  # (R, N)
    pairs = list(combinations(range(len(answers)), 2))
    split = np.zeros(answers.shape[1])
    distance = np.zeros(answers.shape[1])
    for one, other in pairs:
        split += answers[one] != answers[other]
        distance += np.abs(probabilities[one] - probabilities[other]).sum(axis=1) / 2
    order = np.lexsort((-distance, -split))
    return order[split[order] > 0].astype(np.int64)


def all_wrong_images(labels: NDArray[np.integer], probabilities: Floats) -> Integers:
    """Images that no run names rightly, those first that the runs are surest about.

    Args:
        labels: (N,) true class indices.
        probabilities: (R, N, K) of R runs.

    Returns:
        (M,) indices, by the mean probability of the true class, the smallest first.
    """
    answers = probabilities.argmax(axis=2)
    wrong = np.flatnonzero((answers != labels).all(axis=0))
    of_label = probabilities[:, wrong, labels[wrong]].mean(axis=0)
    return wrong[np.argsort(of_label, kind="stable")].astype(np.int64)
