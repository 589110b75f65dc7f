"""Logistic regression on pretrained features: before anything else moves, or instead of it.

A random last layer sends random gradients into pretrained layers in the first epochs. Logistic
regression on what the last layer sees gives it its best start. On the features of all stages of a
network it is a classifier of its own, which takes seconds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.networks import NetworkEntry, ResolvedWeights, StageGraph
from actinscope.preprocess import Preprocess, dihedral_views, turned
from actinscope.progress import Progress
from actinscope.runtimes import OnnxRuntimeEngine, OpenVinoEngine, quickest_engine
from actinscope.temporary import Releaser
from actinscope.training.augmented_views import LabelledImages, in_pieces
from actinscope.training.recipe import Recipe

#: Rows (views of images) that the fit is given at most; more change next to nothing.
HEAD_ROWS = 4096

# Inverse strength of the L2 penalty on standardised features. A thousand features and
# a few hundred images: small, or the head is as sure of its training images as can be.
_INVERSE_PENALTY = 0.01
#: What the probe on all stages chooses from; where it cannot choose, the middle one.
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
_INNER_FOLDS = 3
#: Of the features' space so many directions of largest variance are kept, and half of them to
#: choose the penalty: nearly as good as all of them, in a third of the time.
_DIRECTIONS = 1024
#: Features that hardly vary (activations reach 6) are not blown up to the size of the others.
_LEAST_SCALE = np.float32(0.003)
_LEAST_SIZE = 1e-5
#: Rows that mean, scale and these directions are taken from.
_SAMPLE_ROWS = 4096
_ITERATIONS = 300


def chosen_rows(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Images for the fit: all, or of each class as many as there is room for, in order."""
    if len(labels) <= HEAD_ROWS:
        return np.arange(len(labels))
    rng = np.random.default_rng([seed, 4])
    present = np.unique(labels)
    room = HEAD_ROWS // len(present)
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:room] for label in present]
    return np.sort(np.concatenate(chosen))


def fit_linear_probe(model: Any, features: NDArray[Any], labels: NDArray[np.int64]) -> None:
    """Set kernel and bias of the last layer, dense with a softmax, by logistic regression.

    It is given ``features`` (N, D), of the classes ``labels`` (N,).

    Raises:
        TrainingError: the features are not finite.
    """
    features = features.astype(np.float64)
    if not np.isfinite(features).all():
        raise _no_numbers()
    head = model.layers[-1]
    head.set_weights(list(logistic_head(features, labels, head.units)))


def logistic_head(
    features: NDArray[np.float64], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (D, K) and bias (K,) of a softmax layer on raw features (N, D).

    The features are standardised for the fit; the scaling is folded into the result.
    """
    mean = features.mean(axis=0)
    scale = features.std(axis=0) + 1e-6
    weights, intercept = _softmax_regression(
        (features - mean) / scale, labels, classes, _INVERSE_PENALTY, class_weight="balanced"
    )
    kernel = weights / scale[:, np.newaxis]
    return kernel.astype(np.float32), (intercept - mean @ kernel).astype(np.float32)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A delivered probe: no layer of the network was trained.

    Attributes:
        onnx: the network with its new head.
        parameters, fitted_parameters: weights in it, and how many of them are of the head.
        features: means of all stages that the head reads.
        inverse_penalty: of those tried the one that was chosen; None where it was not chosen.
        loss, accuracy: over all views that it was fitted on.
        seconds: from the first feature to the last.
    """

    onnx: bytes
    parameters: int
    fitted_parameters: int
    features: int
    inverse_penalty: float | None
    loss: float
    accuracy: float
    seconds: float


def fit_stage_probe(
    entry: NetworkEntry,
    weights: ResolvedWeights,
    images: LabelledImages,
    groups: Sequence[str] | None,
    recipe: Recipe,
    *,
    classes: int,
    preprocess: Preprocess,
    progress: Progress,
) -> LinearProbe:
    """Fit logistic regression on all stages of the untouched network, on dihedral views.

    As many views of every image as the recipe says, or as ``recipe.augmentation`` allows. How
    strongly the weights are held back is chosen by folds of ``images`` that keep ``groups`` (N,)
    together.

    Raises:
        SettingsError: the input is too small for the network.
        TrainingError: the features are not finite.
    """
    from scipy.special import log_softmax

    started = time.perf_counter()
    graph = StageGraph.of(
        entry, weights, size=preprocess.size, channels=preprocess.network_channels
    )
    views = dihedral_views(recipe.augmentation)[: recipe.training.views]
    engine = quickest_engine(graph.features_model())
    rows, space = _features(engine, images, views, preprocess, seed=recipe.seed, progress=progress)
    weigh = "balanced" if recipe.training.class_weights == "balanced" else None
    problem = _Problem(rows, images.labels, classes, weigh, recipe.seed)
    chosen = problem.best_penalty(groups, progress)
    fitted = problem.fit(np.arange(len(images.labels)), chosen or PENALTIES[len(PENALTIES) // 2])
    logs = log_softmax(logits_of(rows, *fitted), axis=2)
    right = logs.argmax(axis=2) == images.labels[:, np.newaxis]
    own = np.take_along_axis(logs, images.labels[:, np.newaxis, np.newaxis], axis=2)
    kernel, bias = space.in_features(*fitted)
    return LinearProbe(
        graph.classifier(kernel, bias),
        graph.parameters + kernel.size + bias.size,
        kernel.size + bias.size,
        graph.features,
        chosen,
        loss=float(-own.mean()),
        accuracy=float(right.mean()),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, eq=False)
class _Space:
    """Directions of largest variance of standardised features."""

    mean: NDArray[np.float32]  # (D,)
    scale: NDArray[np.float32]  # (D,)
    directions: NDArray[np.float32]  # (D, R)

    @classmethod
    def of(cls, sample: NDArray[np.float32], seed: int) -> _Space:
        """That of ``sample`` (n, D)."""
        from sklearn.utils.extmath import randomized_svd

        mean, scale = sample.mean(axis=0), np.hypot(sample.std(axis=0), _LEAST_SCALE)
        centred = (sample - mean) / scale
        most = min(*centred.shape, _DIRECTIONS)
        _, sizes, directions = randomized_svd(centred, most, n_iter=2, random_state=seed)
        there = sizes > _LEAST_SIZE * sizes[0]  # the others are rounding errors
        return cls(mean, scale, directions[there | (sizes == sizes[0])].T.astype(np.float32))

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, R) of (n, D)."""
        return np.asarray((features - self.mean) / self.scale @ self.directions, np.float32)

    def in_features(
        self, kernel: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Kernel (D, K) and bias (K,) on features of those (R, K) and (K,) on directions."""
        raw = self.directions.astype(np.float64) @ kernel / self.scale[:, np.newaxis]
        return raw.astype(np.float32), (bias - self.mean @ raw).astype(np.float32)


def _features(
    engine: OpenVinoEngine | OnnxRuntimeEngine,
    images: LabelledImages,
    views: Sequence[int],
    preprocess: Preprocess,
    *,
    seed: int,
    progress: Progress,
) -> tuple[NDArray[np.float32], _Space]:
    """(N, V, R) features of every view of N images, and the space that they are in.

    The space is that of the first rows in random order; later ones are kept in it alone, so
    that memory holds R numbers a row and not D.
    """
    count = len(images.labels)
    order = np.random.default_rng([seed, 4]).permutation(count)
    progress.phase("Features of views", count * len(views))
    space: _Space | None = None
    found: NDArray[np.float32] | None = None
    waiting: list[tuple[NDArray[np.int64], int, NDArray[np.float32]]] = []
    pieces = [(place, order[piece]) for place in range(len(views)) for piece in in_pieces(count)]
    releaser = Releaser([images.scaled])
    for number, (place, chosen) in enumerate(pieces, 1):
        scaled = images.scaled[chosen]
        releaser.touched(scaled.nbytes)
        (features,) = engine.run(preprocess.to_network(turned(scaled, views[place])))
        if not np.isfinite(features).all():
            raise _no_numbers()
        progress.advance(len(chosen))
        waiting.append((chosen, place, features))
        enough = sum(len(one) for one, _, _ in waiting) >= _SAMPLE_ROWS or number == len(pieces)
        if space is None and not enough:
            continue
        space = space or _Space.of(np.concatenate([one for _, _, one in waiting]), seed)
        if found is None:
            found = np.empty((count, len(views), space.directions.shape[1]), np.float32)
        for rows, view, values in waiting:
            found[rows, view] = space.project(values)
        waiting.clear()
    assert space is not None and found is not None  # there are images
    return found, space


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is to be told apart: rows (N, V, R) of N images of classes ``labels``."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int
    class_weight: str | None
    seed: int

    def best_penalty(self, groups: Sequence[str] | None, progress: Progress) -> float | None:
        """Of PENALTIES that with the lowest log loss over folds; None where there can be none."""
        from scipy.special import log_softmax
        from sklearn.model_selection import StratifiedGroupKFold

        names = np.arange(len(self.labels)) if groups is None else np.asarray(groups)
        fewest = min(len(set(names[self.labels == label])) for label in np.unique(self.labels))
        if fewest < _INNER_FOLDS or len(np.unique(self.labels)) < self.classes:
            return None
        rows = self.rows[:, :, : _DIRECTIONS // 2]  # those of largest variance
        part = replace(self, rows=rows)
        divide = StratifiedGroupKFold(_INNER_FOLDS, shuffle=True, random_state=self.seed)
        folds = list(divide.split(names, self.labels, names))
        progress.phase("Linear probe", len(folds) * len(PENALTIES))
        losses = np.zeros(len(PENALTIES))
        for train, test in folds:
            if len(np.unique(self.labels[train])) < self.classes:
                return None
            for place, penalty in enumerate(PENALTIES):
                kernel, bias = part.fit(train, penalty)
                logits = logits_of(rows[test], kernel, bias)
                chances = log_softmax(log_softmax(logits, axis=2).mean(axis=1), axis=1)
                losses[place] -= chances[np.arange(len(test)), self.labels[test]].sum()
                progress.advance(1)
        progress.detail(f"linear probe: log loss {losses.min() / len(self.labels):.3f} in training")
        return PENALTIES[int(losses.argmin())]

    def fit(
        self, chosen: NDArray[np.int64], penalty: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Kernel (R, K) and bias (K,) for all views of the images ``chosen``."""
        views = self.rows.shape[1]
        rows = self.rows[chosen].reshape(-1, self.rows.shape[2])
        # A view is not an image more: together the views of one count once.
        return _softmax_regression(
            rows, np.repeat(self.labels[chosen], views), self.classes, penalty / views,
            class_weight=self.class_weight,
        )  # fmt: skip


def _softmax_regression(
    rows: NDArray[Any],
    labels: NDArray[np.int64],
    classes: int,
    inverse_penalty: float,
    *,
    class_weight: str | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel (D, K) and bias (K,) of a softmax layer; a class without a row gets a bias of -10."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # Cut short it is held back a little more than asked for, which no one would notice.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(
            C=inverse_penalty, class_weight=class_weight, max_iter=_ITERATIONS
        ).fit(rows, labels)
    weights, intercept = fitted.coef_, fitted.intercept_
    if len(weights) == 1:  # two classes: one separating direction, split between both logits
        weights = np.concatenate([-weights / 2, weights / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    kernel, bias = np.zeros((rows.shape[1], classes)), np.full(classes, -10.0)
    kernel[:, fitted.classes_], bias[fitted.classes_] = weights.T, intercept
    return kernel, bias


def logits_of(
    rows: NDArray[np.float32], kernel: NDArray[np.float64], bias: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, V, K) of rows (N, V, R), without a copy of these in the kernel's precision."""
    return np.asarray(rows @ kernel.astype(rows.dtype) + bias)


def _no_numbers() -> TrainingError:
    return TrainingError(
        "the pretrained layers give values that are no numbers",
        where="network.weights",
        remedy="Use weights and images that belong to this network",
    )
