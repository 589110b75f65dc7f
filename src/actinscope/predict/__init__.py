"""The one inference path: evaluation, command line and reports all predict through here."""

from __future__ import annotations

from actinscope.bundle import NetworkOutput
from actinscope.predict.files import PredictOptions, PredictSummary, predict_files
from actinscope.predict.predictor import Predictor
from actinscope.predict.records import RecordOutputs, predict_records
from actinscope.predict.table import Predictions, read_predictions

__all__ = [
    "NetworkOutput",
    "PredictOptions",
    "PredictSummary",
    "Predictions",
    "Predictor",
    "RecordOutputs",
    "predict_files",
    "predict_records",
    "read_predictions",
]
