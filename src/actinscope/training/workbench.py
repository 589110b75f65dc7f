"""What the training loop works with, made ready before the first epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.networks import CutNetwork, FrozenLayers, cut_network
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.training.activations import ActivationStore, as_half
from actinscope.training.head_start import HEAD_ROWS, fit_head
from actinscope.training.recipe import Recipe
from actinscope.training.scratch import Releaser, scratch_array
from actinscope.training.step import TrainingStep
from actinscope.training.views import (
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

_EVALUATION_BATCH = 64
_FRESH_HEAD_VIEWS = 4  # where none are stored


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images of the training and validation part, and the class names."""

    train: LabelledImages
    validation: LabelledImages
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Workbench:
    """Nothing here changes during training but the variables of the models.

    Attributes:
        model: the whole Keras network.
        cut: the same in two parts.
        step: takes the steps of the optimiser.
        source: gives the batches.
        labels: (N,) class indices of the training images.
        validation: what the frozen layers make of the validation images, float16.
        validation_labels: (M,) class indices.
        classes: how many there are.
    """

    model: Any
    cut: CutNetwork
    step: TrainingStep
    source: ViewSource
    labels: NDArray[np.int64]
    validation: Batch
    validation_labels: NDArray[np.int64]
    classes: int

    def validate(self, smoothing: float) -> tuple[float, float]:
        """Loss (the training loss, without class weights) and accuracy on the validation part."""
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
        return float(loss), float(accuracy)


def prepare_workbench(
    model: Any,
    data: TrainingData,
    recipe: Recipe,
    *,
    frozen_layers: int,
    preprocess: Preprocess,
    folder: Path,
    identity: str,
    epoch: int,
    progress: Progress,
) -> Workbench:
    """Cut the network, run its frozen part, and fit the last layer unless training goes on.

    Args:
        model: with its first ``frozen_layers`` frozen.
        data: what it learns from.
        recipe: all settings.
        frozen_layers: where it is cut.
        preprocess: from unit values to the network's range.
        folder: for the stored activations.
        identity: of the run; stored activations of another one are not used.
        epoch: the first one to be trained; the head start is before epoch 0.
        progress: told how far it is.

    Raises:
        TrainingError: values that float16 cannot hold, or views that do not fit.
        OutputError: the disk lacks the space.
    """
    settings = recipe.training
    cut = cut_network(model, frozen_layers)
    head_start = settings.head_start == "logistic"
    # The features of the last layer are computed along with what crosses the cut: of the
    # untrained network, which is the one that the head start is fitted on.
    wanted = [*cut.crossing, *([model.layers[-1].input] if head_start else [])]
    frozen = FrozenLayers(model, wanted)
    if frozen.fallback:
        progress.say(f"note: {frozen.fallback}; Keras runs them, which takes longer")
    fresh = FreshViews(data.train, preprocess, recipe.augmentation, recipe.seed)
    source: FreshViews | StoredViews = fresh
    if settings.views:
        source = _stored_views(
            fresh, frozen, cut, recipe, wanted=wanted, folder=folder, identity=identity,
            progress=progress,
        )  # fmt: skip
    step = TrainingStep(model, cut, whole=not settings.views, settings=settings)
    if isinstance(source, StoredViews) and epoch < settings.epochs:
        step.trace_ahead()
        source.fill(epoch, progress)
    bench = Workbench(
        model=model,
        cut=cut,
        step=step,
        source=source,
        labels=data.train.labels,
        validation=_activations(
            frozen, data.validation, preprocess, tensors=len(cut.crossing), folder=folder.parent
        ),
        validation_labels=data.validation.labels,
        classes=len(data.classes),
    )
    if head_start and epoch == 0:
        _start_head(bench, frozen, fresh, progress)
    return bench


def _stored_views(
    fresh: FreshViews,
    frozen: FrozenLayers,
    cut: CutNetwork,
    recipe: Recipe,
    *,
    wanted: list[Any],
    folder: Path,
    identity: str,
    progress: Progress,
) -> StoredViews:
    settings, count = recipe.training, len(fresh.images.labels)
    shapes = [tuple(int(side) for side in tensor.shape[1:]) for tensor in wanted]
    views = affordable_views(
        settings.views,
        settings.refresh,
        images=count,
        shapes=shapes,
        gigabytes=settings.storage_gb,
    )
    if views < settings.views:
        progress.say(
            f"note: {views} views of every image are stored instead of {settings.views}; more do "
            f"not fit into training.storage_gb = {settings.storage_gb:g}"
        )
    plan = ViewPlan(views, min(settings.refresh, float(views)), recipe.seed)
    store = ActivationStore(
        folder, slots=plan.slots, images=count, shapes=shapes, identity=identity
    )
    return StoredViews(store, frozen, fresh, plan, inputs=len(cut.crossing))


def _activations(
    frozen: FrozenLayers,
    images: LabelledImages,
    preprocess: Preprocess,
    *,
    tensors: int,
    folder: Path,
) -> Batch:
    """What the frozen layers make of images as they are: the first ``tensors``, float16."""
    arrays: Batch = []
    releaser = Releaser([images.units])
    for piece in in_pieces(len(images.labels)):
        units = images.units[piece]
        releaser.touched(units.nbytes)
        values = [as_half(tensor) for tensor in frozen(preprocess.to_network(units))[:tensors]]
        if not arrays:
            count = len(images.labels)
            arrays = [scratch_array((count, *one.shape[1:]), np.float16, folder) for one in values]
        for array, tensor in zip(arrays, values, strict=True):
            array[piece] = tensor
    return arrays


def _start_head(
    bench: Workbench, frozen: FrozenLayers, fresh: FreshViews, progress: Progress
) -> None:
    """Fit the last layer on the features of as many views as a fit can use."""
    count = len(bench.labels)
    views = max(1, HEAD_ROWS // count)
    if isinstance(bench.source, StoredViews):
        views = min(views, bench.source.plan.views)
        store, slot_of = bench.source.store, bench.source.slot_of
        features = np.concatenate([store.read_last(slot_of(view)) for view in range(views)])
    else:
        views = min(views, _FRESH_HEAD_VIEWS)
        progress.phase("Last layer", views * count)
        parts = []
        requests = [(fresh, piece, view) for view in range(views) for piece in in_pieces(count)]
        for batch in prefetch(requests):
            parts.append(frozen(batch[0])[-1])
            progress.advance(len(parts[-1]))
        features = np.concatenate(parts)
    fit_head(bench.model, features, np.tile(bench.labels, views))
