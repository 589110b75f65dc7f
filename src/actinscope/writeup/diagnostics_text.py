"""What methods, checklists and model card say of controls, audit, maps and probabilities.

Every sentence holds for what was done in the run; what was switched off is called so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from actinscope.audit import COPIES_SEARCHED, LEVEL
from actinscope.bundle import AbstainRule
from actinscope.evaluation import Estimate, UncertaintyEvaluation
from actinscope.explain import (
    MOST_IMAGES,
    TITLES,
    Control,
    ControlResults,
    attention_sentence,
    sanity_sentence,
)
from actinscope.wording import UNDEFINED, counted, listed, percent
from actinscope.writeup.diagnostics import AuditFacts
from actinscope.writeup.facts import RunFacts, StudyFacts

_CONFIDENCE = 0.95  # of the intervals of controls and of what probabilities are worth
_SHARES = {"accuracy", "balanced_accuracy"}
_UNFAMILIAR = "farther from the training images than nearly all images like them"


def figure(estimate: Estimate, metric: str, confidence: float) -> str:
    """A value with its interval, or with the words that there is none."""
    show = percent if metric in _SHARES or metric.startswith("recall") else _decimal
    text = show(estimate.value)
    count = "" if estimate.count is None else f"{estimate.count} of {estimate.n}; "
    if not estimate.has_interval:
        return f"{text} ({count}no interval)"
    low, high = show(estimate.low), show(estimate.high)
    return f"{text} ({count}{100 * confidence:g} % interval {low} to {high})"


def _decimal(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else UNDEFINED


def is_calibrated(facts: RunFacts) -> bool:
    """Whether a temperature other than 1 was found; too few images leave it at 1."""
    worth = facts.checks.worth
    return worth is not None and any(rules.temperature != 1 for rules in worth.rules)


def probability_sentences(facts: RunFacts) -> Iterator[str]:
    """Temperature, prediction sets, abstaining, unfamiliar images; nothing without rules."""
    worth = facts.checks.worth
    if worth is None:
        return
    (rules,) = worth.rules  # a run trains one network
    groups = (
        "" if rules.groups is None or facts.group is None
        else f" from {counted(rules.groups, facts.group)}"
    )  # fmt: skip
    if is_calibrated(facts):
        yield (
            f"All logits were divided by one temperature, {rules.temperature:.3g}, fitted on "
            f"{rules.images} validation images{groups}; this changes no answer. Log loss and the "
            "sums over levels are of these calibrated probabilities."
        )
    else:
        yield "The probabilities are those that the network gives (temperature 1)."
    meant = "of the images of every class" if rules.sets.per_class else "of the images"
    odd = worth.unfamiliar is not None and (worth.unfamiliar.count or 0) > 0
    yield (
        f"Prediction sets, meant to hold the true class in {percent(rules.sets.coverage)} {meant}, "
        f"held it in {_share(worth.coverage[''])} of the test images, with "
        f"{worth.size[''].value:.2f} classes on average"
        f"{' (the set of an unfamiliar image is empty)' if odd else ''}."
    )
    yield _abstained(worth, rules.abstain)
    if rules.ood is not None and worth.unfamiliar is not None:
        yield (
            f"Images {_UNFAMILIAR} are called unfamiliar and are left unnamed when the model is "
            f"applied to new images; {_share(worth.unfamiliar)} of the test images were."
        )
    for note in (*rules.notes, rules.sets.note, rules.abstain.note):
        if note:
            yield f"{note[0].upper()}{note[1:]}."
    yield (
        "Accuracy and all other figures count every test image, also those without an answer or "
        "unfamiliar ones."
    )


def _abstained(worth: UncertaintyEvaluation, rule: AbstainRule) -> str:
    if worth.answered is None or worth.accuracy_answered is None:
        return "No rule of giving no answer could be fitted."
    when = {
        "set": "the set was not a single class",
        "accuracy": f"the highest probability was below {rule.confidence or 0:.3f}",
        "share": f"the highest probability was below {rule.confidence or 0:.3f}",
        "never": "",
    }[rule.by]
    odd = "the image was unfamiliar" if worth.unfamiliar is not None else ""
    reasons = " or ".join(one for one in (when, odd) if one)
    if not reasons:
        return "The model answers for every image."
    return (
        f"No answer was to be taken where {reasons}: {_share(worth.answered)} of the test images "
        f"were answered, {_share(worth.accuracy_answered)} of these answers right."
    )


def check_sentences(facts: RunFacts) -> Iterator[str]:
    """Audit, controls and maps, for the methods; nothing of what was not done."""
    checks = facts.checks
    if checks.audit is not None:
        yield "Before training the images were audited."
        yield _copies_found(checks.audit)
        yield confounds_tested(checks.audit)
    if checks.controls is not None:
        yield from _controls(checks.controls)
    if checks.explanation is not None:
        found = checks.explanation
        yield f"What the network looks at was shown by {found.method}s of test images."
        if found.attention is not None:
            yield attention_sentence(found.attention)
        if found.sanity:
            yield sanity_sentence(found.sanity)


def _controls(found: ControlResults) -> Iterator[str]:
    if found.controls:
        yield f"{_linear(found)}."
    yield permutation(found)
    if len(found.resolution) > 1:
        told = [
            f"{percent(one.value)} {'as they are' if factor == 1 else f'reduced {factor} times'}"
            for factor, one in found.resolution
        ]
        yield f"Balanced accuracy of the network on coarser test images: {', '.join(told)}."
    if found.batches:
        yield _batches(found)


def _linear(found: ControlResults) -> str:
    """Linear controls beside the network, without a full stop."""
    told = [f"{_title(one)} {_balanced(one.balanced_accuracy)}" for one in found.controls]
    fewest = min(one.images for one in found.controls)
    most = max(one.images for one in found.controls)
    images = f"{most}" if fewest == most else f"{fewest} to {most}"
    return (
        "Logistic regression on simple features, fitted on training images and tried on "
        f"{images} test images, reached these balanced accuracies: {'; '.join(told)}. The network "
        f"reached {_balanced(found.controls[0].network)} on the images of the first"
    )


def _ahead(found: ControlResults) -> str:
    explaining = [_title(one) for one in found.controls if one.explains]
    if explaining:
        return f"The network is NOT shown to be ahead of: {listed(explaining)}."
    return "The network is ahead of each, image by image, as the 95 % intervals show."


def permutation(found: ControlResults) -> str:
    """The test with labels dealt out anew."""
    one = found.shuffled
    return (
        f"In a permutation test with labels dealt out anew {one.how} (999 times), the network's "
        f"answers reached a balanced accuracy of {percent(one.mean)} on average, against "
        f"{percent(one.balanced_accuracy)} with the true labels (p = {one.p:.3f})."
    )


def _batches(found: ControlResults) -> str:
    told = [
        f"{one.column} (named rightly {percent(one.balanced_accuracy)}, by chance "
        f"{percent(one.chance)}; Cramer's V with the class {one.association:.2f})"
        for one in found.batches
    ]
    return f"Whether the network's features tell batches apart was tried on {listed(told)}."


def compared(facts: RunFacts) -> tuple[bool, str]:
    """Whether rivals of any kind were tried, and what they reached."""
    commonest = f"always naming the commonest test class ({percent(facts.baseline)} right)"
    found = facts.checks.controls
    if found is None or not found.controls:
        why = "the recipe switched the controls off" if found is None else "no control could be run"
        return False, f"Only with {commonest}. No other method was run ({why}); compare with one."
    return True, (
        f"With {commonest} and with simple controls. {_linear(found)}. {_ahead(found)} No other "
        "network and no published method was run."
    )


def baselines(facts: RunFacts) -> tuple[bool, str]:
    """Which baselines there are, and how they were tuned."""
    found = facts.checks.controls
    if found is None or not found.controls:
        return False, (
            "The only baseline is the commonest class. Name the models you compare with and how "
            "they were tuned."
        )
    names = listed([_title(one) for one in found.controls])
    return True, (
        f"Baselines: the commonest class, and logistic regression on {names}, with (at most "
        f"{MOST_IMAGES}) training images of the network, standardised features, equal weight of "
        "the classes and one fixed penalty; they were not tuned. Name other models "
        "you compare with and how they were tuned."
    )


def tests_made(facts: RunFacts) -> tuple[bool, str]:
    """Statistical tests of the run, with what they take for granted."""
    checks = facts.checks
    told = []
    if checks.controls is not None:
        told.append(
            f"{permutation(checks.controls)} It takes labels for exchangeable "
            f"{checks.controls.shuffled.how}, and does not allow for other runs made before."
        )
        if checks.controls.controls:
            told.append(
                "Network and controls were compared by the 95 % interval of their difference, "
                "image by image; several controls were tried, and nothing was corrected for that."
            )
    if checks.audit is not None and checks.audit.confounds:
        told.append(
            f"The audit made {len(checks.audit.confounds)} permutation tests for confounds, "
            "adjusted for their number."
        )
    if checks.controls is None:
        told.append("No statistical test was made of the network's result.")
    told.append("The interval of the accuracy can be read against the rate of the commonest class.")
    return checks.controls is not None, " ".join(told)


def copies(facts: RunFacts) -> str:
    """What is known of copies between the parts."""
    kept = facts.recipe.split.keep_copies and facts.split_origin == "seed"
    together = "Near copies (turned, shifted, recompressed) stay together, too." if kept else ""
    audit = facts.checks.audit
    found = _copies_found(audit) if audit else "" if kept else "Near copies were not looked for."
    return " ".join(one for one in (together, found) if one)


def _copies_found(audit: AuditFacts) -> str:
    return copies_told(
        audit,
        together="none of them in two parts",
        apart=f"of which {audit.apart} in two parts ({audit.apart_from_test} with one image in "
        "the test part): there the parts are NOT independent",
    )


def copies_told(audit: AuditFacts, *, together: str, apart: str) -> str:
    """How many copies were found; ``together`` where none stands apart, else ``apart``."""
    if not audit.copies:
        return f"{COPIES_SEARCHED} None was found."
    found = counted(audit.copies, "pair")
    return f"{COPIES_SEARCHED} Found: {found}, {apart if audit.apart else together}."


def confounds_tested(audit: AuditFacts) -> str:
    """Whether something besides the cells tells the classes."""
    if not audit.confounds:
        return "Nothing besides the cells could be tested for telling the classes."
    names = listed([one.name for one in audit.confounds])
    told = [
        f"{one.name} (balanced accuracy {percent(one.balanced_accuracy)}, by chance "
        f"{percent(one.expected)}, adjusted p = {one.p:.3f})"
        for one in audit.telling
    ]
    result = f"these do: {listed(told)}" if told else "none was shown to"
    hidden = len(audit.confounds) * audit.confounds[0].least_p > LEVEL
    doubt = "; with so few groups only the plainest could have been shown" if hidden else ""
    return (
        f"Whether something besides the cells tells the classes was tested by permutation for "
        f"{names}: {result}{doubt}."
    )


def confounds(facts: StudyFacts) -> str:
    """What was found to go with the class; empty where nobody looked."""
    checks = facts.checks
    told = [confounds_tested(checks.audit)] if checks.audit else []
    if checks.controls is not None and checks.controls.batches:
        told.append(_batches(checks.controls))
    return " ".join(told)


def limits(*, unnamed: bool) -> str:
    """What happens to an image that shows none of the classes.

    Args:
        unnamed: the bundle leaves what is far from all training images without a name.
    """
    if not unnamed:
        return "images that show none of the classes, which still get one of them"
    return (
        f"images that show none of the classes: predict leaves them unnamed where they are "
        f"{_UNFAMILIAR}, and names the others"
    )


def maps_shown(facts: RunFacts) -> str:
    """Which maps the report has, and how they were judged."""
    found = facts.checks.explanation
    if found is None:
        if not facts.checks.class_maps:
            return "The network has no class activation maps, and no other maps were asked for."
        return (
            "Class activation maps of right and wrong answers are in the report; they show where, "
            "not why. They were not tested."
        )
    kind = f"{found.method[0].upper()}{found.method[1:]}s"
    told = [f"{kind} of right and wrong answers are in the report; they show where, not why."]
    if found.attention is not None:
        told.append(attention_sentence(found.attention))
    if found.sanity:
        told.append(sanity_sentence(found.sanity))
    return " ".join(told)


def _title(control: Control) -> str:
    return TITLES.get(control.name, control.name).lower()


def _balanced(estimate: Estimate) -> str:
    return figure(estimate, "balanced_accuracy", _CONFIDENCE)


def _share(estimate: Estimate) -> str:
    return figure(estimate, "accuracy", _CONFIDENCE)
