"""Choose images to show: the worst errors, and typical examples of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation.metrics import score


def worst_errors(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], *, n: int
) -> NDArray[np.int64]:
    """Misclassified images, the most confident in the wrong class first.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K), rows summing to 1.
        n: how many at most.

    Returns:
        Indices of up to n images; equal confidences in the given order.
    """
    scored = score(labels, probabilities)
    wrong = np.flatnonzero(scored.predicted != scored.labels)
    confidence = np.asarray(probabilities, dtype=np.float64)[wrong, scored.predicted[wrong]]
    return wrong[np.argsort(-confidence, kind="stable")][: max(0, n)]


def typical_examples(
    labels: NDArray[np.integer], groups: Sequence[str] | None, *, seed: int, n: int
) -> dict[int, NDArray[np.int64]]:
    """Images of each class drawn at random, spread over the groups.

    Chance, not the model, chooses: the most confident images would flatter it. One
    image is taken from each group in random order, then a second from each, and so on.

    Args:
        labels: (N,) class indices.
        groups: group of each image; None takes every image as its own group.
        seed: of the choice.
        n: how many of each class at most.

    Returns:
        {class index: indices of up to n images}, for the classes that have images.
    """
    truth = np.asarray(labels)
    if groups is not None and len(groups) != len(truth):
        raise StudyError(f"{len(groups)} groups for {len(truth)} images")
    names = range(len(truth)) if groups is None else groups
    _, unit = np.unique(np.asarray(names), return_inverse=True)
    rng = np.random.default_rng(seed)
    chosen = {}
    for k in np.unique(truth):
        shuffled = rng.permutation(np.flatnonzero(truth == k))
        # Stable: within a turn, and within a group, the shuffled order stays.
        turn = _occurrence(unit[shuffled])
        chosen[int(k)] = shuffled[np.argsort(turn, kind="stable")][: max(0, n)]
    return chosen


def _occurrence(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """How often each value has occurred before, (N,)."""
    order = np.argsort(values, kind="stable")
    _, starts, counts = np.unique(values[order], return_index=True, return_counts=True)
    before = np.empty(len(values), dtype=np.int64)
    before[order] = np.arange(len(values)) - np.repeat(starts, counts)
    return before
