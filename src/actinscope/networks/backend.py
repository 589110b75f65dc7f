"""The one place where Keras is imported, quietly and with TensorFlow as default backend."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from actinscope.errors import TrainingError
from actinscope.wording import data_size

_LEAST_MEMORY = 6 * 10**9


def keras_backend() -> Any:
    """Import Keras and return its module.

    ``KERAS_BACKEND`` chooses the backend; without it TensorFlow is used, unless Keras
    has been imported already. TensorFlow's C++ log is limited to errors unless
    ``TF_CPP_MIN_LOG_LEVEL`` says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    return keras


def require_framework() -> None:
    """Refuse to begin where Keras is missing, or would hang or be killed, without a word, later on.

    Raises:
        TrainingError: it is not installed, or the memory that this process may address is limited
            too far.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if missing := [name for name in ("keras", backend) if find_spec(name) is None]:
        raise TrainingError(
            f"training layers of a network needs {' and '.join(missing)}, not installed here",
            remedy='Run: pip install "actinscope[train]", or train with --recipe default',
        )
    if sys.platform == "win32":
        return
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit not in (resource.RLIM_INFINITY, -1) and limit < _LEAST_MEMORY:
        raise TrainingError(
            f"this process may use {data_size(limit)} of memory, and training takes "
            f"{data_size(_LEAST_MEMORY)} (address space; TensorFlow reserves more than it fills)",
            where="ulimit -v",
            remedy="Set the limit higher, in a cluster in the settings of the job",
        )


def backend_name() -> str:
    """Name of the backend that Keras runs on: "tensorflow", "torch" or "jax"."""
    return str(keras_backend().backend.backend())


def import_in_background() -> None:
    """Begin to import Keras, which takes seconds, while this thread reads images.

    An import that fails here fails again, with its message, where Keras is needed. A process
    that ends early waits for it: TensorFlow does not bear to be cut off while it is loaded.
    """
    threading.Thread(target=_import_quietly, name="import-keras").start()


def _import_quietly() -> None:
    with suppress(Exception):
        backend_name()


@contextmanager
def one_of_many_networks() -> Iterator[None]:
    """For programs that train many networks one after the other, around each of them.

    At the end what Keras still holds of networks is given back, so no network made inside may be
    used outside.
    """
    try:
        yield
    finally:
        keras_backend().backend.clear_session()
        gc.collect()
