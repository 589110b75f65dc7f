"""The only training loop.

Each epoch depends on nothing but the state at its start and on (seed, epoch): a run
that is killed and resumed gives the numbers of one that was not.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ResumeError, TrainingError
from actinscope.files import remove_partial_files, write_text_atomic
from actinscope.networks.backend import backend_name, keras_backend
from actinscope.networks.cut import cut_network
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.training.checkpoint import load_checkpoint, read_state, save_checkpoint
from actinscope.training.head_start import fit_head
from actinscope.training.recipe import Recipe, TrainingSettings
from actinscope.training.schedule import learning_rate_at
from actinscope.training.views import (
    Batch,
    FreshViews,
    LabelledImages,
    ViewSource,
    activations_of,
    prefetch,
    store_views,
)

HISTORY_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)
_EVALUATION_BATCH = 64
_HEAD_VIEWS = 4  # epochs' worth of views that the last layer is first fitted on


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images of the training and validation part, and the class names."""

    train: LabelledImages
    validation: LabelledImages
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Attributes:
        model: the whole Keras network with the weights of ``kept_epoch``.
        history: one row of HISTORY_COLUMNS an epoch.
        kept_epoch: 1-based number of the epoch whose weights were kept.
        trained_layers: number of layers that were trained.
        frozen_layers: number of layers that were not.
    """

    model: Any
    history: tuple[Mapping[str, float], ...]
    kept_epoch: int
    trained_layers: int
    frozen_layers: int


@dataclass(frozen=True, eq=False)
class _Workbench:
    """What the loop works with: nothing here changes but the models' variables."""

    model: Any
    trained: Any
    tail: Any
    entry: tuple[Any, ...]  # tensors of ``model`` that the source's batches are values of
    source: ViewSource
    labels: NDArray[np.int64]
    validation: Batch
    validation_labels: NDArray[np.int64]
    classes: int


def fit(
    model: Any,
    data: TrainingData,
    recipe: Recipe,
    *,
    frozen_layers: int,
    preprocess: Preprocess,
    folder: Path,
    resume: bool,
    progress: Progress,
) -> Fitted:
    """Train the layers after the first ``frozen_layers`` of ``model`` (already frozen).

    Writes ``history.csv`` and ``checkpoint/`` in ``folder`` after every epoch.

    Raises:
        ResumeError: ``resume`` and the checkpoint is damaged or belongs to another run.
        TrainingError: the loss is no longer a number, or the stored views do not fit
            into memory.
    """
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    remove_partial_files(checkpoint)
    last = checkpoint / "last.npz"
    state = _first_state(model, data, recipe, frozen_layers=frozen_layers, preprocess=preprocess)
    resumed = resume and last.exists()
    if resumed:  # looked at before the frozen layers cost time
        _check_identity(read_state(last), state["identity"], last)
    bench = _prepare(
        model,
        data,
        recipe,
        frozen_layers=frozen_layers,
        preprocess=preprocess,
        progress=progress,
    )
    variables = [*bench.trained.variables, *bench.trained.optimizer.variables]
    if resumed:
        state = load_checkpoint(last, variables)
        _write_history(folder / "history.csv", state["history"])
        progress.say(f"Resumed after epoch {len(state['history'])}")
    elif recipe.training.head_start == "logistic":
        _start_head(bench, progress)
    _epochs(bench, recipe, state=state, variables=variables, folder=folder, progress=progress)
    history = tuple(state["history"])
    kept = len(history)
    if recipe.training.keep == "best":
        kept = int(state["best_epoch"])
        load_checkpoint(_best_file(checkpoint, kept), bench.trained.variables)
    return Fitted(model, history, kept, len(model.layers) - frozen_layers, frozen_layers)


def _prepare(
    model: Any,
    data: TrainingData,
    recipe: Recipe,
    *,
    frozen_layers: int,
    preprocess: Preprocess,
    progress: Progress,
) -> _Workbench:
    keras = keras_backend()

    settings = recipe.training
    cut = cut_network(model, frozen_layers)
    fresh = FreshViews(data.train, preprocess, recipe.augmentation, recipe.seed)
    source: ViewSource = fresh
    if settings.views:
        source = store_views(cut, fresh, settings.views, progress=progress)
    trained = cut.tail if settings.views else model
    trained.compile(
        optimizer=keras.optimizers.Adam(learning_rate=settings.learning_rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,
    )
    trained.optimizer.build(trained.trainable_variables)
    return _Workbench(
        model=model,
        trained=trained,
        tail=cut.tail,
        entry=cut.crossing if settings.views else tuple(model.inputs),
        source=source,
        labels=data.train.labels,
        validation=activations_of(cut, data.validation.units, preprocess),
        validation_labels=data.validation.labels,
        classes=len(data.classes),
    )


def _start_head(bench: _Workbench, progress: Progress) -> None:
    everyone = np.arange(len(bench.labels))
    pieces = np.array_split(everyone, max(1, len(everyone) // _EVALUATION_BATCH))
    batches = [(bench.source, piece, epoch) for epoch in range(_HEAD_VIEWS) for piece in pieces]
    progress.phase("Last layer", len(batches))
    labels = np.tile(bench.labels, _HEAD_VIEWS)
    fit_head(bench.model, bench.entry, prefetch(batches), labels=labels, progress=progress)


def _epochs(
    bench: _Workbench,
    recipe: Recipe,
    *,
    state: dict[str, Any],
    variables: Sequence[Any],
    folder: Path,
    progress: Progress,
) -> None:
    settings = recipe.training
    history: list[dict[str, float]] = state["history"]
    steps = _steps(len(bench.labels), settings.batch_size)
    if len(history) < settings.epochs:
        progress.phase("Training", (settings.epochs - len(history)) * len(bench.labels))
    while len(history) < settings.epochs and not _stalled(state, settings):
        epoch = len(history)
        started = time.perf_counter()
        loss, accuracy = _train_epoch(bench, recipe, epoch, steps, progress)
        validation_loss, validation_accuracy = _validate(bench, settings.label_smoothing)
        _check_finite(validation_loss, "validation loss", epoch)
        row = {
            "epoch": epoch + 1,
            "loss": loss,
            "accuracy": accuracy,
            "validation_loss": validation_loss,
            "validation_accuracy": validation_accuracy,
            "learning_rate": learning_rate_at(settings, epoch + 1),
            "seconds": round(time.perf_counter() - started, 2),
        }
        history.append(row)
        _checkpoint(bench, variables, state, folder / "checkpoint")
        _write_history(folder / "history.csv", history)
        progress.say(_line(row, settings.epochs))


def _train_epoch(
    bench: _Workbench, recipe: Recipe, epoch: int, steps: int, progress: Progress
) -> tuple[float, float]:
    """Train one epoch and return the mean loss and accuracy over its images."""
    settings = recipe.training
    order = np.random.default_rng([recipe.seed, 0, epoch]).permutation(len(bench.labels))
    pieces = np.array_split(order, steps)
    weights = _image_weights(bench.labels, bench.classes, settings.class_weights)
    targets = np.eye(bench.classes, dtype=np.float32)
    totals, seen = np.zeros(2), 0
    _seed_torch(recipe.seed, epoch)
    batches = prefetch([(bench.source, piece, epoch) for piece in pieces])
    for step, (piece, batch) in enumerate(zip(pieces, batches, strict=True)):
        rate = learning_rate_at(settings, epoch + (step + 0.5) / steps)
        bench.trained.optimizer.learning_rate = rate
        inputs = batch[0] if len(batch) == 1 else batch
        # Some versions of Keras start anew with every batch, others go on: always anew.
        bench.trained.reset_metrics()
        logs = bench.trained.train_on_batch(
            inputs, targets[bench.labels[piece]], sample_weight=weights[piece], return_dict=True
        )
        totals += np.multiply([float(logs["loss"]), float(logs["accuracy"])], len(piece))
        seen += len(piece)
        loss, accuracy = (float(mean) for mean in totals / seen)
        _check_finite(loss, "loss", epoch)
        note = f"epoch {epoch + 1}/{settings.epochs}  loss {loss:.3f}  accuracy {accuracy:.3f}"
        progress.advance(len(piece), note)
    return loss, accuracy


def _seed_torch(seed: int, epoch: int) -> None:
    # Keras' dropout draws from variables of the model, which the checkpoint holds; but on
    # PyTorch from that library's own generator, which would differ after a restart.
    if backend_name() == "torch":
        own = np.random.SeedSequence([seed, 3, epoch]).generate_state(1)
        keras_backend().utils.set_random_seed(int(own[0]))


def _validate(bench: _Workbench, smoothing: float) -> tuple[float, float]:
    """Loss (the training loss, without class weights) and accuracy on the validation part."""
    count = len(bench.validation_labels)
    parts = []
    for start in range(0, count, _EVALUATION_BATCH):
        rows = [tensor[start : start + _EVALUATION_BATCH] for tensor in bench.validation]
        inputs = [row.astype(np.float32) for row in rows]
        parts.append(bench.tail.predict_on_batch(inputs[0] if len(inputs) == 1 else inputs))
    probabilities = np.concatenate(parts).astype(np.float64)
    logs = np.log(np.clip(probabilities, 1e-7, 1.0))
    own = logs[np.arange(count), bench.validation_labels]
    loss = -((1 - smoothing) * own + smoothing * logs.mean(axis=1)).mean()
    accuracy = (probabilities.argmax(axis=1) == bench.validation_labels).mean()
    return float(loss), float(accuracy)


def _check_finite(loss: float, name: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the {name} became {loss} in epoch {epoch + 1}",
            remedy="Lower training.learning_rate in the recipe",
        )


def _image_weights(labels: NDArray[np.int64], classes: int, how: str) -> NDArray[np.float32]:
    if how == "none":
        return np.ones(len(labels), np.float32)
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return (len(labels) / (classes * counts))[labels].astype(np.float32)


def _steps(images: int, batch_size: int) -> int:
    # Batches of nearly equal size instead of a small last one: batch normalisation
    # of two or three images would disturb the statistics once an epoch.
    return max(1, -(-images // batch_size))


def _stalled(state: Mapping[str, Any], settings: TrainingSettings) -> bool:
    if not settings.early_stopping or not state["history"]:
        return False
    return len(state["history"]) - int(state["best_epoch"]) >= settings.early_stopping


def _checkpoint(
    bench: _Workbench, variables: Sequence[Any], state: dict[str, Any], folder: Path
) -> None:
    # ``last.npz`` names the best epoch, whose file is written before and whose predecessor
    # is removed after it: a kill anywhere in between leaves a pair that belongs together.
    history, best = state["history"], state["best_epoch"]
    if not best or history[-1]["validation_loss"] < history[best - 1]["validation_loss"]:
        state["best_epoch"] = len(history)
        save_checkpoint(
            _best_file(folder, len(history)), bench.trained.variables, {"epoch": len(history)}
        )
    save_checkpoint(folder / "last.npz", variables, state)
    for outdated in folder.glob("best-*.npz"):
        if outdated != _best_file(folder, state["best_epoch"]):
            outdated.unlink()


def _best_file(folder: Path, epoch: int) -> Path:
    return folder / f"best-{epoch}.npz"


def _first_state(
    model: Any,
    data: TrainingData,
    recipe: Recipe,
    *,
    frozen_layers: int,
    preprocess: Preprocess,
) -> dict[str, Any]:
    """State before the first epoch, with a hash of all that decides the course of training.

    The trained layers' weights are not in the hash: a checkpoint brings its own.
    """
    digest = hashlib.sha256(recipe.model_dump_json().encode("utf-8"))
    digest.update(preprocess.model_dump_json().encode("utf-8"))
    digest.update(repr((data.classes, frozen_layers)).encode("utf-8"))
    for layer in model.layers[:frozen_layers]:
        for weights in layer.get_weights():
            digest.update(np.ascontiguousarray(weights).data)
    for part in (data.train, data.validation):
        digest.update(np.ascontiguousarray(part.labels).data)
        digest.update(np.ascontiguousarray(part.units).data)
    return {"identity": digest.hexdigest(), "history": [], "best_epoch": 0}


def _check_identity(state: Mapping[str, Any], identity: str, path: Path) -> None:
    if state.get("identity") != identity:
        raise ResumeError(
            "belongs to a run with other images, another split, other weights or another recipe",
            where=path,
            remedy="Repeat the settings of that run, or start anew in another folder",
        )


def _write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text_atomic(path, text.getvalue())


def _line(row: Mapping[str, float], epochs: int) -> str:
    return (
        f"epoch {int(row['epoch']):>3}/{epochs}  loss {row['loss']:.4f}  "
        f"accuracy {row['accuracy']:.3f}  validation loss {row['validation_loss']:.4f}  "
        f"validation accuracy {row['validation_accuracy']:.3f}  {row['seconds']:.1f} s"
    )
