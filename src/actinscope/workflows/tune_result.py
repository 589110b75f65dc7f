"""What a search leaves: its table, the best recipe, and in words how sure one can be of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actinscope.evaluation import Estimate, mean_difference
from actinscope.files import write_csv
from actinscope.requests import TuneRequest
from actinscope.study import TEST, Manifest, independent_images
from actinscope.training import Recipe, SearchSpace, TrialResult, recipe_with, write_recipe
from actinscope.wording import signed

BEST = "best_recipe.toml"


def best_of(trials: Sequence[TrialResult]) -> TrialResult:
    """The complete trial of the lowest log loss; the base recipe is always complete."""
    return min((one for one in trials if one.state == "complete"), key=lambda one: one.objective)


def write_trials(
    folder: Path, space: SearchSpace, base: Recipe, trials: Sequence[TrialResult]
) -> None:
    """Write ``trials.csv`` and ``best_recipe.toml`` of the trials finished so far."""
    if not trials:
        return
    names = list(space.dimensions)
    folds = max(len(one.folds) for one in trials)
    columns = ["trial", "state", "log_loss", "accuracy", *names,
               *(f"log_loss_fold_{k + 1}" for k in range(folds)), "epochs", "seconds"]  # fmt: skip
    rows = []
    for one in trials:
        row: dict[str, object] = {"trial": one.number, "state": one.state, "seconds": one.seconds}
        if math.isfinite(one.objective):
            row["log_loss"] = round(one.objective, 6)
        if one.folds:
            row["accuracy"] = round(statistics.fmean(fold.accuracy for fold in one.folds), 6)
            row["epochs"] = sum(fold.epochs for fold in one.folds)
        row |= {f"log_loss_fold_{k + 1}": round(f.log_loss, 6) for k, f in enumerate(one.folds)}
        # Of the base recipe also what lies outside the space.
        own = {} if one.number else space.base_values(base)
        rows.append({**row, **own, **one.values})
    write_csv(folder / "trials.csv", columns, rows)
    best = best_of(trials)
    tuned = recipe_with(base, best.values)
    if best.number:
        tuned = tuned.model_copy(update={"name": f"{base.name}, tuned"})
    write_recipe(tuned, folder / BEST)


@dataclass(frozen=True, eq=False)
class TuneResult:
    """A search that has ended.

    Attributes:
        request: with the base recipe as used.
        manifest: all records with their parts.
        known: those outside the test part, in the order of the trials' log losses.
        trials: finished ones; the first is of the base recipe, and always complete.
    """

    request: TuneRequest
    manifest: Manifest
    known: Manifest
    trials: tuple[TrialResult, ...]

    def lines(self) -> Iterator[str]:
        """What came out, the verdict first, and how to get a test result."""
        base, best = self.trials[0], best_of(self.trials)
        gain = self._difference(best, base) if best.number else None
        yield self._verdict(best, gain)
        if gain is not None:
            images = int(np.isfinite(base.log_losses).sum())
            interval = f" (95 % interval {signed(gain.low, 3)} to {signed(gain.high, 3)})"
            yield (
                f"- Mean difference of the log loss over {images} images, best minus base: "
                f"{signed(gain.value, 3)}{interval if gain.has_interval else ''}; {gain.method}. "
                "The interval covers which images were at hand by chance, not how training varies "
                "with the seed."
            )
        yield self._noise()
        others = [one for one in self.trials if one.state == "complete" and one is not best]
        if others:
            differences = [self._difference(one, best) for one in others]
            alike = sum(not one.has_interval or one.low <= 0 for one in differences)
            yield (
                f"- {alike} of the {len(others)} other complete trials cannot be told apart from "
                "the best one by such an interval."
            )
        if len(self.trials) < self.request.trials:
            yield (
                f"- The time was over after {len(self.trials)} of {self.request.trials} trials; "
                "--resume goes on."
            )
        tested = sum(record.part == TEST for record in self.manifest.records)
        yield (
            f"The test part ({tested} images) was not used. The log losses above chose the "
            "settings, and so are too good; for a test result train once on the same split, with "
            "the same images, group and seed:"
        )
        folder = self.request.output
        yield f"  actinscope train {self.known.root.name} --recipe {folder / BEST} --folds 1 -o RUN"

    def _verdict(self, best: TrialResult, gain: Estimate | None) -> str:
        count = len(self.trials)
        if gain is None:
            return f"Of {count} trials none has a lower log loss than the base recipe: keep it."
        said = (
            f"The best of {count} trials (number {best.number}) has a log loss of "
            f"{best.objective:.3f}, the base recipe one of {self.trials[0].objective:.3f}; "
        )
        if gain.has_interval and gain.high < 0:
            return said + (
                "the difference is larger than chance among the images explains, but it is the "
                "best of many and will shrink on new ones."
            )
        return said + (
            "on so few images the two cannot be told apart: the base recipe is as good a choice."
        )

    def _noise(self) -> str:
        losses = [fold.log_loss for fold in self.trials[0].folds]
        if len(losses) < 2:
            return (
                "- With the validation part alone there is no second value that shows how noisy "
                "the measure is; --folds 3 gives one."
            )
        shown = ", ".join(f"{loss:.3f}" for loss in losses)
        return (
            f"- How noisy the measure is: the base recipe alone gives {shown} on the "
            f"{len(losses)} folds, a standard deviation of {statistics.stdev(losses):.3f}."
        )

    def _difference(self, one: TrialResult, other: TrialResult) -> Estimate:
        """Mean difference of the log loss of the images held out, ``one`` minus ``other``."""
        held_out = np.flatnonzero(np.isfinite(other.log_losses))
        records = [self.known.records[row] for row in held_out]
        first, clusters = independent_images(records, self.known.group)
        distinct = sorted(set(first))
        groups = clusters and [clusters[place] for place in distinct]
        rows = held_out[distinct]
        differences = one.log_losses[rows] - other.log_losses[rows]
        return mean_difference(differences, groups=groups, seed=self.request.recipe.seed)
