"""Methods text, checklists and model card of a run."""

from __future__ import annotations

from actinscope.writeup.crossvalidate_facts import folds_facts
from actinscope.writeup.crossvalidate_paperwork import write_folds_writeup
from actinscope.writeup.diagnostics import AuditFacts
from actinscope.writeup.facts import majority_rate, run_facts
from actinscope.writeup.paperwork import write_run_writeup
from actinscope.writeup.result import FoldsResult, RunResult

__all__ = [
    "AuditFacts",
    "FoldsResult",
    "RunResult",
    "folds_facts",
    "majority_rate",
    "run_facts",
    "write_folds_writeup",
    "write_run_writeup",
]
