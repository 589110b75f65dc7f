"""Results in, one self-contained HTML report, figures and tables out. Computes nothing."""

from __future__ import annotations

from actinscope.report.audit_page import AuditContent, write_audit_page
from actinscope.report.comparison_content import (
    ComparedRun,
    ComparisonContent,
    ContestedImage,
    RunAnswer,
)
from actinscope.report.comparison_page import write_comparison
from actinscope.report.content import (
    CellPicture,
    Checklist,
    ChecklistItem,
    Finding,
    FoldRow,
    FoldsShown,
    Headline,
    NeighbourShown,
    Page,
    ReportContent,
    SplitTable,
)
from actinscope.report.explanation_section import (
    explanation_findings,
    explanation_shown,
    neighbour_words,
)
from actinscope.report.gallery import GalleryCard, GalleryContent, write_gallery
from actinscope.report.paper_content import (
    LeakRow,
    LeakStep,
    PaperCell,
    PaperContent,
    PaperRow,
    PaperTable,
    ProtocolFigures,
    RunLink,
)
from actinscope.report.paper_page import write_paper_pages
from actinscope.report.pictures import displayed, write_map
from actinscope.report.report_page import write_report
from actinscope.report.text import flatten
from actinscope.report.uncertainty import uncertainty_sentences

__all__ = [
    "AuditContent",
    "CellPicture",
    "Checklist",
    "ChecklistItem",
    "ComparedRun",
    "ComparisonContent",
    "ContestedImage",
    "Finding",
    "FoldRow",
    "FoldsShown",
    "GalleryCard",
    "GalleryContent",
    "Headline",
    "LeakRow",
    "LeakStep",
    "NeighbourShown",
    "Page",
    "PaperCell",
    "PaperContent",
    "PaperRow",
    "PaperTable",
    "ProtocolFigures",
    "ReportContent",
    "RunAnswer",
    "RunLink",
    "SplitTable",
    "displayed",
    "explanation_findings",
    "explanation_shown",
    "flatten",
    "neighbour_words",
    "uncertainty_sentences",
    "write_audit_page",
    "write_comparison",
    "write_gallery",
    "write_map",
    "write_paper_pages",
    "write_report",
]
