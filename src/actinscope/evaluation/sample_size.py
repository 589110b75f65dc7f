"""How many images an answer would take: to tell two classifiers apart, or to know one well.

All of it takes images as independent. Images of one field or donor resemble each other,
so that real studies need more.
"""

from __future__ import annotations

import math

from actinscope.evaluation.intervals import NORMAL_95


def pairs_for_mcnemar(
    only_first: float, only_second: float, *, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Images that a two-sided McNemar test needs to tell two classifiers apart.

    With psi = only_first + only_second and delta = only_first - only_second,
    n = (z(1 - alpha/2) sqrt(psi) + z(power) sqrt(psi - delta^2))^2 / delta^2.

    Args:
        only_first: share of images that only the first one classifies correctly, 0..1.
        only_second: the same for the second; the two sum to 1 at most.
        power: wanted chance of finding the difference, if it is as large as assumed.
        alpha: level of the test.

    Returns:
        The number of images, rounded up; None where both are right equally often, as no
        number of images tells such a pair apart.

    Raises:
        ValueError: the shares, the power or the level are out of their range.

    Source: Connor, Biometrics 43: 207 (1987), equation for the unconditional test; a few
    images less than the exact test needs.
    """
    from scipy.stats import norm

    if min(only_first, only_second) < 0 or not only_first + only_second <= 1:
        raise ValueError(f"{only_first} and {only_second} are not shares of the images")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"power {power} and level {alpha} must lie between 0 and 1")
    psi, delta = only_first + only_second, abs(only_first - only_second)
    if delta == 0:
        return None
    of_level = float(norm.ppf(1 - alpha / 2)) * math.sqrt(psi)
    of_power = float(norm.ppf(power)) * math.sqrt(psi - delta**2)
    return math.ceil((of_level + of_power) ** 2 / delta**2)


def fewest_for_mcnemar(alpha: float = 0.05) -> int:
    """The fewest images that can tell two classifiers apart in the exact McNemar test.

    If all of them speak for one side, p is 2 / 2^n: 6 images for alpha = 0.05.
    """
    return math.floor(1 - math.log2(alpha)) + 1


def images_for_half_width(proportion: float, half_width: float) -> int:
    """Images after which Wilson's interval of a proportion is no wider than +- half_width.

    Args:
        proportion: expected accuracy, 0..1.
        half_width: half the length of the interval, above 0 and below 0.5.

    Raises:
        ValueError: a value is out of its range.

    Source: Wilson, J. Am. Stat. Assoc. 22: 209 (1927), solved for n.
    """
    if not (0 <= proportion <= 1 and 0 < half_width < 0.5):
        raise ValueError(f"proportion {proportion} or half width {half_width} is out of its range")
    z2 = NORMAL_95**2
    # Half the interval's length is sqrt(z2 p (1 - p) / n + z2^2 / (4 n^2)) / (1 + z2 / n).
    spread, square = proportion * (1 - proportion) - 2 * half_width**2, half_width**2
    root = math.sqrt(spread**2 + square * (1 - 4 * square))
    return max(1, math.ceil(z2 * (spread + root) / (2 * square) - 1e-9))
