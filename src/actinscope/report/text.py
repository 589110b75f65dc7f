"""Words and numbers as the report prints them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from actinscope import wording

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate

UNDEFINED = "n/a"
_THIN = "\u202f"  # narrow no-break space: a number and its unit stay on one line

_TITLES = {
    "f1": "F1",
    "auroc": "AUROC",
    "mcc": "Matthews correlation",
    "ece": "Expected calibration error",
    "ece_equal_mass": "Expected calibration error, bins of equal numbers",
    "ece_equal_width": "Expected calibration error, bins of equal width",
    "calibration_error_debiased": "Calibration error, root mean square, debiased",
    "brier": "Brier score (0 to 2)",
    "log_loss": "Log loss",
}
_PARTS = {
    "train": "Training",
    "validation": "Validation",
    "test": "Test",
    "out_of_fold": "All folds",
}
_SHARES = ("accuracy", "precision", "recall", "f1", "sensitivity", "specificity")


def clean(text: object) -> str:
    """Text that can be written as UTF-8 and as XML: other characters become U+FFFD.

    File names may hold bytes that are no UTF-8 (lone surrogates in Python) and control
    characters; both would break the file that they are written to.
    """
    return "".join(
        "\ufffd" if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t" else sign
        for sign in str(text)
    )


def shorten(text: str, length: int) -> str:
    """At most ``length`` characters on one line; the middle goes, both ends stay."""
    line = " ".join(clean(text).split())
    if len(line) <= length:
        return line
    tail = (length - 1) // 3
    return f"{line[: length - 1 - tail]}…{line[len(line) - tail :]}"


def percent(value: float) -> str:
    """A share 0..1 as per cent, as all texts write it, with a space that does not break."""
    return wording.percent(value, space=_THIN, undefined=UNDEFINED)


def is_share(metric: str) -> bool:
    """True where the metric is a share 0..1 that is printed as per cent."""
    return any(word in metric.lower() for word in _SHARES)


def number(value: float, metric: str) -> str:
    """One value of ``metric``: per cent for shares, three decimals otherwise."""
    if is_share(metric):
        return percent(value)
    return decimal(value, 3)


def decimal(value: float, digits: int) -> str:
    """A number with a true minus sign: -0.25 -> "−0.250"."""
    return f"{value:.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else UNDEFINED


def interval(estimate: Estimate, metric: str) -> str:
    """The interval as "88.1 to 96.9 %"; empty where there is none."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    low, high = number(estimate.low, metric), number(estimate.high, metric)
    unit = f"{_THIN}%"
    if high.endswith(unit) and low.endswith(unit):
        low = low.removesuffix(unit)
    return f"{low} to {high}"


def counts(estimate: Estimate) -> str:
    """The count behind a value: "53 of 54", or "n = 54" where there is none."""
    if estimate.count is None:
        return f"n = {whole(estimate.n)}"
    return f"{whole(estimate.count)} of {whole(estimate.n)}"


def whole(value: int) -> str:
    """A whole number with thousands set apart: 12,345."""
    return f"{int(value):,}"


def groups(count: int) -> str:
    """How many groups: "1 group", "1,234 groups"."""
    return f"{whole(count)} group{'' if count == 1 else 's'}"


def metric_title(metric: str) -> str:
    """A metric's key as a reader says it: "f1_macro" -> "F1, macro"."""
    key = metric.lower()
    if key in _TITLES:
        return _TITLES[key]
    for average in ("macro", "weighted"):
        if key.endswith(f"_{average}"):
            return f"{metric_title(key.removesuffix(f'_{average}'))}, {average}"
    title = key.replace("_", " ")
    return title[:1].upper() + title[1:]


def part_title(part: str) -> str:
    """The name of a part as a heading: "train" -> "Training"."""
    return _PARTS.get(part, part[:1].upper() + part[1:])


def part_phrase(part: str) -> str:
    """The same in a caption: "train" -> "training part", "out_of_fold" -> "all folds"."""
    title = part_title(part).lower()
    return f"{title} part" if part in ("train", "validation", "test") else title


def flatten(settings: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows of dotted name and value, in the given order."""
    for key, value in settings.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            yield from flatten(value, name)
        else:
            yield name, plain(value)


def plain(value: object) -> str:
    """A setting's value as text: lists joined by commas, true and false as yes and no."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return ", ".join(plain(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return "none"
    return str(value)
