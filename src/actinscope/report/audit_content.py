"""What the page of an audit says: findings with their pictures, filled in by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actinscope.audit import AuditFinding
from actinscope.report.content import Page

if TYPE_CHECKING:
    from actinscope.evaluation import Verdict


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
