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
from actinscope.report.paper_content import (
    DoubtText,
    LeakRow,
    LeakStep,
    NetworkCurves,
    PaperCell,
    PaperContent,
    PaperRow,
    PaperTable,
    ProtocolFigures,
    RunLink,
)
from actinscope.report.write import write_paper_pages, write_report

__all__ = [
    "HISTORY_KEYS",
    "PARTS",
    "CellPicture",
    "Checklist",
    "ChecklistItem",
    "ControlRow",
    "ControlsShown",
    "DoubtText",
    "ExtraTable",
    "Finding",
    "Headline",
    "LeakRow",
    "LeakStep",
    "LevelSection",
    "NetworkCurves",
    "PaperCell",
    "PaperContent",
    "PaperRow",
    "PaperTable",
    "ProtocolFigures",
    "ReportContent",
    "RunLink",
    "SplitTable",
    "write_paper_pages",
    "write_report",
]
