"""What is wrong with the images before training: copies, confounds, design, quality, labels."""

from __future__ import annotations

from actinscope.audit.audit import (
    Audited,
    AuditRequest,
    audit_before,
    audit_study,
    joined_copies,
    verdict_sentence,
    with_copies_kept,
)
from actinscope.audit.confounds import LEVEL
from actinscope.audit.copies import COPIES_SEARCHED
from actinscope.audit.copy_matching import near_duplicates
from actinscope.audit.design import sentence_of
from actinscope.audit.permutation import Confound

__all__ = [
    "COPIES_SEARCHED",
    "LEVEL",
    "AuditRequest",
    "Audited",
    "Confound",
    "audit_before",
    "audit_study",
    "joined_copies",
    "near_duplicates",
    "sentence_of",
    "verdict_sentence",
    "with_copies_kept",
]
