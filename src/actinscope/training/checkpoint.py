"""Checkpoints: all that training needs to go on as if it had never stopped.

A checkpoint is one ``.npz`` file (arrays and JSON text only, never pickle) written
atomically, so that a kill at any moment leaves the one before intact.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.errors import ResumeError
from actinscope.files import atomic_path
from actinscope.networks import keras_backend

_STATE = "state"
_REMEDY = "Start anew without --resume, or restore the checkpoint folder"
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
    """The stored values, which are not put into ``variables``.

    Raises:
        ResumeError: the file is damaged, or holds other variables than these.
    """
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
