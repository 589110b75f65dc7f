"""Stored activations that many trainings share.

What the frozen layers make of a view depends on the images, their preprocessing, the
augmentation, the seed and the frozen layers, and on nothing else that a search varies. So
trials that agree in these share one store, of all images; a fold takes its rows of it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.networks import FrozenLayers, PartitionedNetwork
from actinscope.preprocess import AugmentSettings, Preprocess
from actinscope.progress import Progress
from actinscope.temporary import gathered
from actinscope.training.activation_store import ActivationStore, bytes_of_views
from actinscope.training.augmented_views import (
    Batch,
    FreshViews,
    LabelledImages,
    StoredViews,
    ViewPlan,
    ViewSource,
    in_pieces,
)
from actinscope.training.recipe import Recipe
from actinscope.training.setup import plan_views


@dataclass(frozen=True, eq=False)
class SearchImages:
    """The images that a search learns from and is judged by; none of the test part."""

    images: LabelledImages
    preprocess: Preprocess  # that made them
    identity: str  # changes whenever they do


class ActivationCache:
    """Stores in a folder; the least recently used one goes when space is short.

    Args:
        folder: for this search alone; what an interrupted search left there is used.
        gigabytes: of disk space for all stores together.

    Attributes:
        computed, reused: how many views were computed, and how many were there already.
    """

    def __init__(self, folder: Path, gigabytes: float) -> None:
        self._folder = folder
        self._most = gigabytes * 1e9
        self.computed = 0
        self.reused = 0
        left = (place for place in folder.glob("*") if place.is_dir())
        self._sizes = {  # the least recently used first
            place.name: sum(file.stat().st_size for file in place.glob("*") if file.is_file())
            for place in sorted(left, key=lambda place: place.stat().st_mtime)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The stores, the least recently used first."""
        return tuple(self._sizes)

    def store(
        self, identity: str, *, slots: int, images: int, shapes: Sequence[tuple[int, ...]]
    ) -> ActivationStore:
        """The store of an identity, with what it holds already.

        Raises:
            OutputError: the disk lacks the space.
        """
        name = hashlib.sha256(f"{identity} {slots} {images}".encode()).hexdigest()[:24]
        size = bytes_of_views(slots, images, shapes)
        self._sizes.pop(name, None)
        while self._sizes and sum(self._sizes.values()) + size > self._most:
            oldest = next(iter(self._sizes))
            shutil.rmtree(self._folder / oldest, ignore_errors=True)
            del self._sizes[oldest]
        self._sizes[name] = size
        return ActivationStore(
            self._folder / name, slots=slots, images=images, shapes=shapes, identity=identity
        )

    def remove(self) -> None:
        """Delete all stores."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._sizes.clear()


class Subset:
    """The images ``rows`` (N,) of a source, renumbered from 0. The source outlives it."""

    def __init__(self, source: ViewSource, rows: NDArray[np.int64]) -> None:
        self._source = source
        self._rows = rows
        self.begin = source.begin
        self.close = source.close

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """As of the source."""
        return self._source.batch(self._rows[indices], epoch)

    def start_batch(self, indices: NDArray[np.int64], number: int) -> Batch:
        """As of the source."""
        return self._source.start_batch(self._rows[indices], number)

    def remove(self) -> None:
        """Nothing: others share what is stored."""


@dataclass(frozen=True, eq=False)
class FrozenActivations:
    """What the frozen layers of one trial make of all images."""

    views: StoredViews  # of the augmented images
    plain: StoredViews  # of the images as they are: one view

    def plain_rows(self, rows: NDArray[np.int64], folder: Path) -> Batch:
        """Activations (N, ...) float16 of some images as they are; large ones in a file."""
        parts = ((piece, self.plain.batch(rows[piece], 0)) for piece in in_pieces(len(rows)))
        return gathered(len(rows), parts, folder)


def activations_of(
    model: object,
    cut: PartitionedNetwork,
    given: SearchImages,
    recipe: Recipe,
    *,
    cache: ActivationCache,
    most_views: int,
    progress: Progress,
) -> FrozenActivations:
    """The activations that a trial needs: from the cache, or computed and put there.

    ``model`` is the whole network, ``given`` has all images of the search, and ``most_views`` are
    the views that any trial of it can show.

    Raises:
        TrainingError: values that float16 cannot hold, or views that do not fit.
        OutputError: the disk lacks the space.
    """
    settings, images = recipe.training, len(given.images.labels)
    bytes_of_one = bytes_of_views(1, images, cut.shapes)
    room = max(0.0, settings.storage_gb - bytes_of_one / 1e9)  # beside the images as they are
    plan = plan_views(recipe, images=images, shapes=cut.shapes, gigabytes=room, progress=progress)
    slots = max(plan.slots, min(most_views, int(room * 1e9 // bytes_of_one)))
    identity = _identity(cut, given, recipe)
    # Made ready only when something is to be computed.
    layers = functools.cache(lambda: FrozenLayers(model, cut.crossing))

    def frozen(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return layers()(batch)

    def stored(augmentation: AugmentSettings, name: str, plan: ViewPlan, slots: int) -> StoredViews:
        return StoredViews(
            cache.store(f"{identity} {name}", slots=slots, images=images, shapes=cut.shapes),
            frozen,
            FreshViews(given.images, given.preprocess, augmentation, recipe.seed),
            plan,
            epochs=settings.epochs,
        )

    plain = stored(AugmentSettings.off(), "plain", ViewPlan(1, 0.0, recipe.seed), 1)
    views = stored(recipe.augmentation, recipe.augmentation.model_dump_json(), plan, slots)
    all_fit = slots >= most_views
    needed = plan.at_hand(settings.epochs - 1).stop if all_fit else len(plan.at_hand(0))
    absent = len(plain.missing()) + min(needed, len(views.missing()))
    cache.computed += absent
    cache.reused += 1 + needed - absent
    plain.fill(0, progress)
    if all_fit:
        views.fill_all(progress)
    else:  # the rest is made while it trains, in the place of the oldest
        views.fill(0, progress)
    return FrozenActivations(views, plain)


def _identity(cut: PartitionedNetwork, given: SearchImages, recipe: Recipe) -> str:
    """Hash of all that the stored values depend on but the augmentation."""
    digest = hashlib.sha256(given.identity.encode())
    digest.update(given.preprocess.model_dump_json().encode())
    digest.update(json.dumps([cut.layers, recipe.seed]).encode())
    for array in cut.prefix.get_weights():
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
