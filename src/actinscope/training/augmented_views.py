"""What the network is fed: augmented views of the training images, batch by batch.

Every view is drawn from a generator seeded with (seed, view, image), so it depends on
nothing else: not on the order, the batch, the thread or a restart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.preprocess import AugmentSettings, Preprocess, augment
from actinscope.progress import Progress
from actinscope.temporary import Releaser
from actinscope.training.activation_store import ActivationStore, bytes_of_views

Batch = list[NDArray[Any]]
#: Images (N, S, S, C) of the network's range in, one array (N, ...) for each stored tensor out.
Frozen = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]
FROZEN_BATCH = 32
_LOOKAHEAD = 3


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one part as the preprocessing gives them."""

    scaled: NDArray[np.float32]  # (N, H, W, K) float32 in 0..1; may be a mapped file
    labels: NDArray[np.int64]  # (N,) class indices


TakeBatch = Callable[[NDArray[np.int64], int], Batch]


class ViewSource(Protocol):
    """Gives the inputs of the trained model for chosen images in an epoch."""

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Arrays for the model's inputs, each with ``len(indices)`` rows."""

    def start_batch(self, indices: NDArray[np.int64], number: int) -> Batch:
        """The same of the views available before the first epoch, of each image the number-th."""

    def begin(self, epoch: int) -> None:
        """Called before the first batch of an epoch."""

    def close(self) -> None:
        """Called after the last epoch, and when training is broken off."""

    def remove(self) -> None:
        """Called when training is complete."""


class FreshViews:
    """A new augmentation of every image in every epoch, for the whole network."""

    def __init__(
        self, images: LabelledImages, preprocess: Preprocess, settings: AugmentSettings, seed: int
    ) -> None:
        self.images = images
        self.preprocess = preprocess
        self.settings = settings
        self.seed = seed
        self._releaser = Releaser([images.scaled])

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """One array (B, S, S, C) float32 in the network's range."""
        scaled = self.images.scaled
        views = [
            augment(scaled[i], self.settings, np.random.default_rng([self.seed, 1 + epoch, int(i)]))
            for i in indices
        ]
        self._releaser.touched(sum(view.nbytes for view in views))
        return [self.preprocess.to_network(np.stack(views))]

    def start_batch(self, indices: NDArray[np.int64], number: int) -> Batch:
        """As :meth:`batch` of the epoch ``number``: there are as many views as are asked for."""
        return self.batch(indices, number)

    def begin(self, epoch: int) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to put away."""

    def remove(self) -> None:
        """Nothing to delete."""


@dataclass(frozen=True)
class ViewPlan:
    """Which views are stored when.

    Views are numbered. In epoch e the views from ``first(e)`` on, ``views`` in number, are
    available. They have ``views`` places, a view that of its number modulo ``views``; over
    so many epochs every image shows what stands in each place once, in an order of its own.
    As ``first`` moves on by ``refresh`` an epoch, the oldest view gives its place to one
    that was never shown.
    """

    views: int  # how many views of every image are available
    refresh: float  # new views of every image for each epoch, from 0 to ``views``
    seed: int  # of the order

    @property
    def slots(self) -> int:
        """How many views are stored: with a refresh also the next one, which is being made."""
        return self.views + (1 if self.refresh else 0)

    def first(self, epoch: int) -> int:
        """The oldest view of an epoch."""
        return int(epoch * self.refresh + 1e-9)

    def at_hand(self, epoch: int) -> range:
        """The views that an epoch may show."""
        return range(self.first(epoch), self.first(epoch) + self.views)

    def at_start(self, indices: NDArray[np.int64], number: int, images: int) -> NDArray[np.int64]:
        """The number-th of the views of each of some images before any is replaced."""
        order = _order(self.seed, 0, self.views, images)
        return np.asarray(order[indices, number % self.views], np.int64)

    def shown(self, indices: NDArray[np.int64], epoch: int, images: int) -> NDArray[np.int64]:
        """The view that each of some images shows in an epoch."""
        order = _order(self.seed, epoch // self.views, self.views, images)
        place, first = order[indices, epoch % self.views], self.first(epoch)
        return np.asarray(first + (place - first) % self.views, np.int64)


@lru_cache(maxsize=4)
def _order(seed: int, turn: int, views: int, images: int) -> NDArray[np.int64]:
    """(images, views): which of its views an image shows first, second and so on in a turn."""
    rng = np.random.default_rng([seed, 2, turn])
    return rng.permuted(np.tile(np.arange(views), (images, 1)), axis=1)


class StoredViews:
    """Views as the frozen layers put them out, computed ahead and replaced as epochs go by.

    ``store`` has ``plan.slots`` slots or more; what was shown stays in those that are left. Views
    that none of the ``epochs`` shows are not made.
    """

    def __init__(
        self,
        store: ActivationStore,
        frozen: Frozen,
        fresh: FreshViews,
        plan: ViewPlan,
        *,
        epochs: int,
    ) -> None:
        self.store = store
        self.plan = plan
        self._frozen = frozen
        self._fresh = fresh
        self._end = plan.at_hand(epochs - 1).stop
        self._pool = ThreadPoolExecutor(1, "actinscope-views")
        self._stop = threading.Event()
        self._next: Future[None] | None = None

    def slot_of(self, view: int) -> int:
        """Where a view is stored."""
        return view % len(self.store.views)

    def fill(self, epoch: int, progress: Progress) -> None:
        """Compute all views of an epoch that are not there yet.

        Raises:
            TrainingError: values that float16 cannot hold.
        """
        self._fill(self._missing(self.plan.at_hand(epoch)), progress)

    def fill_all(self, progress: Progress) -> None:
        """Compute the views of all epochs, for which the store must have slots."""
        self._fill(self.missing(), progress)

    def missing(self) -> list[int]:
        """The views of all epochs that are not there yet."""
        return self._missing(range(self._end))

    def _fill(self, missing: Sequence[int], progress: Progress) -> None:
        if missing:
            progress.phase("Frozen layers", len(missing) * len(self._fresh.images.labels))
        for view in missing:
            self._compute(view, progress)

    def begin(self, epoch: int) -> None:
        """Wait for the views of ``epoch`` and have the next one made meanwhile."""
        if self._next is not None:
            self._next.result()
            self._next = None
        # Only where a refresh of more than one view is asked.
        for view in self._missing(self.plan.at_hand(epoch)):
            self._compute(view, None)
        following = self.plan.at_hand(epoch).stop
        wanted = self.plan.refresh and following < self._end
        if wanted and self.store.views[self.slot_of(following)] != following:
            self._next = self._pool.submit(self._compute, following, None)

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        """Arrays (B, ...) float16."""
        views = self.plan.shown(indices, epoch, len(self._fresh.images.labels))
        return list(self.store.read(views % len(self.store.views), indices))

    def start_batch(self, indices: NDArray[np.int64], number: int) -> Batch:
        """Arrays (B, ...) float16 of views that :meth:`fill` computed for epoch 0."""
        views = self.plan.at_start(indices, number, len(self._fresh.images.labels))
        return list(self.store.read(views % len(self.store.views), indices))

    def close(self) -> None:
        """Stop making views."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def remove(self) -> None:
        """Delete the stored activations."""
        self.store.remove()

    def _missing(self, views: range) -> list[int]:
        return [view for view in views if self.store.views[self.slot_of(view)] != view]

    def _compute(self, view: int, progress: Progress | None) -> None:
        count = len(self._fresh.images.labels)
        slot = self.slot_of(view)
        pieces = in_pieces(count)
        inputs = prefetch([(self._fresh.batch, piece, view) for piece in pieces])
        for piece, batch in zip(pieces, inputs, strict=True):
            if self._stop.is_set():
                return
            self.store.write(slot, piece, self._frozen(batch[0]))
            if progress is not None:
                progress.advance(len(piece))
        self.store.complete(slot, view)


def affordable_views(
    wanted: int, refresh: float, *, images: int, shapes: Sequence[tuple[int, ...]], gigabytes: float
) -> int:
    """How many of the ``wanted`` views fit into ``gigabytes`` of stored activations.

    Raises:
        TrainingError: not even one.
    """
    for views in range(wanted, 0, -1):
        slots = ViewPlan(views, refresh, 0).slots
        if bytes_of_views(slots, images, shapes) <= gigabytes * 1e9:
            return views
    needed = bytes_of_views(ViewPlan(1, refresh, 0).slots, images, shapes)
    raise TrainingError(
        f"one stored view needs {needed / 1e9:.2f} GB, {gigabytes:g} GB are allowed",
        where="training.storage_gb",
        remedy="Raise training.storage_gb, raise network.frozen_layers, or set training.views to "
        "0, which stores none",
    )


def in_pieces(count: int) -> list[NDArray[np.int64]]:
    """The numbers below ``count`` in pieces for the frozen layers."""
    return np.array_split(np.arange(count), max(1, -(-count // FROZEN_BATCH)))


def prefetch(
    requests: Sequence[tuple[TakeBatch, NDArray[np.int64], int]],
) -> Generator[Batch, None, None]:
    """Batches in the order asked for, a few of them prepared ahead in another thread.

    A request is a ``batch`` or ``start_batch`` of a source, and what it is to be called with.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending: list[Future[Batch]] = []
        try:
            for take, indices, number in requests:
                pending.append(pool.submit(take, indices, number))
                if len(pending) > _LOOKAHEAD:
                    yield pending.pop(0).result()
            while pending:
                yield pending.pop(0).result()
        finally:
            for future in pending:
                future.cancel()
