"""Two classifiers on the same images: how the accuracy differs, and whether by chance.

Only the images that exactly one of them names rightly tell the two apart. With few of
them a bootstrap interval is too narrow (with none it has no width), and one that takes
images as independent is too narrow where groups differ. So the interval is the wider of

- Agresti and Min's, Wald's with half an image added to each cell of the table of right
  and wrong (Statistics in Medicine 24: 729, 2005), and
- where there are groups, the expanded percentile bootstrap over groups (see `intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation.intervals import (
    FEWEST_UNITS,
    Estimate,
    Resampling,
    bootstrap_estimate,
    draw_weights,
)


@dataclass(frozen=True)
class PairedComparison:
    """A second classifier against a first one, on the same n images.

    Attributes:
        difference: accuracy of the second minus that of the first, with interval.
        changed: images for which they name different classes.
        only_first_right, only_second_right: images that only one of them names rightly.
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
    confidence: float = 0.95,
) -> PairedComparison:
    """Compare two classifiers' answers.

    Args:
        labels: (n,) true class indices, n at least 1.
        first, second: (n,) the class indices that each of them names.
        groups: group of each image, or None.
        seed: of the bootstrap; the figures do not depend on it.
        resamples: of the bootstrap.
        confidence: of the interval.

    Raises:
        StudyError: no images, or the lengths differ.
    """
    lengths = {len(labels), len(first), len(second)} | ({len(groups)} if groups else set())
    if len(lengths) != 1 or not len(labels):
        raise StudyError(f"labels, answers and groups of {sorted(lengths)} images do not fit")
    gained = (second == labels).astype(np.int64) - (first == labels)
    worse, better = int((gained < 0).sum()), int((gained > 0).sum())
    estimate = agresti_min(worse, better, len(labels), confidence=confidence)
    if groups is not None:
        clustered = _bootstrap(gained, groups, seed, resamples, confidence)
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

    Twice the smaller tail of the binomial distribution with probability 1/2, at most 1.
    """
    both, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(both, hits) for hits in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**both))


def agresti_min(worse: int, better: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """Difference (better - worse) / n of two paired proportions, n images, with interval."""
    from scipy.stats import norm

    size = n + 2
    centre = (better - worse) / size
    spread = math.sqrt(worse + better + 1 - (better - worse) ** 2 / size) / size
    half = float(norm.ppf(0.5 + confidence / 2)) * spread
    value = (better - worse) / n
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Estimate(
        value, min(low, value), max(high, value), n, None, f"Agresti and Min, {n} images"
    )


def _bootstrap(
    gained: NDArray[np.int64] | NDArray[np.float64],
    groups: Sequence[str],
    seed: int,
    resamples: int,
    confidence: float,
) -> Estimate:
    """Mean of ``gained`` (n,) with the interval of a bootstrap over whole groups."""
    _, units = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    count = int(units.max()) + 1
    drawn = np.empty(0)
    if count >= FEWEST_UNITS:
        weights = draw_weights(units, resamples, np.random.default_rng(seed))
        drawn = gained @ weights / weights.sum(axis=0)
    resampling = Resampling(units=count, unit_name="groups", confidence=confidence)
    return bootstrap_estimate(float(gained.mean()), drawn, resampling=resampling, n=len(gained))


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
    confidence: float = 0.95,
) -> Estimate:
    """Mean of what each image gained or lost, with the interval of a bootstrap.

    Args:
        differences: (n,) of the second classifier's figure minus the first's, n at least 1.
        groups: group of each image, drawn whole; None draws images.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        confidence: of the interval.

    Raises:
        StudyError: no images, or the lengths differ.
    """
    if not len(differences) or (groups is not None and len(groups) != len(differences)):
        raise StudyError("there are no images, or groups of other images")
    units = [str(row) for row in range(len(differences))] if groups is None else groups
    estimate = _bootstrap(differences, units, seed, resamples, confidence)
    if groups is None:
        return replace(estimate, method=estimate.method.replace("groups", "images"))
    return estimate
