"""The rival: the paper's recipe as a plain Keras script, as one finds it in tutorials.

    python benchmarks/plain_keras.py IMAGES --network efficientnetv2-b0 --output result.json

IMAGES holds 8-bit PNG files in `train`, `validation` and `test`, one folder a class in each.
ImageDataGenerator augments, `fit` trains, `predict` tests; only the network and its weights
come from actinscope, so that both sides train the same. The result is a JSON file with time
stamps, the history and the test probabilities.
"""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras.src.legacy.preprocessing.image import ImageDataGenerator  # noqa: E402

from actinscope.networks import build_network, network_entry, resolve_weights  # noqa: E402
from plain_waits import Waits  # noqa: E402

BATCH = 16


class Clock(keras.callbacks.Callback):
    """Seconds since the start of the process, wall and user CPU, after every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the time and what Keras measured."""
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **stamp(), **numbers})


def stamp() -> dict[str, float]:
    return {"wall": time.perf_counter() - STARTED, "user": os.times().user}


def main() -> int:
    arguments = parse()
    keras.utils.set_random_seed(arguments.seed)
    entry = network_entry(arguments.network)
    model = build_network(
        entry,
        classes=len(list((arguments.images / "train").iterdir())),
        weights=resolve_weights(entry, arguments.weights),
        seed=arguments.seed,
    )
    for number, layer in enumerate(model.layers):
        layer.trainable = number >= entry.frozen_layers
    model.compile(
        optimizer=keras.optimizers.Adam(5e-5),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    mean, std = np.float32(entry.input.mean), np.float32(entry.input.std)

    def normalise(image: np.ndarray) -> np.ndarray:
        return (image / 255.0 - mean) / std

    varied = ImageDataGenerator(
        preprocessing_function=normalise,
        horizontal_flip=True,
        vertical_flip=True,
        rotation_range=20,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=10,
        zoom_range=0.1,
        fill_mode="nearest",
    )
    plain = ImageDataGenerator(preprocessing_function=normalise)
    size = {"target_size": (entry.input.size, entry.input.size), "batch_size": BATCH}
    train = varied.flow_from_directory(arguments.images / "train", seed=arguments.seed, **size)
    validation = plain.flow_from_directory(arguments.images / "validation", shuffle=False, **size)
    test = plain.flow_from_directory(arguments.images / "test", shuffle=False, **size)
    waits, clock = Waits(), Clock()
    model.fit(
        train,
        validation_data=validation,
        epochs=arguments.epochs,
        verbose=2 if arguments.verbose else 0,
        callbacks=[waits, clock],
    )
    trained = stamp()
    probabilities = model.predict(test, verbose=0, callbacks=[waits])
    result = {
        "network": arguments.network,
        "weights": arguments.weights,
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "training_images": train.samples,
        "history": clock.rows,
        "trained": trained,
        "finished": stamp(),
        "waits": waits.seconds,
        "classes": list(test.class_indices),
        "test_labels": test.classes.tolist(),
        "test_probabilities": probabilities.astype(float).round(6).tolist(),
    }
    arguments.output.write_text(json.dumps(result), encoding="utf-8")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path, help="folder of train, validation and test")
    parser.add_argument("--network", default="efficientnetv2-b0")
    parser.add_argument("--weights", default="imagenet", help="imagenet or none")
    parser.add_argument("--epochs", type=int, default=70)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
