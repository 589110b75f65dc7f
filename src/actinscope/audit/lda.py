"""How well a linear discriminant names the class of units whose group was left out.

scikit-learn's `LinearDiscriminantAnalysis` would be fitted anew for each part left out and each
exchange of labels; here the scatter of all parts is computed once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PARTS = 50  # in which groups are left out, at most
_RIDGE = 0.01  # of the variance of each component
_MOST_COMPONENTS = 24  # of many features


class LeftOut:
    """Fisher's linear discriminant, each part of the groups left out in turn.

    The class is the one with the nearest mean, in units of the scatter within the classes. A
    class in the middle of an ordered feature is named as well as those at its ends, which a
    regression on the indicators of the classes does not do (Hastie, Tibshirani and Friedman,
    The Elements of Statistical Learning, 2nd ed., 2009, section 4.2).

    Args:
        features: (U, D), each of mean 0 and standard deviation 1.
        groups: (U,) number of the group of each unit.
        classes: how many there are.
        many: keep only the strongest of the features' principal components.
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        groups: NDArray[np.intp],
        *,
        classes: int,
        many: bool = False,
    ) -> None:
        self._classes = classes
        self._components, self._ridge = _components(features, len(features) - classes, many=many)
        _, number = np.unique(groups, return_inverse=True)
        self._part = number.reshape(-1) % _PARTS  # whole groups, one by one if there are few
        self._parts = int(self._part.max()) + 1
        squares = [
            self._components[own].T @ self._components[own]
            for own in (self._part == part for part in range(self._parts))
        ]
        self._squares = np.sum(squares, axis=0) - np.stack(squares)  # (P, C, C) without the part

    def balanced_accuracy(self, labels: NDArray[np.intp]) -> float:
        """Of naming ``labels``, (U,) with every class 0..classes-1 in it.

        Returns:
            0..1; a class that is nowhere but in the part left out counts as missed there.
        """
        size = self._components.shape[1]
        place = self._part * self._classes + labels
        own_sums = np.zeros((self._parts * self._classes, size))
        np.add.at(own_sums, place, self._components)
        split = own_sums.reshape(self._parts, self._classes, size)
        sums = split.sum(axis=0) - split  # (P, K, C) without the part
        counts = np.bincount(place, minlength=self._parts * self._classes)
        counts = counts.reshape(self._parts, self._classes)
        counts = counts.sum(axis=0) - counts  # (P, K)
        means = sums / np.maximum(counts, 1)[:, :, None]
        scatter = self._squares - sums.transpose(0, 2, 1) @ means
        free = np.maximum(1, counts.sum(axis=1) - (counts > 0).sum(axis=1))
        scatter = scatter / free[:, None, None] + self._ridge * np.eye(size)
        directions = np.linalg.solve(scatter, means.transpose(0, 2, 1))  # (P, C, K)
        offsets = 0.5 * (means * directions.transpose(0, 2, 1)).sum(axis=2)
        offsets[counts == 0] = np.inf
        hits = np.zeros(len(labels), dtype=bool)
        for part in range(self._parts):
            own = self._part == part
            scores = self._components[own] @ directions[part] - offsets[part]
            hits[own] = scores.argmax(axis=1) == labels[own]
        found = np.bincount(labels, weights=hits, minlength=self._classes)
        return float(np.mean(found / np.bincount(labels, minlength=self._classes)))


def _components(
    features: NDArray[np.float64], free: int, *, many: bool
) -> tuple[NDArray[np.float64], float]:
    """(U, C) principal components, and the variance to add to their scatter.

    A third as many as units are ``free`` to show their scatter have variance 1 each. Where there
    are more, as of a column with many values, they keep their own and the scatter hardly counts.
    """
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    kept = int((values > 1e-6 * max(1.0, float(values.max(initial=0.0)))).sum())
    most = max(1, free // 3)
    if many:
        kept = min(kept, _MOST_COMPONENTS, most)
    if kept <= most:
        return left[:, :kept] * len(features) ** 0.5, _RIDGE
    return left[:, :kept] * values[:kept] / len(features) ** 0.5, 1.0
