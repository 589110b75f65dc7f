"""Milliseconds an image of one training step on stored activations, and where they go.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --network efficientnet-lite0

Compared, in turn, are Keras' `train_on_batch` with its Adam and the graph that actinscope
trains, both on the same layers after the cut; beside them the multiply-adds of those
layers (forward once, backward twice) at the rate that NumPy multiplies matrices with on
this machine. Weights are random: they make no difference to the time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from actinscope.networks import (
    build_network,
    freeze,
    freeze_batch_norm,
    keras_backend,
    network_entry,
    partition_network,
    resolve_weights,
)
from actinscope.training import load_recipe
from actinscope.training.step import TrainingStep
from record import command_line, write_record

_BATCH = 16
_CLASSES = 3


def main() -> int:
    arguments = _parse()
    sides = {
        "keras": _keras_step(arguments.network, arguments.freeze_batch_norm),
        "ours": _own_step(arguments.network, arguments.freeze_batch_norm),
    }
    walls: dict[str, list[float]] = {name: [] for name in (*sides, "matrix product")}
    users: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.repeats):
        for name, step in sides.items():
            user, started = os.times().user, time.perf_counter()
            for _ in range(arguments.steps):
                step()
            images = arguments.steps * _BATCH
            walls[name].append((time.perf_counter() - started) / images * 1e3)
            users[name].append((os.times().user - user) / images * 1e3)
        walls["matrix product"].append(_matrix_product())
    work = 3 * 2 * _multiply_adds(arguments.network)
    rate = statistics.median(walls["matrix product"])
    write_record(
        {
            "benchmark": "training step",
            "network": arguments.network,
            "batch_norm": "frozen" if arguments.freeze_batch_norm else "trained",
            "batch": _BATCH,
            "wall_ms": {name: round(statistics.median(walls[name]), 2) for name in sides},
            "user_ms": {name: round(statistics.median(users[name]), 2) for name in sides},
            "arithmetic_ms": round(work / rate / 1e6, 2),
            "gflop_per_second": round(rate, 1),
            "command": command_line("training_step.py"),
        }
    )
    return 0


def _parts(name: str, frozen_norms: bool) -> tuple[Any, Any, list[Any], Any]:
    entry = network_entry(name)
    model = build_network(entry, classes=_CLASSES, weights=resolve_weights(entry, "none"), seed=0)
    freeze(model, entry.frozen_layers)
    if frozen_norms:
        freeze_batch_norm(model)
    cut = partition_network(model, entry.frozen_layers)
    rng = np.random.default_rng(0)
    batch = [rng.random((_BATCH, *shape)).astype(np.float16) for shape in cut.shapes]
    return model, cut, batch, np.eye(_CLASSES, dtype=np.float32)[np.arange(_BATCH) % _CLASSES]


def _keras_step(name: str, frozen_norms: bool) -> Callable[[], Any]:
    keras = keras_backend()
    _, cut, batch, targets = _parts(name, frozen_norms)
    cut.tail.compile(
        optimizer=keras.optimizers.Adam(5e-5),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )

    def step() -> Any:
        arrays = [array.astype(np.float32) for array in batch]
        given = arrays[0] if len(arrays) == 1 else arrays
        return cut.tail.train_on_batch(given, targets, return_dict=True)

    step()
    return step


def _own_step(name: str, frozen_norms: bool) -> Callable[[], Any]:
    model, cut, batch, targets = _parts(name, frozen_norms)
    step = TrainingStep(model, cut, whole=False, settings=load_recipe("fine-tuned").training)
    weights = np.ones(_BATCH, np.float32)
    step(batch, targets, weights, 5e-5)
    return lambda: step(batch, targets, weights, 5e-5)


def _multiply_adds(name: str) -> int:
    """Of the convolutions and dense layers after the cut, for one image."""
    model, cut, _, _ = _parts(name, False)
    total = 0
    for layer in model.layers[cut.layers :]:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            places = int(np.prod(layer.output.shape[1:-1]))
            total += places * int(np.prod(kernel.shape))
    return total


def _matrix_product(side: int = 2048) -> float:
    """GFLOP a second of a float32 matrix product."""
    a = np.random.default_rng(0).random((side, side), dtype=np.float32)
    started = time.perf_counter()
    a @ a
    return 2 * side**3 / (time.perf_counter() - started) / 1e9


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="efficientnetv2-b0")
    parser.add_argument("--freeze-batch-norm", action="store_true")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
