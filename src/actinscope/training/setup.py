"""What the training loop works with, made ready before the first epoch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.networks import FrozenLayers, PartitionedNetwork
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.temporary import Releaser, gathered
from actinscope.training.activation_store import ActivationStore, as_half
from actinscope.training.augmented_views import (
    Batch,
    FreshViews,
    LabelledImages,
    StoredViews,
    ViewPlan,
    ViewSource,
    affordable_views,
    in_pieces,
    prefetch,
)
from actinscope.training.linear_probe import HEAD_ROWS, chosen_rows, fit_linear_probe
from actinscope.training.recipe import Recipe
from actinscope.training.step import TrainingStep

_EVALUATION_BATCH = 64
_FRESH_HEAD_VIEWS = 4  # where none are stored
_ACTIVATIONS = "activations"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images of the training and validation part, and the class names."""

    train: LabelledImages
    validation: LabelledImages
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ValidationScores:
    """How a network does on the validation part."""

    loss: float  # the training loss, without class weights
    accuracy: float  # share of correct predictions, 0..1
    log_losses: NDArray[np.float64]  # (M,) of each image's own class, without label smoothing


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Nothing here changes during training but the variables of the models."""

    step: TrainingStep
    source: ViewSource
    labels: NDArray[np.int64]  # (N,) class indices of the training images
    validation: Batch  # what the frozen layers make of the validation images, float16
    validation_labels: NDArray[np.int64]  # (M,) class indices
    classes: int  # how many there are

    def validate(self, smoothing: float) -> ValidationScores:
        """How the network does as it is now; ``smoothing`` is that of the loss."""
        count = len(self.validation_labels)
        releaser = Releaser(self.validation)
        parts = []
        for start in range(0, count, _EVALUATION_BATCH):
            rows = [tensor[start : start + _EVALUATION_BATCH] for tensor in self.validation]
            releaser.touched(sum(row.nbytes for row in rows))
            parts.append(self.step.probabilities(rows))
        probabilities = np.concatenate(parts).astype(np.float64)
        logs = np.log(np.clip(probabilities, 1e-7, 1.0))
        own = logs[np.arange(count), self.validation_labels]
        loss = -((1 - smoothing) * own + smoothing * logs.mean(axis=1)).mean()
        accuracy = (probabilities.argmax(axis=1) == self.validation_labels).mean()
        return ValidationScores(float(loss), float(accuracy), -own)


def set_up_training(
    step: TrainingStep,
    cut: PartitionedNetwork,
    data: TrainingData,
    recipe: Recipe,
    *,
    preprocess: Preprocess,
    folder: Path,
    identity: str,
    epoch: int,
    progress: Progress,
) -> TrainingSetup:
    """Run the frozen part, and fit the last layer unless training resumes.

    Stored activations go into a folder below ``folder``; those of another ``identity`` than the
    run's are not used. ``epoch`` is the first one to be trained; the last layer is fitted before
    epoch 0.

    Raises:
        TrainingError: values that float16 cannot hold, or views that do not fit.
        OutputError: the disk lacks the space.
    """
    settings = recipe.training
    frozen = FrozenLayers(step.model, cut.crossing)
    if frozen.fallback:
        progress.say(f"note: {frozen.fallback}; Keras runs them, which takes longer")
    fresh = FreshViews(data.train, preprocess, recipe.augmentation, recipe.seed)
    source: FreshViews | StoredViews = fresh
    if settings.views:
        source = _stored_views(
            fresh, frozen, cut, recipe, folder=folder, identity=identity, progress=progress
        )
        step.trace_ahead()
    try:
        if isinstance(source, StoredViews):
            source.fill(epoch, progress)
        if settings.head_start == "logistic" and epoch == 0:
            fit_last_layer(
                step,
                source,
                data.train.labels,
                views=source.plan.views if isinstance(source, StoredViews) else _FRESH_HEAD_VIEWS,
                seed=recipe.seed,
                progress=progress,
                frozen=None if isinstance(source, StoredViews) else frozen,
            )
    except TrainingError:  # it would come again
        source.close()
        source.remove()
        raise
    return TrainingSetup(
        step=step,
        source=source,
        labels=data.train.labels,
        validation=_activations(frozen, data.validation, preprocess, folder),
        validation_labels=data.validation.labels,
        classes=len(data.classes),
    )


def remove_activations(folder: Path) -> None:
    """Delete what :func:`set_up_training` has stored in ``folder``."""
    shutil.rmtree(folder / _ACTIVATIONS, ignore_errors=True)


def _stored_views(
    fresh: FreshViews,
    frozen: FrozenLayers,
    cut: PartitionedNetwork,
    recipe: Recipe,
    *,
    folder: Path,
    identity: str,
    progress: Progress,
) -> StoredViews:
    count = len(fresh.images.labels)
    plan = plan_views(
        recipe,
        images=count,
        shapes=cut.shapes,
        gigabytes=recipe.training.storage_gb,
        progress=progress,
    )
    store = ActivationStore(
        folder / _ACTIVATIONS,
        slots=plan.slots,
        images=count,
        shapes=cut.shapes,
        identity=identity,
    )
    return StoredViews(store, frozen, fresh, plan, epochs=recipe.training.epochs)


def plan_views(
    recipe: Recipe,
    *,
    images: int,
    shapes: Sequence[tuple[int, ...]],
    gigabytes: float,
    progress: Progress,
) -> ViewPlan:
    """As many of the views that ``recipe`` asks for as fit into ``gigabytes``; says if fewer.

    Raises:
        TrainingError: not even one fits.
    """
    settings = recipe.training
    views = affordable_views(
        settings.views, settings.refresh, images=images, shapes=shapes, gigabytes=gigabytes
    )
    if views < settings.views:
        progress.say(
            f"note: {views} views of every image are stored instead of {settings.views}; more do "
            f"not fit into training.storage_gb = {settings.storage_gb:g}"
        )
    return ViewPlan(views, min(settings.refresh, float(views)), recipe.seed)


def _activations(
    frozen: FrozenLayers, images: LabelledImages, preprocess: Preprocess, folder: Path
) -> Batch:
    """What the frozen layers make of images as they are, float16, one array a tensor."""
    releaser = Releaser([images.scaled])

    def pieces() -> Iterator[tuple[NDArray[np.int64], Batch]]:
        for piece in in_pieces(len(images.labels)):
            scaled = images.scaled[piece]
            releaser.touched(scaled.nbytes)
            yield piece, [as_half(tensor) for tensor in frozen(preprocess.to_network(scaled))]

    return gathered(len(images.labels), pieces(), folder)


def fit_last_layer(
    step: TrainingStep,
    source: ViewSource,
    labels: NDArray[np.int64],
    *,
    views: int,
    seed: int,
    progress: Progress,
    frozen: FrozenLayers | None = None,
) -> None:
    """Fit the last layer on the features of as many views as a fit can use.

    Before the first epoch ``source``, whose images have ``labels`` (N,), gives ``views`` views;
    where it gives images, ``frozen`` is applied to them. Of too many images some are chosen
    at random by ``seed``.
    """
    rows = chosen_rows(labels, seed)
    views = min(views, max(1, HEAD_ROWS // len(rows)))
    pieces = np.array_split(rows, max(1, -(-len(rows) // _EVALUATION_BATCH)))
    requests = [(source.start_batch, piece, view) for view in range(views) for piece in pieces]
    progress.phase("Last layer", views * len(rows))
    parts = []
    for batch in prefetch(requests):
        crossing = batch if frozen is None else [as_half(one) for one in frozen(batch[0])]
        parts.append(step.features(crossing))
        progress.advance(len(parts[-1]))
    fit_linear_probe(step.model, np.concatenate(parts), np.tile(labels[rows], views))
