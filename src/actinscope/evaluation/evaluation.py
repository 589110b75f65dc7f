"""Evaluate predictions: every figure with its interval.

`evaluate` is the one way from labels and probabilities to the figures of reports,
for the train, validation and test part alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation.intervals import (
    FEWEST_CLUSTERS,
    Clusters,
    Estimate,
    bootstrap_estimate,
    bounded_estimate,
    degrees_of_freedom,
)
from actinscope.evaluation.metrics import (
    CLASS_METRICS,
    METRICS,
    Floats,
    Scored,
    all_metrics,
    confusion_counts,
    score,
)

#: Lowest and highest value of the figures that are no shares; None: without an upper end.
_BOUNDS: Mapping[str, tuple[float, float] | None] = {"mcc": (-1.0, 1.0), "log_loss": None}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well the labels of N images were predicted.

    Attributes:
        classes: names of the K classes.
        n: number of images.
        groups: number of groups among them; None where no groups are known.
        confusion: (K, K) int64, rows the true class, columns the predicted one.
        metrics: {name in METRICS: Estimate}.
        per_class: {class: {name in CLASS_METRICS: Estimate}}.
        interval_method: one sentence on how the intervals were made.
        notes: what could not be computed, and why.
    """

    classes: tuple[str, ...]
    n: int
    groups: int | None
    confusion: NDArray[np.int64]
    metrics: Mapping[str, Estimate]
    per_class: Mapping[str, Mapping[str, Estimate]]
    interval_method: str
    notes: tuple[str, ...]


def evaluate(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None,
    seed: int,
    resamples: int = 2000,
) -> Evaluation:
    """Compute all figures and their 95 % intervals.

    With groups of which at least one holds several images, the intervals allow for
    groups; otherwise images count as independent. Accuracy, recall and precision take
    Wilson intervals, the rest such with the variance of a bootstrap over groups or
    images. See `intervals` for the methods and `metrics` for the conventions.

    Args:
        labels: (N,) class indices 0..K-1.
        probabilities: (N, K), rows summing to 1.
        classes: K distinct names.
        groups: group of each image, or None.
        seed: of the resampling; the values do not depend on it.
        resamples: number of bootstrap resamples, at least 1.

    Raises:
        StudyError: labels, classes and groups do not fit together.
        ValueError: the rows are not probability distributions.
    """
    scored = score(labels, probabilities)
    _check_names(classes, groups, scored)
    clusters = Clusters.of(groups, len(scored.labels))
    maker = _IntervalMaker(
        scored=scored,
        clusters=clusters,
        values=all_metrics(scored),
        draws=resample_metrics(scored, clusters, resamples, seed),
    )
    metrics = maker.overall()
    per_class = {name: maker.of_class(k) for k, name in enumerate(classes)}
    return Evaluation(
        classes=tuple(classes),
        n=len(scored.labels),
        groups=None if groups is None else clusters.count,
        confusion=confusion_counts(scored)[0].astype(np.int64),
        metrics=metrics,
        per_class=per_class,
        interval_method=_describe(maker, resamples),
        notes=_notes(metrics, per_class, maker),
    )


def evaluation_to_json(
    evaluation: Evaluation,
) -> dict[str, dict[str, float | int | str | None]]:
    """{metric: {value, low, high, n, count, method}}; NaN becomes None.

    Figures of one class have keys such as "recall[wild_type]".
    """
    flat = dict(evaluation.metrics)
    for name, estimates in evaluation.per_class.items():
        flat |= {f"{metric}[{name}]": estimate for metric, estimate in estimates.items()}
    return estimates_to_json(flat)


def estimates_to_json(
    estimates: Mapping[str, Estimate],
) -> dict[str, dict[str, float | int | str | None]]:
    """{name: {value, low, high, n, count, method}}; NaN becomes None."""
    return {
        key: {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in vars(estimate).items()
        }
        for key, estimate in estimates.items()
    }


def _check_names(classes: Sequence[str], groups: Sequence[str] | None, scored: Scored) -> None:
    if len(classes) != scored.class_count or len(set(classes)) != len(classes):
        raise StudyError(
            f"{len(classes)} class names ({len(set(classes))} distinct) "
            f"for {scored.class_count} probabilities an image"
        )
    if groups is not None and len(groups) != len(scored.labels):
        raise StudyError(f"{len(groups)} groups for {len(scored.labels)} images")


def resample_metrics(
    scored: Scored, clusters: Clusters, resamples: int, seed: int
) -> tuple[Mapping[str, Floats], Mapping[str, Floats]]:
    """Figures of all resamples, (B,) and (B, K); empty where there are too few clusters.

    The same clusters, number and seed draw the same images for any predictions, so that
    figures of two classifiers can be subtracted resample by resample.
    """
    pieces = [
        all_metrics(scored, weights)
        for weights in clusters.draws(resamples, np.random.default_rng(seed))
    ]
    empty = np.empty(0), np.empty((0, scored.class_count))
    return (
        {name: np.concatenate([empty[0], *(all_[name] for all_, _ in pieces)]) for name in METRICS},
        {
            name: np.concatenate([empty[1], *(own[name] for _, own in pieces)])
            for name in CLASS_METRICS
        },
    )


@dataclass(frozen=True, eq=False)
class _IntervalMaker:
    """Puts value, resamples and the right kind of interval together."""

    scored: Scored
    clusters: Clusters
    values: tuple[Mapping[str, Floats], Mapping[str, Floats]]
    draws: tuple[Mapping[str, Floats], Mapping[str, Floats]]

    def overall(self) -> dict[str, Estimate]:
        """{name in METRICS: Estimate}."""
        values, by_class = self.values
        correct = self.scored.labels == self.scored.predicted
        everything = np.ones_like(correct)
        result = {}
        for name in METRICS:
            value = float(values[name][0])
            if name == "auroc" and np.isnan(by_class["auroc"]).any():
                value = math.nan
            if name in {"accuracy", "recall_weighted"}:  # equal, by algebra
                result[name] = self._proportion(correct, everything)
            else:
                bounds = _BOUNDS.get(name, (0.0, 1.0))
                result[name] = self._other(value, self.draws[0][name], everything, bounds)
        if math.isclose(result["recall_macro"].value, result["balanced_accuracy"].value):
            # One figure must have one interval. Resamples would give two: where they lack a
            # class that is always missed, only the macro average takes its recall for 0.
            result["recall_macro"] = result["balanced_accuracy"]
        return result

    def of_class(self, k: int) -> dict[str, Estimate]:
        """{name in CLASS_METRICS: Estimate} of class k."""
        is_class = self.scored.labels == k
        called = self.scored.predicted == k
        either = is_class | called
        f1, auroc = (float(self.values[1][name][0, k]) for name in ("f1", "auroc"))
        precision = self._proportion(is_class, called)
        if is_class.any() and not called.any():
            precision = replace(precision, value=0.0, method="no interval: never predicted")
        return {
            "recall": self._proportion(called, is_class),
            "precision": precision,
            "f1": self._other(f1, self.draws[1]["f1"][:, k], either),
            # How groups with the class differ decides, although all images take part.
            "auroc": replace(
                self._other(auroc, self.draws[1]["auroc"][:, k], is_class), n=len(is_class)
            ),
        }

    def _proportion(self, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        return self.clusters.proportion(hits, among)

    def _other(
        self,
        value: float,
        drawn: Floats,
        images: NDArray[np.bool_],
        bounds: tuple[float, float] | None = (0.0, 1.0),
    ) -> Estimate:
        """``bounds`` None is a figure that has no upper end."""
        own, freedom = self.clusters.some(images), None
        if own.by_group and own.enough:
            right = self.scored.labels == self.scored.predicted
            freedom = degrees_of_freedom(right[images], own.numbers)
        n = int(images.sum())
        if bounds is None:
            return bootstrap_estimate(value, drawn, clusters=own, n=n)
        return bounded_estimate(value, drawn, clusters=own, n=n, bounds=bounds, freedom=freedom)


def _describe(maker: _IntervalMaker, resamples: int) -> str:
    count = maker.clusters.count
    if maker.clusters.by_group and count < FEWEST_CLUSTERS:
        return (
            f"No intervals: the images come from {count} group{'' if count == 1 else 's'}, and "
            f"fewer than {FEWEST_CLUSTERS} do not show how groups differ."
        )
    if maker.clusters.by_group:
        return (
            f"95 % intervals that allow for {count} groups: Wilson with an effective "
            f"number of images, from the differences between groups for accuracy, recall and "
            f"precision and from {resamples} resamples of whole groups for the rest (log loss: "
            f"expanded percentiles of these)."
        )
    return (
        f"95 % intervals that take the images as independent: Wilson for accuracy, recall "
        f"and precision; for the rest Wilson with an effective number of images from {resamples} "
        f"resamples of images (log loss: expanded percentiles of these)."
    )


def _notes(
    metrics: Mapping[str, Estimate],
    per_class: Mapping[str, Mapping[str, Estimate]],
    maker: _IntervalMaker,
) -> tuple[str, ...]:
    notes = []
    absent = [name for name, own in per_class.items() if own["recall"].n == 0]
    if absent:
        notes.append(
            f"No images of {', '.join(absent)}: the balanced accuracy is over the other "
            f"classes, and the AUROC over all classes is not defined."
        )
    if len(absent) == len(per_class) - 1:
        notes.append("All images are of one class: no AUROC is defined.")
    count = maker.clusters.count
    if count < FEWEST_CLUSTERS:
        what = "groups" if maker.clusters.by_group else "images"
        notes.append(
            f"Only {count} {what}: fewer than {FEWEST_CLUSTERS} give no bootstrap interval."
        )
        return tuple(notes)
    bare = [
        (f"{metric}[{name}]", one) for name, own in per_class.items() for metric, one in own.items()
    ]
    whys: dict[str, list[str]] = {}
    for name, one in [*metrics.items(), *bare]:
        if not one.has_interval and not math.isnan(one.value):
            whys.setdefault(one.method, []).append(name)
    notes += [f"{', '.join(names)}: {why}." for why, names in whys.items()]
    return tuple(notes)
