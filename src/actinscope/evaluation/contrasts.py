"""Differences of proportions, and differences of differences, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from actinscope.evaluation.intervals import Estimate, without_interval


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
