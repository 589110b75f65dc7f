"""What the network is fed, and in which order."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.networks import FrozenLayers, partition_network
from actinscope.preprocess import AugmentSettings
from actinscope.progress import Silent
from actinscope.training.activation_store import ActivationStore
from actinscope.training.augmented_views import (
    Batch,
    FreshViews,
    StoredViews,
    ViewPlan,
    affordable_views,
    prefetch,
)
from helpers.tiny_training import FROZEN, SIZE, tiny_images, tiny_network, tiny_preprocess

IMAGES = 7
EVERYONE = np.arange(IMAGES)
EPOCHS = 6


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

    def begin(self, epoch: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def remove(self) -> None:
        raise NotImplementedError


def _requests(source: _Source, count: int) -> list[Any]:
    return [(source.batch, np.array([10]), epoch) for epoch in range(count)]


def _fresh(settings: AugmentSettings | None = None, seed: int = 0) -> FreshViews:
    return FreshViews(tiny_images(IMAGES), tiny_preprocess(), settings or AugmentSettings(), seed)


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
    expected = (source.images.scaled[2, ..., 0] - 0.5) / 0.25
    for channel in range(3):
        np.testing.assert_allclose(batch[0, ..., channel], expected, atol=1e-6)


def test_every_image_shows_each_of_its_views_once_a_round() -> None:
    plan = ViewPlan(views=4, refresh=0.0, seed=5)
    epochs = np.array([plan.shown(EVERYONE, epoch, IMAGES) for epoch in range(8)])
    for image in EVERYONE:
        for turn in (epochs[:4, image], epochs[4:, image]):
            assert sorted(turn) == [0, 1, 2, 3]
    assert not np.array_equal(epochs[:4], epochs[4:])
    assert len({tuple(epoch) for epoch in epochs}) > 2, "images take turns by themselves"
    np.testing.assert_array_equal(plan.shown(np.array([3, 1]), 6, IMAGES), epochs[6][[3, 1]])


@pytest.mark.parametrize("refresh", [0.25, 0.7, 1.0, 2.0, 4.0])
def test_in_a_round_every_image_shows_what_stands_in_each_place(refresh: float) -> None:
    plan = ViewPlan(views=4, refresh=refresh, seed=1)
    epochs = np.array([plan.shown(EVERYONE, epoch, IMAGES) for epoch in range(8, 12)])
    for image in EVERYONE:
        assert sorted(epochs[:, image] % 4) == [0, 1, 2, 3]


def test_views_move_on() -> None:
    plan = ViewPlan(views=3, refresh=0.5, seed=0)
    assert [plan.at_hand(epoch) for epoch in range(5)] == [
        range(0, 3), range(0, 3), range(1, 4), range(1, 4), range(2, 5),
    ]  # fmt: skip
    assert plan.slots == 4
    assert ViewPlan(views=3, refresh=0.0, seed=0).slots == 3
    tenth = ViewPlan(views=1, refresh=0.1, seed=0)
    assert [tenth.first(epoch) for epoch in (9, 10, 29, 30)] == [0, 1, 2, 3]


@given(
    views=st.integers(1, 6),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 200),
)
def test_an_epoch_shows_what_is_at_hand_and_never_what_is_being_made(
    views: int, share: float, seed: int, epoch: int
) -> None:
    plan = ViewPlan(views, share * views, seed)
    shown = plan.shown(EVERYONE, epoch, IMAGES)
    assert set(shown) <= set(plan.at_hand(epoch))
    slots = {view % plan.slots for view in plan.at_hand(epoch)}
    assert len(slots) == views
    if plan.refresh:
        assert plan.at_hand(epoch).stop % plan.slots not in slots
    assert plan.first(epoch) <= epoch * plan.refresh + 1e-6 < plan.first(epoch) + 1 + 1e-6


@pytest.mark.parametrize("refresh", [0.0, 0.5, 4.0])
def test_at_the_start_every_image_gives_each_view_that_is_there_once(refresh: float) -> None:
    plan = ViewPlan(views=4, refresh=refresh, seed=2)
    views = np.array([plan.at_start(EVERYONE, number, IMAGES) for number in range(4)])
    for image in EVERYONE:
        assert sorted(views[:, image]) == list(plan.at_hand(0))


def _stored(folder: Path, plan: ViewPlan, model: Any = None) -> StoredViews:
    model = tiny_network() if model is None else model
    cut = partition_network(model, FROZEN)
    store = ActivationStore(
        folder, slots=plan.slots, images=IMAGES, shapes=cut.shapes, identity="toy"
    )
    frozen = FrozenLayers(model, list(cut.crossing))
    return StoredViews(store, frozen, _fresh(), plan, epochs=EPOCHS)


def test_stored_are_what_the_frozen_layers_put_out(tmp_path: Path) -> None:
    model = tiny_network()
    source = _stored(tmp_path / "views", ViewPlan(3, 0.0, 0), model)
    source.fill(0, Silent())
    for epoch in range(3):
        batch = source.batch(EVERYONE[::-1].copy(), epoch)
        assert [array.shape for array in batch] == [(IMAGES, 8, 8, 6)] * 2
        shown = source.plan.shown(EVERYONE[::-1].copy(), epoch, IMAGES)
        for row, (image, view) in enumerate(zip(EVERYONE[::-1], shown, strict=True)):
            (inputs,) = _fresh().batch(np.array([image]), int(view))
            values = partition_network(model, FROZEN).prefix(inputs, training=False)
            for array, value in zip(batch, values, strict=True):
                assert array.dtype == np.float16
                np.testing.assert_allclose(array[row], value[0], rtol=2e-3, atol=1e-3)
    source.close()
    source.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("refresh", [0.5, 1.0, 2.0])
def test_fresh_views_take_the_place_of_old_ones(refresh: float, tmp_path: Path) -> None:
    plan = ViewPlan(2, refresh, 0)
    source = _stored(tmp_path / "views", plan)
    source.fill(0, Silent())
    everything = _stored(tmp_path / "all", ViewPlan(16, 0.0, 0))
    everything.fill(0, Silent())
    for epoch in range(EPOCHS):
        source.begin(epoch)
        shown = plan.shown(EVERYONE, epoch, IMAGES)
        expected = everything.store.read(shown, EVERYONE)
        for own, other in zip(source.batch(EVERYONE, epoch), expected, strict=True):
            np.testing.assert_array_equal(own, other)
    assert plan.first(EPOCHS - 1) >= 2, "new views were shown"
    source.close()
    newest = plan.at_hand(EPOCHS - 1).stop - 1
    assert max(source.store.views) == newest, "no view is made that no epoch shows"
    everything.close()


def test_closing_stops_the_making_of_views(tmp_path: Path) -> None:
    source = _stored(tmp_path / "views", ViewPlan(1, 1.0, 0))
    source.fill(0, Silent())
    frozen, running, go = source._frozen, threading.Event(), threading.Event()

    def slow(images: Any) -> Any:
        running.set()
        go.wait(20)
        return frozen(images)

    source._frozen = slow  # type: ignore[assignment]
    source.begin(0)
    assert running.wait(20)
    go.set()
    source.close()
    assert not [one for one in threading.enumerate() if "actinscope-views" in one.name]


def test_fewer_views_where_the_budget_is_small() -> None:
    shapes = [(10, 10, 5), (500,)]  # 2,000 bytes an image and view
    budget = {"images": 1000, "shapes": shapes}
    assert affordable_views(8, 0.0, gigabytes=0.016, **budget) == 8
    assert affordable_views(8, 0.0, gigabytes=0.0159, **budget) == 7
    assert affordable_views(8, 0.5, gigabytes=0.016, **budget) == 7  # and the one being made
    assert affordable_views(3, 0.5, gigabytes=1, **budget) == 3
    with pytest.raises(TrainingError, match=r"storage_gb: one stored view needs 0\.00 GB, 0\.001"):
        affordable_views(8, 0.0, gigabytes=0.001, **budget)


@pytest.mark.parametrize("value", [1e6, np.nan, np.inf])
def test_values_beyond_half_precision_are_refused(value: float, tmp_path: Path) -> None:
    model = tiny_network()
    kernel, bias = model.get_layer("conv_a").get_weights()
    model.get_layer("conv_a").set_weights([kernel, bias + np.float32(value)])
    model.get_layer("relu_a").activation = model.get_layer("conv_a").activation  # linear
    source = _stored(tmp_path / "views", ViewPlan(1, 0.0, 0), model)
    with pytest.raises(TrainingError, match="beyond 65504"):
        source.fill(0, Silent())


def test_the_start_reads_only_views_that_were_computed(tmp_path: Path) -> None:
    plan = ViewPlan(views=3, refresh=1.0, seed=0)  # in epoch 1 another view is at hand
    source = _stored(tmp_path / "views", plan)
    source.fill(0, Silent())
    try:
        shown = np.stack([source.start_batch(EVERYONE, number)[0] for number in range(3)])
    finally:
        source.close()
    for image in EVERYONE:
        stored = [source.store.read(np.full(1, view), np.array([image]))[0][0] for view in range(3)]
        for view in stored:
            assert view.any(), "nothing was computed"
            assert any(np.array_equal(view, one) for one in shown[:, image])
