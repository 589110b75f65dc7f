"""Writing epochs to the disk while the next one trains."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.files import write_csv
from actinscope.training.checkpoint import save_checkpoint

#: Epochs that end sooner after a written one are written together with a later one.
SECONDS_BETWEEN = 10.0

HISTORY_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)


def best_file(folder: Path, epoch: int) -> Path:
    """Where the weights of the best epoch are."""
    return folder / f"best-{epoch}.npz"


@dataclass(frozen=True, eq=False)
class _Epoch:
    """Copies of what an epoch left behind."""

    values: list[NDArray[Any]]  # of the trained model's variables, then of the others
    state: dict[str, Any]


class CheckpointWriter:
    """Writes ``checkpoint/`` and ``history.csv`` in a run's folder while training goes on.

    An epoch is written at once unless another was a few seconds ago; then it waits in
    memory for a later one, or for :meth:`close`. A kill costs these seconds and the epoch
    in training. What fails in the background is raised by the next call.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, "actinscope-save")
        self._writing: Future[None] | None = None
        self._last: _Epoch | None = None
        self._best: _Epoch | None = None
        self._trained = 0
        self._next = 0.0

    def save(
        self,
        trained: Sequence[Any],
        others: Sequence[Any],
        state: Mapping[str, Any],
        *,
        is_best: bool,
    ) -> None:
        """Take copies of the variables and of the state.

        Args:
            trained: Keras variables of the trained model: the weights of an epoch.
            others: what else the next step depends on.
            state: of the training after the epoch, with its ``history`` and ``best_epoch``.
            is_best: whether this epoch is the best so far.
        """
        values = [np.array(variable.numpy()) for variable in (*trained, *others)]
        self._trained = len(trained)
        epoch = _Epoch(values, copy.deepcopy(dict(state)))
        if is_best:  # noted first: an epoch may never name a best one that is not written
            self._best = epoch
        self._last = epoch
        if time.monotonic() >= self._next:
            self._write()

    def _write(self) -> None:
        self._await()
        if self._last is None:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN
        self._writing = self._pool.submit(
            _write_epoch, self._folder, self._last, self._best, self._trained
        )
        self._last = self._best = None

    def _await(self) -> None:
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            writing.result()
        except BaseException:
            # What is on the disk belongs together. A later epoch may name a best one that
            # could not be written, so nothing more is.
            self._last = self._best = None
            raise

    def close(self) -> None:
        """Write what waits and stop the thread.

        Raises:
            OutputError: it could not be written.
        """
        try:
            self._write()
            self._await()
        finally:
            self._pool.shutdown()


def _write_epoch(folder: Path, last: _Epoch, best: _Epoch | None, trained: int) -> None:
    # ``last.npz`` names the best epoch, whose file is written before and whose predecessor
    # is removed after it: a kill anywhere in between leaves a pair that belongs together.
    checkpoint = folder / "checkpoint"
    if best is not None:
        epoch = len(best.state["history"])
        save_checkpoint(best_file(checkpoint, epoch), best.values[:trained], {"epoch": epoch})
    save_checkpoint(checkpoint / "last.npz", last.values, last.state)
    for outdated in checkpoint.glob("best-*.npz"):
        if outdated != best_file(checkpoint, last.state["best_epoch"]):
            with contextlib.suppress(OSError):  # held open by a scanner: the next epoch tries again
                outdated.unlink()
    write_history(folder / "history.csv", last.state["history"])


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs as CSV, atomically."""
    write_csv(path, HISTORY_COLUMNS, history)
