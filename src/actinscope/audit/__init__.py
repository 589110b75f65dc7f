"""What is wrong with the images before training: copies, confounds, design, quality, labels."""

from __future__ import annotations

from actinscope.audit.confounds import LEVEL
from actinscope.audit.copies import COPIES_SEARCHED
from actinscope.audit.copy_matching import near_duplicates
from actinscope.audit.findings import (
    AuditFinding,
    Dots,
    by_gravity,
    sentence_of,
    verdict_sentence,
    words_of,
)
from actinscope.audit.labels import ReviewedLabels, label_findings, review_study
from actinscope.audit.permutation import Confound
from actinscope.audit.review import (
    Audited,
    audit_before,
    audit_images,
    joined_copies,
    with_changed_copies,
    with_copies_kept,
)
from actinscope.audit.tables import write_copies, write_findings, write_queue

__all__ = [
    "COPIES_SEARCHED",
    "LEVEL",
    "AuditFinding",
    "Audited",
    "Confound",
    "Dots",
    "ReviewedLabels",
    "audit_before",
    "audit_images",
    "by_gravity",
    "joined_copies",
    "label_findings",
    "near_duplicates",
    "review_study",
    "sentence_of",
    "verdict_sentence",
    "with_changed_copies",
    "with_copies_kept",
    "words_of",
    "write_copies",
    "write_findings",
    "write_queue",
]
