"""How well fields, wells, plates or donors are classified, and what to say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actinscope.evaluation.evaluation import (
    Evaluation,
    estimates_to_json,
    evaluate,
    evaluation_to_json,
)
from actinscope.evaluation.intervals import (
    FEWEST_CLUSTERS,
    Estimate,
    grouped_proportion,
    proportion_of_images,
    without_interval,
)
from actinscope.evaluation.levels import RULE_WORDS, UNDECIDED, LevelRule, Unit, sum_up
from actinscope.wording import counted, whole_percent


@dataclass(frozen=True, eq=False)
class LevelEvaluation:
    """How well units are classified, and what is in those of several classes.

    Attributes:
        rule: how cells were summed up.
        classes: names of the K classes.
        units: all of them.
        evaluation: of the units with one label and an answer; None where there are none.
        right: share of the units with one label whose answer is right, those without an
            answer counted as wrong; None where no unit has one label.
        homeless: cells that belong to no unit, as a column is empty.
        unfamiliar: cells that were left out, as `predict` names no class for them.
        familiar: units of which other cells trained the model.
        group: column that the units are grouped by in the intervals, or None.
    """

    rule: LevelRule
    classes: tuple[str, ...]
    units: tuple[Unit, ...]
    evaluation: Evaluation | None
    right: Estimate | None
    homeless: int = 0
    unfamiliar: int = 0
    familiar: int = 0
    group: str | None = None

    @property
    def mixed(self) -> tuple[Unit, ...]:
        """Units with cells of several true classes."""
        return tuple(unit for unit in self.units if unit.mixed)

    @property
    def labelled(self) -> tuple[Unit, ...]:
        """Units whose cells are all of one true class."""
        return tuple(unit for unit in self.units if unit.label is not None)

    @property
    def undecided(self) -> dict[str, int]:
        """Reason -> number of units with one label that have no answer for it."""
        whys = [unit.why for unit in self.labelled]
        return {why: whys.count(why) for why in UNDECIDED if why in whys}


def evaluate_level(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    names: Sequence[tuple[str, ...]],
    rule: LevelRule,
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None = None,
    group: str | None = None,
    seed: int = 0,
) -> LevelEvaluation:
    """Sum cells up and evaluate the units as `evaluate` does images.

    Units count as independent, or as grouped where each lies in one group and some groups
    hold several. Fewer than `FEWEST_CLUSTERS` units (or groups) give no interval at all.

    Args:
        labels: (N,) true class index of each cell.
        probabilities: (N, K).
        names: unit of each cell.
        groups: group of each cell, or None.
        group: what the groups are called.
        seed: of the resampling.

    Raises:
        StudyError: the arguments do not fit together.
    """
    units = sum_up(probabilities, names, rule, labels=labels)
    decided = [unit for unit in units if unit.label is not None and unit.answer is not None]
    of_unit = _group_of(decided, names, groups)
    evaluation = None
    if decided:
        evaluation = evaluate(
            np.array([unit.label for unit in decided]),
            np.stack([unit.probabilities for unit in decided]),
            classes=classes,
            groups=of_unit,
            seed=seed,
        )
        evaluation = _in_words(evaluation, rule, grouped=of_unit is not None)
    return LevelEvaluation(
        rule=rule,
        classes=tuple(classes),
        units=units,
        evaluation=evaluation,
        right=_right_of_all(units, names, groups, rule),
        homeless=sum(not all(name) for name in names),
        group=group if of_unit is not None else None,
    )


def _right_of_all(
    units: Sequence[Unit],
    names: Sequence[tuple[str, ...]],
    groups: Sequence[str] | None,
    rule: LevelRule,
) -> Estimate | None:
    """Share of right answers among all units with one label; no answer is no right answer."""
    labelled = [unit for unit in units if unit.label is not None]
    if not labelled:
        return None
    hits = np.array([unit.answer == unit.label for unit in labelled])
    of_unit = _group_of(labelled, names, groups)
    few = _too_few(len(labelled), rule)
    if of_unit is not None:
        found = grouped_proportion(hits, np.unique(of_unit, return_inverse=True)[1])
    elif few:
        found = without_interval(float(hits.mean()), len(hits), count=int(hits.sum()), why=few)
    else:
        found = proportion_of_images(int(hits.sum()), len(hits))
    return replace(found, method=found.method.replace("images", rule.words))


def _group_of(
    units: Sequence[Unit], names: Sequence[tuple[str, ...]], groups: Sequence[str] | None
) -> list[str] | None:
    """The group of each unit; None unless each has one and some have it in common."""
    if groups is None:
        return None
    found: dict[tuple[str, ...], set[str]] = {}
    for name, group in zip(names, groups, strict=True):
        found.setdefault(name, set()).add(group)
    own = [found[unit.name] for unit in units]
    if any(len(one) != 1 for one in own):
        return None
    single = [next(iter(one)) for one in own]
    return single if len(set(single)) < len(single) else None


def _too_few(count: int, rule: LevelRule) -> str:
    if count >= FEWEST_CLUSTERS:
        return ""
    return f"{counted(count, rule.word)}, fewer than {FEWEST_CLUSTERS}"


def _in_words(evaluation: Evaluation, rule: LevelRule, *, grouped: bool) -> Evaluation:
    """The evaluation with units called by their name, and no interval from too few of them."""
    few = "" if grouped else _too_few(evaluation.n, rule)

    def renamed(estimate: Estimate) -> Estimate:
        why = few or ("" if grouped else _too_few(estimate.n, rule))
        if why and estimate.has_interval:
            return without_interval(estimate.value, estimate.n, count=estimate.count, why=why)
        return replace(estimate, method=estimate.method.replace("images", rule.words))

    metrics = {name: renamed(one) for name, one in evaluation.metrics.items()}
    per_class = {
        name: {metric: renamed(one) for metric, one in own.items()}
        for name, own in evaluation.per_class.items()
    }
    absent = [name for name, own in per_class.items() if own["recall"].n == 0]
    method = evaluation.interval_method.replace("images", rule.words)
    return replace(
        evaluation,
        metrics=metrics,
        per_class=per_class,
        interval_method=f"No intervals: {few}." if few else method,
        notes=(f"No {rule.word} of {', '.join(absent)} was answered.",) if absent else (),
    )


def level_words(level: LevelEvaluation) -> tuple[str, ...]:
    """The verdict on one level: the result first, then what limits it; full sentences."""
    rule, sentences = level.rule, []
    done = level.evaluation
    if done is not None:
        accuracy = done.metrics["accuracy"]
        few = _too_few(done.n, rule)
        sentences.append(
            f"{accuracy.count} of {counted(done.n, rule.word)} with one true class and an answer "
            f"{'is' if accuracy.count == 1 else 'are'} classified correctly "
            f"({whole_percent(accuracy.value)} %{_interval_words(accuracy)}), by "
            f"{RULE_WORDS[rule.rule]}."
        )
        if few:
            sentences.append(
                f"{few[0].upper()}{few[1:]}: too few to say how the model does on another "
                f"{rule.word}, and no interval is given."
            )
    elif not level.mixed:
        sentences.append(f"No {rule.word} has an answer that could be judged.")
    undecided = sum(level.undecided.values())
    if undecided and level.right is not None:
        whys = ", ".join(f"{why} {number}" for why, number in level.undecided.items())
        sentences.append(
            f"{counted(undecided, rule.word)} got no answer ({whys}); counted as wrong, "
            f"{whole_percent(level.right.value)} % of {level.right.n} are right."
        )
    return (*sentences, *_limits(level))


def _limits(level: LevelEvaluation) -> list[str]:
    rule, sentences = level.rule, []
    ties = sum(unit.tied and unit.answer is not None for unit in level.units)
    if ties:
        sentences.append(
            f"Equal votes in {counted(ties, rule.word)}: the mean probability decided."
        )
    if level.mixed:
        sentences.append(
            f"{counted(len(level.mixed), rule.word)} {'holds' if len(level.mixed) == 1 else 'hold'}"
            " cells of several true classes: there is no one right name, so none is judged; the "
            "shares of cells by label and by the model are given instead, not corrected for the "
            "confusion of classes."
        )
    if level.familiar:
        sentences.append(
            f"Other cells of {counted(level.familiar, rule.word)} trained the model or chose its "
            f"epoch: the result at this level is an upper bound for a new {rule.word}. Split by "
            f"{rule.word} to test that."
        )
    if level.homeless:
        sentences.append(f"{level.homeless} cells have no {rule.word} and are left out here.")
    if level.unfamiliar:
        sentences.append(
            f"{level.unfamiliar} cells are unlike all training images and are left out here."
        )
    return sentences


def _interval_words(estimate: Estimate) -> str:
    if not estimate.has_interval:
        return "; no interval"
    return f"; 95 % interval {whole_percent(estimate.low)} to {whole_percent(estimate.high)} %"


def composition_error(level: LevelEvaluation) -> NDArray[np.float64] | None:
    """(K,) mean over the mixed units of |share of votes - true share|; None without any."""
    if not level.mixed:
        return None
    gaps = [
        np.abs(unit.votes - unit.labels) / unit.cells
        for unit in level.mixed
        if unit.labels is not None
    ]
    result: NDArray[np.float64] = np.mean(gaps, axis=0)
    return result


def level_to_json(level: LevelEvaluation) -> dict[str, dict[str, float | int | str | None]]:
    """Figures with keys such as ``level[donor].accuracy``, as `evaluation_to_json` gives them."""
    found: dict[str, dict[str, float | int | str | None]] = {}
    if level.evaluation is not None:
        found |= evaluation_to_json(level.evaluation)
    more = {} if level.right is None else {"right_of_all": level.right}
    errors = composition_error(level)
    if errors is not None:
        units = len(level.mixed)
        why = f"mean over {counted(units, level.rule.word)} with cells of several classes"
        for name, error in zip(level.classes, errors, strict=True):
            more[f"share_error[{name}]"] = without_interval(float(error), units, why=why)
    found |= estimates_to_json(more)
    return {f"level[{level.rule.name}].{key}": figure for key, figure in found.items()}
