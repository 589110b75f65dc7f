"""Results in, one self-contained HTML report, figures and tables out. Computes nothing."""

from __future__ import annotations

from actinscope.report.content import (
    HISTORY_KEYS,
    PARTS,
    CellPicture,
    ExtraTable,
    Finding,
    Headline,
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
    "DoubtText",
    "ExtraTable",
    "Finding",
    "Headline",
    "LeakRow",
    "LeakStep",
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
