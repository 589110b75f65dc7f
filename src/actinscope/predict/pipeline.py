"""The stream of images: read, prepared and through the network, several side by side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from actinscope.bundle import NetworkOutput, stack_outputs
from actinscope.predict.predictor import NetworkInputs, Predictor
from actinscope.predict.tasks import message_of

Item = TypeVar("Item")

#: Images that may be waiting or finished while the first of them is not: one that is slow
#: to read then holds up the others less. They hold no pixels before or after their turn.
AHEAD = 128


@dataclass(frozen=True, eq=False)
class PredictedBatch(Generic[Item]):
    """The outputs for one batch."""

    items: tuple[Item, ...]  # the batch, in order
    errors: tuple[str, ...]  # one message an item, empty where it was predicted
    output: NetworkOutput  # of the items without an error only, in order


def predict_batches(
    predictor: Predictor,
    batches: Iterator[Sequence[Item]],
    prepare: Callable[[Item], NetworkInputs],
    *,
    probabilities_only: bool = False,
) -> Generator[PredictedBatch[Item], None, None]:
    """Predict batch after batch; an image that cannot be used spoils nothing but itself.

    One thread takes an image all the way: it reads, prepares and waits for the network,
    then takes the next, of whatever batch. So pixels are in memory for as many images as
    there are threads, and no core waits for the slowest image of a batch.

    ``prepare`` reads one item's image and makes the networks' input; it is called in several
    threads. With ``probabilities_only`` the other outputs are not wanted, but for what judging
    needs.
    """

    def work(item: Item) -> NetworkOutput | str:
        # Readers of damaged files can fail in unforeseen ways. The rest must be
        # predicted, and the message, which names the kind of error, stands in the item's row.
        try:
            prepared = prepare(item)
        except Exception as error:
            return message_of(error)
        return predictor.predict_input(prepared, probabilities_only=probabilities_only)

    # One thread more than the network takes images: while all cores compute, the next
    # image is read, and while a disk is waited for, all cores compute.
    threads = predictor.side_by_side + 1
    with _one_opencv_thread(), ThreadPoolExecutor(threads, "actinscope-predict") as pool:
        waiting: deque[tuple[tuple[Item, ...], list[Future[NetworkOutput | str]]]] = deque()
        try:
            for batch in batches:
                items = tuple(batch)
                waiting.append((items, [pool.submit(work, item) for item in items]))
                # A batch more than AHEAD images, so that there is always one behind.
                while sum(len(behind) for behind, _ in waiting) - len(waiting[0][0]) >= AHEAD:
                    yield _finished(predictor, *waiting.popleft())
            while waiting:
                yield _finished(predictor, *waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finished(
    predictor: Predictor, items: tuple[Item, ...], futures: Sequence[Future[NetworkOutput | str]]
) -> PredictedBatch[Item]:
    results = [future.result() for future in futures]
    outputs = [result for result in results if not isinstance(result, str)]
    errors = tuple(result if isinstance(result, str) else "" for result in results)
    return PredictedBatch(items, errors, stack_outputs(outputs, classes=len(predictor.classes)))


def in_batches(items: Sequence[Item], size: int, *, start: int = 0) -> Iterator[Sequence[Item]]:
    """Slices of ``size`` items from item ``start`` on."""
    for first in range(start, len(items), size):
        yield items[first : first + size]


@dataclass
class _OpenCv:
    """OpenCV's number of threads is one for the whole process, predictions can be several."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    threads_before: int = 0


_opencv = _OpenCv()


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    # The images are small and read side by side; OpenCV's own threads would only take
    # the cores from the network.
    import cv2

    with _opencv.lock:
        if not _opencv.users:
            _opencv.threads_before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv.users += 1
    try:
        yield
    finally:
        with _opencv.lock:
            _opencv.users -= 1
            if not _opencv.users:  # the last one puts back what the first one found
                cv2.setNumThreads(_opencv.threads_before)
