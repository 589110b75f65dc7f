"""What a search says: its table, the best recipe, and how sure one can be of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actinscope.evaluation import Estimate, Verdict, mean_difference
from actinscope.files import write_csv
from actinscope.report import Page, TrialLine, TuningContent, write_tuning_report
from actinscope.runs import RunContext
from actinscope.study import Manifest
from actinscope.training import (
    FEWEST_FOR_IMPORTANCE,
    Choices,
    Range,
    Recipe,
    SearchSpace,
    TrialResult,
    recipe_text,
    recipe_with,
    write_recipe,
)

BEST = "best_recipe.toml"


@dataclass(frozen=True, eq=False)
class TuneResult:
    """All that the report of a search is made from.

    Attributes:
        recipe: the base recipe as used.
        space: as searched.
        manifest: all records with their parts.
        known: those outside the test part, in the order of the trials' log losses.
        folds: 1 is the validation part.
        trials: finished ones.
        asked: how many were asked for.
        importances: of the dimensions; may be empty.
        random_weights: the network was not pretrained.
        network: its title.
        command: the command line.
    """

    recipe: Recipe
    space: SearchSpace
    manifest: Manifest
    known: Manifest
    folds: int
    trials: tuple[TrialResult, ...]
    asked: int
    importances: Mapping[str, float]
    random_weights: bool
    network: str
    command: str


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
        own = _base_values(space, base) if not one.number else {}
        rows.append({**row, **own, **one.values})
    write_csv(folder / "trials.csv", columns, rows)
    write_recipe(best_recipe(base, trials), folder / BEST)


def best_recipe(base: Recipe, trials: Sequence[TrialResult]) -> Recipe:
    """The recipe of the best trial; the base recipe itself where that is the best."""
    best = best_of(trials)
    tuned = recipe_with(base, best.values)
    return tuned.model_copy(update={"name": f"{base.name}, tuned"}) if best.number else tuned


def write_tuning(story: TuneResult, folder: Path) -> str:
    """Write table, best recipe, figures and report; returns the sentence that sums it up."""
    write_trials(folder, story.space, story.recipe, story.trials)
    base, best = story.trials[0], best_of(story.trials)
    versus = {
        one.number: _against(one, base, story)
        for one in story.trials
        if one.state == "complete" and one.number
    }
    content = TuningContent(
        page=Page(
            title=f"Search of {story.known.root.name}",
            question=_question(story),
            notices=_notices(story),
            **vars(RunContext.now(story.command)),
        ),
        verdict=_verdict(story, best, versus),
        dimensions={name: _scale(one) for name, one in story.space.dimensions.items()},
        trials=tuple(_line(one, story, best, versus.get(one.number)) for one in story.trials),
        importances=dict(story.importances),
        folds=story.folds,
        base_spread=_spread(base),
        best_recipe=recipe_text(best_recipe(story.recipe, story.trials)),
        final=f"actinscope train {story.known.root.name} ... --recipe {BEST} -o RUN",
    )
    write_tuning_report(content, folder)
    return content.verdict.sentence


def _base_values(space: SearchSpace, base: Recipe) -> dict[str, object]:
    """What trial 0 had, also where the space does not hold it."""
    found: dict[str, object] = {}
    for name in space.dimensions:
        if name == "freeze_points":
            found[name] = base.network.frozen_layers
        elif name == "augmentation_strength":
            found[name] = 1.0
        else:
            section, _, key = name.partition(".")
            found[name] = getattr(getattr(base, section), key)
    return found


def _scale(dimension: Range | Choices) -> tuple[str, tuple[object, ...]]:
    if isinstance(dimension, Choices):
        return "choices", dimension.values
    return ("log" if dimension.log else "linear"), (dimension.low, dimension.high)


def _against(one: TrialResult, other: TrialResult, story: TuneResult) -> Estimate:
    """Mean difference of the log loss of the images that were held out, one minus other."""
    judged = np.flatnonzero(np.isfinite(other.log_losses))
    records = [story.known.records[row] for row in judged]
    groups = None
    if story.known.group is not None:
        groups = [story.known.group_of(record) for record in records]
    differences = one.log_losses[judged] - other.log_losses[judged]
    return mean_difference(differences, groups=groups, seed=story.recipe.seed)


def _spread(trial: TrialResult) -> float:
    """Standard deviation of the log loss over folds; NaN with one fold."""
    losses = [fold.log_loss for fold in trial.folds]
    return statistics.stdev(losses) if len(losses) > 1 else math.nan


def _verdict(story: TuneResult, best: TrialResult, versus: Mapping[int, Estimate]) -> Verdict:
    count, gain = len(story.trials), versus.get(best.number)
    reasons = _reasons(story, best, versus)
    if best.number == 0 or gain is None:
        return Verdict(
            f"Of {count} trials none has a lower log loss than the base recipe: keep it.",
            "caution",
            reasons,
        )
    found = (
        f"The best of {count} trials (number {best.number}) has a log loss of "
        f"{best.objective:.3f}, the base recipe one of {story.trials[0].objective:.3f}"
    )
    if not gain.has_interval or gain.high >= 0:
        return Verdict(
            f"{found}; on so few images the two cannot be told apart: the base recipe is as "
            "good a choice.",
            "caution",
            reasons,
        )
    return Verdict(
        f"{found}; the difference is larger than chance among the images explains, but it is "
        "the best of many and will shrink on new ones.",
        "good",
        reasons,
    )


def _reasons(
    story: TuneResult, best: TrialResult, versus: Mapping[int, Estimate]
) -> tuple[str, ...]:
    base = story.trials[0]
    judged = int(np.isfinite(base.log_losses).sum())
    said = []
    if best.number in versus:
        gain = versus[best.number]
        ends = f" (95 % interval {gain.low:+.3f} to {gain.high:+.3f})" if gain.has_interval else ""
        said.append(
            f"Mean difference of the log loss over {judged} images, best minus base: "
            f"{gain.value:+.3f}{ends}; {gain.method}. The interval knows which images were at "
            "hand by chance, not how training falls out with another seed."
        )
    spread = _spread(base)
    if math.isfinite(spread):
        losses = ", ".join(f"{fold.log_loss:.3f}" for fold in base.folds)
        said.append(
            f"How noisy the measure is: the base recipe alone gives {losses} on the "
            f"{story.folds} folds, a standard deviation of {spread:.3f}."
        )
    else:
        said.append(
            "Judged on the validation part alone there is no second figure that shows how noisy "
            "the measure is; --folds 3 gives one."
        )
    others = [one for one in story.trials if one.state == "complete" and one is not best]
    alike = []
    for one in others:
        apart = _against(one, best, story)
        if not apart.has_interval or apart.low <= 0:
            alike.append(one.number)
    if others:
        said.append(
            f"{len(alike)} of the {len(others)} other complete trials cannot be told from the "
            "best one by such an interval."
        )
    return tuple(said)


def _notices(story: TuneResult) -> tuple[str, ...]:
    tested = sum(record.part == "test" for record in story.manifest.records)
    said = [
        f"The test part ({tested} images) was not used: no trial learned from it, predicted it "
        "or was chosen by it. The figures here are of the images that the search was steered "
        "by, and so are too good; the one test figure comes from training with the best recipe "
        "on the same split."
    ]
    if len(story.trials) < story.asked:
        said.append(f"The time was over after {len(story.trials)} of {story.asked} trials.")
    if story.random_weights:
        said.append("The network started from RANDOM weights, as asked for.")
    if story.known.group is None:
        said.append(
            "No group was named: images of one sample may be held out and trained on at once, "
            "and the search may have chosen what remembers samples best."
        )
    return (*said, *_unjudged(story))


def _unjudged(story: TuneResult) -> list[str]:
    """What "What mattered" does not cover, and why."""
    said = []
    own = _base_values(story.space, story.recipe)
    outside = [
        f"{name} ({_plain(own[name])})"
        for name in story.space.dimensions
        if name not in story.trials[0].values
    ]
    if outside:
        said.append(
            f"The base recipe lies outside the space in {', '.join(outside)}. All trials are "
            "compared with it, but what mattered is judged from the others."
        )
    if not story.importances:
        said.append(
            "Which settings mattered is not judged: that takes at least "
            f"{FEWEST_FOR_IMPORTANCE} complete trials in the space, with different results."
        )
        return said
    missing = [name for name in story.space.dimensions if name not in story.importances]
    if missing:
        said.append(
            f"What {', '.join(missing)} mattered cannot be judged: no two values of it were tried "
            "to the end."
        )
    return said


def _plain(value: object) -> str:
    return "the network's own" if value is None else str(value)


def _question(story: TuneResult) -> str:
    group = f", images of one {story.known.group} together" if story.known.group else ""
    how = (
        f"on {story.folds} folds of the {len(story.known.records)} images outside the test "
        f"part{group}"
        if story.folds > 1
        else "on the validation part"
    )
    return (
        f"Which settings train {story.network} best? Every trial was judged {how}, by the mean "
        "log loss of the images held out, without label smoothing, at the epoch that the recipe "
        f"keeps. Trial 0 is the base recipe, {story.recipe.name}; seed {story.recipe.seed}."
    )


def _line(
    one: TrialResult, story: TuneResult, best: TrialResult, gain: Estimate | None
) -> TrialLine:
    values = _base_values(story.space, story.recipe) if not one.number else {}
    accuracy = math.nan
    if one.folds:
        accuracy = statistics.fmean(fold.accuracy for fold in one.folds)
    return TrialLine(
        number=one.number,
        state=one.state,
        values=values | dict(one.values),
        objective=one.objective,
        fold_losses=tuple(fold.log_loss for fold in one.folds),
        accuracy=accuracy,
        seconds=one.seconds,
        is_best=one.number == best.number,
        difference=gain,
    )
