"""What the page of an audit says: findings with their pictures, filled in by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from actinscope.audit import AuditFinding


@dataclass(frozen=True, eq=False)
class AuditContent:
    """The whole page.

    Attributes:
        sentence: what the audit comes to, read first.
        tone: of the sentence.
        findings: the gravest first.
        counts: rows of (class, images, groups or "").
        checks: rows of the confound tests: name, accuracy, expected, p, in words.
        reviewed: the queue of labels lies beside the page.
        done: what was looked at and what was not, one sentence each.
    """

    title: str
    sentence: str
    tone: Literal["good", "caution", "bad"]
    findings: tuple[AuditFinding, ...]
    counts: tuple[tuple[str, str, str], ...]
    group_name: str | None = None
    checks: tuple[tuple[str, str, str, str], ...] = ()
    reviewed: bool = False
    done: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    created: str = ""
    version: str = ""
