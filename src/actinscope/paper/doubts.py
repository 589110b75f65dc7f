"""What can be doubted in the published numbers, each point worked out anew from the numbers.

Nothing here looks at images. A doubt says what the paper claims, and in a sentence what follows
from the printed digits.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from actinscope.evaluation import (
    NORMAL_95,
    Estimate,
    exact_mcnemar,
    images_for_half_width,
    proportion_of_images,
)
from actinscope.networks import KerasApplication, network_entry
from actinscope.paper.published import PUBLISHED, Printed
from actinscope.wording import percent

LARGEST = 1000
"""Test parts up to this many images are tried."""


class Doubt(NamedTuple):
    """One doubtful point: what the paper says or does, and what follows, for the report."""

    claim: str
    sentence: str


def counts_that_fit(printed: Printed, n: int) -> tuple[int, ...]:
    """All k for which k / n, rounded to the printed digits, is the printed figure.

    Exact halves count either way, as it is not known how the paper rounds them.
    """
    low = math.ceil((printed.exact - printed.rounding) * n)
    high = math.floor((printed.exact + printed.rounding) * n)
    return tuple(k for k in range(low, high + 1) if 0 <= k <= n)


def sizes_that_fit(printed: Printed, *, largest: int = LARGEST) -> tuple[int, ...]:
    """All numbers of images n <= ``largest`` of which some count gives the printed figure."""
    return tuple(n for n in range(1, largest + 1) if counts_that_fit(printed, n))


def best_mcnemar(first: int, second: int, n: int) -> float:
    """Smallest exact McNemar p that two classifiers right on so many of n same images can have.

    It is reached where as few images as possible tell the two apart.
    """
    gap = first - second
    possible = range(min(second, n - first) + 1)  # right for the second one only
    return min(exact_mcnemar(only + gap, only) for only in possible if only + gap >= 0)


def all_doubts() -> tuple[Doubt, ...]:
    """Every doubtful point, in the order of the report. Builds one network (no weights)."""
    return (
        partition_doubt(),
        size_doubt(),
        difference_doubt(),
        nasnet_size_doubt(),
        f1_doubt(),
        averages_doubt(),
        validation_doubt(),
        layers_doubt(),
    )


def partition_doubt() -> Doubt:
    """The parts were cut after the augmentation; or they were not."""
    tested = _fewest()
    return Doubt(
        claim="\u201cAfter data augmentation, the entire data is partitioned.\u201d",
        sentence=(
            "If it was done in this order, variants of one cell are in training and in test, and "
            "the test figures are too good. It is suspected, not proven: a test part of "
            f"{tested} images, which fits two of the three accuracies, is the tenth part of "
            f"{10 * tested} images, and so many can also have been augmented during the training."
        ),
    )


def size_doubt() -> Doubt:
    """How wide the intervals of the two best accuracies are."""
    n = _fewest()
    best, second = _on("efficientnetv2-b0", n), _on("inception-v3", n)
    needed = images_for_half_width(0.98, 0.01)
    normal = math.ceil(NORMAL_95**2 * 0.98 * 0.02 / 0.01**2)
    return Doubt(
        claim="EfficientNetV2-B0 reaches 98.15 %, Inception V3 94.44 % of the test images.",
        sentence=(
            f"On {n} images, the fewest that fit both, these are {best.count} and {second.count} "
            f"right answers; the 95 % Wilson intervals reach from {_ends(best)} and from "
            f"{_ends(second)}. To know an accuracy of 98 % to within 1 point either way takes "
            f"{needed} independent test images by Wilson's interval, {normal} by the normal "
            "approximation."
        ),
    )


def difference_doubt() -> Doubt:
    """Whether two images make one network better than another."""
    n = _fewest()
    best, second = (_right(name, n) for name in ("efficientnetv2-b0", "inception-v3"))
    p = best_mcnemar(best, second, n)
    return Doubt(
        claim="EfficientNetV2-B0 is better than Inception V3.",
        sentence=(
            f"The difference is {best - second} of {n} images. On the same images the exact "
            f"McNemar test gives p = {p:g} at best: that is no evidence of a difference."
        ),
    )


def nasnet_size_doubt() -> Doubt:
    """NASNet's accuracy belongs to another number of test images."""
    printed = _accuracy("nasnet-mobile")
    fewest = ", ".join(str(size) for size in sizes_that_fit(printed)[:4])
    return Doubt(
        claim=f"NASNet Mobile reaches {printed.text} % of the test images.",
        sentence=(
            f"No number of {_fewest()} images gives {printed.text} %. The smallest numbers of "
            f"images that do are {fewest}: this network was tested on other images, or the figure "
            "is misprinted."
        ),
    )


def f1_doubt() -> Doubt:
    """An F1 above the mean of precision and recall."""
    _, precision, recall, f1 = PUBLISHED["nasnet-mobile"].test
    bound = (precision.exact + recall.exact) / 2
    return Doubt(
        claim=f"NASNet Mobile has an F1 of {f1.text} %.",
        sentence=(
            f"Precision {precision.text} and recall {recall.text} have the mean "
            f"{100 * float(bound):.2f}. The F1 of a class, the harmonic mean of its precision and "
            "recall, is never above their arithmetic mean, and averaging over classes, plainly or "
            "weighted by their size, keeps that; so does the harmonic mean of the two averages. So "
            "this F1 cannot be right."
        ),
    )


def averages_doubt() -> Doubt:
    """Which averages over the classes the figures are."""
    return Doubt(
        claim="Precision, recall and F1 are given without saying how classes are averaged.",
        sentence=(
            "Recall equals accuracy in every row, which is what the average weighted by class size "
            "gives by algebra. So the figures are weighted averages; those here are, too."
        ),
    )


def validation_doubt() -> Doubt:
    """How many validation images there were."""
    figures = [one.validation[0] for one in PUBLISHED.values() if one.validation]
    fewest = min(_sizes_in_common(*figures))
    right = [counts_that_fit(figure, fewest)[0] for figure in figures]
    numbers = f"{', '.join(map(str, right[:-1]))} and {right[-1]}"
    return Doubt(
        claim="The validation accuracies are " + ", ".join(figure.text for figure in figures) + ".",
        sentence=(
            f"All are multiples of 1/{fewest}: {numbers} of {fewest} images. One image is "
            f"{100 / fewest:.1f} points, and the part that chooses the epoch is as small as the "
            f"test part of {_fewest()}."
        ),
    )


@cache
def layers_doubt() -> Doubt:
    """What 271 layers are, and where the first 200 end."""
    entry = network_entry("efficientnetv2-b0")
    shape = (entry.input.size, entry.input.size, entry.input.channels)
    assert isinstance(entry.builder, KerasApplication)
    rescaling = replace(entry.builder, options=(("include_preprocessing", True),), first="")
    # Layers of the network's own head, in order: pooling, dropout and the softmax layer.
    head = ["head"] * entry.head.layer_count
    plain = [*(layer.name for layer in entry.builder(shape).layers), *head]
    headless = [layer.name for layer in rescaling(shape).layers]
    cuts = dict.fromkeys(names[199].partition("_")[0] for names in (plain, headless))
    return Doubt(
        claim="271 layers: the first 200 frozen, the next 71 trained; images divided by 255.",
        sentence=(
            f"Two networks have that many layers: with head and without preprocessing "
            f"({len(plain)}), and without head, with preprocessing and with pooling added "
            f"({len(headless) + 1}). Freezing the first 200 ends inside {' or '.join(cuts)} either "
            "way. The second one rescales by itself, so that dividing by 255 beforehand scales "
            "twice."
        ),
    )


def _accuracy(network: str) -> Printed:
    return PUBLISHED[network].test[0]


def _fewest() -> int:
    """The smallest number of test images that fits the accuracies of the two best networks."""
    return min(_sizes_in_common(_accuracy("efficientnetv2-b0"), _accuracy("inception-v3")))


def _sizes_in_common(*figures: Printed) -> set[int]:
    return set.intersection(*(set(sizes_that_fit(figure)) for figure in figures))


def _right(network: str, n: int) -> int:
    return counts_that_fit(_accuracy(network), n)[0]


def _on(network: str, n: int) -> Estimate:
    return proportion_of_images(_right(network, n), n)


def _ends(estimate: Estimate) -> str:
    return f"{percent(estimate.low, space='').removesuffix('%')} to {percent(estimate.high)}"
