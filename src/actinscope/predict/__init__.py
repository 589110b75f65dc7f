"""The one inference path: evaluation, command line and reports all predict through here."""

from __future__ import annotations

from actinscope.predict.decision import DecisionRules, Decisions
from actinscope.predict.files import (
    PredictOptions,
    PredictSummary,
    TaskReader,
    plan_rows,
    predict_files,
)
from actinscope.predict.groups import read_group_columns
from actinscope.predict.predictor import Predictor
from actinscope.predict.records import ScaledImages, predict_records
from actinscope.predict.table import (
    FOLD_COLUMNS,
    PredictionsTable,
    answer_cells,
    answer_header,
    is_own_column,
    read_predictions,
    record_header,
    record_rows,
    require_free_columns,
)
from actinscope.predict.tasks import Task, message_of
from actinscope.predict.votes import notes_of_members, promised_coverage, usual_coverage

__all__ = [
    "FOLD_COLUMNS",
    "DecisionRules",
    "Decisions",
    "PredictOptions",
    "PredictSummary",
    "PredictionsTable",
    "Predictor",
    "ScaledImages",
    "Task",
    "TaskReader",
    "answer_cells",
    "answer_header",
    "is_own_column",
    "message_of",
    "notes_of_members",
    "plan_rows",
    "predict_files",
    "predict_records",
    "promised_coverage",
    "read_group_columns",
    "read_predictions",
    "record_header",
    "record_rows",
    "require_free_columns",
    "usual_coverage",
]
