"""Two classifiers on the same images: how the accuracy differs, and whether by chance.

Only the images that exactly one of them classifies correctly tell the two apart. With few of
them a bootstrap interval is too narrow (with none it has no width), and one that takes
images as independent is too narrow where groups differ. So the interval is the wider of

- Agresti and Min's, Wald's with half an image added to each cell of the table of right
  and wrong (Statistics in Medicine 24: 729, 2005), and
- where there are groups, the expanded percentile bootstrap over groups (see `intervals`).

Beside that stands the test of two methods over folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation.intervals import NORMAL_95, Clusters, Estimate


@dataclass(frozen=True)
class PairedComparison:
    """A second classifier against a first one, on the same n images.

    Attributes:
        difference: accuracy of the second minus that of the first, with interval.
        changed: images for which they name different classes.
        only_first_right, only_second_right: images that only one of them classifies correctly.
        mcnemar_p: exact two-sided p of these two counts.
    """

    difference: Estimate
    changed: int
    only_first_right: int
    only_second_right: int
    mcnemar_p: float


def compare_pairs(
    labels: NDArray[np.integer],
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    *,
    groups: Sequence[str] | None,
    seed: int,
    resamples: int = 2000,
) -> PairedComparison:
    """Compare two classifiers' answers.

    Args:
        labels: (n,) true class indices, n at least 1.
        first, second: (n,) the class indices that each of them names.
        groups: group of each image, or None.
        seed: of the bootstrap; the figures do not depend on it.
        resamples: of the bootstrap.

    Raises:
        StudyError: no images, or the lengths differ.
    """
    lengths = {len(labels), len(first), len(second)} | ({len(groups)} if groups else set())
    if len(lengths) != 1 or not len(labels):
        raise StudyError(f"labels, answers and groups of {sorted(lengths)} images do not fit")
    gained = (second == labels).astype(np.int64) - (first == labels)
    worse, better = int((gained < 0).sum()), int((gained > 0).sum())
    estimate = agresti_min(worse, better, len(labels))
    if groups is not None:
        clustered = Clusters.of(groups, len(labels)).mean(
            gained.astype(np.float64),
            rng=np.random.default_rng(seed),
            resamples=resamples,
        )
        estimate = _wider(estimate, clustered)
    return PairedComparison(
        difference=estimate,
        changed=int((first != second).sum()),
        only_first_right=worse,
        only_second_right=better,
        mcnemar_p=exact_mcnemar(worse, better),
    )


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p for "both are right equally often", from the images that tell them apart.

    It is 1 where no image does.
    """
    from scipy.stats import binomtest

    apart = only_first + only_second
    return float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of several p values, in the order given.

    The i-th smallest of m values is multiplied by m - i + 1, never falls below the one
    before it and never exceeds 1. Rejecting where the result is below alpha keeps the
    chance of even one false rejection below alpha, whatever the dependence of the tests.
    (SciPy has no such adjustment, and six lines are no reason to need statsmodels.)

    Args:
        p_values: m values, each 0..1; may be empty.

    Raises:
        ValueError: a value is not within 0..1.

    Source: Holm, Scand. J. Stat. 6: 65 (1979).
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"{p} is not a p value")
    adjusted = [0.0] * len(p_values)
    floor = 0.0
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank, place in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = floor
    return tuple(adjusted)


def agresti_min(worse: int, better: int, n: int) -> Estimate:
    """Difference (better - worse) / n of two paired proportions, n images, with interval."""
    size = n + 2
    centre = (better - worse) / size
    spread = math.sqrt(worse + better + 1 - (better - worse) ** 2 / size) / size
    half = NORMAL_95 * spread
    value = (better - worse) / n
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Estimate(
        value, min(low, value), max(high, value), n, None, f"Agresti and Min, {n} images"
    )


def _wider(images: Estimate, clustered: Estimate) -> Estimate:
    if not clustered.has_interval:
        return images
    return Estimate(
        images.value,
        min(images.low, clustered.low),
        max(images.high, clustered.high),
        images.n,
        None,
        f"the wider of: {images.method}; {clustered.method}",
    )


def mean_difference(
    differences: NDArray[np.float64],
    *,
    groups: Sequence[str] | None,
    seed: int,
    resamples: int = 2000,
) -> Estimate:
    """Mean of what each image gained or lost, with the interval of a bootstrap.

    Args:
        differences: (n,) of the second classifier's figure minus the first's, n at least 1.
        groups: group of each image, drawn whole; None draws images.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        StudyError: no images, or the lengths differ.
    """
    if not len(differences) or (groups is not None and len(groups) != len(differences)):
        raise StudyError("there are no images, or groups of other images")
    names = [str(row) for row in range(len(differences))] if groups is None else groups
    return Clusters.of(names, len(differences)).mean(
        differences, rng=np.random.default_rng(seed), resamples=resamples
    )


@dataclass(frozen=True)
class ResampledTest:
    """Mean difference of two methods over k folds, whose training parts overlap.

    Attributes:
        mean: mean of the k differences.
        low, high: interval of the mean.
        statistic: t, infinite where all differences are equal and not 0, NaN where all are 0.
        p: two-sided, from Student's t with k - 1 degrees of freedom.
        folds: k.
    """

    mean: float
    low: float
    high: float
    statistic: float
    p: float
    folds: int


def corrected_resampled_t(
    differences: Sequence[float],
    *,
    test_share: float,
) -> ResampledTest:
    """The corrected resampled t-test.

    The plain t-test takes folds as independent; they share most of their training images,
    and it finds differences where there are none. Here the variance s^2 of the differences
    counts (1 / k + n_test / n_train) times instead of 1 / k times.

    Args:
        differences: second minus first, one value for each of k >= 2 folds or splits.
        test_share: n_test / (n_test + n_train) of one fold, between 0 and 1: 1 / k for
            plain k-fold cross-validation.

    Raises:
        StudyError: fewer than two folds, a difference that is no number, or a share out
            of range.

    Source: Nadeau and Bengio, Machine Learning 52: 239 (2003), section 5.
    """
    from scipy.stats import t as student

    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise StudyError(
            f"{values.size} differences are no basis for a test",
            remedy="Give one finite difference for each of at least two folds",
        )
    if not 0 < test_share < 1:
        raise StudyError(f"{test_share} is no share of test images between 0 and 1")
    k, mean = len(values), float(values.mean())
    factor = 1 / k + test_share / (1 - test_share)
    spread = math.sqrt(factor * float(values.var(ddof=1)))
    half = float(student.ppf(0.975, k - 1)) * spread
    if spread == 0:
        statistic = math.copysign(math.inf, mean) if mean else math.nan
        p = 0.0 if mean else 1.0
    else:
        statistic = mean / spread
        p = float(2 * student.sf(abs(statistic), k - 1))
    return ResampledTest(mean, mean - half, mean + half, statistic, p, k)
