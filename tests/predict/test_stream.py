"""The stream of images: in order, bounded, not held up by a slow one, stopped cleanly."""

from __future__ import annotations

import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from actinscope.bundle import Bundle
from actinscope.bundle.session import InferenceSession
from actinscope.errors import BundleError, ImageError
from actinscope.images import Image
from actinscope.predict import PredictOptions, Predictor, predict_files
from actinscope.predict.pipeline import AHEAD, PredictedBatch, in_batches, predict_batches
from helpers.bundles import SIZE, by_hand, grey_image, make_bundle
from helpers.predictions import write_image

BATCH = 16


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module", params=["openvino", "onnxruntime"])
def predictor(bundle: Bundle, request: pytest.FixtureRequest) -> Predictor:
    return Predictor(bundle, backend=request.param)


class Reads:
    """Reads image ``number`` and keeps a list of what was asked for."""

    def __init__(self, before: Callable[[int], None] = lambda number: None) -> None:
        self.started: list[int] = []
        self._before = before

    def __call__(self, number: int) -> Image:
        self.started.append(number)
        self._before(number)
        return grey_image(number)


class Alive:
    """Counts how many of the arrays that passed through are still in memory."""

    def __init__(self) -> None:
        self.most = self.seen = 0
        self._arrays: list[weakref.ref[np.ndarray]] = []
        self._lock = threading.Lock()

    def add(self, array: np.ndarray) -> np.ndarray:
        with self._lock:
            self.seen += 1
            self._arrays = [one for one in self._arrays if one() is not None]
            self._arrays.append(weakref.ref(array))
            self.most = max(self.most, len(self._arrays))
        return array


def stream(
    predictor: Predictor, count: int, read: Callable[[int], Image], batch: int = BATCH
) -> Iterator[PredictedBatch[int]]:
    batches = in_batches(range(count), batch)
    return predict_batches(predictor, batches, lambda number: predictor.prepare(read(number)))


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def workers() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("actinscope-predict")]


def test_order_holds_whatever_takes_long(predictor: Predictor) -> None:
    delays = random.Random(3)

    def before(number: int) -> None:
        time.sleep(delays.random() * 0.01)
        if number % 7 == 2:
            raise ImageError(f"number {number} is bad", where="somewhere")

    found = list(stream(predictor, 60, Reads(before), batch=9))
    numbers = [number for batch in found for number in batch.items]
    assert numbers == list(range(60))
    errors = [error for batch in found for error in batch.errors]
    assert [number for number, error in enumerate(errors) if error] == list(range(2, 60, 7))
    assert errors[9] == "number 9 is bad"
    prepare = predictor.bundle.info.preprocess.apply
    good = [number for number in range(60) if number % 7 != 2]
    right = by_hand(np.stack([prepare(grey_image(number)) for number in good]))
    given = np.concatenate([batch.output.probabilities for batch in found])
    np.testing.assert_allclose(given, right, atol=2e-6)
    for batch in found:
        count = sum(not error for error in batch.errors)
        assert batch.output.embedding is not None and len(batch.output.embedding) == count
        assert batch.output.class_maps is not None and len(batch.output.class_maps) == count


def test_an_image_does_not_depend_on_its_neighbours(predictor: Predictor) -> None:
    inputs = [predictor.prepare(grey_image(number)) for number in range(24)]
    alone = [predictor.predict_input(image).probabilities for image in inputs]
    together = predictor.predict_inputs([np.stack([image for (image,) in inputs])])
    np.testing.assert_array_equal(np.concatenate(alone), together.probabilities)
    streamed = list(stream(predictor, 24, grey_image))
    np.testing.assert_array_equal(
        np.concatenate([batch.output.probabilities for batch in streamed]), together.probabilities
    )


def test_a_slow_image_stops_nobody_and_what_runs_ahead_is_bounded(predictor: Predictor) -> None:
    release = threading.Event()
    reads = Reads(lambda number: None if number else release.wait(30) and None)
    count = 4 * AHEAD
    found: list[PredictedBatch[int]] = []
    consumer = threading.Thread(target=lambda: found.extend(stream(predictor, count, reads)))
    consumer.start()
    try:
        # The others go on while the first is read...
        wait_until(lambda: len(reads.started) >= AHEAD)
        time.sleep(0.2)
        # ...but no further than this, however many there are.
        assert len(reads.started) <= AHEAD + BATCH
        assert not found
    finally:
        release.set()
        consumer.join(60)
    assert sorted(reads.started) == list(range(count))
    assert [number for batch in found for number in batch.items] == list(range(count))


def test_pixels_are_in_memory_only_while_they_are_worked_on(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, alive, reads = predictor.prepare, Alive(), Reads()
    monkeypatch.setattr(predictor, "prepare", lambda image: tuple(map(alive.add, prepare(image))))
    with closing(stream(predictor, 300, reads)) as results:  # type: ignore[type-var]
        first = next(results)
        time.sleep(0.3)  # nobody takes what is finished
        assert len(reads.started) <= BATCH + AHEAD + BATCH
        found = [first, *results]
    assert not any(error for batch in found for error in batch.errors)
    assert alive.seen == sum(len(batch.items) for batch in found) == 300
    # One a thread, and the last one of each request to the network.
    assert alive.most <= 2 * (predictor.side_by_side + 1)


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_any_batch_size_gives_all(predictor: Predictor, batch: int) -> None:
    found = list(stream(predictor, 40, grey_image, batch=batch))
    assert [len(one.items) for one in found] == [
        min(batch, 40 - first) for first in range(0, 40, batch)
    ]


def test_nothing_at_all_is_no_batch(predictor: Predictor) -> None:
    assert list(stream(predictor, 0, grey_image)) == []


def test_stopping_leaves_no_thread_and_reads_no_more(predictor: Predictor) -> None:
    reads = Reads()
    results = stream(predictor, 5000, reads)
    with pytest.raises(KeyboardInterrupt), closing(results):  # type: ignore[type-var]
        for _ in results:
            raise KeyboardInterrupt
    read = len(reads.started)
    assert read <= 2 * BATCH + AHEAD
    assert workers() == []
    time.sleep(0.05)
    assert len(reads.started) == read


def test_a_network_that_does_not_fit_is_no_fault_of_the_image(
    bundle: Bundle, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = np.zeros((SIZE + 1, SIZE, 3), np.float32)
    monkeypatch.setattr(predictor, "prepare", lambda image: wrong)
    with pytest.raises(BundleError, match="takes images of shape"):
        list(stream(predictor, 50, grey_image))
    assert workers() == []


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_only_the_probabilities_are_fetched_where_only_they_are_wanted(
    bundle: Bundle, backend: str
) -> None:
    session = InferenceSession(bundle.model, backend=backend)
    image = np.random.default_rng(1).random((SIZE, SIZE, 3), dtype=np.float32)
    whole, short = session.run_one(image), session.run_one(image, probabilities_only=True)
    assert whole.embedding is not None and whole.class_maps is not None
    assert short.embedding is None and short.class_maps is None
    np.testing.assert_array_equal(whole.probabilities, short.probabilities)
    with pytest.raises(BundleError, match="takes images of shape"):
        session.run_one(image[1:])


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_cut_after_any_batch_the_file_ends_the_same(
    bundle: Bundle, tmp_path: Path, backend: str
) -> None:
    folder = tmp_path / "images"
    for number in range(30):
        write_image(folder / f"cell{number}.tif", number)
    (folder / "cell7.tif").write_bytes(b"broken")

    def predict(output: Path, stop: int | None = None) -> bytes:
        def progress(done: int, total: int) -> None:
            if stop is not None and done >= stop:
                raise KeyboardInterrupt

        options = PredictOptions(batch_size=8, backend=backend, progress=progress)
        predict_files(bundle, [folder], output, options=options)
        return output.read_bytes()

    whole = predict(tmp_path / "whole.csv")
    for stop in (0, 8, 16, 24):
        output = tmp_path / f"cut{stop}.csv"
        with pytest.raises(KeyboardInterrupt):
            predict(output, stop)
        kept = Path(f"{output}.partial").read_bytes()
        assert whole.startswith(kept) and kept.count(b"\n") == 1 + stop
        assert predict(output) == whole
