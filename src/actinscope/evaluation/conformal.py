"""Prediction sets that hold the true class in a chosen share of images.

Split conformal prediction: the score of a validation image is 1 minus the probability of its
class ("LAC", the least ambiguous sets; Sadinle, Lei and Wasserman, J. Am. Stat. Assoc. 114: 223,
2019), and a class belongs to the set of a new image where its score is at most a high quantile
of the validation scores. Of all sets of a coverage these are the smallest on average. Adaptive
sets (APS; Romano, Sesia and Candes, NeurIPS 2020) are larger, and reach their coverage only with
random numbers, so that the same image would have different sets.

**Groups.** Images of one field resemble each other, so n images say less than n independent ones.
The quantile of n exchangeable scores is taken at the level c (n + 1) / n. Here n is replaced there
by an *effective* number: c (1 - c) / v, where v is the variance of the share of covered images
between groups (as for the intervals of proportions, see `intervals`), never above n. Hierarchical
conformal prediction (Dunn, Wasserman and Ramdas, J. Am. Stat. Assoc. 118: 2491, 2023; Lee, Barber
and Willett 2023) needs no such estimate, but with G groups it leaves a weight of 1 / (G + 1) for
what the next group may bring: with fewer than 9 groups each 90 % set would hold everything, and
validation parts have about that many.

The quantile is interpolated between the two scores beside it. Rounding up, as the guarantee for
exchangeable images demands, costs up to 1 / (n + 1) too much coverage, and no guarantee holds for
images in groups anyway. What holds is measured: benchmarks/conformal_coverage.py.

MAPIE has no effective number of images for groups, so these few lines are written here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import SetRule
from actinscope.evaluation.intervals import FEWEST_CLUSTERS, Clusters, between_groups
from actinscope.wording import round_percent

Floats = NDArray[np.float64]


def fit_sets(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None,
    coverage: float,
    per_class: bool,
) -> SetRule:
    """The thresholds of prediction sets, from the N images of the validation part.

    Args:
        labels: (N,) class indices 0..K-1.
        probabilities: (N, K), calibrated.
        classes: K names, for the notes.
        groups: group of each image, or None where images are independent.
        coverage: share of images whose set is to hold their class, 0..1.
        per_class: a threshold for each class, from its own images (Mondrian): the
            coverage is then meant for every class by itself.
    """
    truth = np.asarray(labels)
    scores = 1.0 - np.asarray(probabilities, dtype=np.float64)[np.arange(len(truth)), truth]
    clusters = Clusters.of(groups, len(truth)).numbers
    pools = [truth == k for k in range(len(classes))] if per_class else [truth >= 0]
    found = [_score_limit(scores[pool], clusters[pool], coverage) for pool in pools]
    if not per_class:
        found = found * len(classes)
    return SetRule(
        coverage=coverage,
        per_class=per_class,
        thresholds=tuple(None if limit is None else max(0.0, 1.0 - limit) for limit, _ in found),
        images=len(truth),
        effective=tuple(round(number, 2) for _, number in found),
        note=_note(classes, found, coverage, per_class=per_class),
    )


def fewest_images(coverage: float) -> int:
    """How many independent images a threshold needs: n with coverage (n + 1) <= n."""
    return int(np.ceil(coverage / (1 - coverage) - 1e-9))


def _score_limit(
    scores: Floats, clusters: NDArray[np.int64], coverage: float
) -> tuple[float | None, float]:
    """The largest score in the set, None for no limit, and the effective number of images."""
    effective = effective_images(scores, clusters, coverage)
    if effective < fewest_images(coverage):
        return None, effective
    level = min(1.0, coverage * (effective + 1) / effective)
    # The score at this place (1 for the lowest), between two scores where it is no integer.
    places = np.arange(1, len(scores) + 1)
    return float(np.interp(level * len(scores), places, np.sort(scores))), effective


def effective_images(scores: Floats, clusters: NDArray[np.int64], coverage: float) -> float:
    """How many independent images would fix the quantile at ``coverage`` as well.

    At most their number; the number of groups where fewer than five cannot show how groups
    differ, or where they do not differ.
    """
    n = len(scores)
    if n == 0:
        return 0.0
    _, group = np.unique(clusters, return_inverse=True)
    groups = int(group.max()) + 1
    if groups == n:
        return float(n)
    if groups < FEWEST_CLUSTERS:
        return float(groups)
    covered = scores <= np.quantile(scores, coverage, method="higher")
    share = float(covered.mean())
    variance = between_groups(covered, group)
    if variance <= 0:
        return float(groups)
    return min(float(n), share * (1 - share) / variance)


def _note(
    classes: Sequence[str],
    found: Sequence[tuple[float | None, float]],
    coverage: float,
    *,
    per_class: bool,
) -> str:
    few = [
        (name, number)
        for name, (limit, number) in zip(classes, found, strict=True)
        if limit is None
    ]
    if not few:
        return ""
    needed = f"{fewest_images(coverage)} are needed for {round_percent(coverage)}"
    if not per_class:
        return (
            "every prediction set holds all classes, so do not use the columns prediction_set and "
            f"abstained: the validation images count as {few[0][1]:.1f} independent ones, "
            f"{needed}. Train on more groups"
        )
    names = ", ".join(f"{name} ({number:.1f})" for name, number in few)
    return (
        f"every prediction set holds {names}: the validation images of these classes count as so "
        f"few independent ones (in brackets), {needed}. Train on more groups of them"
    )
