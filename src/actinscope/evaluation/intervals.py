"""Confidence intervals: Wilson with an effective number of images, or the bootstrap.

Images of one group (field of view, donor, plate) resemble each other, so that an
interval that takes images as independent is too narrow. Where groups are known:

- Proportions (accuracy, recall, precision) take Wilson's interval with an
  *effective* number of images, n_eff = (p (1 - p) / v) (z / t)^2, at most n, where v is
  the variance of p between groups (linearised ratio estimator, Cochran, Sampling
  Techniques, 1977) and t allows for v being an estimate: Student's t beside z of the
  normal distribution. This is how Korn and Graubard, Survey Methodology 24: 193 (1998),
  treat surveys. They count the degrees of freedom of all groups. Near 100 % most groups
  are without an error, and how much groups differ is known from the few that have some:
  here the degrees of freedom are the number of groups with an error (with a hit, where
  these are fewer), at most groups - 1. Where v is 0, for example at 100 % correct,
  nothing tells how groups differ, and n_eff is the number of groups.
- Other figures between two bounds (balanced accuracy, F1, Matthews correlation, AUROC)
  are treated alike, with v from the cluster bootstrap, in which whole groups are
  drawn: n_eff is the number of images that a proportion of this size and variance
  would rest on.
- Figures without an upper bound (log loss) take the *expanded percentile* interval of
  the cluster bootstrap, percentiles at levels moved outwards to what Student's t
  demands for the number of groups (Hesterberg, Am. Stat. 69: 371, 2015).

Percentile intervals, expanded or not, and BCa are too narrow near 100 % and for the few
groups of a usual test part: with 20 groups of which a figure of 97 % differs much they
held the truth in 84 of 100 simulated studies. benchmarks/interval_coverage.py measures how
often the intervals used here do (table in benchmarks/RESULTS.md).

What is refused: fewer than `FEWEST_CLUSTERS` groups (or images to resample) give no
interval; nor do resamples of which more than a tenth leave the metric undefined.

Libraries have parts of this only: `scipy.stats` and statsmodels take whole numbers of independent
images for Wilson's interval, `scipy.stats.bootstrap` draws no groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_CLUSTERS = 5
"""Fewer groups than this are no basis for an interval: the bootstrap cannot know
what the next group would look like from four."""

NORMAL_95 = 1.959963984540054
"""Quantile of the normal distribution for two-sided 95 %, the confidence of all intervals."""

_MOST_UNDEFINED = 0.1
_ALIKE = 1e-12
_FEWEST_FREEDOM = 2
_PIECE = 1_000_000  # weights of one piece of resamples: 8 MB, so that it stays in the cache


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: the figure itself; NaN where it is not defined.
        low: lower end of the interval; NaN where there is none.
        high: upper end; NaN where there is none. low <= value <= high.
        n: number of images that the figure rests on.
        count: how many of the n (for a proportion), else None.
        method: how the interval was made, or why there is none.
    """

    value: float
    low: float
    high: float
    n: int
    count: int | None
    method: str

    @property
    def has_interval(self) -> bool:
        """Whether low and high are numbers."""
        return not (math.isnan(self.low) or math.isnan(self.high))


def without_interval(value: float, n: int, *, count: int | None = None, why: str) -> Estimate:
    """An estimate that has no interval, and the reason."""
    return Estimate(value, math.nan, math.nan, n, count, f"no interval: {why}")


def wilson(proportion: float, n: float, *, quantile: float = NORMAL_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion seen in n > 0 independent trials.

    Args:
        proportion: 0..1.
        n: number of trials, or an effective number.
        quantile: of the normal distribution, or of Student's t.

    Source: Wilson, J. Am. Stat. Assoc. 22: 209 (1927).
    """
    square = quantile * quantile / n
    centre = (proportion + square / 2) / (1 + square)
    half = math.sqrt(square * proportion * (1 - proportion) + square * square / 4) / (1 + square)
    # In theory the interval holds the proportion and 0..1 holds it; rounding may disagree.
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return (
        0.0 if proportion == 0 else min(low, proportion),
        1.0 if proportion == 1 else max(high, proportion),
    )


def proportion_of_images(count: int, n: int) -> Estimate:
    """Proportion count / n of independent images with its Wilson interval."""
    if n == 0:
        return without_interval(math.nan, 0, count=0, why="no images")
    low, high = wilson(count / n, n)
    return Estimate(count / n, low, high, n, count, f"Wilson, {n} images")


def grouped_proportion(hits: NDArray[np.bool_], groups: NDArray[np.integer]) -> Estimate:
    """Proportion of hits among images that come in groups, with its interval.

    Args:
        hits: (n,) whether each image is a hit.
        groups: (n,) number of the group of each image.
    """
    n, count = len(hits), int(hits.sum())
    if n == 0:
        return without_interval(math.nan, 0, count=0, why="no images")
    share = count / n
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max()) + 1
    if number < FEWEST_CLUSTERS:
        why = f"{number} groups, fewer than {FEWEST_CLUSTERS}"
        return without_interval(share, n, count=count, why=why)
    variance = between_groups(hits, group)
    if variance <= _ALIKE:
        low, high = wilson(share, number)
        method = f"Wilson with n = {number} groups, as the groups do not differ"
        return Estimate(share, low, high, n, count, method)
    freedom = degrees_of_freedom(hits, group)
    effective = _effective(share, variance, n=n, freedom=freedom)
    low, high = wilson(share, effective)
    method = f"Wilson with n = {effective:.1f} (effective, {n} images in {number} groups)"
    return Estimate(share, low, high, n, count, method)


def between_groups(hits: NDArray[np.bool_], group: NDArray[np.integer]) -> float:
    """Variance of the share of hits, from how much groups differ (ratio estimator, see above).

    Args:
        hits: (n,) whether each image is a hit.
        group: (n,) group of each image, 0..G-1, all used, G > 1.
    """
    sizes = np.bincount(group)
    number = len(sizes)
    residuals = np.bincount(group, weights=hits) - hits.mean() * sizes
    return number / (number - 1) * float((residuals**2).sum()) / len(hits) ** 2


def degrees_of_freedom(hits: NDArray[np.bool_], group: NDArray[np.integer]) -> int:
    """Degrees of freedom of the variance between groups, from 2 to groups - 1.

    The number of groups with a miss, or of those with a hit where these are fewer.

    Args:
        hits: (n,) whether each image is a hit.
        group: (n,) group of each image, 0..G-1, all used, G > 2.
    """
    groups = int(group.max()) + 1
    telling = min(len(np.unique(group[hits])), len(np.unique(group[~hits])))
    return min(max(telling, _FEWEST_FREEDOM), groups - 1)


def _effective(share: float, variance: float, *, n: int, freedom: int) -> float:
    """How many independent images would give a share this variance, at most n."""
    from scipy.stats import t

    unsure = float(NORMAL_95 / t.ppf(0.975, freedom)) ** 2
    return min(float(n), share * (1 - share) / variance * unsure)


@dataclass(frozen=True, eq=False)
class Clusters:
    """What is drawn as a whole from N images: groups, or single images.

    Attributes:
        numbers: (N,) number of each image's cluster, from 0, all used.
        by_group: some clusters hold several images.
    """

    numbers: NDArray[np.int64]
    by_group: bool

    @classmethod
    def of(cls, groups: Sequence[str] | None, n: int) -> Clusters:
        """From the group of each of ``n`` images; None takes each image by itself."""
        if groups is None:
            return cls(np.arange(n), by_group=False)
        names, numbers = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
        return cls(numbers.astype(np.int64), by_group=len(names) < n)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.numbers.max(initial=-1)) + 1

    @property
    def name(self) -> str:
        """What one of them is called, in the plural."""
        return "groups" if self.by_group else "images"

    @property
    def enough(self) -> bool:
        """Whether there are enough of them to resample."""
        return self.count >= FEWEST_CLUSTERS

    def some(self, among: NDArray[np.bool_]) -> Clusters:
        """Those of the images that are ``among`` (N,), numbered anew."""
        _, numbers = np.unique(self.numbers[among], return_inverse=True)
        return Clusters(numbers.astype(np.int64), self.by_group)

    def proportion(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        """Share of ``hits`` (N,) in the images ``among`` (N,), with the interval that fits."""
        if self.by_group:
            return grouped_proportion(hits[among], self.numbers[among])
        return proportion_of_images(int(hits[among].sum()), int(among.sum()))

    def draws(self, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Weights (N, b) of all resamples, piece by piece; nothing where clusters are too few."""
        size = max(1, _PIECE // len(self.numbers))
        for start in range(0, resamples if self.enough else 0, size):
            yield draw_weights(self.numbers, min(size, resamples - start), rng)

    def mean(
        self,
        values: Floats,
        *,
        rng: np.random.Generator,
        resamples: int = 2000,
    ) -> Estimate:
        """Mean of ``values`` (N,) with its expanded percentile interval."""
        drawn = np.empty(0)
        if self.enough:
            weights = draw_weights(self.numbers, resamples, rng)
            drawn = values @ weights / weights.sum(axis=0)
        return bootstrap_estimate(float(values.mean()), drawn, clusters=self, n=len(values))


def draw_weights(
    clusters: NDArray[np.integer], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw whole clusters with replacement.

    Args:
        clusters: (N,) cluster (group or image) of each image, 0..C-1, all used.
        resamples: B.
        rng: source of randomness.

    Returns:
        (N, B) how often each image is in each resample.
    """
    count = int(clusters.max()) + 1
    drawn = rng.integers(count, size=(count, resamples))
    flat = drawn * resamples + np.arange(resamples)
    times = np.bincount(flat.ravel(), minlength=count * resamples)
    weights: Floats = times.reshape(count, resamples)[clusters].astype(np.float64)
    return weights


def expanded_level(clusters: int) -> float:
    """Level of the lower percentile that allows for the number of clusters (at least 2).

    Below 2.5 %, and near to it for many clusters.
    """
    from scipy.stats import norm, t

    quantile = float(t.ppf(0.975, clusters - 1))
    return float(norm.cdf(-math.sqrt(clusters / (clusters - 1)) * quantile))


def bounded_estimate(
    value: float,
    resampled: Floats,
    *,
    clusters: Clusters,
    n: int,
    bounds: tuple[float, float] = (0.0, 1.0),
    freedom: int | None = None,
) -> Estimate:
    """Value between two bounds with Wilson's interval for the variance of its resamples.

    Args:
        value: the figure of the sample itself, within ``bounds``.
        resampled: (B,) the figure of each resample, NaN where undefined. May be
            empty where there are too few clusters.
        clusters: that the figure rests on; as many were drawn in each resample.
        n: images that the figure rests on.
        bounds: lowest and highest value that the figure can have.
        freedom: degrees of freedom of what the resamples vary by, see `degrees_of_freedom`;
            None for the number of clusters - 1.
    """
    count = clusters.count
    why = _no_interval(value, resampled, clusters)
    if why:
        return without_interval(value, n, why=why)
    low, width = bounds[0], bounds[1] - bounds[0]
    share = min(1.0, max(0.0, (value - low) / width))
    # The bootstrap's variance is too small by the factor (C - 1) / C.
    variance = float(np.nanvar(resampled)) / width**2 * count / (count - 1)
    if variance <= _ALIKE or share in (0.0, 1.0):
        ends = wilson(share, count)
        method = f"Wilson with n = {count} {clusters.name}, as all resamples agree"
    else:
        effective = _effective(share, variance, n=n, freedom=freedom or count - 1)
        ends = wilson(share, effective)
        method = (
            f"Wilson with n = {effective:.1f} (effective, from {len(resampled)} resamples of "
            f"{count} {clusters.name})"
        )
    first, last = (low + end * width for end in ends)
    return Estimate(value, min(first, value), max(last, value), n, None, method)


def _no_interval(value: float, resampled: Floats, clusters: Clusters) -> str:
    """Why resamples are no basis for an interval; empty where they are one."""
    if math.isnan(value):
        return "the figure is not defined"
    if not clusters.enough:
        return f"{clusters.count} {clusters.name}, fewer than {FEWEST_CLUSTERS}"
    if np.isnan(resampled).sum() > _MOST_UNDEFINED * len(resampled):
        return "not defined in over a tenth of the resamples"
    return ""


def bootstrap_estimate(value: float, resampled: Floats, *, clusters: Clusters, n: int) -> Estimate:
    """Value with its expanded percentile interval.

    Args:
        value: the figure of the sample itself.
        resampled: (B,) the figure of each resample, NaN where undefined. May be
            empty where there are too few clusters.
        clusters: that the figure rests on; as many were drawn in each resample.
        n: images that the figure rests on.
    """
    why = _no_interval(value, resampled, clusters)
    if why:
        return without_interval(value, n, why=why)
    defined = resampled[~np.isnan(resampled)]
    if np.ptp(defined) <= _ALIKE:
        return without_interval(value, n, why="all resamples give the same value")
    level = expanded_level(clusters.count)
    low, high = (float(end) for end in np.quantile(defined, [level, 1 - level]))
    if max(high, value) - min(low, value) <= _ALIKE:  # an interval of no width would claim too much
        return without_interval(value, n, why="nearly all resamples give the same value")
    method = f"bootstrap, {len(resampled)} resamples of {clusters.count} {clusters.name}"
    # A biased resample distribution can leave the value outside; the interval then reaches to it.
    return Estimate(value, min(low, value), max(high, value), n, None, method)


def linear_contrast(coefficients: Sequence[float], estimates: Sequence[Estimate]) -> Estimate:
    """The sum of ``coefficient * estimate`` with an interval made from those of its terms.

    The distance from each value to its own limit is squared and added (MOVER). For two
    proportions with Wilson intervals and the coefficients 1 and -1 this is Newcombe's hybrid
    score interval. Terms count as independent; proportions that rise and fall together, as those
    of the same groups do, give a difference that is surer than the interval says.

    Args:
        coefficients: one a term, such as (1, -1).
        estimates: the terms; each with an interval, else the result has none.

    Sources: Newcombe, Statistics in Medicine 17: 873 (1998), method 10; Zou, Huang and Zhang,
    Comput. Stat. Data Anal. 53: 1080 (2009).
    """
    terms = list(zip(coefficients, estimates, strict=True))
    value = sum(factor * one.value for factor, one in terms)
    n = sum(one.n for one in estimates)
    if not all(one.has_interval for one in estimates):
        bare = next(one for one in estimates if not one.has_interval)
        return without_interval(value, n, why=bare.method.removeprefix("no interval: "))
    below = above = 0.0
    for factor, one in terms:
        ends = sorted((factor * one.low, factor * one.high))
        below += (factor * one.value - ends[0]) ** 2
        above += (ends[1] - factor * one.value) ** 2
    return Estimate(
        value,
        value - math.sqrt(below),
        value + math.sqrt(above),
        n,
        None,
        "square-and-add of the intervals of its terms",
    )
