"""A finding of the audit: what was found, how grave it is, its words and what shows it.

The words are data, ``findings.toml`` beside this file; the checks fill in their numbers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from actinscope.wording import counted

Severity = Literal["error", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""``error``: the result would be wrong or mean nothing; ``warning``: look at it before
training; ``info``: good to know."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One small picture with a few lines below it.

    Attributes:
        name: file name as the manifest writes it.
        lines: what is said of it: its class, its group, a measure.
        pixels: uint8 (H, W).
    """

    name: str
    lines: tuple[str, ...]
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Dots:
    """Values by class on one axis: a dot for each group (or image).

    Attributes:
        axis: what the values are.
        rows: class -> its values, any finite numbers.
    """

    axis: str
    rows: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False, kw_only=True)
class AuditFinding:
    """One finding, with what shows it.

    Attributes:
        kind: short key such as ``exact copies`` or ``confound``, for tables.
        severity: of `SEVERITIES`.
        title, detail, remedy: sentences for people.
        images: names of the images that it is about.
        numbers: further figures by name.
        pairs: pictures side by side.
        shots: single pictures.
        dots: values by class.
        unanswerable: the study cannot answer its question, whatever is trained.
    """

    kind: str
    severity: Severity
    title: str
    detail: str
    remedy: str
    images: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[tuple[Shot, Shot], ...] = ()
    shots: tuple[Shot, ...] = ()
    dots: Dots | None = None
    unanswerable: bool = False


@cache
def _words() -> dict[str, dict[str, str]]:
    """Kind of finding -> its title, detail and remedy, with names in braces to fill in."""
    text = resources.files("actinscope.audit").joinpath("findings.toml").read_text("utf-8")
    return tomllib.loads(text)


class Words(TypedDict):
    """What a finding says."""

    kind: str
    title: str
    detail: str
    remedy: str


def words_of(kind: str, **values: object) -> Words:
    """The words of a kind of finding, with ``values`` filled in."""
    words = _words()[kind]
    title, detail, remedy = (words[name].format(**values) for name in ("title", "detail", "remedy"))
    return Words(kind=kind, title=title, detail=detail, remedy=remedy)


def by_gravity(findings: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Errors, then warnings, then the rest; what makes the question unanswerable first."""
    return tuple(sorted(findings, key=lambda f: (not f.unanswerable, SEVERITIES.index(f.severity))))


def sentence_of(findings: Sequence[AuditFinding]) -> str:
    """What makes the question unanswerable, for the top of a report; else empty."""
    return next((f"{one.title}. {one.detail}" for one in findings if one.unanswerable), "")


def verdict_sentence(findings: Sequence[AuditFinding]) -> str:
    """One sentence on what the audit comes to."""
    if blocking := [one for one in findings if one.unanswerable]:
        return f"{blocking[0].title}."
    errors, warnings, _ = (sum(f.severity == name for f in findings) for name in SEVERITIES)
    if errors:
        return f"{counted(errors, 'error')} to correct before training, {warnings} to look at."
    if warnings:
        return f"No error was found; {warnings} findings to look at before training."
    return "Nothing was found that stands in the way of training."
