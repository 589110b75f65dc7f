"""What the network is fed, and in which order."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.networks import cut_network
from actinscope.preprocess import AugmentSettings
from actinscope.progress import Silent
from actinscope.training import views as views_module
from actinscope.training.views import (
    Batch,
    FreshViews,
    StoredViews,
    activations_of,
    outputs_of,
    prefetch,
    store_views,
)
from training_toys import FROZEN, SIZE, tiny_images, tiny_network, tiny_preprocess


class _Source:
    """Gives the epoch back; fails at one epoch; counts its calls."""

    def __init__(self, fails_at: int = -1) -> None:
        self.calls: list[int] = []
        self.threads: set[int] = set()
        self._fails_at = fails_at

    def batch(self, indices: NDArray[np.int64], epoch: int) -> Batch:
        self.calls.append(epoch)
        self.threads.add(threading.get_ident())
        if epoch == self._fails_at:
            raise TrainingError("the source broke")
        return [indices + epoch]


def _requests(source: _Source, count: int) -> list[Any]:
    return [(source, np.array([10]), epoch) for epoch in range(count)]


def _fresh(settings: AugmentSettings | None = None, seed: int = 0) -> FreshViews:
    return FreshViews(tiny_images(7), tiny_preprocess(), settings or AugmentSettings(), seed)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 20])
def test_prefetch_keeps_the_order(count: int) -> None:
    source = _Source()
    batches = list(prefetch(_requests(source, count)))
    assert [int(batch[0][0]) for batch in batches] == [10 + epoch for epoch in range(count)]
    assert source.calls == list(range(count))


def test_prefetch_works_in_one_other_thread() -> None:
    source = _Source()
    list(prefetch(_requests(source, 9)))
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


def test_prefetch_hands_an_error_on_and_asks_for_no_more() -> None:
    source = _Source(fails_at=5)
    received = []
    with pytest.raises(TrainingError, match="the source broke"):
        received.extend(prefetch(_requests(source, 50)))
    assert max(source.calls) < 15


def test_prefetch_stops_when_its_reader_stops() -> None:
    source = _Source()
    batches: Any = prefetch(_requests(source, 50))
    next(batches)
    batches.close()
    asked = len(source.calls)
    assert asked < 10
    assert not [thread for thread in threading.enumerate() if thread.ident in source.threads]


def test_fresh_view_depends_on_seed_epoch_and_image_only() -> None:
    (batch,) = _fresh().batch(np.array([4, 1, 6]), epoch=3)
    (again,) = _fresh().batch(np.array([1]), epoch=3)
    assert batch.shape == (3, SIZE, SIZE, 3)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[1], again[0])
    assert not np.array_equal(batch[1], _fresh().batch(np.array([1]), epoch=4)[0][0])
    assert not np.array_equal(batch[1], _fresh(seed=1).batch(np.array([1]), epoch=3)[0][0])


def test_fresh_view_without_augmentation_is_the_image() -> None:
    source = _fresh(AugmentSettings.off())
    (batch,) = source.batch(np.array([2]), epoch=0)
    expected = (source.images.units[2, ..., 0] - 0.5) / 0.25
    for channel in range(3):
        np.testing.assert_allclose(batch[0, ..., channel], expected, atol=1e-6)


def test_every_image_shows_each_of_its_views_once_a_round() -> None:
    # The stored value says which view and which image it is.
    stored = (np.arange(4)[:, None] * 100 + np.arange(6)).astype(np.float16)
    source = StoredViews(activations=(stored,), seed=5)
    everyone = np.arange(6)
    epochs = np.array([source.batch(everyone, epoch)[0] for epoch in range(8)])
    assert epochs.dtype == np.float32
    np.testing.assert_array_equal(epochs % 100, np.tile(everyone, (8, 1)))
    for image in everyone:
        for turn in (epochs[:4, image], epochs[4:, image]):
            assert sorted(turn // 100) == [0, 1, 2, 3]
    assert not np.array_equal(epochs[:4], epochs[4:])
    assert len({tuple(epoch // 100) for epoch in epochs}) > 2, "images take turns by themselves"
    np.testing.assert_array_equal(source.batch(np.array([3, 1]), 6)[0], epochs[6][[3, 1]])


def test_stored_are_what_the_frozen_layers_put_out() -> None:
    cut = cut_network(tiny_network(), FROZEN)
    fresh = _fresh()
    stored = store_views(cut, fresh, 3, progress=Silent())
    assert [array.shape for array in stored.activations] == [(3, 7, *shape) for shape in cut.shapes]
    for view in range(3):
        (inputs,) = fresh.batch(np.arange(7), view)
        for array, values in zip(stored.activations, outputs_of(cut.prefix, inputs), strict=True):
            assert array.dtype == np.float16
            np.testing.assert_allclose(array[view], values, rtol=2e-3, atol=1e-3)


def test_views_too_large_for_the_computer_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = cut_network(tiny_network(), FROZEN)
    monkeypatch.setattr(views_module, "physical_memory", lambda: 40_000)
    with pytest.raises(TrainingError, match=r"training\.views: the stored views need .* GB"):
        store_views(cut, _fresh(), 8, progress=Silent())  # 8 x 7 x 2 x 8 x 8 x 6 x 2 bytes
    monkeypatch.setattr(views_module, "physical_memory", lambda: None)
    store_views(cut, _fresh(), 1, progress=Silent())


@pytest.mark.parametrize("value", [1e6, np.nan, np.inf])
def test_values_beyond_half_precision_are_refused(value: float) -> None:
    model = tiny_network()
    kernel, bias = model.get_layer("conv_b").get_weights()
    model.get_layer("conv_b").set_weights([kernel, bias + np.float32(value)])
    cut = cut_network(model, FROZEN)
    with pytest.raises(TrainingError, match="beyond 65504"):
        activations_of(cut, tiny_images(4).units, tiny_preprocess())
    with pytest.raises(TrainingError, match="beyond 65504"):
        store_views(cut, _fresh(), 1, progress=Silent())
