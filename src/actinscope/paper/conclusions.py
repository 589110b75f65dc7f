"""The sentences that sum the experiment up: what the numbers are worth, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from actinscope.evaluation import FEWEST_CLUSTERS, Estimate, Verdict
from actinscope.paper.protocols import HONEST, PUBLISHED
from actinscope.paper.results import UNSEEN
from actinscope.paper.tables import RANDOM, NetworkResults, title_of
from actinscope.wording import percent_interval, points_interval

OTHER_IMAGES = (
    "The published numbers were measured on the paper's images, which are not these: no "
    "difference between a published number and one of yours says which network or program is "
    "better."
)


def conclude(group: str | None, repeats: int, networks: Sequence[NetworkResults]) -> Verdict:
    """The verdict: what the published order is worth here, and what limits that.

    Args:
        group: what was kept together, in the singular; None where every image stood alone.
        repeats: how many times other groups were held out.
        networks: at least one of them trained.
    """
    trained = [one for one in networks if one.results]
    sentences = [_sentence(group, one) for one in trained]
    reasons = [
        *sentences[1:],
        *_honest_words(trained),
        OTHER_IMAGES,
        *_limits(group, repeats, trained),
    ]
    random = any(one.planned.random for one in trained)
    return Verdict(sentences[0], "bad" if random else "caution", tuple(reasons))


def _sentence(group: str | None, network: NetworkResults) -> str:
    unit = f"samples ({group})" if group else "images"
    result = network.results.get(PUBLISHED.name)
    if result is None:
        unseen = network.results[HONEST.name].evaluations[UNSEEN].metrics["accuracy"]
        return (
            f"{network.title} names the class of {_share(unseen)} of cells from {unit} that it "
            "never saw."
        )
    accuracy = {part: result.evaluations[part].metrics["accuracy"] for part in ("test", UNSEEN)}
    points = result.optimism
    surely = points.has_interval and (points.low > 0 or points.high < 0)
    return (
        f"Under the paper's protocol {network.title} names the class of "
        f"{_share(accuracy['test'])} of its own test images, and of {_share(accuracy[UNSEEN])} of "
        f"images made alike of {unit} that it never saw: "
        + (
            f"the protocol flatters by {_points(points).removeprefix('+')}."
            if surely and points.value > 0
            else f"the difference is {_points(points)}{'' if surely else ', which may be chance'}."
        )
    )


def _honest_words(networks: Sequence[NetworkResults]) -> list[str]:
    return [
        f"Divided by group before augmenting, {network.title} claims "
        f"{_share(result.evaluations['test'].metrics['accuracy'])} on its own test part, and new "
        f"samples give {_share(result.evaluations[UNSEEN].metrics['accuracy'])}: the difference "
        f"is {_points(result.optimism)}."
        for network in networks
        if PUBLISHED.name in network.results
        and (result := network.results.get(HONEST.name)) is not None
    ]


def _limits(group: str | None, repeats: int, networks: Sequence[NetworkResults]) -> list[str]:
    found = []
    if group is None:
        found.append(
            "No group (field, slide, culture, donor) was named: the held-out images may come from "
            "the samples that trained the network, so even they flatter."
        )
    result = next(iter(networks[0].results.values()))
    groups = result.evaluations[UNSEEN].groups
    if groups is not None and groups < FEWEST_CLUSTERS:
        found.append(f"The held-out images come from {groups} groups: too few for intervals.")
    if repeats == 1:
        found.append("There is one repeat only: another choice of held-out groups may differ.")
    if any(one.planned.random for one in networks):
        found.append(
            f"{RANDOM}: networks so marked started from random numbers, as asked for. Their "
            "accuracy says nothing about the method."
        )
    return found


def notices_of(networks: Sequence[NetworkResults]) -> tuple[str, ...]:
    """What a reader must know before any number."""
    return (
        OTHER_IMAGES,
        *(
            f"{title_of(one.planned)} was not trained: {one.planned.problem}"
            for one in networks
            if one.planned.problem
        ),
        *(
            f"{one.title}: no accuracy of this network says anything about the method."
            for one in networks
            if one.planned.random
        ),
        *(("The networks of the protocol \u201cas published\u201d were trained and tested with a "
           "LEAK, on purpose: do not use them.",)
          if any(PUBLISHED.name in one.results for one in networks) else ()),
    )  # fmt: skip


def _share(one: Estimate) -> str:
    return percent_interval(one.value, one.low, one.high)


def _points(one: Estimate) -> str:
    return points_interval(one.value, one.low, one.high, name="95 % interval ")
