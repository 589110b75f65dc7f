"""What a comparison means, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator

from actinscope.evaluation.comparison import ALPHA, POWER, Comparison, RunPair
from actinscope.evaluation.intervals import FEWEST_CLUSTERS, Estimate
from actinscope.evaluation.sample_size import fewest_for_mcnemar
from actinscope.evaluation.verdict import Verdict
from actinscope.wording import counted, listed, p_words, points, round_percent


def pair_sentence(comparison: Comparison, pair: RunPair) -> str:
    """Whether two runs can be told apart, why, and how many images that would take."""
    first, second = comparison.names[pair.first], comparison.names[pair.second]
    found = pair.accuracy
    worse, better = found.only_first_right, found.only_second_right
    return (
        f"{_whether(comparison, pair)}: {_split(worse + better)} "
        f"({worse} by {first}, {better} by {second}; exact McNemar {p_words(found.mcnemar_p)}"
        f"{_adjusted(comparison, pair)}). The accuracy of {second} minus that of {first} is "
        f"{_points(found.difference)}. {_needed(comparison, pair)}"
    )


def comparison_verdict(
    comparison: Comparison, *, synthetic: bool, random_weights: bool, group: str | None
) -> Verdict:
    """The sentence to read first, and what limits it.

    Args:
        comparison: of the runs.
        synthetic: the images are synthetic.
        random_weights: a run started from random weights.
        group: name of the group column, None where there is none.
    """
    best = comparison.names[comparison.best]
    others = [place for place in range(len(comparison.names)) if place != comparison.best]
    beaten = [place for place in others if comparison.pair(place, comparison.best).told_apart]
    equal = [comparison.names[place] for place in others if place not in beaten]
    right = comparison.evaluations[comparison.best].metrics["accuracy"].count
    score = f"{best} classifies most images correctly, {right} of {comparison.n}"
    images = f"these {comparison.n} images"
    if not any(pair.told_apart for pair in comparison.pairs):
        which = "The two runs" if len(others) == 1 else f"The {len(comparison.names)} runs"
        sentence = f"{which} cannot be told apart on {images}. {score}."
    elif not equal:
        which = "the other run" if len(others) == 1 else "all other runs"
        sentence = f"{score}, and is better than {which} by more than chance explains."
    else:
        sentence = f"{score}, but cannot be told apart from {listed(equal)} on {images}."
    reasons = tuple(
        _reasons(comparison, synthetic=synthetic, random_weights=random_weights, group=group)
    )
    sound = not equal and not synthetic and not random_weights
    return Verdict(sentence, "good" if sound else "caution", reasons)


def _reasons(
    comparison: Comparison, *, synthetic: bool, random_weights: bool, group: str | None
) -> Iterator[str]:
    if synthetic:
        yield "The images are synthetic: nothing here says which run is better on real cells."
    if random_weights:
        yield "A run was trained from random weights, which says nothing about its network."
    fewest = fewest_for_mcnemar(ALPHA)
    few = [
        pair
        for pair in comparison.pairs
        if pair.accuracy.only_first_right + pair.accuracy.only_second_right < fewest
    ]
    if few:
        yield (
            f"{counted(len(few), 'pair')} of runs {'differs' if len(few) == 1 else 'differ'} in "
            f"fewer than {fewest} right answers: even if all of them spoke for one run, p would "
            f"not fall below {ALPHA:g}."
        )
    yield (
        "The best of several runs, chosen by these images, looks a little better than it is: "
        "confirm it on new images."
    )
    if group is None:
        yield (
            "No group was named: the tests take every image as independent, and images of one "
            "field or slide are not."
        )
    elif comparison.groups is not None and comparison.groups < FEWEST_CLUSTERS:
        yield (
            f"The images come from {comparison.groups} groups ({group}): too few to see how "
            "groups differ, so the intervals of the differences are those of images."
        )
    else:
        yield (
            f"McNemar's p takes images as independent, and images of one {group} resemble each "
            "other: a pair counts as told apart only if the interval over groups says so too."
        )


def _whether(comparison: Comparison, pair: RunPair) -> str:
    first, second = comparison.names[pair.first], comparison.names[pair.second]
    if not pair.told_apart:
        return f"{first} and {second} cannot be told apart on these {comparison.n} images"
    better, worse = (second, first) if pair.accuracy.difference.value > 0 else (first, second)
    return f"{better} is right more often than {worse} on these {comparison.n} images"


def _split(count: int) -> str:
    if count == 1:
        return "1 image is classified correctly by only one of them"
    return f"{count or 'no'} images are classified correctly by only one of them"


def _adjusted(comparison: Comparison, pair: RunPair) -> str:
    count = len(comparison.pairs)
    return (
        f", {p_words(pair.holm_p)} after Holm's correction for {count} pairs" if count > 1 else ""
    )


def _needed(comparison: Comparison, pair: RunPair) -> str:
    if pair.told_apart:
        return "The difference is larger than chance explains."
    needed = pair.images_needed
    if needed is None:
        return "They are right equally often, so no number of images is known to be enough."
    if needed <= comparison.n:
        return (
            "A single comparison of independent images would have found this difference; the "
            "groups, the other pairs or chance stand against it. More images are needed."
        )
    return (
        f"If the difference is as large as it looks here, about {needed:,} independent images "
        f"would show it in {round_percent(POWER)} of such studies."
    )


def _points(difference: Estimate) -> str:
    interval = ""
    if difference.has_interval:
        interval = f", interval {points(difference.low)} to {points(difference.high)}"
    return f"{points(difference.value)} points{interval}"
