"""What the network computes on: the CPU, or a GPU where the backend has one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from actinscope.networks.backend import backend_name, keras_backend

Result = TypeVar("Result")
Precision = Literal["auto", "float32", "mixed"]

#: Images at a time that a GPU is first tried with; halved until they fit its memory.
GPU_BATCH = 256
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "out of memory", "OOM")


@cache
def has_gpu() -> bool:
    """Whether Keras' backend sees a GPU (of any maker) that it can compute on."""
    backend = backend_name()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "torch":
        import torch

        return bool(torch.cuda.is_available())
    if backend == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    return False


def dtype_policy(precision: Precision) -> str:
    """Keras' dtype policy for a precision of the recipe.

    ``auto`` is mixed on a GPU (float16 arithmetic, float32 weights; Micikevicius et al.
    2018) and float32 on a CPU, which gains nothing from it.
    """
    mixed = precision == "mixed" or (precision == "auto" and has_gpu())
    return "mixed_float16" if mixed else "float32"


def as_float32(model: Any) -> Any:
    """``model`` itself, or where it computes in mixed precision a float32 copy to deliver."""
    keras = keras_backend()
    if all(layer.compute_dtype in (None, "float32") for layer in model.layers):
        return model

    def in_float32(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=in_float32)
    copy.set_weights(model.get_weights())
    return copy


def in_fitting_batches(
    run: Callable[[NDArray[np.float32]], Result], images: NDArray[np.float32], batch: int
) -> list[Result]:
    """``run`` on pieces of ``images``, halved as often as the device's memory asks for.

    Raises:
        Exception: what ``run`` raises, unless it ran out of memory with several images.
    """
    results: list[Result] = []
    start = 0
    while start < len(images):
        try:
            results.append(run(images[start : start + batch]))
        except Exception as error:  # every backend has a class of its own for it
            if batch == 1 or not any(word in str(error) for word in _OUT_OF_MEMORY):
                raise
            batch = max(1, min(batch, len(images) - start) // 2)
        else:
            start += batch
    return results
