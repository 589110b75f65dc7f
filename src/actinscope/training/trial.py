"""One trial of a search: a recipe trained and judged on folds of the images."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import LossNotFinite
from actinscope.networks import freeze, freeze_batch_norm, partition_network
from actinscope.progress import Progress
from actinscope.training.activation_cache import ChosenRows, SearchImages, Shelf, activations_of
from actinscope.training.loop import EpochEnd, run_epochs
from actinscope.training.recipe import Recipe
from actinscope.training.setup import TrainingSetup, start_head
from actinscope.training.step import TrainingStep


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of the search's images: those that a network learns from, and those that judge it."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


@dataclass(frozen=True)
class FoldFigures:
    """How one fold of a trial went.

    Attributes:
        log_loss: mean over the images held out, at the kept epoch, without label smoothing.
        accuracy: share of right answers among them, 0..1.
        kept_epoch: the epoch whose weights the recipe would keep.
        epochs: how many were trained.
        seconds: from the first to the last epoch.
    """

    log_loss: float
    accuracy: float
    kept_epoch: int
    epochs: int
    seconds: float


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
    folds: tuple[FoldFigures, ...]
    log_losses: NDArray[np.float64]
    seconds: float


#: Told (fold, share of its epochs that are done 0..1, objective so far); returns a state other
#: than ``complete`` to break the trial off, else an empty text.
Judge = Callable[[int, float, float], str]


class TrialRunner:
    """Trains trials on the same images and folds, with activations shared between them.

    Args:
        build: the network of a recipe, whole, with its first weights, nothing frozen.
        folds: of the images.
        shelf: of stored activations.
        most_views: views that any trial can show.
        classes: how many there are.
        scratch: folder for temporary files.
    """

    def __init__(
        self,
        build: Callable[[Recipe], Any],
        folds: Sequence[Fold],
        *,
        shelf: Shelf,
        most_views: int,
        classes: int,
        scratch: Path,
    ) -> None:
        self._build = build
        self._folds = tuple(folds)
        self._shelf = shelf
        self._most_views = most_views
        self._classes = classes
        self._scratch = scratch

    def run(
        self, recipe: Recipe, given: SearchImages, judge: Judge, progress: Progress
    ) -> TrialOutcome:
        """Train ``recipe`` on every fold, unless ``judge`` breaks it off.

        Raises:
            TrainingError: stored views that do not fit, or that float16 cannot hold.
            OutputError: the disk lacks the space.
        """
        started = time.perf_counter()
        losses = np.full(len(given.images.labels), np.nan)
        figures: list[FoldFigures] = []
        state = "complete"
        for number, fold in enumerate(self._folds):
            watch = _Watch(recipe, number, [one.log_loss for one in figures], judge)
            bench = self._bench(recipe, given, fold, progress)
            state = _trained(bench, recipe, watch, progress)
            if state != "complete":
                break
            losses[fold.held_out] = watch.kept
            figures.append(watch.figures)
            del bench
            gc.collect()  # graphs and networks refer to themselves in circles
        return TrialOutcome(state, tuple(figures), losses, time.perf_counter() - started)

    def _bench(
        self, recipe: Recipe, given: SearchImages, fold: Fold, progress: Progress
    ) -> TrainingSetup:
        settings, network = recipe.training, recipe.network
        model = self._build(recipe)
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
            shelf=self._shelf,
            most_views=self._most_views,
            progress=progress,
        )
        source = ChosenRows(stored.views, fold.train)
        labels = given.images.labels
        if settings.head_start == "logistic":
            start_head(
                step,
                source,
                labels[fold.train],
                views=stored.views.plan.views,
                seed=recipe.seed,
                progress=progress,
            )
        validation = stored.plain_rows(fold.held_out, self._scratch)
        stored.plain.close()
        return TrainingSetup(
            step=step,
            source=source,
            labels=labels[fold.train],
            validation=validation,
            validation_labels=labels[fold.held_out],
            classes=self._classes,
        )


class _Watch:
    """Keeps what the recipe would keep of a fold, and asks the judge after every epoch."""

    def __init__(self, recipe: Recipe, fold: int, before: Sequence[float], judge: Judge) -> None:
        self._settings = recipe.training
        self._fold = fold
        self._before = list(before)
        self._judge = judge
        self.state = "complete"
        self.kept: NDArray[np.float64] = np.empty(0)
        self._accuracy = 0.0
        self._kept_epoch = 0
        self._epochs = 0
        self._seconds = 0.0

    def after_epoch(self, end: EpochEnd) -> bool:
        self._epochs = int(end.row["epoch"])
        self._seconds += end.row["seconds"]
        if end.is_best or self._settings.keep == "last":
            self.kept = end.log_losses
            self._accuracy = end.row["validation_accuracy"]
            self._kept_epoch = self._epochs
        return self._go_on(self._epochs / self._settings.epochs)

    def finish(self) -> None:
        """The fold ended, perhaps early: what it gave is what counts."""
        if self.state == "complete" and self._epochs < self._settings.epochs:
            self._go_on(1.0)

    def _go_on(self, done: float) -> bool:
        objective = float(np.mean([*self._before, self.kept.mean()]))
        self.state = self._judge(self._fold, done, objective) or "complete"
        return self.state == "complete"

    @property
    def figures(self) -> FoldFigures:
        return FoldFigures(
            float(self.kept.mean()),
            float(self._accuracy),
            self._kept_epoch,
            self._epochs,
            round(self._seconds, 2),
        )


def _trained(bench: TrainingSetup, recipe: Recipe, watch: _Watch, progress: Progress) -> str:
    """Train a fold; the state of its trial."""
    state: dict[str, Any] = {"history": [], "best_epoch": 0}
    try:
        run_epochs(bench, recipe, state=state, after_epoch=watch.after_epoch, progress=progress)
    except LossNotFinite:
        return "diverged"
    finally:
        bench.source.close()
    watch.finish()
    return watch.state
