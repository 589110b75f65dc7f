"""What the network is fed: augmented views of the training images, batch by batch.

Every view is drawn from a generator seeded with (seed, epoch or view, image), so it
depends on nothing else: not on the order, the batch, the thread or a restart.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.networks.cut import CutNetwork
from actinscope.preprocess import AugmentSettings, Preprocess, augment
from actinscope.progress import Progress

Batch = list[NDArray[Any]]
_PREFIX_BATCH = 32
_LOOKAHEAD = 3
_MEMORY_SHARE = 0.7  # of the computer's memory that stored views may take


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one part as the preprocessing gives them.

    Attributes:
        units: (N, H, W, K) float32 in 0..1.
        labels: (N,) class indices.
    """

    units: NDArray[np.float32]
    labels: NDArray[np.int64]


class ViewSource(Protocol):
    """Gives the inputs of the trained model for chosen images in an epoch."""

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Arrays for the model's inputs, each with ``len(indices)`` rows."""


@dataclass(frozen=True, eq=False)
class FreshViews:
    """A new augmentation of every image in every epoch, for the whole network."""

    images: LabelledImages
    preprocess: Preprocess
    settings: AugmentSettings
    seed: int

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """One array (B, S, S, C) float32 in the network's range."""
        seeds = (self.seed, 1 + epoch)
        return [augmented(self.images.units, indices, self.preprocess, self.settings, seeds)]


@dataclass(frozen=True, eq=False)
class StoredViews:
    """V augmented views of every image, stored as the frozen layers put them out.

    Attributes:
        activations: one array (V, N, ...) float16 for each tensor that crosses the cut.
        seed: which view an image shows in which epoch depends on it.
    """

    activations: tuple[NDArray[np.float16], ...]
    seed: int

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Arrays (B, ...) float32; every image shows all its views in turn, shuffled."""
        views, count = self.activations[0].shape[:2]
        rng = np.random.default_rng([self.seed, 2, epoch // views])
        order = rng.permuted(np.tile(np.arange(views), (count, 1)), axis=1)
        chosen = order[indices, epoch % views]
        return [stored[chosen, indices].astype(np.float32) for stored in self.activations]


def augmented(
    units: NDArray[np.float32],
    indices: NDArray[np.int64],
    preprocess: Preprocess,
    settings: AugmentSettings,
    seeds: Sequence[int],
) -> NDArray[np.float32]:
    """Augmented network inputs (B, S, S, C) of ``units[indices]``."""
    views = [augment(units[i], settings, np.random.default_rng([*seeds, int(i)])) for i in indices]
    return preprocess.to_network(np.stack(views))


def store_views(
    cut: CutNetwork,
    fresh: FreshViews,
    views: int,
    *,
    progress: Progress,
) -> StoredViews:
    """Run the frozen layers once over ``views`` augmented views of every image.

    Raises:
        TrainingError: the result is too large for the memory, or its values for float16.
    """
    count = len(fresh.images.labels)
    stored = _room_for([(views, count, *shape) for shape in cut.shapes])
    progress.phase("Frozen layers", views * count)
    batches = [
        (view, indices)
        for view in range(views)
        for indices in np.array_split(np.arange(count), max(1, -(-count // _PREFIX_BATCH)))
    ]
    inputs = prefetch([(fresh, indices, view) for view, indices in batches])
    for (view, indices), batch in zip(batches, inputs, strict=True):
        for target, values in zip(stored, outputs_of(cut.prefix, batch[0]), strict=True):
            target[view, indices] = _half(values)
        progress.advance(len(indices))
    return StoredViews(activations=stored, seed=fresh.seed)


def activations_of(cut: CutNetwork, units: NDArray[np.float32], preprocess: Preprocess) -> Batch:
    """What the frozen layers make of images as they are, float16, one array a tensor.

    Raises:
        TrainingError: a value is too large for float16.
    """
    parts = [
        outputs_of(cut.prefix, preprocess.to_network(units[start : start + _PREFIX_BATCH]))
        for start in range(0, len(units), _PREFIX_BATCH)
    ]
    return [_half(np.concatenate(tensor)) for tensor in zip(*parts, strict=True)]


def _room_for(shapes: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.float16], ...]:
    # Asked beforehand: most systems promise more memory than there is and kill the process
    # that believes them.
    needed = 2 * sum(math.prod(shape) for shape in shapes)
    present = physical_memory()
    if present is not None and needed > _MEMORY_SHARE * present:
        raise TrainingError(
            f"the stored views need {needed / 1e9:.1f} GB of the computer's {present / 1e9:.1f} GB",
            where="training.views",
            remedy="Lower training.views, raise network.frozen_layers, or set training.views to 0, "
            "which stores none",
        )
    return tuple(np.empty(shape, np.float16) for shape in shapes)


def physical_memory() -> int | None:
    """Bytes of the computer's memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _half(values: NDArray[Any]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise TrainingError(
            "the frozen layers give values that are infinite, no numbers, or beyond 65504",
            where="network.weights",
            remedy="Use weights and images that belong to this network",
        )
    return half


def outputs_of(model: Any, inputs: Any) -> Batch:
    """Outputs of a Keras model for one batch, always as a list of arrays."""
    outputs = model.predict_on_batch(inputs)
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def prefetch(requests: Sequence[tuple[ViewSource, NDArray[np.int64], int]]) -> Iterator[Batch]:
    """Batches in the order asked for, a few of them prepared ahead in another thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending: list[Future[Batch]] = []
        try:
            for source, indices, epoch in requests:
                pending.append(pool.submit(source.batch, indices, epoch))
                if len(pending) > _LOOKAHEAD:
                    yield pending.pop(0).result()
            while pending:
                yield pending.pop(0).result()
        finally:
            for future in pending:
                future.cancel()
