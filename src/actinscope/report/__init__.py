"""Results in, one self-contained HTML report, figures and tables out. Computes nothing."""

from __future__ import annotations

from actinscope.report.audit_content import (
    AuditContent,
    AuditFinding,
    Dots,
    Shot,
)
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
    NeighbourShown,
    ReportContent,
    SplitTable,
)
from actinscope.report.explanation import (
    ExplanationShown,
    FeatureMapShown,
    MeanMapShown,
    PrototypeShown,
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
from actinscope.report.write import (
    write_audit_page,
    write_paper_pages,
    write_report,
)

__all__ = [
    "HISTORY_KEYS",
    "PARTS",
    "AuditContent",
    "AuditFinding",
    "CellPicture",
    "Checklist",
    "ChecklistItem",
    "ControlRow",
    "ControlsShown",
    "Dots",
    "DoubtText",
    "ExplanationShown",
    "ExtraTable",
    "FeatureMapShown",
    "Finding",
    "Headline",
    "LeakRow",
    "LeakStep",
    "LevelSection",
    "MeanMapShown",
    "NeighbourShown",
    "NetworkCurves",
    "PaperCell",
    "PaperContent",
    "PaperRow",
    "PaperTable",
    "ProtocolFigures",
    "PrototypeShown",
    "ReportContent",
    "RunLink",
    "Shot",
    "SplitTable",
    "write_audit_page",
    "write_paper_pages",
    "write_report",
]
