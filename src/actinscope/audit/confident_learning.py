"""Which labels to look at again: confident learning on out-of-fold probabilities.

Northcutt, Jiang and Chuang, Confident learning: estimating uncertainty in dataset labels,
Journal of Artificial Intelligence Research 70, 2021. A label is doubted where another class
gets at least the probability that its own images get on average. The package cleanlab does this
and much else; the rule is a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError


@dataclass(frozen=True, eq=False)
class LabelReview:
    """All images in the order in which their labels should be looked at again.

    Attributes:
        order: (N,) image numbers, the most doubtful first.
        suggested: (N,) by image: the class that the others speak for.
        margin: (N,) by image: probability of the label less the highest other, -1..1.
        doubted: (N,) by image: confident learning takes the label for wrong.
    """

    order: NDArray[np.intp]
    suggested: NDArray[np.intp]
    margin: NDArray[np.float64]
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
    usual = np.array(
        [
            own[labels == k].mean() if (labels == k).any() else np.inf
            for k in range(probabilities.shape[1])
        ]
    )
    confident = np.where(probabilities >= usual, probabilities, 0.0)
    likely = confident.argmax(axis=1)
    doubted = (confident.max(axis=1) > 0) & (likely != labels)
    others = probabilities.astype(np.float64)
    others[rows, labels] = -1.0
    suggested = np.where(doubted, likely, others.argmax(axis=1))
    margin = own - others.max(axis=1)
    return LabelReview(
        order=np.lexsort((margin, ~doubted)), suggested=suggested, margin=margin, doubted=doubted
    )
