"""Methods text, checklists and model card of a run."""

from __future__ import annotations

from actinscope.writeup.crossvalidate_facts import folds_facts
from actinscope.writeup.crossvalidate_paperwork import write_folds_paperwork
from actinscope.writeup.diagnostics import AuditFacts
from actinscope.writeup.facts import majority_rate, run_facts
from actinscope.writeup.paperwork import write_paperwork
from actinscope.writeup.result import FoldsStory, RunStory

__all__ = [
    "AuditFacts",
    "FoldsStory",
    "RunStory",
    "folds_facts",
    "majority_rate",
    "run_facts",
    "write_folds_paperwork",
    "write_paperwork",
]
