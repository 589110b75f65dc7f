"""Results in, one self-contained HTML report, figures and tables out. Computes nothing."""

from __future__ import annotations

from actinscope.report.content import (
    HISTORY_KEYS,
    PARTS,
    CellPicture,
    Checklist,
    ChecklistItem,
    ControlRow,
    ControlsShown,
    ExtraTable,
    Finding,
    Headline,
    LevelSection,
    ReportContent,
    SplitTable,
)
from actinscope.report.write import (
    write_report,
)

__all__ = [
    "HISTORY_KEYS",
    "PARTS",
    "CellPicture",
    "Checklist",
    "ChecklistItem",
    "ControlRow",
    "ControlsShown",
    "ExtraTable",
    "Finding",
    "Headline",
    "LevelSection",
    "ReportContent",
    "SplitTable",
    "write_report",
]
