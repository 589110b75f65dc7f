"""Results in, one self-contained HTML report, figures and tables out. Computes nothing."""

from __future__ import annotations

from actinscope.report.content import (
    HISTORY_KEYS,
    PARTS,
    CellPicture,
    ControlRow,
    ControlsShown,
    ExtraTable,
    Finding,
    Headline,
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
from actinscope.report.write import write_report

__all__ = [
    "HISTORY_KEYS",
    "PARTS",
    "CellPicture",
    "ControlRow",
    "ControlsShown",
    "ExplanationShown",
    "ExtraTable",
    "FeatureMapShown",
    "Finding",
    "Headline",
    "MeanMapShown",
    "NeighbourShown",
    "PrototypeShown",
    "ReportContent",
    "SplitTable",
    "write_report",
]
