"""The table of RESULTS.md about the cost of dividing after augmenting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PROTOCOLS = {
    "published": "as published: augmented, then divided",
    "by-image": "divided by image, then augmented",
    "honest": "divided by group, then augmented",
}


def leak_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy of each protocol on its own test part and on unseen groups."""
    chosen = [one for one in records if one["benchmark"] == "cost of the leak"]
    if not chosen:
        return ""
    lines = [
        "## The cost of the leak\n",
        "Accuracy in per cent that each protocol claims on its own test part, and that the same",
        "networks have on like images of groups held out from all of them; the difference is its",
        "optimism. 95 % intervals by group over all repeats; they do not cover other seeds of the",
        "training.\n",
        "| data | protocol | own test part | unseen groups | optimism, points |",
        "|---|---|---|---|---|",
    ]
    for one in chosen:
        lines += [
            f"| {one['data']} | {_PROTOCOLS[name]} | {_cell(found['own'])} "
            f"| {_cell(found['unseen'])} | **{_cell(found['optimism'], sign='+')}** |"
            for name, found in one["protocols"].items()
        ]
    lines += ["", "| data | mistake | adds, points |", "|---|---|---|"]
    lines += [
        f"| {one['data']} | {step['what']} | {_cell(step, sign='+')} |"
        for one in chosen
        for step in one["steps"]
    ]
    lines += [
        f"\n{one['data']}: {one['what']}; {one['network']}, {one['epochs']} epochs, "
        f"{one['copies']} images made of each, {one['repeats']} repeats, groups: {one['group']}; "
        f"{one['seconds'] / 60:.0f} minutes. `{one['command']}`, {one['date']}."
        for one in chosen
    ]
    return "\n".join(lines) + f"\n\nMachine: {chosen[-1]['machine']}.\n\n"


def _cell(one: Mapping[str, float | None], *, sign: str = "") -> str:
    value, low, high = one["value"], one["low"], one["high"]
    assert value is not None
    words = f"{100 * value:{sign}.1f}"
    if low is None or high is None:
        return words
    return f"{words} ({100 * low:.1f} to {100 * high:.1f})"
