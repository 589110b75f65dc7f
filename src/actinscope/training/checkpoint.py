"""Checkpoints: all that training needs to resume as if it had never stopped.

A checkpoint is one ``.npz`` file (arrays and JSON text only, never pickle) written
atomically, so that a kill at any moment leaves the one before intact.
"""

from __future__ import annotations

import contextlib
import json
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ResumeError
from actinscope.files import atomic_path, write_csv
from actinscope.names import RunFile
from actinscope.networks import keras_backend

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

_STATE = "state"
_REMEDY = "Start again without --resume, or restore the checkpoint folder"
# What NumPy and zipfile raise for files that are cut short, altered or something else.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class TrainingState:
    """How far a training has come."""

    identity: str = ""  # hash of all that decides the course of the training
    history: list[dict[str, float]] = field(default_factory=list)  # a row of HISTORY_COLUMNS each
    best_epoch: int = 0  # 1-based, of the lowest validation loss; 0 before any


def save_checkpoint(path: Path, variables: Sequence[Any], state: dict[str, Any]) -> None:
    """Write the values of Keras ``variables`` (or these values), and the JSON-able ``state``."""
    arrays: dict[str, Any] = {
        f"v{index:05d}": variable if isinstance(variable, np.ndarray) else variable.numpy()
        for index, variable in enumerate(variables)
    }
    arrays[_STATE] = np.frombuffer(json.dumps(state).encode("utf-8"), dtype=np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def read_state(path: Path) -> dict[str, Any]:
    """The stored state alone, without the values of the variables.

    Raises:
        ResumeError: the file is damaged or no checkpoint.
    """
    text = _read(path, lambda stored: stored[_STATE].tobytes().decode("utf-8"))
    try:
        state = json.loads(text)
    except ValueError as error:
        raise _unreadable(path, error) from error
    if not isinstance(state, dict):
        raise ResumeError("holds no training state", where=path, remedy=_REMEDY)
    return state


def load_checkpoint(path: Path, variables: Sequence[Any]) -> dict[str, Any]:
    """Put the stored values back into ``variables`` and return the stored state.

    Nothing is put back unless all of it fits.

    Raises:
        ResumeError: the file is damaged, or holds other variables than these.
    """
    state = read_state(path)
    for variable, value in zip(variables, read_values(path, variables), strict=True):
        variable.assign(value)
    return state


def read_values(path: Path, variables: Sequence[Any]) -> list[Any]:
    """The stored values, which are not put into ``variables``; raises as `load_checkpoint`."""
    values: list[Any] = _read(
        path, lambda stored: [stored[n] for n in sorted(stored.files) if n != _STATE]
    )
    held = [(value.shape, str(value.dtype)) for value in values]
    if held != [(tuple(variable.shape), _dtype(variable)) for variable in variables]:
        raise ResumeError("belongs to another network or recipe", where=path, remedy=_REMEDY)
    return values


def _read(path: Path, take: Callable[[Any], Any]) -> Any:
    try:
        # Opened here: of a broken zip file NumPy would leave the stream open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return take(stored)
    except (*_UNREADABLE, TypeError, AttributeError) as error:  # the last two: a plain .npy file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ResumeError:
    return ResumeError(f"is not a readable checkpoint ({error})", where=path, remedy=_REMEDY)


def _dtype(variable: Any) -> str:
    return str(keras_backend().backend.standardize_dtype(variable.dtype))


def best_file(folder: Path, epoch: int) -> Path:
    """Where the weights of the best epoch are."""
    return folder / f"best-{epoch}.npz"


@dataclass(frozen=True, eq=False)
class _Epoch:
    """Copies of what an epoch left behind."""

    values: list[NDArray[Any]]  # of the trained model's variables, then of the others
    state: dict[str, Any]


class CheckpointWriter:
    """Writes ``checkpoint/`` and ``history.csv`` in a run's folder while training continues.

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
        state: TrainingState,
        *,
        is_best: bool,
    ) -> None:
        """Take copies of the state and of the variables, of the trained model and ``others``."""
        values = [np.array(variable.numpy()) for variable in (*trained, *others)]
        self._trained = len(trained)
        epoch = _Epoch(values, asdict(state))
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
        epochs = self._last, self._best
        self._writing = self._pool.submit(_write_epoch, self._folder, *epochs, self._trained)
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
    write_history(folder / RunFile.HISTORY, last.state["history"])


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs as CSV, atomically."""
    write_csv(path, HISTORY_COLUMNS, history)
