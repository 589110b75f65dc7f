"""One trial of a search: a recipe trained and evaluated on folds of the images."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import LossNotFinite
from actinscope.networks import freeze, freeze_batch_norm, partition_network
from actinscope.progress import Progress
from actinscope.training.activation_cache import (
    ActivationCache,
    SearchImages,
    Subset,
    activations_of,
)
from actinscope.training.checkpoint import TrainingState
from actinscope.training.loop import EpochEnd, run_epochs
from actinscope.training.recipe import Recipe
from actinscope.training.setup import TrainingSetup, fit_last_layer
from actinscope.training.step import TrainingStep


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of the search's images: those to train on, and those held out."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


@dataclass(frozen=True)
class FoldScores:
    """How one fold of a trial went."""

    log_loss: float  # mean over the images held out, at the kept epoch, without label smoothing
    accuracy: float  # share of correct predictions among them, 0..1
    kept_epoch: int  # whose weights the recipe would keep
    epochs: int  # how many were trained
    seconds: float  # from the first to the last epoch


@dataclass(frozen=True, eq=False)
class TrialOutcome:
    """What a trial gave.

    Attributes:
        state: ``complete``; ``pruned``: hopeless and broken off; ``diverged``: the loss was no
            longer a number; ``stopped``: out of time.
        folds: those that were finished.
        log_losses: (M,) of every image at the kept epoch of the fold that held it out; NaN
            where none did.
        seconds: of the whole trial.
    """

    state: str
    folds: tuple[FoldScores, ...]
    log_losses: NDArray[np.float64]
    seconds: float


#: Called after every epoch with the fold, the share of its epochs that are done (0..1) and the
#: objective so far; returns a state other than ``complete`` to end the trial, else an empty text.
Pruner = Callable[[int, float, float], str]


@dataclass(frozen=True, eq=False)
class TrialRunner:
    """Trains trials on the same images and folds, with activations shared between them."""

    build: Callable[[Recipe], Any]  # the whole network with its first weights, nothing frozen
    folds: Sequence[Fold]
    _: KW_ONLY
    cache: ActivationCache
    most_views: int  # that any trial can show
    classes: int  # how many there are
    folder: Path  # for temporary files

    def run(
        self, recipe: Recipe, given: SearchImages, pruner: Pruner, progress: Progress
    ) -> TrialOutcome:
        """Train ``recipe`` on every fold, unless ``pruner`` breaks it off.

        Raises:
            TrainingError: stored views that do not fit, or that float16 cannot hold.
            OutputError: the disk lacks the space.
        """
        started = time.perf_counter()
        losses = np.full(len(given.images.labels), np.nan)
        scores: list[FoldScores] = []
        state = "complete"
        for number, fold in enumerate(self.folds):
            course = _Course(recipe, number, [one.log_loss for one in scores], pruner)
            setup = self._set_up(recipe, given, fold, progress)
            state = course.train(setup, progress)
            if state != "complete":
                break
            losses[fold.held_out] = course.log_losses
            scores.append(course.scores)
            del setup
            gc.collect()  # graphs and networks refer to themselves in circles
        return TrialOutcome(state, tuple(scores), losses, time.perf_counter() - started)

    def _set_up(
        self, recipe: Recipe, given: SearchImages, fold: Fold, progress: Progress
    ) -> TrainingSetup:
        settings, network = recipe.training, recipe.network
        model = self.build(recipe)
        assert network.frozen_layers is not None, "a recipe as used"
        freeze(model, network.frozen_layers)
        if network.freeze_batch_norm:
            freeze_batch_norm(model)
        cut = partition_network(model, network.frozen_layers)
        step = TrainingStep(model, cut, whole=False, settings=settings)
        step.trace_ahead()
        stored = activations_of(
            model,
            cut,
            given,
            recipe,
            cache=self.cache,
            most_views=self.most_views,
            progress=progress,
        )
        source = Subset(stored.views, fold.train)
        labels = given.images.labels
        if settings.head_start == "logistic":
            fit_last_layer(
                step,
                source,
                labels[fold.train],
                views=stored.views.plan.views,
                seed=recipe.seed,
                progress=progress,
            )
        validation = stored.plain_rows(fold.held_out, self.folder)
        stored.plain.close()
        return TrainingSetup(
            step=step,
            source=source,
            labels=labels[fold.train],
            validation=validation,
            validation_labels=labels[fold.held_out],
            classes=self.classes,
        )


class _Course:
    """A fold of a trial while it trains: keeps what the recipe would keep, and asks the pruner."""

    def __init__(self, recipe: Recipe, fold: int, before: Sequence[float], pruner: Pruner) -> None:
        self._recipe = recipe
        self._fold = fold
        self._before = before
        self._pruner = pruner
        self._state = "complete"
        self.log_losses: NDArray[np.float64] = np.empty(0)  # held out, at the epoch that is kept
        self.scores = FoldScores(np.nan, 0.0, 0, 0, 0.0)

    def train(self, setup: TrainingSetup, progress: Progress) -> str:
        """Train the fold; the state of its trial."""
        try:
            run_epochs(
                setup,
                self._recipe,
                state=TrainingState(),
                after_epoch=self._after_epoch,
                progress=progress,
            )
        except LossNotFinite:
            return "diverged"
        finally:
            setup.source.close()
        # Where the fold ended early, what it gave is what counts.
        if self._state == "complete" and self.scores.epochs < self._recipe.training.epochs:
            self._go_on(1.0)
        return self._state

    def _after_epoch(self, end: EpochEnd) -> bool:
        settings, epoch = self._recipe.training, int(end.row["epoch"])
        seconds = round(self.scores.seconds + end.row["seconds"], 2)
        self.scores = replace(self.scores, epochs=epoch, seconds=seconds)
        if end.is_best or settings.keep == "last":
            self.log_losses = end.log_losses
            self.scores = replace(
                self.scores,
                log_loss=float(end.log_losses.mean()),
                accuracy=float(end.row["validation_accuracy"]),
                kept_epoch=epoch,
            )
        return self._go_on(epoch / settings.epochs)

    def _go_on(self, done: float) -> bool:
        objective = float(np.mean([*self._before, self.scores.log_loss]))
        self._state = self._pruner(self._fold, done, objective) or "complete"
        return self._state == "complete"
