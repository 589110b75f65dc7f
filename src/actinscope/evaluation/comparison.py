"""Several classifiers on the same images: figures, paired tests, and what they mean in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation.evaluation import Evaluation, evaluate, resample_metrics
from actinscope.evaluation.intervals import Clusters, Estimate, bootstrap_estimate
from actinscope.evaluation.metrics import Floats, Integers, score
from actinscope.evaluation.paired import PairedComparison, compare_pairs, holm
from actinscope.evaluation.sample_size import pairs_for_mcnemar

DIFFERENCES = ("balanced_accuracy", "auroc", "log_loss")
"""Figures whose differences get an interval from the paired bootstrap; the accuracy has its own."""

ALPHA = 0.05
"""Level below which an adjusted p counts."""

POWER = 0.8
"""Chance of finding a difference that numbers of needed images are computed for."""


@dataclass(frozen=True)
class RunPair:
    """Two of the runs on the same images; all differences are second minus first.

    Attributes:
        first, second: places of the two runs.
        accuracy: difference of the accuracies, counts and exact McNemar p.
        holm_p: that p, adjusted for the number of pairs.
        differences: {name in DIFFERENCES: Estimate}.
        agreement: share of images with the same answer.
        kappa: Cohen's kappa of the answers, NaN where both always give the same one.
        told_apart: ``holm_p`` is below ALPHA and the interval of the accuracies' difference
            does not hold 0.
        images_needed: images to tell the two apart with a power of POWER, if their rates
            of right answers are as seen here; None where they are told apart already or
            are right equally often.
    """

    first: int
    second: int
    accuracy: PairedComparison
    holm_p: float
    differences: Mapping[str, Estimate]
    agreement: float
    kappa: float
    told_apart: bool
    images_needed: int | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """R classifiers on the same N images.

    Attributes:
        names: of the runs.
        classes: of the K classes.
        n: number of images.
        groups: number of groups among them; None where none are known.
        evaluations: one a run.
        pairs: every pair, in the order (0, 1), (0, 2), ..., (R - 2, R - 1).
        contested: (M,) images that runs answer differently, the most contested first.
        all_wrong: images that no run classifies correctly.
        best: place of the run with the highest accuracy, the first of equals.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    n: int
    groups: int | None
    evaluations: tuple[Evaluation, ...]
    pairs: tuple[RunPair, ...]
    contested: Integers
    all_wrong: Integers
    best: int

    def pair(self, one: int, other: int) -> RunPair:
        """The pair of two different places, in whichever order."""
        wanted = {one, other}
        return next(pair for pair in self.pairs if {pair.first, pair.second} == wanted)


def compare_classifiers(
    names: Sequence[str],
    labels: NDArray[np.integer],
    probabilities: Floats,
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None,
    seed: int,
    resamples: int = 2000,
) -> Comparison:
    """Evaluate every classifier, and test every pair of them.

    Args:
        names: R distinct names, R at least 2.
        labels: (N,) true class indices.
        probabilities: (R, N, K), rows summing to 1.
        classes: K names.
        groups: group of each image, or None.
        seed: of the resampling; the values do not depend on it.
        resamples: number of bootstrap resamples.

    Raises:
        StudyError: fewer than two classifiers, equal names, or what `evaluate` says.
        ValueError: the rows are not probability distributions.
    """
    if len(names) < 2 or len(set(names)) != len(names) or len(names) != len(probabilities):
        raise StudyError(
            f"{len(names)} names for {len(probabilities)} runs are no basis for a comparison",
            remedy="Give two or more runs with different names",
        )
    evaluations = tuple(
        evaluate(
            labels,
            one,
            classes=classes,
            groups=groups,
            seed=seed,
            resamples=resamples,
        )
        for one in probabilities
    )
    answers = probabilities.argmax(axis=2)  # (R, N)
    places = list(combinations(range(len(names)), 2))
    accuracies = [
        compare_pairs(
            labels,
            answers[one],
            answers[other],
            groups=groups,
            seed=seed,
            resamples=resamples,
        )
        for one, other in places
    ]
    adjusted = holm([one.mcnemar_p for one in accuracies])
    differences = _differences(
        labels, probabilities, evaluations, groups=groups, seed=seed, resamples=resamples
    )
    pairs = tuple(
        _pair(place, answers, accuracy, p, differences[place])
        for place, accuracy, p in zip(places, accuracies, adjusted, strict=True)
    )
    return Comparison(
        names=tuple(names),
        classes=tuple(classes),
        n=len(labels),
        groups=evaluations[0].groups,
        evaluations=evaluations,
        pairs=pairs,
        contested=contested_images(probabilities),
        all_wrong=all_wrong_images(labels, probabilities),
        best=int(np.argmax([one.metrics["accuracy"].value for one in evaluations])),
    )


def _pair(
    places: tuple[int, int],
    answers: NDArray[np.int64],
    accuracy: PairedComparison,
    holm_p: float,
    differences: Mapping[str, Estimate],
) -> RunPair:
    difference = accuracy.difference
    apart = holm_p < ALPHA and not difference.low <= 0 <= difference.high
    one, other = places
    return RunPair(
        first=one,
        second=other,
        accuracy=accuracy,
        holm_p=holm_p,
        differences=differences,
        agreement=float((answers[one] == answers[other]).mean()),
        kappa=cohen_kappa(answers[one], answers[other]),
        told_apart=apart,
        images_needed=None
        if apart
        else pairs_for_mcnemar(
            accuracy.only_first_right / difference.n,
            accuracy.only_second_right / difference.n,
            power=POWER,
            alpha=ALPHA,
        ),
    )


def _differences(
    labels: NDArray[np.integer],
    probabilities: Floats,
    evaluations: Sequence[Evaluation],
    *,
    groups: Sequence[str] | None,
    seed: int,
    resamples: int,
) -> dict[tuple[int, int], dict[str, Estimate]]:
    """Differences of DIFFERENCES for every pair, from resamples that both share."""
    clusters = Clusters.of(groups, len(labels))
    draws = [
        resample_metrics(score(labels, one), clusters, resamples, seed)[0] for one in probabilities
    ]
    return {
        (one, other): {
            name: bootstrap_estimate(
                evaluations[other].metrics[name].value - evaluations[one].metrics[name].value,
                draws[other][name] - draws[one][name],
                clusters=clusters,
                n=len(labels),
            )
            for name in DIFFERENCES
        }
        for one, other in combinations(range(len(probabilities)), 2)
    }


def cohen_kappa(first: NDArray[np.integer], second: NDArray[np.integer]) -> float:
    """Agreement beyond what their frequencies of answers give by chance: 1 full, 0 chance.

    Args:
        first, second: (n,) class indices, n at least 1.

    Returns:
        NaN where both give one and the same answer for all images, as chance then explains
        everything.

    Source: Cohen, Educ. Psychol. Meas. 20: 37 (1960).
    """
    if len(np.union1d(first, second)) < 2:
        return math.nan
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(first, second))


def contested_images(probabilities: Floats) -> Integers:
    """Images that runs answer differently, the most contested first.

    Ordered by the share of pairs of runs with different answers, then by how far their
    probabilities lie apart (mean total variation distance over the pairs).

    Args:
        probabilities: (R, N, K) of R runs.

    Returns:
        (M,) indices of the images with at least two different answers.
    """
    answers = probabilities.argmax(axis=2)  # (R, N)
    pairs = list(combinations(range(len(answers)), 2))
    split = np.zeros(answers.shape[1])
    distance = np.zeros(answers.shape[1])
    for one, other in pairs:
        split += answers[one] != answers[other]
        distance += np.abs(probabilities[one] - probabilities[other]).sum(axis=1) / 2
    order = np.lexsort((-distance, -split))
    return order[split[order] > 0].astype(np.int64)


def all_wrong_images(labels: NDArray[np.integer], probabilities: Floats) -> Integers:
    """Images that no run classifies correctly, those first that the runs are surest about.

    Args:
        labels: (N,) true class indices.
        probabilities: (R, N, K) of R runs.

    Returns:
        (M,) indices, by the mean probability of the true class, the smallest first.
    """
    answers = probabilities.argmax(axis=2)
    wrong = np.flatnonzero((answers != labels).all(axis=0))
    of_label = probabilities[:, wrong, labels[wrong]].mean(axis=0)
    return wrong[np.argsort(of_label, kind="stable")].astype(np.int64)
