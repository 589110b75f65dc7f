"""Fitting the new last layer on the pretrained features before anything else moves.

A random last layer sends random gradients into pretrained layers in the first
epochs. Logistic regression on what the last layer sees gives it its best start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError

#: Rows (views of images) that the fit is given at most; more change next to nothing.
HEAD_ROWS = 4096

# Inverse strength of the L2 penalty on standardised features. A thousand features and
# a few hundred images: small, or the head is as sure of its training images as can be.
_INVERSE_PENALTY = 0.01


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
        raise TrainingError(
            "the pretrained layers give values that are no numbers",
            where="network.weights",
            remedy="Use weights and images that belong to this network",
        )
    head = model.layers[-1]
    head.set_weights(list(logistic_head(features, labels, head.units)))


def logistic_head(
    features: NDArray[np.float64], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (D, K) and bias (K,) of a softmax layer on raw features (N, D).

    The features are standardised for the fit; the scaling is folded into the result.
    """
    from sklearn.linear_model import LogisticRegression

    mean = features.mean(axis=0)
    scale = features.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=500).fit(
        (features - mean) / scale, labels
    )
    weights, intercept = fitted.coef_, fitted.intercept_
    if len(weights) == 1:  # two classes: one separating direction, split between both logits
        weights = np.concatenate([-weights / 2, weights / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    kernel = np.zeros((features.shape[1], classes), np.float32)
    bias = np.full(classes, -10.0, np.float32)
    present = fitted.classes_
    kernel[:, present] = (weights / scale).T
    bias[present] = intercept - (weights / scale) @ mean
    return kernel, bias
