"""How much of a result do simpler explanations reach? Linear controls, shuffles, batches.

Every control is tried on the same test images as the network and compared with it image
by image, every class counting alike: a control that finds a rare class must not lose to a
network that always misses it. A control that the network is not shown to be ahead of may
*explain* the result.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.evaluation import Clusters, Estimate, bootstrap_estimate, evaluate
from actinscope.wording import listed, percent

Floats = NDArray[np.float64]

#: Inverse strength of the L2 penalty on standardised features.
_INVERSE_PENALTY = 0.1
_SHUFFLES = 999
_RESAMPLES = 1000
_FEWEST_OF_BATCH = 6
_MOST_BATCHES = 50
_FOLDS = 3


TITLES = {
    "brightness": "Brightness",
    "texture": "Texture",
    "outline": "Outline",
    "background": "Background",
    "thumbnail": "Thumbnail",
}
"""Title of every control on features."""


@dataclass(frozen=True)
class Control:
    """What a simpler model reached on the test images of the network.

    Attributes:
        name: which control.
        images: test images that both were compared on.
        balanced_accuracy: of the control, with its interval.
        network: balanced accuracy of the network on the same images.
        ahead: balanced accuracy of the network minus that of the control, with the
            interval of a bootstrap over groups (images where there are none), or none
            where there are too few groups.
    """

    name: str
    images: int
    balanced_accuracy: Estimate
    network: Estimate
    ahead: Estimate

    @property
    def explains(self) -> bool:
        """Whether the network is not shown to be ahead of this control."""
        return not self.ahead.low > 0  # also where there is no interval


@dataclass(frozen=True, eq=False)
class ControlPredictions:
    """What the network said about the test images.

    Attributes:
        labels: (N,) true class indices.
        predicted: (N,) class indices.
        groups: group of each image, or None.
        classes: names of the K classes.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    groups: Sequence[str] | None
    classes: tuple[str, ...]

    @cached_property
    def balanced_accuracy(self) -> Estimate:
        """Of the network, with its interval; made once, as every control is compared with it."""
        return balanced_of(self, self.predicted)

    def some(self, chosen: NDArray[np.bool_]) -> ControlPredictions:
        """Those for which ``chosen`` (N,) is true."""
        if chosen.all():
            return self
        groups = self.groups
        if groups is not None:
            groups = np.asarray(groups, dtype=np.str_)[chosen].tolist()
        return ControlPredictions(self.labels[chosen], self.predicted[chosen], groups, self.classes)


@dataclass(frozen=True)
class PermutedLabels:
    """What the network's answers reach when the labels are permuted.

    Attributes:
        balanced_accuracy: of the network with the true labels.
        mean, high: mean and 95th percentile over the shuffles.
        p: share of shuffles (the true labels among them) that reach the network's value.
        how: what was shuffled.
    """

    balanced_accuracy: float
    mean: float
    high: float
    p: float
    how: str


@dataclass(frozen=True)
class BatchControl:
    """Whether the network's features tell batches (plates, days, donors) apart.

    Attributes:
        column: of the manifest.
        batches: how many were told apart.
        images: training images that this rests on.
        balanced_accuracy: of naming the batch from the embedding, cross-validated, within
            classes: what the classes have to do with batches is not in it.
        chance: one over the number of batches.
        association: Cramer's V between batch and label, 0 (none) to 1 (the batch
            gives the label away).
        is_group: whether no value of the column stands in two parts. A group of one
            class is how most studies are made; that the test has new groups shows
            what the network does without knowing them.
    """

    column: str
    batches: int
    images: int
    balanced_accuracy: float
    chance: float
    association: float
    is_group: bool = False


def linear_control(
    train: Floats, labels: NDArray[np.int64], test: Floats, *, classes: int
) -> Floats:
    """Probabilities (N, K) of a linear model fitted on the features of the training images.

    Logistic regression on standardised features, classes weighted equally.

    Args:
        train: (M, F) features, finite.
        labels: (M,) class indices.
        test: (N, F) features.
        classes: K; one that no training image has gets probability 0.
    """
    from sklearn.linear_model import LogisticRegression

    centre, scale = train.mean(axis=0), train.std(axis=0) + 1e-9
    model = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=2000)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*failed to converge.*")
        model.fit((train - centre) / scale, labels)
    probabilities = np.zeros((len(test), classes))
    probabilities[:, model.classes_] = model.predict_proba((test - centre) / scale)
    return probabilities


def judge_control(
    name: str,
    train: Floats,
    train_labels: NDArray[np.int64],
    test: Floats,
    network: ControlPredictions,
) -> Control | None:
    """A control from features, beside the network; None where it cannot be tried.

    Rows with NaN (no such feature in this image) are left out on both sides.

    Raises:
        StudyError: features and labels do not fit together.
    """
    if len(train) != len(train_labels) or len(test) != len(network.labels):
        raise StudyError(f"the features of {name} do not fit the labels")
    fit, known = (np.asarray(np.isfinite(rows).all(axis=1)) for rows in (train, test))
    if len(np.unique(train_labels[fit])) < 2 or not known.any():
        return None
    probabilities = linear_control(
        train[fit], train_labels[fit], test[known], classes=len(network.classes)
    )
    asked = network.some(known)
    answered = probabilities.argmax(axis=1)
    return Control(
        name=name,
        images=int(known.sum()),
        balanced_accuracy=balanced_of(asked, answered),
        network=asked.balanced_accuracy,
        ahead=lead(asked.labels, answered, asked.predicted, asked.groups),
    )


def lead(
    labels: NDArray[np.int64],
    control: NDArray[np.int64],
    network: NDArray[np.int64],
    groups: Sequence[str] | None,
) -> Estimate:
    """Balanced accuracy of the network minus that of the control, with its interval.

    Args:
        labels, control, network: (N,) class indices: the truth and both answers.
        groups: group of each image, or None.
    """
    gained = (network == labels).astype(np.float64) - (control == labels)
    present, codes = np.unique(labels, return_inverse=True)
    of_class = np.eye(len(present))[codes.reshape(-1)]  # (N, K)
    clusters = Clusters.of(groups, len(labels))
    drawn = [np.empty(0)]
    for weights in clusters.draws(_RESAMPLES, np.random.default_rng(0)):  # (N, B)
        images = of_class.T @ weights  # (K, B)
        sums = (of_class * gained[:, None]).T @ weights
        with np.errstate(invalid="ignore"):
            drawn.append(np.nanmean(np.where(images > 0, sums / images, np.nan), axis=0))
    value = float(np.mean([gained[labels == label].mean() for label in present]))
    return bootstrap_estimate(value, np.concatenate(drawn), clusters=clusters, n=len(labels))


def balanced_of(network: ControlPredictions, predicted: NDArray[np.int64]) -> Estimate:
    """Balanced accuracy of some answers (N,) to the images of ``network``, with its interval."""
    found = evaluate(
        network.labels,
        np.eye(len(network.classes))[predicted],
        classes=network.classes,
        groups=network.groups,
        seed=0,
    )
    return found.metrics["balanced_accuracy"]


def permuted_labels(network: ControlPredictions, *, seed: int) -> PermutedLabels:
    """Deal the labels out anew, 999 times, and compare the network's answers with them.

    Whole groups of one class exchange their labels; the images of a group of several classes
    do so among themselves. Without groups all images do.
    """
    rng = np.random.default_rng([seed, 7])
    labels, predicted = network.labels, network.predicted
    groups = Clusters.of(network.groups, len(labels)).numbers
    first = np.zeros(groups.max() + 1, np.int64)
    first[groups] = labels
    pure = np.ones(len(first), np.bool_)
    pure[groups[first[groups] != labels]] = False
    true = _mean_recall(labels, predicted)
    drawn = np.empty(_SHUFFLES)
    for turn in range(_SHUFFLES):
        of_group = first.copy()
        of_group[pure] = rng.permutation(first[pure])
        shuffled = np.where(pure[groups], of_group[groups], _within(labels, groups, rng))
        drawn[turn] = _mean_recall(shuffled, predicted)
    return PermutedLabels(
        balanced_accuracy=true,
        mean=float(drawn.mean()),
        high=float(np.quantile(drawn, 0.95)),
        p=float((1 + (drawn >= true - 1e-12).sum()) / (1 + _SHUFFLES)),
        how=_how(network, pure),
    )


def _how(network: ControlPredictions, pure: NDArray[np.bool_]) -> str:
    if network.groups is None:
        return "between images"
    if pure.all():
        return "between groups"
    return "between groups of one class and within the others" if pure.any() else "within groups"


def _within(
    labels: NDArray[np.int64], groups: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Labels exchanged among the images of each group."""
    order = np.lexsort((rng.random(len(labels)), groups))
    shuffled = np.empty_like(labels)
    shuffled[np.argsort(groups, kind="stable")] = labels[order]
    return shuffled


def _mean_recall(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    present = np.unique(labels)
    return float(np.mean([(predicted[labels == label] == label).mean() for label in present]))


def batch_control(
    embedding: NDArray[np.floating],
    labels: NDArray[np.int64],
    batches: Sequence[str],
    *,
    column: str,
    is_group: bool = False,
    seed: int,
) -> BatchControl | None:
    """How well a linear model finds the batch from the network's features, within classes.

    Only the class with most images of well-filled batches is taken: a model over all
    classes would name batches by what the classes look like.

    Args:
        embedding: (N, D) of the training images.
        labels: (N,) class indices.
        batches: value of the column for each image; empty is none.
        column: its name.
        is_group: whether its values were kept in one part each.
        seed: of the folds.

    Returns:
        None where no class has two batches of at least 6 images, or there are over 50.
    """
    values = np.asarray(batches, dtype=np.str_)
    rows = _fullest_class(labels, values)
    names, codes = np.unique(values[rows], return_inverse=True)
    if not 2 <= len(names) <= _MOST_BATCHES:
        return None
    known = values != ""
    return BatchControl(
        column=column,
        batches=len(names),
        images=len(rows),
        balanced_accuracy=_named_batches(embedding[rows].astype(np.float64), codes, seed),
        chance=1 / len(names),
        association=association(labels[known], values[known]),
        is_group=is_group,
    )


def _fullest_class(labels: NDArray[np.int64], values: NDArray[np.str_]) -> NDArray[np.int64]:
    """Rows of the class with most images in batches of at least 6 images of that class."""
    best = np.empty(0, np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & (values != ""))
        _, codes, counts = np.unique(values[rows], return_inverse=True, return_counts=True)
        full = rows[counts[codes] >= _FEWEST_OF_BATCH]
        if (counts >= _FEWEST_OF_BATCH).sum() >= 2 and len(full) > len(best):
            best = full
    return best


def _named_batches(features: Floats, codes: NDArray[np.int64], seed: int) -> float:
    from sklearn.model_selection import StratifiedKFold

    answers = np.empty_like(codes)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(features, codes):
        probabilities = linear_control(
            features[train], codes[train], features[test], classes=int(codes.max()) + 1
        )
        answers[test] = probabilities.argmax(axis=1)
    return _mean_recall(codes, answers)


def association(labels: NDArray[np.int64], values: NDArray[np.str_]) -> float:
    """Cramer's V of two classifications, 0..1 (Cramer 1946); 0 where one has a single value."""
    from scipy.stats import contingency

    counts = contingency.crosstab(labels, values).count
    if min(counts.shape) < 2:
        return 0.0
    return float(contingency.association(counts, method="cramer"))


def control_warnings(
    controls: Sequence[Control], batches: Sequence[BatchControl]
) -> tuple[str, ...]:
    """What may explain the result: a sentence on the controls, and one on every batch."""
    found = []
    if explaining := [control for control in controls if control.explains]:
        first, *others = explaining
        reached = [f"{TITLES[first.name]} alone reaches {percent(first.balanced_accuracy.value)}"]
        reached += [
            f"{TITLES[one.name].lower()} {percent(one.balanced_accuracy.value)}" for one in others
        ]
        found.append(
            f"{listed(reached)} (mean over the classes), the network "
            f"{percent(first.network.value)}: on these {first.images} images it cannot be shown "
            "to have learned more."
        )
    found += [
        f"The network's features tell the values of {batch.column} apart "
        f"({percent(batch.balanced_accuracy)} right, by chance {percent(batch.chance)}), and "
        f"{batch.column} goes together with the class (Cramer's V {batch.association:.2f}): the "
        f"result may rest on {batch.column} instead of the cells."
        for batch in batches
        if not batch.is_group
        and batch.association > 0.5
        and batch.balanced_accuracy > 1.5 * batch.chance
    ]
    return tuple(found)
