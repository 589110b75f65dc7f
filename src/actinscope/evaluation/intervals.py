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

What is refused: fewer than `FEWEST_UNITS` groups (or images to resample) give no
interval; nor do resamples of which more than a tenth leave the metric undefined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_UNITS = 5
"""Fewer groups than this are no basis for an interval: the bootstrap cannot know
what the next group would look like from four."""

_MOST_UNDEFINED = 0.1
_ALIKE = 1e-12
_FEWEST_FREEDOM = 2


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


def wilson(proportion: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion seen in n > 0 independent trials.

    Args:
        proportion: 0..1.
        n: number of trials, or an effective number.
        quantile: of the normal distribution (1.96 for 95 %), or of Student's t.

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


def proportion_of_images(count: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """Proportion count / n of independent images with its Wilson interval."""
    from scipy.stats import norm

    if n == 0:
        return without_interval(math.nan, 0, count=0, why="no images")
    low, high = wilson(count / n, n, quantile=float(norm.ppf(0.5 + confidence / 2)))
    return Estimate(count / n, low, high, n, count, f"Wilson, {n} images")


def grouped_proportion(
    hits: NDArray[np.bool_], units: NDArray[np.integer], *, confidence: float = 0.95
) -> Estimate:
    """Proportion of hits among images that come in groups, with its interval.

    Args:
        hits: (n,) whether each image is a hit.
        units: (n,) number of the group of each image.
        confidence: of the interval.
    """
    from scipy.stats import norm

    n, count = len(hits), int(hits.sum())
    if n == 0:
        return without_interval(math.nan, 0, count=0, why="no images")
    share = count / n
    _, unit = np.unique(units, return_inverse=True)
    sizes = np.bincount(unit)
    groups = len(sizes)
    if groups < FEWEST_UNITS:
        why = f"{groups} groups, fewer than {FEWEST_UNITS}"
        return without_interval(share, n, count=count, why=why)
    residuals = np.bincount(unit, weights=hits) - share * sizes
    variance = groups / (groups - 1) * float((residuals**2).sum()) / n**2
    quantile = float(norm.ppf(0.5 + confidence / 2))
    if variance <= _ALIKE:
        low, high = wilson(share, groups, quantile=quantile)
        method = f"Wilson with n = {groups} groups, as the groups do not differ"
        return Estimate(share, low, high, n, count, method)
    freedom = degrees_of_freedom(hits, unit)
    effective = _effective(share, variance, n=n, freedom=freedom, confidence=confidence)
    low, high = wilson(share, effective, quantile=quantile)
    method = f"Wilson with n = {effective:.1f} (effective, {n} images in {groups} groups)"
    return Estimate(share, low, high, n, count, method)


def degrees_of_freedom(hits: NDArray[np.bool_], unit: NDArray[np.integer]) -> int:
    """Degrees of freedom of the variance between groups, from 2 to groups - 1.

    The number of groups with a miss, or of those with a hit where these are fewer.

    Args:
        hits: (n,) whether each image is a hit.
        unit: (n,) group of each image, 0..G-1, all used, G > 2.
    """
    groups = int(unit.max()) + 1
    telling = min(len(np.unique(unit[hits])), len(np.unique(unit[~hits])))
    return min(max(telling, _FEWEST_FREEDOM), groups - 1)


def _effective(share: float, variance: float, *, n: int, freedom: int, confidence: float) -> float:
    """How many independent images a share with this variance is worth, at most n."""
    from scipy.stats import norm, t

    tail = 0.5 + confidence / 2
    unsure = float(norm.ppf(tail) / t.ppf(tail, freedom)) ** 2
    return min(float(n), share * (1 - share) / variance * unsure)


def draw_weights(
    units: NDArray[np.integer], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw whole units with replacement.

    Args:
        units: (N,) unit (group or image) of each image, 0..U-1, all used.
        resamples: B.
        rng: source of randomness.

    Returns:
        (N, B) how often each image is in each resample.
    """
    count = int(units.max()) + 1
    drawn = rng.integers(count, size=(count, resamples))
    flat = drawn * resamples + np.arange(resamples)
    times = np.bincount(flat.ravel(), minlength=count * resamples)
    weights: Floats = times.reshape(count, resamples)[units].astype(np.float64)
    return weights


def expanded_level(units: int, confidence: float) -> float:
    """Level of the lower percentile that allows for the number of units (at least 2).

    Below (1 - confidence) / 2, and near to it for many units.
    """
    from scipy.stats import norm, t

    quantile = float(t.ppf(0.5 + confidence / 2, units - 1))
    return float(norm.cdf(-math.sqrt(units / (units - 1)) * quantile))


@dataclass(frozen=True)
class Resampling:
    """What was drawn and how sure the interval is to be.

    Attributes:
        units: number of groups, or of images where there are no groups.
        unit_name: "groups" or "images".
        confidence: for example 0.95.
        freedom: degrees of freedom of what the resamples vary by, see
            :func:`degrees_of_freedom`; None for units - 1.
    """

    units: int
    unit_name: str
    confidence: float
    freedom: int | None = None


def bounded_estimate(
    value: float,
    resampled: Floats,
    *,
    resampling: Resampling,
    n: int,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Value between two bounds with Wilson's interval for the variance of its resamples.

    Args:
        value: the figure of the sample itself, within ``bounds``.
        resampled: (B,) the figure of each resample, NaN where undefined. May be
            empty where there are too few units.
        resampling: what was drawn. Its `units` are those that the figure rests on.
        n: images that the figure rests on.
        bounds: lowest and highest value that the figure can have.
    """
    from scipy.stats import norm

    units, name = resampling.units, resampling.unit_name
    why = _no_interval(value, resampled, resampling)
    if why:
        return without_interval(value, n, why=why)
    low, width = bounds[0], bounds[1] - bounds[0]
    share = min(1.0, max(0.0, (value - low) / width))
    # The bootstrap's variance is too small by the factor (U - 1) / U.
    variance = float(np.nanvar(resampled)) / width**2 * units / (units - 1)
    quantile = float(norm.ppf(0.5 + resampling.confidence / 2))
    if variance <= _ALIKE or share in (0.0, 1.0):
        ends = wilson(share, units, quantile=quantile)
        method = f"Wilson with n = {units} {name}, as all resamples agree"
    else:
        effective = _effective(
            share,
            variance,
            n=n,
            freedom=resampling.freedom or units - 1,
            confidence=resampling.confidence,
        )
        ends = wilson(share, effective, quantile=quantile)
        method = (
            f"Wilson with n = {effective:.1f} (effective, from {len(resampled)} resamples of "
            f"{units} {name})"
        )
    first, last = (low + end * width for end in ends)
    return Estimate(value, min(first, value), max(last, value), n, None, method)


def _no_interval(value: float, resampled: Floats, resampling: Resampling) -> str:
    """Why resamples are no basis for an interval; empty where they are one."""
    units, name = resampling.units, resampling.unit_name
    if math.isnan(value):
        return "the figure is not defined"
    if units < FEWEST_UNITS:
        return f"{units} {name}, fewer than {FEWEST_UNITS}"
    if np.isnan(resampled).sum() > _MOST_UNDEFINED * len(resampled):
        return "not defined in over a tenth of the resamples"
    return ""


def bootstrap_estimate(
    value: float, resampled: Floats, *, resampling: Resampling, n: int
) -> Estimate:
    """Value with its expanded percentile interval.

    Args:
        value: the figure of the sample itself.
        resampled: (B,) the figure of each resample, NaN where undefined. May be
            empty where there are too few units.
        resampling: what was drawn. Its `units` are those that the figure rests on.
        n: images that the figure rests on.
    """
    units, name = resampling.units, resampling.unit_name
    why = _no_interval(value, resampled, resampling)
    if why:
        return without_interval(value, n, why=why)
    defined = resampled[~np.isnan(resampled)]
    if np.ptp(defined) <= _ALIKE:
        return without_interval(value, n, why="all resamples give the same value")
    level = expanded_level(units, resampling.confidence)
    low, high = (float(end) for end in np.quantile(defined, [level, 1 - level]))
    if max(high, value) - min(low, value) <= _ALIKE:  # an interval of no width would claim too much
        return without_interval(value, n, why="nearly all resamples give the same value")
    method = f"bootstrap, {len(resampled)} resamples of {units} {name}"
    # A biased resample distribution can leave the value outside; the interval then reaches to it.
    return Estimate(value, min(low, value), max(high, value), n, None, method)
