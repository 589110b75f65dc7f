"""Many tests at once: p values that stay honest when several pairs are tested."""

from __future__ import annotations

import math
from collections.abc import Sequence

from actinscope.errors import ActinscopeError


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment, in the order given.

    The i-th smallest of m values is multiplied by m - i + 1, never falls below the one
    before it and never exceeds 1. Rejecting where the result is below alpha keeps the
    chance of even one false rejection below alpha, whatever the dependence of the tests.

    Args:
        p_values: m values, each 0..1; may be empty.

    Raises:
        ActinscopeError: a value is not within 0..1.

    Source: Holm, Scand. J. Stat. 6: 65 (1979).
    """
    for p in p_values:
        if math.isnan(p) or not 0 <= p <= 1:
            raise ActinscopeError(f"{p} is no p value")
    adjusted = [0.0] * len(p_values)
    floor = 0.0
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank, place in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = floor
    return tuple(adjusted)
