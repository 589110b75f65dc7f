"""What a search says: its table, the best recipe, and how sure one can be of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actinscope.evaluation import Estimate, Verdict, mean_difference
from actinscope.files import write_csv
from actinscope.report import Page, TrialLine, TuningContent, write_tuning_report
from actinscope.requests import TuneRequest
from actinscope.runs import ChosenNetwork, RunContext
from actinscope.study import Manifest, independent_images
from actinscope.training import (
    FEWEST_FOR_IMPORTANCE,
    Recipe,
    SearchSpace,
    TrialResult,
    recipe_text,
    recipe_with,
    write_recipe,
)
from actinscope.wording import signed

BEST = "best_recipe.toml"


@dataclass(frozen=True, eq=False)
class TuneResult:
    """All that the report of a search is made from.

    Attributes:
        request: with the base recipe as used.
        network: that was trained.
        space: as searched.
        manifest: all records with their parts.
        known: those outside the test part, in the order of the trials' log losses.
        trials: finished ones.
        importances: of the dimensions; may be empty.
    """

    request: TuneRequest
    network: ChosenNetwork
    space: SearchSpace
    manifest: Manifest
    known: Manifest
    trials: tuple[TrialResult, ...]
    importances: Mapping[str, float]

    @property
    def recipe(self) -> Recipe:
        """The base recipe."""
        return self.request.recipe

    @property
    def base(self) -> TrialResult:
        """The trial of the base recipe, which is always complete."""
        return self.trials[0]

    @property
    def best(self) -> TrialResult:
        """The complete trial of the lowest log loss."""
        return best_of(self.trials)

    def difference(self, one: TrialResult, other: TrialResult) -> Estimate:
        """Mean difference of the log loss of the images held out, ``one`` minus ``other``."""
        held_out = np.flatnonzero(np.isfinite(other.log_losses))
        records = [self.known.records[row] for row in held_out]
        first, clusters = independent_images(records, self.known.group)
        distinct = sorted(set(first))
        groups = clusters and [clusters[place] for place in distinct]
        rows = held_out[distinct]
        differences = one.log_losses[rows] - other.log_losses[rows]
        return mean_difference(differences, groups=groups, seed=self.recipe.seed)

    def to_base(self, one: TrialResult) -> Estimate | None:
        """Its difference to the base recipe; None for that itself and for broken off trials."""
        return self.difference(one, self.base) if one.number and one.state == "complete" else None


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
            row["accuracy"] = round(_accuracy(one), 6)
            row["epochs"] = sum(fold.epochs for fold in one.folds)
        row |= {f"log_loss_fold_{k + 1}": round(f.log_loss, 6) for k, f in enumerate(one.folds)}
        rows.append({**row, **_values(one, space, base)})
    write_csv(folder / "trials.csv", columns, rows)
    write_recipe(best_recipe(base, trials), folder / BEST)


def best_recipe(base: Recipe, trials: Sequence[TrialResult]) -> Recipe:
    """The recipe of the best trial; the base recipe itself where that is the best."""
    best = best_of(trials)
    tuned = recipe_with(base, best.values)
    return tuned.model_copy(update={"name": f"{base.name}, tuned"}) if best.number else tuned


def write_tuning(result: TuneResult, folder: Path) -> str:
    """Write table, best recipe, figures and report; returns the sentence that sums it up."""
    write_trials(folder, result.space, result.recipe, result.trials)
    best = result.best
    differences = {one.number: result.to_base(one) for one in result.trials}
    content = TuningContent(
        page=Page(
            title=f"Search of {result.known.root.name}",
            question=_question(result),
            notices=tuple(_notices(result)),
            **vars(RunContext.now(result.request.command)),
        ),
        verdict=_verdict(result, differences[best.number]),
        dimensions=tuple(result.space.dimensions),
        trials=tuple(
            TrialLine(
                number=one.number,
                state=one.state,
                values=_values(one, result.space, result.recipe),
                objective=one.objective,
                fold_losses=tuple(fold.log_loss for fold in one.folds),
                accuracy=_accuracy(one),
                seconds=one.seconds,
                is_best=one.number == best.number,
                difference=differences[one.number],
            )
            for one in result.trials
        ),
        importances=dict(result.importances),
        folds=result.request.folds,
        base_spread=_spread(result.base),
        best_recipe=recipe_text(best_recipe(result.recipe, result.trials)),
        final=f"actinscope train {result.known.root.name} ... --recipe {BEST} -o RUN",
    )
    write_tuning_report(content, folder)
    return content.verdict.sentence


def _values(one: TrialResult, space: SearchSpace, base: Recipe) -> dict[str, object]:
    """What a trial tried; of the base recipe also what lies outside the space."""
    return {**({} if one.number else space.base_values(base)), **one.values}


def _accuracy(one: TrialResult) -> float:
    """Mean over the finished folds; NaN where none is."""
    return statistics.fmean(fold.accuracy for fold in one.folds) if one.folds else math.nan


def _spread(trial: TrialResult) -> float:
    """Standard deviation of the log loss over folds; NaN with one fold."""
    losses = [fold.log_loss for fold in trial.folds]
    return statistics.stdev(losses) if len(losses) > 1 else math.nan


def _verdict(result: TuneResult, gain: Estimate | None) -> Verdict:
    count, best = len(result.trials), result.best
    reasons = tuple(_reasons(result, gain))
    if gain is None:
        said = f"Of {count} trials none has a lower log loss than the base recipe: keep it."
        return Verdict(said, "caution", reasons)
    said = (
        f"The best of {count} trials (number {best.number}) has a log loss of "
        f"{best.objective:.3f}, the base recipe one of {result.base.objective:.3f}; "
    )
    if gain.has_interval and gain.high < 0:
        said += (
            "the difference is larger than chance among the images explains, but it is the best of "
            "many and will shrink on new ones."
        )
        return Verdict(said, "good", reasons)
    said += "on so few images the two cannot be told apart: the base recipe is as good a choice."
    return Verdict(said, "caution", reasons)


def _reasons(result: TuneResult, gain: Estimate | None) -> Iterator[str]:
    base, best = result.base, result.best
    if gain is not None:
        images = int(np.isfinite(base.log_losses).sum())
        interval = f" (95 % interval {signed(gain.low, 3)} to {signed(gain.high, 3)})"
        ends = interval if gain.has_interval else ""
        yield (
            f"Mean difference of the log loss over {images} images, best minus base: "
            f"{signed(gain.value, 3)}{ends}; {gain.method}. The interval covers which images were "
            "at hand by chance, not how training varies with the seed."
        )
    spread = _spread(base)
    if math.isfinite(spread):
        losses = ", ".join(f"{fold.log_loss:.3f}" for fold in base.folds)
        yield (
            f"How noisy the measure is: the base recipe alone gives {losses} on the "
            f"{result.request.folds} folds, a standard deviation of {spread:.3f}."
        )
    else:
        yield (
            "With the validation part alone there is no second value that shows how noisy "
            "the measure is; --folds 3 gives one."
        )
    others = [one for one in result.trials if one.state == "complete" and one is not best]
    if others:
        differences = [result.difference(one, best) for one in others]
        alike = sum(not one.has_interval or one.low <= 0 for one in differences)
        yield (
            f"{alike} of the {len(others)} other complete trials cannot be told apart from the "
            "best one by such an interval."
        )


def _notices(result: TuneResult) -> Iterator[str]:
    tested = sum(record.part == "test" for record in result.manifest.records)
    yield (
        f"The test part ({tested} images) was not used: no trial learned from it, predicted it "
        "or was chosen by it. The numbers here are of the images that the search was guided "
        "by, and so are too good; the only test result comes from training with the best recipe "
        "on the same split."
    )
    if len(result.trials) < result.request.trials:
        yield f"The time was over after {len(result.trials)} of {result.request.trials} trials."
    if result.network.weights.random:
        yield "The network started from RANDOM weights, as asked for."
    if result.known.group is None:
        yield (
            "No group was named: images of one sample may be held out and trained on at once, "
            "and the search may have chosen what remembers samples best."
        )
    own = result.space.base_values(result.recipe)
    outside = [
        f"{name} ({_plain(value)})" for name, value in own.items() if name not in result.base.values
    ]
    if outside:
        yield (
            f"The base recipe lies outside the space in {', '.join(outside)}. All trials are "
            "compared with it, but what mattered is judged from the others."
        )
    missing = [name for name in own if name not in result.importances]
    if not result.importances:
        yield (
            "Which settings mattered is not judged: that takes at least "
            f"{FEWEST_FOR_IMPORTANCE} complete trials in the space, with different results."
        )
    elif missing:
        yield (
            f"What {', '.join(missing)} mattered cannot be judged: no two values of it were tried "
            "to the end."
        )


def _plain(value: object) -> str:
    return "the network's own" if value is None else str(value)


def _question(result: TuneResult) -> str:
    request, known = result.request, result.known
    how = "on the validation part"
    if request.folds > 1:
        group = f", images of one {known.group} together" if known.group else ""
        images = f"{len(known.records)} images outside the test part"
        how = f"on {request.folds} folds of the {images}{group}"
    return (
        f"Which settings train {result.network.entry.title} best? Every trial was judged {how}, by "
        "the mean log loss of the images held out, without label smoothing, at the epoch that the "
        f"recipe keeps. Trial 0 is the base recipe, {request.recipe.name}; seed "
        f"{request.recipe.seed}."
    )
