"""Methods text, checklists and model card of a run or a cross-validation."""

from __future__ import annotations

from actinscope.writeup.documents import write_writeup
from actinscope.writeup.facts import Facts, gather_facts, majority_rate
from actinscope.writeup.result import FoldsResult, SplitResult, StudyResult

__all__ = [
    "Facts",
    "FoldsResult",
    "SplitResult",
    "StudyResult",
    "gather_facts",
    "majority_rate",
    "write_writeup",
]
