"""Can the class be told without looking at the cells? Permutation tests over whole groups.

Images of one group share its day, slide and lamp, so they are not independent: the unit of the
test is one class of one group, described by the means over its images. A ridge regression
explains the class of each unit from the others, its whole group left out. How much it explains is
compared with what it explains after the labels have been exchanged: among the groups that hold
one class, and within each group that holds several. The accuracy given is that of a linear
discriminant, which finds all classes where the regression is fast but masks some. Many checks are
made at once; the p-values are adjusted by the smallest one over all checks in each exchange
(Westfall and Young, Resampling-based multiple testing, 1993), which holds the chance of any false
alarm at the level asked for. scikit-learn's `permutation_test_score` knows neither several checks
nor exchanges within groups, and fits a model for each exchange; here all exchanges are solved at
once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.audit.lda import LeftOut
from actinscope.errors import StudyError

_RIDGE = 0.01  # of the number of units, for each feature
_MANY_FEATURES = 50  # from here on the ridge grows with their number
_CELLS = 4_000_000  # values of exchanged labels in memory at a time
_BY_CHANCE = 30  # exchanges from which the expected accuracy is taken


@dataclass(frozen=True)
class Confound:
    """How well one kind of feature gives the class away.

    Attributes:
        name: of the check.
        balanced_accuracy: of naming the class of units whose group was left out, 0..1.
        expected: its mean over some of the exchanged labels.
        p: adjusted for all checks.
        least_p: the smallest p that so few units can give.
    """

    name: str
    balanced_accuracy: float
    expected: float
    p: float
    least_p: float

    @property
    def strength(self) -> float:
        """Where the result lies between the expected one (0) and perfect (1)."""
        return (self.balanced_accuracy - self.expected) / max(1e-9, 1 - self.expected)


def find_confounds(
    checks: Mapping[str, NDArray[np.float64]],
    labels: NDArray[np.integer],
    *,
    groups: Sequence[str] | None,
    seed: int,
    exchanges: int = 999,
) -> tuple[Confound, ...]:
    """Test every check, in the order given.

    Args:
        checks: name -> (N, D) features of the images.
        labels: (N,) class index of each image.
        groups: group of each image; None takes every image for one.
        seed: of the exchanges.
        exchanges: of labels.

    Raises:
        StudyError: the lengths differ, or there are fewer than two classes.
    """
    lengths = {len(labels), *(len(one) for one in checks.values())}
    if groups is not None:
        lengths.add(len(groups))
    if len(lengths) != 1 or len(np.unique(labels)) < 2:
        raise StudyError(f"features, labels and groups of {sorted(lengths)} images do not fit")
    units = _units(labels, groups)
    rng = np.random.default_rng(seed)
    arrangements = np.stack(
        [units.labels, *(_exchanged(units, rng) for _ in range(exchanges))], axis=1
    )  # (U, 1 + E)
    prepared = [_prepared(units.means(one)) for one in checks.values()]
    p = _ranks(np.stack([_explained(one, units, arrangements) for one in prepared]))
    smallest = p.min(axis=0)
    accuracy = np.stack(
        [_accuracies(one, units, arrangements[:, : 1 + _BY_CHANCE]) for one in prepared]
    )
    least = max(1 / (1 + exchanges), _least_share(units))
    return tuple(
        Confound(
            name=name,
            balanced_accuracy=float(accuracy[row, 0]),
            expected=float(accuracy[row, 1:].mean()),
            p=float((smallest <= p[row, 0]).mean()),
            least_p=least,
        )
        for row, name in enumerate(checks)
    )


def _ranks(results: NDArray[np.float64]) -> NDArray[np.float64]:
    """(checks, 1 + E) share of the row that is at least as large: p of each arrangement."""
    ordered = np.sort(np.round(results, 9), axis=1)
    count = results.shape[1]
    return np.stack(
        [
            1 - np.searchsorted(one, np.round(row, 9), side="left") / count
            for one, row in zip(ordered, results, strict=True)
        ]
    )


@dataclass(frozen=True, eq=False)
class _Units:
    """One class of one group each.

    ``unit_of`` (N,) images; ``labels``, ``groups``, ``strata`` (U,): labels are exchanged
    within a stratum.
    """

    unit_of: NDArray[np.intp]
    labels: NDArray[np.intp]
    groups: NDArray[np.intp]
    strata: NDArray[np.intp]
    classes: int

    def means(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(U, D) means of (N, D)."""
        sums = np.zeros((len(self.labels), features.shape[1]))
        np.add.at(sums, self.unit_of, features)
        return sums / np.bincount(self.unit_of, minlength=len(sums))[:, None]


def _units(labels: NDArray[np.integer], groups: Sequence[str] | None) -> _Units:
    _, classes = np.unique(labels, return_inverse=True)
    if groups is None:
        own = np.arange(len(labels))
    else:
        _, own = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    pairs, unit_of = np.unique(np.stack([own, classes], 1), axis=0, return_inverse=True)
    held = np.bincount(pairs[:, 0])[pairs[:, 0]]
    strata = np.where(held > 1, pairs[:, 0] + 1, 0)
    return _Units(unit_of.reshape(-1), pairs[:, 1], pairs[:, 0], strata, int(classes.max()) + 1)


def _exchanged(units: _Units, rng: np.random.Generator) -> NDArray[np.intp]:
    # Sorted by stratum, at random within each: the labels move to the next place.
    here = np.argsort(units.strata, kind="stable")
    there = np.lexsort((rng.random(len(here)), units.strata))
    exchanged = np.empty_like(units.labels)
    exchanged[here] = units.labels[there]
    return exchanged


def _least_share(units: _Units) -> float:
    """Share, 0..1, of all exchanges that no check can tell from the labels as they are.

    Classes with equal counts in every stratum can change their names: the result is the same.
    """
    logarithm = 0.0
    counts = []
    for stratum in np.unique(units.strata):
        own = np.bincount(units.labels[units.strata == stratum], minlength=units.classes)
        logarithm += math.lgamma(int(own.sum()) + 1) - sum(math.lgamma(n + 1) for n in own.tolist())
        counts.append(own)
    alike = Counter(map(tuple, np.stack(counts, axis=1).tolist()))
    names = sum(math.lgamma(number + 1) for number in alike.values())
    return math.exp(min(0.0, names - logarithm))


def _prepared(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks and their squares of a few features; many features as they are; standardised."""
    from scipy.stats import rankdata

    few = means.shape[1] < _MANY_FEATURES
    if few:
        ranks = 2 * (rankdata(means, axis=0) - 0.5) / len(means) - 1
        means = np.hstack([ranks, ranks**2])
    spread = means.std(axis=0)
    varies = spread > 1e-9
    standard: NDArray[np.float64] = (means - means.mean(axis=0))[:, varies] / spread[varies]
    return standard


def _accuracies(
    features: NDArray[np.float64], units: _Units, arrangements: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(A,) balanced accuracy of the discriminant for each arrangement of the labels."""
    many = features.shape[1] >= 2 * _MANY_FEATURES
    model = LeftOut(features, units.groups, classes=units.classes, many=many)
    return np.array([model.balanced_accuracy(labels) for labels in arrangements.T])


def _explained(
    features: NDArray[np.float64], units: _Units, arrangements: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(1 + E,) share of the labels' variance explained, the classes alike."""
    count, size = features.shape
    if not size:
        return -np.ones(arrangements.shape[1])
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    ridge = _RIDGE * count * max(1.0, 2 * size if size >= _MANY_FEATURES else 1.0)
    shrunk = values**2 / (values**2 + ridge)
    left = np.hstack([np.full((count, 1), count**-0.5), left * np.sqrt(shrunk)])  # H = left left^T
    blocks = _blocks(left, units.groups)
    step = max(1, _CELLS // (count * units.classes))
    return np.concatenate(
        [
            _left_out(left, blocks, arrangements[:, start : start + step], units.classes)
            for start in range(0, arrangements.shape[1], step)
        ]
    )


def _blocks(
    left: NDArray[np.float64], groups: NDArray[np.intp]
) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """For each size of group: rows (G, M) and the inverses (G, M, M) of I - H within it."""
    by_size: dict[int, list[NDArray[np.intp]]] = {}
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        by_size.setdefault(len(rows), []).append(rows)
    blocks: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
    for size, members in by_size.items():
        rows = np.stack(members)
        own = left[rows]  # (G, M, R)
        inner = np.eye(size) - own @ own.transpose(0, 2, 1)
        inverse = np.linalg.inv(inner + 1e-9 * np.eye(size)).astype(np.float64)
        blocks.append((rows, inverse))
    return blocks


def _left_out(
    left: NDArray[np.float64],
    blocks: list[tuple[NDArray[np.intp], NDArray[np.float64]]],
    arrangements: NDArray[np.intp],
    classes: int,
) -> NDArray[np.float64]:
    count = len(arrangements)
    truth = (arrangements[:, :, None] == np.arange(classes)).astype(np.float64)  # (U, E, K)
    flat = truth.reshape(count, -1)
    residual = flat - left @ (left.T @ flat)
    for rows, inverse in blocks:  # what the others say of a group that is left out
        residual[rows] = inverse @ residual[rows]
    share = truth.mean(axis=0)  # (E, K)
    # Each class counts the same.
    scale = share * (1 - share) * count + 1e-12
    lost = (residual.reshape(truth.shape) ** 2).sum(axis=0) / scale  # (E, K)
    explained: NDArray[np.float64] = 1 - lost.mean(axis=1)
    return explained
