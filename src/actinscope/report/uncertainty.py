"""The section on calibration and uncertainty: sentences, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from actinscope.predict import notes_of_members, promised_coverage, usual_coverage
from actinscope.report import text

if TYPE_CHECKING:
    from actinscope.bundle import AbstainRule, OodRule, Reliability, SetRule
    from actinscope.evaluation import Estimate, UncertaintyEvaluation


def calibration_rows(uncertainty: UncertaintyEvaluation) -> list[tuple[str, Estimate, Estimate]]:
    """(name, before, after) of every calibration metric."""
    return [
        (text.metric_title(name), uncertainty.before[name], uncertainty.after[name])
        for name in uncertainty.before
    ]


def set_rows(uncertainty: UncertaintyEvaluation) -> list[tuple[str, Estimate, Estimate]]:
    """(class, coverage, mean size of its sets); the first row is of all images."""
    return [
        (name or "all images", uncertainty.coverage[name], uncertainty.size[name])
        for name in uncertainty.coverage
    ]


def uncertainty_sentences(uncertainty: UncertaintyEvaluation) -> list[str]:
    """What was done and what it gave, in plain words."""
    if len(uncertainty.rules) > 1:
        return _ensemble_sentences(uncertainty)
    (rules,) = uncertainty.rules
    fitted = f"{text.whole(rules.images)} validation images"
    if rules.groups is not None:
        fitted += f" from {text.groups(rules.groups)}"
    calibrated = (
        "The probabilities are those that the network gives (temperature 1)."
        if rules.temperature == 1
        else f"The probabilities are calibrated on {fitted} (temperature {rules.temperature:.2f}"
        f"{_direction(rules.temperature)}). That changes no prediction."
    )
    said = [
        calibrated,
        _sets_sentence(uncertainty, rules.sets),
        _abstain_sentence(uncertainty, _when_alone(rules.abstain)),
        _familiar_sentence(uncertainty, rules.ood),
    ]
    return said + [f"Note: {note}." for note in _notes(rules)]


def _notes(rules: Reliability) -> list[str]:
    return [note for note in (*rules.notes, rules.sets.note, rules.abstain.note) if note]


def _ensemble_sentences(uncertainty: UncertaintyEvaluation) -> list[str]:
    """The same where the members of an ensemble vote."""
    count = len(uncertainty.rules)
    temperatures = [rules.temperature for rules in uncertainty.rules]
    coverages = [rules.sets.coverage for rules in uncertainty.rules]
    low, high = text.percent(min(coverages)), text.percent(max(coverages))
    when = [f"where more than half of its {count} members do"]
    if all(rules.abstain.by == "set" for rules in uncertainty.rules):
        when.append("where its prediction set is not its answer alone")
    said = [
        f"The probabilities are the mean of those of {count} networks, each calibrated by itself "
        f"(temperatures {min(temperatures):.2f} to {max(temperatures):.2f}).",
        f"A prediction set holds every class that is in the sets of more than half of the {count} "
        f"members. Theirs are meant to hold the true class in "
        f"{low if low == high else f'{low} to {high}'} of the images. However the members err "
        f"together, the merged sets do so in at least {text.percent(promised_coverage(coverages))} "
        f"(Gasparin and Ramdas, 2024), {usual_coverage(count)}. {_held(uncertainty)}",
        _abstain_sentence(uncertainty, *when),
    ]
    if uncertainty.unfamiliar is None:
        said.append("Not every member knows what is unfamiliar, so any image is named.")
    else:
        said.append(
            "An image is unfamiliar, and not named by predict, where more than half of the members "
            f"find it so. {_unfamiliar(uncertainty.unfamiliar)}"
        )
    notes = notes_of_members([_notes(rules) for rules in uncertainty.rules])
    return said + [f"Note: {note}." for note in notes]


def _direction(temperature: float) -> str:
    if abs(temperature - 1) < 0.005:
        return ""
    return f": the network was {'over' if temperature > 1 else 'under'}confident"


def _sets_sentence(uncertainty: UncertaintyEvaluation, sets: SetRule) -> str:
    meant = "of the images of every class" if sets.per_class else "of the images"
    return (
        f"A prediction set holds every class that cannot be ruled out; it is meant to hold the "
        f"true class in {text.percent(sets.coverage)} {meant}. {_held(uncertainty)}"
    )


def _held(uncertainty: UncertaintyEvaluation) -> str:
    found = uncertainty.coverage[""]
    odd = (uncertainty.unfamiliar.count or 0) if uncertainty.unfamiliar is not None else 0
    empty = f" (the {text.whole(odd)} unfamiliar among them have an empty set)" if odd else ""
    return (
        f"Here it does in {_share(found)}{empty}, with "
        f"{uncertainty.size[''].value:.2f} classes on average. For images unlike those of the "
        "study it does so less often."
    )


def _when_alone(rule: AbstainRule) -> str:
    return {
        "set": "where its prediction set is not a single class",
        "accuracy": f"where its probability is below {rule.confidence or 0:.3f}",
        "share": f"where its probability is below {rule.confidence or 0:.3f}",
        "never": "",
    }[rule.by]


def _abstain_sentence(uncertainty: UncertaintyEvaluation, *when: str) -> str:
    if uncertainty.answered is None or uncertainty.accuracy_answered is None:
        return "No abstention rule could be fitted; the column abstained is left empty."
    odd = "where the image is unfamiliar" if uncertainty.unfamiliar is not None else ""
    *first, last = [reason for reason in (*when, odd) if reason] or [""]
    reasons = f"{', '.join(first)} and {last}" if first else last
    abstains = (
        f"abstains {reasons}" if any(when) else f"abstains only {odd}" if odd else "never abstains"
    )
    return (
        f"The model {abstains}. It answers {_share(uncertainty.answered)} of the images; of these "
        f"answers {_share(uncertainty.accuracy_answered)} are correct."
    )


def _familiar_sentence(uncertainty: UncertaintyEvaluation, rule: OodRule | None) -> str:
    if rule is None or uncertainty.unfamiliar is None:
        return "The bundle does not know what is unfamiliar, so any image is named."
    return (
        f"An image is unfamiliar, and not named by predict, where it is farther from the training "
        f"images than all but {text.percent(rule.share)} of familiar ones. "
        f"{_unfamiliar(uncertainty.unfamiliar)}"
    )


def _unfamiliar(share: Estimate) -> str:
    return f"Of these images {_share(share)} are."


def _share(found: Estimate) -> str:
    """A share with the count behind it, and its interval where it has one."""
    between = f"; 95 % interval {text.interval(found, 'accuracy')}" if found.has_interval else ""
    return f"{text.percent(found.value)} ({text.counts(found)}{between})"


def main_uncertainty(
    uncertainty: Mapping[str, UncertaintyEvaluation], part: str
) -> UncertaintyEvaluation | None:
    """The part of the headline, or the first there is."""
    return uncertainty.get(part) or next(iter(uncertainty.values()), None)
