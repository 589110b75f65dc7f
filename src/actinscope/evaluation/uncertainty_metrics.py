"""Calibration, prediction-set and selective-prediction metrics of one split, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import Reliability
from actinscope.evaluation.abstention import AnsweredCurve, answered_curve
from actinscope.evaluation.calibration import CALIBRATION_METRICS, bins_of, calibration_figures
from actinscope.evaluation.intervals import Clusters, Estimate, bootstrap_estimate
from actinscope.predict import Decisions

Floats = NDArray[np.float64]
_Figures = Callable[[Floats], Mapping[str, Floats]]
_RESAMPLES = 1000


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin of a reliability diagram.

    Attributes:
        confidence: mean of the highest probability of its images.
        accuracy: share of right answers among them, with its interval.
    """

    confidence: float
    accuracy: Estimate


@dataclass(frozen=True, eq=False)
class UncertaintyEvaluation:
    """How far the probabilities for the N images of one part can be trusted.

    Attributes:
        n: number of images.
        before, after: ``CALIBRATION_METRICS`` -> Estimate, of the network's own and of the
            calibrated probabilities. The log loss after calibration is that of
            :class:`~actinscope.evaluation.Evaluation`.
        points_before, points: reliability diagrams of both.
        coverage: share of images whose prediction set, as delivered, holds the true class;
            ``""`` for all images, else by class. The set of an unfamiliar image is empty.
        size: mean number of classes in a set, likewise.
        curve: accuracy for every share answered, by calibrated confidence.
        aurc: its mean share of wrong answers.
        answered: share of images that are not abstained from; None without a fitted rule.
        accuracy_answered: share of right answers among these.
        unfamiliar: share of images that are unfamiliar; None without a rule.
        rules: as applied; of an ensemble those of each member, which vote.
    """

    n: int
    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate]
    points_before: tuple[ReliabilityPoint, ...]
    points: tuple[ReliabilityPoint, ...]
    coverage: Mapping[str, Estimate]
    size: Mapping[str, Estimate]
    curve: AnsweredCurve
    aurc: Estimate
    answered: Estimate | None
    accuracy_answered: Estimate | None
    unfamiliar: Estimate | None
    rules: tuple[Reliability, ...]


def evaluate_uncertainty(
    labels: NDArray[np.integer],
    raw: NDArray[np.floating],
    judged: Decisions,
    rules: Sequence[Reliability],
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None,
    seed: int,
) -> UncertaintyEvaluation:
    """Measure what ``rules`` make of N labelled images.

    Args:
        labels: (N,) class indices, N > 0.
        raw: (N, K) probabilities as the network gives them; of an ensemble their mean.
        judged: the same images, judged by ``rules``.
        rules: for the report: one, or those of each member of an ensemble.
        classes: K names.
        groups: group of each image, or None.
        seed: of the bootstrap; the values do not depend on it.
    """
    sets = judged.delivered
    assert sets is not None
    makers = _Maker(len(labels), groups, seed)
    right = judged.probabilities.argmax(axis=1) == labels
    held = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1).astype(np.float64)
    pools = {"": np.ones(len(labels), dtype=np.bool_)}
    pools |= {name: labels == k for k, name in enumerate(classes)}
    given = None if judged.abstained is None else ~judged.abstained
    everything = pools[""]
    curve = answered_curve(judged.probabilities.max(axis=1), right)
    return UncertaintyEvaluation(
        n=len(labels),
        before=makers.calibration(labels, raw),
        after=makers.calibration(labels, judged.probabilities),
        points_before=makers.points(labels, raw),
        points=makers.points(labels, judged.probabilities),
        coverage={name: makers.share(held, pool) for name, pool in pools.items()},
        size={name: makers.mean(sizes, pool) for name, pool in pools.items()},
        curve=curve,
        aurc=makers.aurc(judged.probabilities.max(axis=1), right),
        answered=None if given is None else makers.share(given, everything),
        accuracy_answered=None if given is None else makers.share(right, given),
        unfamiliar=None
        if judged.unfamiliar is None
        else makers.share(judged.unfamiliar, everything),
        rules=tuple(rules),
    )


def uncertainty_estimates(found: UncertaintyEvaluation) -> dict[str, Estimate]:
    """The figures by the names that ``metrics.json`` gives them.

    ``*_uncalibrated`` are those of the network's own probabilities.
    """
    named = {f"{name}_uncalibrated": one for name, one in found.before.items()}
    named |= {name: one for name, one in found.after.items() if name != "log_loss"}
    for what, estimates in (("set_coverage", found.coverage), ("set_size", found.size)):
        named |= {f"{what}[{name}]" if name else what: one for name, one in estimates.items()}
    named["aurc"] = found.aurc
    optional = {
        "answered": found.answered,
        "accuracy_answered": found.accuracy_answered,
        "unfamiliar": found.unfamiliar,
    }
    return named | {name: one for name, one in optional.items() if one is not None}


class _Maker:
    """Estimates over the same N images; intervals over groups where images come in groups."""

    def __init__(self, n: int, groups: Sequence[str] | None, seed: int) -> None:
        self._clusters = Clusters.of(groups, n)
        self._seed = seed

    def share(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        """Share of hits among some images."""
        return self._clusters.proportion(hits, among)

    def mean(self, values: Floats, among: NDArray[np.bool_]) -> Estimate:
        """Mean of values among some images."""
        counting = among.astype(np.float64)

        def figures(times: Floats) -> dict[str, Floats]:
            total = counting @ times
            empty = np.full(total.shape, np.nan)
            mean = np.divide((values * counting) @ times, total, out=empty, where=total > 0)
            return {"mean": mean}

        return self._bootstrap(figures, among)["mean"]

    def calibration(
        self, labels: NDArray[np.integer], chances: NDArray[np.floating]
    ) -> dict[str, Estimate]:
        """``CALIBRATION_METRICS``."""
        found = self._bootstrap(
            lambda times: calibration_figures(labels, chances, times),
            np.ones(len(labels), dtype=np.bool_),
        )
        return {name: found[name] for name in CALIBRATION_METRICS}

    def aurc(self, confidence: Floats, right: NDArray[np.bool_]) -> Estimate:
        """Mean share of wrong answers over all shares answered."""
        order = np.argsort(-confidence, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))
        wrong = (~right)[order].astype(np.float64)

        def figures(times: Floats) -> dict[str, Floats]:
            answered = times[order].cumsum(axis=0)[ends]
            errors = (times[order] * wrong[:, None]).cumsum(axis=0)[ends]
            risk = np.divide(errors, answered, out=np.zeros_like(errors), where=answered > 0)
            steps = np.diff(answered, axis=0, prepend=0.0)
            return {"aurc": (risk * steps).sum(axis=0) / answered[-1]}

        return self._bootstrap(figures, np.ones(len(right), dtype=np.bool_))["aurc"]

    def points(
        self, labels: NDArray[np.integer], chances: NDArray[np.floating]
    ) -> tuple[ReliabilityPoint, ...]:
        """The reliability diagram with bins of equal numbers of images."""
        probabilities = np.asarray(chances, dtype=np.float64)
        right = probabilities.argmax(axis=1) == labels
        return tuple(
            ReliabilityPoint(one.confidence, self.share(right, one.images))
            for one in bins_of(probabilities.max(axis=1))
        )

    def _bootstrap(self, figures: _Figures, among: NDArray[np.bool_]) -> dict[str, Estimate]:
        values = figures(np.ones((len(among), 1)))
        drawn: dict[str, list[Floats]] = {name: [np.empty(0)] for name in values}
        own = self._clusters.some(among)
        if own.enough:
            for times in self._clusters.draws(_RESAMPLES, np.random.default_rng(self._seed)):
                for name, some in figures(times).items():
                    drawn[name].append(some)
        return {
            name: bootstrap_estimate(
                float(value[0]),
                np.concatenate(drawn[name]),
                clusters=own,
                n=int(among.sum()),
            )
            for name, value in values.items()
        }
