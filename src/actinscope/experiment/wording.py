"""Numbers and lists as methods, checklists and model card write them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from actinscope.evidence import Estimate

_SHARES = {"accuracy", "balanced_accuracy"}


def share(value: float) -> str:
    """A share 0..1 as per cent with one decimal; what is not perfect is never 100 %."""
    if not math.isfinite(value):
        return "not defined"
    if 0.9995 <= value < 1:
        return "over 99.9 %"
    return f"{100 * value:.1f} %"


def figure(estimate: Estimate, metric: str, confidence: float) -> str:
    """A value with its interval, or with the words that there is none."""
    show = share if metric in _SHARES or metric.startswith("recall") else _decimal
    text = show(estimate.value)
    count = "" if estimate.count is None else f"{estimate.count} of {estimate.n}; "
    if not estimate.has_interval:
        return f"{text} ({count}no interval)"
    low, high = show(estimate.low), show(estimate.high)
    return f"{text} ({count}{100 * confidence:g} % interval {low} to {high})"


def _decimal(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not defined"


def listed(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def span(values: Sequence[float]) -> str:
    """ "3" where all are equal, else "3 to 7"."""
    ends = dict.fromkeys((min(values), max(values)))
    return " to ".join(str(end) if isinstance(end, int) else f"{end:g}" for end in ends)


def share_span(values: Sequence[float]) -> str:
    """The same of shares 0..1: "80.0 %", or "75.0 % to 85.0 %"."""
    return " to ".join(dict.fromkeys((share(min(values)), share(max(values)))))


def escaped(text: str) -> str:
    """Foreign text in Markdown: no tags, no columns, no links of its own."""
    for sign in "\\<|`*":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("](", "]\\(")
