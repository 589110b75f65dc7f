"""The one place where Keras is imported, quietly and with TensorFlow as default backend."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


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

    TensorFlow advises against tracing one graph a network, which cannot be helped; that advice
    is kept from the screen. At the end what Keras still holds of networks is given back, so no
    network made inside may be used outside.
    """

    def is_no_advice(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_no_advice)
    try:
        yield
    finally:
        logger.removeFilter(is_no_advice)
        keras_backend().backend.clear_session()
        gc.collect()
