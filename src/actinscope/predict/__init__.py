"""The one inference path: evaluation, command line and reports all predict through here."""

from __future__ import annotations

from actinscope.bundle import NetworkOutput, calibrated
from actinscope.predict.files import PredictOptions, PredictSummary, predict_files
from actinscope.predict.judge import (
    JUDGED,
    Judge,
    Judgement,
    judged_cells,
    set_members,
)
from actinscope.predict.predictor import Predictor
from actinscope.predict.records import RecordOutputs, predict_records
from actinscope.predict.table import Predictions, is_own_column, read_predictions

__all__ = [
    "JUDGED",
    "Judge",
    "Judgement",
    "NetworkOutput",
    "PredictOptions",
    "PredictSummary",
    "Predictions",
    "Predictor",
    "RecordOutputs",
    "calibrated",
    "is_own_column",
    "judged_cells",
    "predict_files",
    "predict_records",
    "read_predictions",
    "set_members",
]
