"""One plain sentence on what an evaluation means, and what to keep in mind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from actinscope.evaluation.evaluation import Evaluation
from actinscope.evaluation.intervals import FEWEST_CLUSTERS, Estimate
from actinscope.wording import counted, plural, spoken, whole_percent

Tone = Literal["good", "caution", "bad"]

FEW_GROUPS = 10
"""Test groups below this number are called few."""

FEW_IMAGES = 10
"""Test images of a class below this number are called few."""

WIDE = 0.2
"""An interval wider than this is called wide."""

GAP = 0.1
"""An accuracy on other parts higher by more than this is called a gap."""


_NO_ANSWER = (
    "These images cannot answer the question, because the classes come from different samples; "
    "the figures say nothing about new samples. "
)


@dataclass(frozen=True)
class Verdict:
    """What a biologist should read first.

    Attributes:
        sentence: accuracy on the test part, its interval and the baseline.
        tone: "bad" where the model is not shown to beat guessing, "caution" where a
            reason limits what the figure means, else "good".
        reasons: each a full sentence, the gravest first.
    """

    sentence: str
    tone: Tone
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Conditions:
    """How a result came about, as far as that limits what it means.

    Attributes:
        by_image: the split did not keep groups together.
        synthetic: the images are computed, not taken from cells.
        random_weights: the network did not start from pretrained weights.
        group: what a group is called in the singular, such as "field".
        names: number of names of groups, where groups that share images were joined.
        held_out: the images are known not to have been used in training.
        leak: groups or copies of images stand in more than one part.
        copies: pairs of images of the same cells, of which one was tested and the other was not
            kept out of training or validation.
    """

    by_image: bool
    synthetic: bool
    random_weights: bool
    group: str = "group"
    names: int = 0
    held_out: bool = True
    leak: bool = False
    copies: int = 0


def verdict(
    evaluation: Evaluation,
    conditions: Conditions,
    *,
    baseline: float,
    training: Estimate | None = None,
    validation: Estimate | None = None,
    controls: Sequence[str] = (),
    unanswerable: str = "",
) -> Verdict:
    """Put the test result into words.

    Args:
        evaluation: of the test part.
        conditions: how the result came about.
        baseline: accuracy of always predicting the majority class, 0..1.
        training: accuracy on the training part, to report overfitting.
        validation: accuracy on the validation part, to report a lucky choice.
        controls: sentences on simpler models that explain the result.
        unanswerable: why these images cannot answer the question, in full sentences; it
            then stands before the figures, and the tone is bad.

    Raises:
        ValueError: the baseline is not a rate.
    """
    if not 0 <= baseline <= 1:
        raise ValueError(f"the baseline must be a rate between 0 and 1, not {baseline}")
    accuracy = evaluation.metrics["accuracy"]
    against_guessing = _against_guessing(accuracy, baseline)
    cautions = [
        *against_guessing,
        *_origin(conditions),
        *_leaks(conditions),
        *controls,
        *_ungrouped(evaluation, conditions),
        *_size(evaluation, conditions.group),
        *_weak_classes(evaluation),
        *_gaps(accuracy, training, validation),
    ]
    tone: Tone = "caution" if cautions else "good"
    if against_guessing and accuracy.has_interval:
        tone = "bad"
    if unanswerable:
        tone = "bad"
        cautions.insert(0, unanswerable)
    sentence = (_NO_ANSWER if unanswerable else "") + (
        f"On {_where(evaluation, conditions)}{_unseen(conditions)}, "
        f"the model names the class of {whole_percent(accuracy.value)} %"
        f"{_interval(accuracy)}; "
        f"guessing the majority class gives {whole_percent(baseline)} %."
    )
    return Verdict(sentence, tone, tuple(cautions))


def _where(evaluation: Evaluation, conditions: Conditions) -> str:
    what = "synthetic image" if conditions.synthetic else "image"
    images = counted(evaluation.n, what)
    if conditions.by_image or evaluation.groups is None:
        return images
    joined = (
        f" ({conditions.names} by name, of which those that share cells count as one)"
        if conditions.names > evaluation.groups
        else ""
    )
    return f"{images} from {counted(evaluation.groups, conditions.group)}{joined}"


def _unseen(conditions: Conditions) -> str:
    if not conditions.held_out or conditions.leak or conditions.copies:
        return ""
    if conditions.by_image:
        return " kept out of its training (where other images of the same samples may have been)"
    return " that it never saw"


def _interval(estimate: Estimate) -> str:
    if not estimate.has_interval:
        return " (no interval can be given)"
    low, high = whole_percent(estimate.low), whole_percent(estimate.high)
    return f" (95 % interval {low} to {high})"


def _against_guessing(accuracy: Estimate, baseline: float) -> list[str]:
    if not accuracy.has_interval:
        return [
            "Without an interval it cannot be said whether the model is better than guessing "
            "the majority class."
        ]
    if accuracy.high < baseline:
        return ["The model is worse than guessing the majority class."]
    if accuracy.low <= baseline:
        return [
            "The result cannot be told from guessing the majority class: the interval "
            "includes that rate."
        ]
    return []


def _leaks(conditions: Conditions) -> Iterator[str]:
    copies = conditions.copies
    if conditions.leak:
        yield (
            "Groups or copies of images stand in more than one part, as the manifest wants it: "
            "the test images are not new to the model and the result is too good. Move them into "
            "one of the parts (folders train, val and test, or column part of the manifest)."
        )
    elif copies:
        pairs = "1 pair of images shows" if copies == 1 else f"{copies} pairs of images show"
        yield (
            f"{pairs} the same cells, one of them tested with a model that the other helped to "
            "make: the result may be too good. Move both images of a pair into one part (folders "
            "train, val and test, or column part of the manifest), or let `train` draw the parts "
            "with keep_copies as it is by default."
        )


def _origin(conditions: Conditions) -> Iterator[str]:
    if conditions.synthetic:
        yield "The images are synthetic: the result says nothing about real cells."
    if conditions.random_weights:
        yield (
            "The network did not start from pretrained weights: with them the result would "
            "probably differ."
        )


def _ungrouped(evaluation: Evaluation, conditions: Conditions) -> Iterator[str]:
    if conditions.by_image:
        yield (
            "The images were split one by one, so that images of one sample can be both in "
            "training and in test: take the result as an upper bound for new samples."
        )
    elif evaluation.groups is None:
        yield (
            "No group (field, slide, donor) was named: every image counts as a sample of its own, "
            "and where several show one sample the interval is too narrow."
        )


def _size(evaluation: Evaluation, group: str) -> Iterator[str]:
    groups, accuracy = evaluation.groups, evaluation.metrics["accuracy"]
    if groups is not None and groups < FEWEST_CLUSTERS:
        yield (
            f"The test images come from {counted(groups, group)} only: too few to say how "
            f"the model does on another {spoken(group)}."
        )
    elif groups is not None and groups < FEW_GROUPS:
        yield (
            f"The test images come from {counted(groups, group)} only: another choice of "
            f"{plural(group)} could give a rather different result."
        )
    if accuracy.has_interval and accuracy.high - accuracy.low > WIDE:
        yield (
            f"The interval is wide, {whole_percent(accuracy.low)} to "
            f"{whole_percent(accuracy.high)} %: more test images from more samples would narrow it."
        )


def _weak_classes(evaluation: Evaluation) -> Iterator[str]:
    recalls = {name: own["recall"] for name, own in evaluation.per_class.items()}
    absent = [name for name, one in recalls.items() if one.n == 0]
    few = [f"{name} ({one.n})" for name, one in recalls.items() if 0 < one.n < FEW_IMAGES]
    missed = [
        f"{name} ({one.count} of {one.n})"
        for name, one in recalls.items()
        if one.n > 0 and one.value < 0.5
    ]
    if absent:
        yield f"Not tested, as there are no test images: {', '.join(absent)}."
    if few:
        yield f"Fewer than {FEW_IMAGES} test images, too few to judge the class: {', '.join(few)}."
    if missed:
        yield f"Fewer than half of the images are recognised: {', '.join(missed)}."


def _gaps(test: Estimate, training: Estimate | None, validation: Estimate | None) -> Iterator[str]:
    for part, accuracy, meaning in (
        ("training", training, "it has partly learned these images by heart"),
        ("validation", validation, "choosing what was chosen on these images flatters them"),
    ):
        if accuracy is None:
            continue
        other = accuracy.value
        beyond_chance = math.isnan(test.high) or other > test.high
        if other - test.value > GAP and beyond_chance:
            yield (
                f"On the {part} images the model reaches {whole_percent(other)} %, far more than "
                f"on the test images: {meaning}, or the test images differ."
            )
