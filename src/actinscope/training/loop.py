"""The only training loop.

Each epoch depends on nothing but the state at its start and on (seed, epoch): a run
that is killed and resumed gives the numbers of one that was not.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import LossNotFinite, ResumeError, TrainingError
from actinscope.files import remove_partial_files
from actinscope.names import RunFile
from actinscope.networks import backend_name, keras_backend, partition_network
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.temporary import Releaser
from actinscope.training.augmented_views import prefetch
from actinscope.training.checkpoint import (
    CheckpointWriter,
    TrainingState,
    best_file,
    load_checkpoint,
    read_state,
    read_values,
    write_history,
)
from actinscope.training.linear_probe import LinearProbe
from actinscope.training.recipe import Recipe, TrainingSettings
from actinscope.training.setup import (
    TrainingData,
    TrainingSetup,
    remove_activations,
    set_up_training,
)
from actinscope.training.step import TrainingStep
from actinscope.training.tree_onnx import TreeEnsemble


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Attributes:
        model: the whole Keras network with the weights of ``kept_epoch``; None of a probe.
        history: one row of HISTORY_COLUMNS an epoch; of a probe one without validation.
        kept_epoch: 1-based number of the epoch whose weights were kept.
        trained_layers, frozen_layers: how many were trained, and how many were not.
        forest: the boosted trees that take the place of the last layer, or None.
        probe: the network as it is delivered, where no layer of it was trained; or None.
    """

    model: Any
    history: tuple[Mapping[str, float], ...]
    kept_epoch: int
    trained_layers: int
    frozen_layers: int
    forest: TreeEnsemble | None = None
    probe: LinearProbe | None = None


@dataclass(frozen=True, eq=False)
class EpochEnd:
    """What is known when an epoch ends."""

    row: Mapping[str, float]  # of HISTORY_COLUMNS
    is_best: bool  # its validation loss is the lowest so far
    log_losses: NDArray[np.float64]  # (M,) of the validation images, without label smoothing


#: Called at the end of each epoch; returns whether training continues.
AfterEpoch = Callable[[EpochEnd], bool]


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

    Writes ``history.csv`` and ``checkpoint/`` in ``folder`` as epochs end, and resumes from
    there with ``resume``.

    Raises:
        ResumeError: ``resume`` and the checkpoint is damaged or belongs to another run.
        TrainingError: the loss is no longer a number, or a stored view does not fit.
        OutputError: the disk lacks the space.
    """
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    remove_partial_files(checkpoint)
    settings, last = recipe.training, checkpoint / "last.npz"
    cut = partition_network(model, max(1, frozen_layers))  # the input has nothing to train
    state = TrainingState(_identity(model, data, recipe, frozen_layers, preprocess))
    resumed = resume and last.exists()
    if resumed:  # looked at before the frozen layers cost time
        state = _stored_state(last, state.identity)
    step = TrainingStep(model, cut, whole=not settings.views, settings=settings)
    if resumed and settings.keep == "best":  # rather now than after the last epoch
        read_values(best_file(checkpoint, state.best_epoch), step.trained.variables)
    setup = None
    if resumed and _complete(state, settings):
        remove_activations(checkpoint)  # left where the run was stopped at its very end
    else:
        setup = set_up_training(
            step,
            cut,
            data,
            recipe,
            preprocess=preprocess,
            folder=checkpoint,
            identity=state.identity,
            epoch=len(state.history),
            progress=progress,
        )
    if resumed:
        load_checkpoint(last, step.variables)
        write_history(folder / RunFile.HISTORY, state.history)
        progress.say(f"Resumed after epoch {len(state.history)}")
    if setup is not None:
        _train(setup, recipe, state=state, folder=folder, progress=progress)
    kept = len(state.history)
    if settings.keep == "best":
        kept = state.best_epoch
        load_checkpoint(best_file(checkpoint, kept), step.trained.variables)
    trained = len(model.layers) - frozen_layers
    return Fitted(model, tuple(state.history), kept, trained, frozen_layers)


def _complete(state: TrainingState, settings: TrainingSettings) -> bool:
    """Whether no epoch is left, or the validation loss has stalled."""
    done = len(state.history)
    stalled = settings.early_stopping and done - state.best_epoch >= settings.early_stopping
    return done >= settings.epochs or bool(done and stalled)


def _train(
    setup: TrainingSetup, recipe: Recipe, *, state: TrainingState, folder: Path, progress: Progress
) -> None:
    """All epochs that are left; the stored views go when they are done or training failed."""
    writer = CheckpointWriter(folder)

    def save(end: EpochEnd) -> bool:
        step = setup.step
        writer.save(step.trained.variables, step.optimizer.variables, state, is_best=end.is_best)
        return True

    try:
        if not state.history and recipe.training.head_start == "logistic":
            _report_last_layer(setup, recipe, progress)
        run_epochs(setup, recipe, state=state, after_epoch=save, progress=progress)
    except TrainingError:  # it would come again
        setup.source.close()
        setup.source.remove()
        raise
    finally:
        setup.source.close()
        writer.close()
    setup.source.remove()


def _report_last_layer(setup: TrainingSetup, recipe: Recipe, progress: Progress) -> None:
    """Say how good the fitted last layer is on the untouched network.

    It is not a candidate for the weights that are kept: on a few dozen validation images a
    well calibrated start often has the lower loss, and was the worse on test images.
    """
    found = setup.validate(recipe.training.label_smoothing)
    progress.detail(
        f"last layer fitted  validation loss {found.loss:.4f}  "
        f"validation accuracy {found.accuracy:.3f}"
    )


def run_epochs(
    setup: TrainingSetup,
    recipe: Recipe,
    *,
    state: TrainingState,
    after_epoch: AfterEpoch,
    progress: Progress,
) -> None:
    """The epochs that are left, until ``after_epoch`` or early stopping ends them.

    ``state`` is brought up to date in place before ``after_epoch`` is called.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    settings = recipe.training
    history = state.history
    progress.phase("Training", (settings.epochs - len(history)) * len(setup.labels))
    while not _complete(state, settings):
        epoch = len(history)
        started = time.perf_counter()
        setup.source.begin(epoch)
        loss, accuracy = _train_epoch(setup, recipe, epoch, progress)
        found = setup.validate(settings.label_smoothing)
        _check_finite(found.loss, "validation loss", epoch)
        row = {
            "epoch": epoch + 1,
            "loss": loss,
            "accuracy": accuracy,
            "validation_loss": found.loss,
            "validation_accuracy": found.accuracy,
            "learning_rate": learning_rate_at(settings, epoch + 1),
            "seconds": round(time.perf_counter() - started, 2),
        }
        history.append(row)
        best = state.best_epoch
        is_best = not best or found.loss < history[best - 1]["validation_loss"]
        if is_best:
            state.best_epoch = len(history)
        go_on = after_epoch(EpochEnd(row, is_best, found.log_losses))
        progress.detail(_line(row, settings.epochs))
        if not go_on:
            return


def learning_rate_at(settings: TrainingSettings, progress: float) -> float:
    """Adam's step size after ``progress`` epochs (fractions count).

    Linear warm-up from zero over ``warmup_epochs``, then constant or half a cosine
    down to zero at ``epochs`` (Loshchilov and Hutter 2017, without restarts).
    """
    peak = settings.learning_rate
    if settings.warmup_epochs and progress < settings.warmup_epochs:
        return peak * progress / settings.warmup_epochs
    if settings.schedule == "constant":
        return peak
    span = settings.epochs - settings.warmup_epochs
    done = min(1.0, (progress - settings.warmup_epochs) / span) if span > 0 else 1.0
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))


def _train_epoch(
    setup: TrainingSetup, recipe: Recipe, epoch: int, progress: Progress
) -> tuple[float, float]:
    """Train one epoch and return the mean loss and accuracy over its images."""
    settings = recipe.training
    order = np.random.default_rng([recipe.seed, 0, epoch]).permutation(len(setup.labels))
    # Batches of nearly equal size instead of a small last one: batch normalisation
    # of two or three images would disturb the statistics once an epoch.
    steps = max(1, -(-len(order) // settings.batch_size))
    pieces = np.array_split(order, steps)
    weights = image_weights(setup.labels, setup.classes, settings.class_weights)
    targets = np.eye(setup.classes, dtype=np.float32)
    totals, seen = np.zeros(2), 0
    _seed_torch(recipe.seed, epoch)
    # Closed at once where the loss fails: nothing may read files that are then deleted.
    with closing(prefetch([(setup.source.batch, piece, epoch) for piece in pieces])) as batches:
        for step, (piece, batch) in enumerate(zip(pieces, batches, strict=True)):
            rate = learning_rate_at(settings, epoch + (step + 0.5) / steps)
            results = setup.step(batch, targets[setup.labels[piece]], weights[piece], rate)
            totals += np.multiply(results, len(piece))
            seen += len(piece)
            loss, accuracy = (float(mean) for mean in totals / seen)
            _check_finite(loss, "loss", epoch)
            note = f"epoch {epoch + 1}/{settings.epochs}, loss {loss:.2f}"
            progress.advance(len(piece), note)
    return loss, accuracy


def _seed_torch(seed: int, epoch: int) -> None:
    # Keras' dropout draws from variables of the model, which the checkpoint holds; but on
    # PyTorch from that library's own generator, which would differ after a restart.
    if backend_name() == "torch":
        own = np.random.SeedSequence([seed, 3, epoch]).generate_state(1)
        keras_backend().utils.set_random_seed(int(own[0]))


def _check_finite(loss: float, name: str, epoch: int) -> None:
    if not math.isfinite(loss):
        raise LossNotFinite(
            f"the {name} became {loss} in epoch {epoch + 1}",
            remedy="Lower training.learning_rate in the recipe",
        )


def image_weights(labels: NDArray[np.int64], classes: int, how: str) -> NDArray[np.float32]:
    """(N,) weight of every image in the loss: 1, or where ``how`` is balanced N / (K n_k)."""
    if how == "none":
        return np.ones(len(labels), np.float32)
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return (len(labels) / (classes * counts))[labels].astype(np.float32)


def _identity(
    model: Any, data: TrainingData, recipe: Recipe, frozen_layers: int, preprocess: Preprocess
) -> str:
    """Hash of all that decides the course of training.

    The trained layers' weights are not in the hash: a checkpoint brings its own.
    """
    # What is said beside the probabilities is fitted after the training and changes none of it.
    settings = recipe.model_dump_json(exclude={"probabilities"})
    digest = hashlib.sha256(settings.encode("utf-8"))
    digest.update(preprocess.model_dump_json().encode("utf-8"))
    digest.update(repr((data.classes, frozen_layers)).encode("utf-8"))
    for layer in model.layers[:frozen_layers]:
        for weights in layer.get_weights():
            digest.update(np.ascontiguousarray(weights).data)
    for part in (data.train, data.validation):
        digest.update(np.ascontiguousarray(part.labels).data)
        releaser = Releaser([part.scaled])
        for image in part.scaled:
            digest.update(np.ascontiguousarray(image).data)
            releaser.touched(image.nbytes)
    return digest.hexdigest()


def _stored_state(path: Path, identity: str) -> TrainingState:
    stored = read_state(path)
    if stored.get("identity") != identity:
        raise ResumeError(
            "belongs to a run with other images, another split, other weights or another recipe",
            where=path,
            remedy="Repeat the settings of that run, or start again in another folder",
        )
    return TrainingState(**stored)


def _line(row: Mapping[str, float], epochs: int) -> str:
    return (
        f"epoch {int(row['epoch']):>3}/{epochs}  loss {row['loss']:.4f}  "
        f"accuracy {row['accuracy']:.3f}  validation loss {row['validation_loss']:.4f}  "
        f"validation accuracy {row['validation_accuracy']:.3f}  {row['seconds']:.1f} s"
    )
