"""Weights files in the layout of Keras 2, which Keras 3 reads but does not write any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

POSITIVE = ("gamma", "moving_variance", "variance")


def shaken(model: Any, seed: int, kernels: float | None = None) -> Any:
    """Random weights everywhere, also in the statistics of batch normalisation.

    Kernels have the deviation ``kernels``, or keep the size of the signal (He et al. 2015), so
    that deep networks tell images apart.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if "seed_generator" in variable.path or not shape:
            continue
        if variable.name in POSITIVE:
            value = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            value = rng.normal(0, 0.1, shape)
        else:
            depthwise = len(shape) == 4 and shape[3] == 1
            inputs = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
            value = rng.normal(0, kernels or np.sqrt(2 / inputs), shape)
        variable.assign(value.astype(np.float32))
    return model


def write_legacy(model: Any, path: Path, *, without: str = "", **renamed: str) -> None:
    """Write ``model``'s weights, but for the layer ``without``."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.name != without]
        names = [renamed.get(layer.name, layer.name) for layer in layers]
        file.attrs["layer_names"] = np.array([name.encode() for name in names])
        file.attrs["backend"], file.attrs["keras_version"] = "tensorflow", "2.8.0"
        for name, layer in zip(names, layers, strict=True):
            group = file.create_group(name)
            labels = [f"{name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = np.array([label.encode() for label in labels], dtype="S")
            for label, array in zip(labels, layer.get_weights(), strict=True):
                group.create_dataset(label, data=array)
