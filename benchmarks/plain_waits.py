"""Seconds in which Keras waits at the end of a pass over its data, for the plain scripts.

When a pass ends, TensorFlow takes the data pipeline down, and its destructor waits until a
thread that tunes the pipeline wakes up. On two free cores that is little; a script that has
one core only was seen to wait seconds at the end of every epoch. A person who runs such a
script sits through it, so it belongs to its time; but it is an accident of these versions, so
it is measured apart.
"""

from __future__ import annotations

import time
from typing import Any

import keras


class Waits(keras.callbacks.Callback):
    """Sums up the seconds between the last batch of each pass and what comes after it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._last: float | None = None

    def _batch_ended(self) -> None:
        self._last = time.perf_counter()

    def _pass_ended(self) -> None:
        if self._last is not None:
            self.seconds += time.perf_counter() - self._last
            self._last = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep when it was."""
        self._batch_ended()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep when it was."""
        self._batch_ended()

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep when it was."""
        self._batch_ended()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """The pass over the training images is over."""
        self._pass_ended()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """The pass over the validation images is over."""
        self._pass_ended()

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """The pass over the test images is over."""
        self._pass_ended()
