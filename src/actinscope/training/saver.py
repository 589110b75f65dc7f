"""Writing epochs to the disk while the next one trains."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.files import write_text_atomic
from actinscope.training.checkpoint import save_checkpoint

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


class EpochSaver:
    """Writes ``checkpoint/`` and ``history.csv`` in a run's folder; one epoch at a time, in order.

    At most one epoch waits to be written: a kill costs the one being trained and the one
    being written. What fails in the background is raised by the next call.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, "actinscope-save")
        self._pending: Future[None] | None = None

    def save(
        self,
        trained: Sequence[Any],
        others: Sequence[Any],
        state: Mapping[str, Any],
        *,
        is_best: bool,
    ) -> None:
        """Take copies of the variables and of the state, and write them in the background.

        Args:
            trained: Keras variables of the trained model: the weights of an epoch.
            others: what else the next step depends on.
            state: of the training after the epoch, with its ``history`` and ``best_epoch``.
            is_best: whether this epoch is the best so far.
        """
        self.wait()
        values = [np.array(variable.numpy()) for variable in (*trained, *others)]
        self._pending = self._pool.submit(
            self._write, values, len(trained) if is_best else 0, copy.deepcopy(dict(state))
        )

    def _write(self, values: list[NDArray[Any]], best: int, state: dict[str, Any]) -> None:
        # ``last.npz`` names the best epoch, whose file is written before and whose predecessor
        # is removed after it: a kill anywhere in between leaves a pair that belongs together.
        folder, epoch = self._folder / "checkpoint", len(state["history"])
        if best:
            save_checkpoint(best_file(folder, epoch), values[:best], {"epoch": epoch})
        if not epoch:  # before the first epoch there is nothing to resume
            return
        save_checkpoint(folder / "last.npz", values, state)
        for outdated in folder.glob("best-*.npz"):
            if outdated != best_file(folder, state["best_epoch"]):
                outdated.unlink()
        write_history(self._folder / "history.csv", state["history"])

    def wait(self) -> None:
        """Until all is written.

        Raises:
            OutputError: it could not be.
        """
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def close(self) -> None:
        """Finish writing and stop the thread; raises what :meth:`wait` raises."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs as CSV, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text_atomic(path, text.getvalue())
