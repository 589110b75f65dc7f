"""Two methods compared over folds or repeated splits, whose training parts overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actinscope.errors import StudyError


@dataclass(frozen=True)
class ResampledTest:
    """Mean difference over k folds and what it is worth.

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
    confidence: float = 0.95,
) -> ResampledTest:
    """The corrected resampled t-test.

    The plain t-test takes folds as independent; they share most of their training images,
    and it finds differences where there are none. Here the variance s^2 of the differences
    counts (1 / k + n_test / n_train) times instead of 1 / k times.

    Args:
        differences: second minus first, one value for each of k >= 2 folds or splits.
        test_share: n_test / (n_test + n_train) of one fold, between 0 and 1: 1 / k for
            plain k-fold cross-validation.
        confidence: of the interval.

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
    half = float(student.ppf(0.5 + confidence / 2, k - 1)) * spread
    if spread == 0:
        statistic = math.copysign(math.inf, mean) if mean else math.nan
        p = 0.0 if mean else 1.0
    else:
        statistic = mean / spread
        p = float(2 * student.sf(abs(statistic), k - 1))
    return ResampledTest(mean, mean - half, mean + half, statistic, p, k)
