"""Reading images in threads while the network works on the ones before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import NetworkOutput
from actinscope.images import Image
from actinscope.predict.predictor import Predictor
from actinscope.predict.tasks import message_of

Item = TypeVar("Item")

_READERS = 2
# One batch in the network, one complete behind it: memory holds two batches, never more.
_BATCHES_IN_FLIGHT = 2


@dataclass(frozen=True, eq=False)
class PredictedBatch(Generic[Item]):
    """The outputs for one batch.

    Attributes:
        items: the batch, in order.
        errors: one message an item, empty where it was predicted.
        output: of the items without an error only, in order.
    """

    items: tuple[Item, ...]
    errors: tuple[str, ...]
    output: NetworkOutput


def predict_batches(
    predictor: Predictor,
    batches: Iterator[Sequence[Item]],
    read: Callable[[Item], Image],
) -> Generator[PredictedBatch[Item], None, None]:
    """Predict batch after batch; an image that cannot be used spoils nothing but itself.

    Args:
        predictor: the network.
        batches: what to read.
        read: reads one item's image; called in several threads.
    """

    def prepare(item: Item) -> NDArray[np.float32] | str:
        # Readers of damaged files can fail in ways that nobody foresaw. The batch must go
        # on, and the message, which names the kind of error, stands in the item's row.
        try:
            return predictor.prepare(read(item))
        except Exception as error:
            return message_of(error)

    with _one_opencv_thread(), ThreadPoolExecutor(_READERS, "actinscope-read") as pool:
        waiting: deque[tuple[tuple[Item, ...], list[Future[NDArray[np.float32] | str]]]] = deque()

        def start(count: int) -> None:
            for batch in islice(batches, count):
                items = tuple(batch)
                waiting.append((items, [pool.submit(prepare, item) for item in items]))

        try:
            start(_BATCHES_IN_FLIGHT)
            while waiting:
                items, futures = waiting.popleft()
                yield _predict(predictor, items, [future.result() for future in futures])
                start(1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _predict(
    predictor: Predictor,
    items: tuple[Item, ...],
    prepared: Sequence[NDArray[np.float32] | str],
) -> PredictedBatch[Item]:
    arrays = [entry for entry in prepared if not isinstance(entry, str)]
    errors = tuple(entry if isinstance(entry, str) else "" for entry in prepared)
    if arrays:
        output = predictor.predict_inputs(np.stack(arrays))
    else:
        output = NetworkOutput(np.zeros((0, len(predictor.classes))), None, None)
    return PredictedBatch(items, errors, output)


def in_batches(items: Sequence[Item], size: int, *, start: int = 0) -> Iterator[Sequence[Item]]:
    """Slices of ``size`` items from item ``start`` on."""
    for first in range(start, len(items), size):
        yield items[first : first + size]


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    # The images are small and read side by side; OpenCV's own threads would only take
    # the cores from the network.
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
