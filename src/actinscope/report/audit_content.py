"""What the page of an audit says: findings with their pictures, filled in by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from actinscope.report.content import Finding, Page

if TYPE_CHECKING:
    from actinscope.evaluation import Verdict


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


@dataclass(frozen=True, eq=False)
class AuditFinding:
    """One finding, with what shows it.

    Attributes:
        kind: short key such as ``copies`` or ``confound``, for tables.
        severity: ``error``: the result would be wrong or mean nothing; ``warning``: look
            at it before training; ``info``: good to know.
        title, detail, remedy: sentences for people.
        images: names of the images that it is about.
        numbers: further figures by name.
        pairs: pictures side by side.
        shots: single pictures.
        dots: values by class.
        unanswerable: the study cannot answer its question, whatever is trained.
    """

    kind: str
    severity: Literal["error", "warning", "info"]
    title: str
    detail: str = ""
    remedy: str = ""
    images: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[tuple[Shot, Shot], ...] = ()
    shots: tuple[Shot, ...] = ()
    dots: Dots | None = None
    unanswerable: bool = False

    @property
    def plain(self) -> Finding:
        """The sentences alone, for the report of a training run."""
        return Finding(self.severity, self.title, self.detail, self.remedy)


@dataclass(frozen=True, eq=False)
class AuditContent:
    """The whole page.

    Attributes:
        verdict: what the audit comes to, read first.
        findings: the gravest first.
        counts: rows of (class, images, groups or "").
        checks: rows of the confound tests: name, accuracy, expected, p, in words.
        reviewed: the queue of labels lies beside the page.
        done: what was looked at and what was not, one sentence each.
    """

    page: Page
    verdict: Verdict
    findings: tuple[AuditFinding, ...]
    counts: tuple[tuple[str, str, str], ...]
    group_name: str | None = None
    checks: tuple[tuple[str, str, str, str], ...] = ()
    reviewed: bool = False
    done: tuple[str, ...] = ()
