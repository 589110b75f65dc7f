"""Gradient-boosted trees on what the untouched network makes of the images.

The network stays as it was pretrained; its embedding of augmented views of the training
images is what the trees are fitted on (XGBoost, Chen and Guestrin 2016). The validation part
chooses the number of rounds. A round stands in the history as an epoch does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, TrainingError
from actinscope.names import RunFile
from actinscope.networks import FrozenLayers, embedding_of
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.temporary import gathered
from actinscope.training.augmented_views import FreshViews, LabelledImages, in_pieces, prefetch
from actinscope.training.checkpoint import HISTORY_COLUMNS, write_history
from actinscope.training.loop import Fitted, image_weights
from actinscope.training.recipe import Recipe
from actinscope.training.setup import TrainingData
from actinscope.training.tree_onnx import Gaps, TreeEnsemble, read_tree_ensemble, softmax


def require_xgboost() -> None:
    """Raise SettingsError before any work is done where XGBoost is not installed."""
    try:
        import xgboost  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            'head_model is "boosted_trees", and the package xgboost is not installed',
            where="training.head_model",
            remedy='Install it with: pip install "actinscope[trees]"',
        ) from error


def fit_boosted_trees(
    model: Any,
    data: TrainingData,
    recipe: Recipe,
    *,
    preprocess: Preprocess,
    folder: Path,
    progress: Progress,
) -> Fitted:
    """Fit boosted trees on the embedding; writes ``history.csv`` in ``folder``.

    The embedding is what the last layer of ``model``, which has a pooled head, reads with the
    weights that it has.

    Raises:
        SettingsError: XGBoost is not installed.
        TrainingError: the embedding is not finite.
    """
    require_xgboost()
    frozen = FrozenLayers(model, [embedding_of(model)])
    if frozen.fallback:
        progress.say(f"note: {frozen.fallback}; Keras runs them, which takes longer")
    views, train, validation = recipe.training.views, data.train, data.validation
    progress.phase("Embedding", views * len(train.labels) + len(validation.labels))
    fresh = FreshViews(train, preprocess, recipe.augmentation, recipe.seed)
    features = _of_views(frozen, fresh, views, folder, progress)
    untouched = _of_images(frozen, validation, preprocess, progress)
    if not (np.isfinite(features).all() and np.isfinite(untouched).all()):
        raise TrainingError(
            "the pretrained layers give values that are no numbers",
            where="network.weights",
            remedy="Use weights and images that belong to this network",
        )
    weights = image_weights(train.labels, len(data.classes), recipe.training.class_weights)
    rounds, history = _boost(
        (features, np.tile(train.labels, views), np.tile(weights, views)),
        (untouched, validation.labels),
        recipe,
        classes=len(data.classes),
        progress=progress,
    )
    write_history(folder / RunFile.HISTORY, history)
    kept = int(np.argmin([row["validation_loss"] for row in history])) + 1
    forest = replace(rounds[0], trees=tuple(tree for one in rounds[:kept] for tree in one.trees))
    return Fitted(model, tuple(history), kept, 0, len(model.layers), forest=forest)


def _of_views(
    frozen: FrozenLayers, fresh: FreshViews, views: int, folder: Path, progress: Progress
) -> NDArray[np.float32]:
    """(V N, D): the embedding of view 0 of all images, of view 1 and so on."""
    count = len(fresh.images.labels)
    pieces = [(view, piece) for view in range(views) for piece in in_pieces(count)]
    inputs = prefetch([(fresh.batch, piece, view) for view, piece in pieces])

    def embedded() -> Iterator[tuple[NDArray[np.int64], list[NDArray[np.float32]]]]:
        for (view, piece), batch in zip(pieces, inputs, strict=True):
            yield view * count + piece, frozen(batch[0])
            progress.advance(len(piece))

    (found,) = gathered(views * count, embedded(), folder)
    return found


def _of_images(
    frozen: FrozenLayers, images: LabelledImages, preprocess: Preprocess, progress: Progress
) -> NDArray[np.float32]:
    parts = []
    for piece in in_pieces(len(images.labels)):
        parts += frozen(preprocess.to_network(images.scaled[piece]))
        progress.advance(len(piece))
    return np.concatenate(parts)


def _boost(
    train: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    recipe: Recipe,
    *,
    classes: int,
    progress: Progress,
) -> tuple[list[TreeEnsemble], list[dict[str, float]]]:
    """The trees of every round as they are delivered, and a row of the history for each."""
    import xgboost

    settings = recipe.trees
    features, labels, weights = train
    rows, gaps = xgboost.QuantileDMatrix(features, label=labels, weight=weights), Gaps(features)
    parameters = {
        "objective": "multi:softprob",
        "num_class": classes,
        "base_score": 0.0,
        "tree_method": "hist",
        "max_depth": settings.depth,
        "learning_rate": settings.learning_rate,
        "colsample_bytree": settings.features,
        "seed": recipe.seed,
        "nthread": 1,  # sums in one order whatever the machine; its threads gain little here
        "verbosity": 0,
    }
    booster = xgboost.Booster(parameters, [rows])
    rounds: list[TreeEnsemble] = []
    logits = np.zeros((len(validation[1]), classes))
    history: list[dict[str, float]] = []
    best = 0
    progress.phase("Boosting", settings.rounds)
    while len(history) < settings.rounds:
        started = time.perf_counter()
        booster.update(rows, len(rounds))
        # Judged as they are delivered, with their thresholds moved.
        newest = booster[len(rounds) : len(rounds) + 1].save_raw("json")
        rounds.append(read_tree_ensemble(newest).centred(gaps))
        logits += rounds[-1].logits(validation[0])
        plain = np.ones(len(validation[1]), np.float32)
        values = (
            len(history) + 1,
            *_judged(booster.predict(rows), labels, weights),
            *_judged(softmax(logits), validation[1], plain),
            settings.learning_rate,
            round(time.perf_counter() - started, 2),
        )
        row = dict(zip(HISTORY_COLUMNS, values, strict=True))
        history.append(row)
        if row["validation_loss"] < history[best]["validation_loss"]:
            best = len(history) - 1
        progress.advance(1, f"validation loss {row['validation_loss']:.4f}")
        if settings.patience and len(history) - 1 - best >= settings.patience:
            break
    progress.detail(
        f"{len(history)} rounds; the best validation loss, {history[best]['validation_loss']:.4f} "
        f"(accuracy {history[best]['validation_accuracy']:.3f}), was after round {best + 1}"
    )
    return rounds, history


def _judged(
    probabilities: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float32]
) -> tuple[float, float]:
    """Weighted mean cross-entropy, as the softmax head's training has it, and accuracy."""
    own = np.clip(probabilities[np.arange(len(labels)), labels].astype(np.float64), 1e-7, 1.0)
    right = probabilities.argmax(axis=1) == labels
    return float(-(np.log(own) * weights).mean()), float(right.mean())


def forest_sentence(forest: TreeEnsemble, kept: int) -> str:
    """What the classifier is, for reports: rounds, trees and features."""
    return (
        f"gradient-boosted trees (XGBoost) on the embedding of {forest.features} features: "
        f"{len(forest.trees)} trees in {kept} rounds"
    )
