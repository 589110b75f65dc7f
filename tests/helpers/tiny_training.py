"""A tiny network and tiny images, on which the training can be tested in seconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.networks import freeze, keras_backend
from actinscope.preprocess import Preprocess
from actinscope.progress import Silent
from actinscope.training import Fitted, LabelledImages, Recipe, TrainingData, change_recipe, fit

SIZE = 16
FROZEN = 5  # inside the skip connection: two tensors cross
OFF = {
    "horizontal_flip": False,
    "vertical_flip": False,
    "rotation_degrees": 0.0,
    "width_shift": 0.0,
    "height_shift": 0.0,
    "shear_degrees": 0.0,
    "zoom": 0.0,
}


def tiny_network(classes: int = 3, *, seed: int = 0, dropout: float = 0.2) -> Any:
    """Convolutions, batch normalisation, nested skip connections, dropout, softmax."""
    keras = keras_backend()
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = layers.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="conv_a")(image)
    x = layers.BatchNormalization(name="bn_a")(x)
    a = layers.Activation("relu", name="relu_a")(x)
    x = layers.Conv2D(6, 3, padding="same", name="conv_b")(a)
    x = layers.BatchNormalization(name="bn_b")(x)
    b = layers.Activation("relu", name="relu_b")(x)
    x = layers.Conv2D(6, 3, padding="same", name="conv_c")(b)
    x = layers.Add(name="add")([x, b, a])
    x = layers.BatchNormalization(name="bn_c")(x)
    x = layers.Activation("relu", name="relu_c")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    output = layers.Dense(classes, activation="softmax", name="head")(x)
    return keras.Model(image, output, name="tiny")


def tiny_preprocess() -> Preprocess:
    """One plane, shown three times."""
    return Preprocess(
        channel_names=("actin",),
        planes=(0,),
        joint_colour=False,
        intensity="divide",
        low=(0.0,),
        high=(255.0,),
        low_percentile=0.1,
        high_percentile=99.9,
        value_range=(0.0, 255.0),
        size=SIZE,
        resize="stretch",
        network_channels=3,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        description="toy images",
    )


def tiny_images(count: int, *, classes: int = 3, seed: int = 0) -> LabelledImages:
    """Noise with vertical, horizontal or diagonal stripes: the class."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    patterns = [x % 4 < 2, y % 4 < 2, (x + y) % 4 < 2][:classes]
    labels = np.arange(count) % classes
    stripes = np.stack([patterns[label] for label in labels]) * 0.5
    scaled_images = np.clip(stripes + rng.uniform(0.0, 0.5, stripes.shape), 0, 1)
    return LabelledImages(scaled_images[..., None].astype(np.float32), labels.astype(np.int64))


def tiny_data(*, classes: int = 3, seed: int = 0) -> TrainingData:
    """24 training and 12 validation images."""
    return TrainingData(
        train=tiny_images(24, classes=classes, seed=seed),
        validation=tiny_images(12, classes=classes, seed=seed + 100),
        classes=("a", "b", "c")[:classes],
    )


def tiny_recipe(*, augment: bool = True, seed: int = 0, **training: Any) -> Recipe:
    """Four epochs of three batches unless said; nothing hangs on the recipe's defaults."""
    settings = {
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.01,
        "schedule": "cosine",
        "warmup_epochs": 1.0,
        "label_smoothing": 0.1,
        "class_weights": "balanced",
        "views": 0,
        "head_start": "random",
        "early_stopping": 0,
        "keep": "best",
    }
    changes: dict[str, dict[str, Any]] = {"training": {**settings, **training}}
    if not augment:
        changes["augmentation"] = OFF
    return change_recipe(Recipe(), changes, seed=seed)


def tiny_fit(
    folder: Path,
    recipe: Recipe,
    *,
    model: Any = None,
    data: TrainingData | None = None,
    resume: bool = False,
    progress: Any = None,
) -> Fitted:
    """``fit`` of the tiny network, built and frozen as for every run, on the tiny images."""
    model = tiny_network() if model is None else model
    freeze(model, FROZEN)
    return fit(
        model,
        tiny_data() if data is None else data,
        recipe,
        frozen_layers=FROZEN,
        preprocess=tiny_preprocess(),
        folder=folder,
        resume=resume,
        progress=Silent() if progress is None else progress,
    )


def weights_of(model: Any) -> list[NDArray[Any]]:
    """All weights of a model as arrays."""
    return [np.array(array) for array in model.get_weights()]


def same_weights(first: Any, second: Any) -> bool:
    """Whether two networks are the same to the last bit."""
    pairs = zip(weights_of(first), weights_of(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def without_seconds(history: Any) -> list[dict[str, float]]:
    """Rows of the history that a repeated run must repeat."""
    return [{key: row[key] for key in row if key != "seconds"} for row in history]


def history_on_disk(folder: Path) -> list[dict[str, float]]:
    """``history.csv`` without the seconds."""
    with (folder / "history.csv").open(newline="", encoding="utf-8") as stream:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
    return without_seconds(rows)
