"""Metrics, intervals and class activation maps: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evidence.class_activation import common_scale, contrast_map, heat_map, signed_map
from actinscope.evidence.control_features import CONTROL_FEATURES, control_features
from actinscope.evidence.controls import (
    Answers,
    BatchControl,
    Control,
    ShuffledLabels,
    batch_control,
    judge_control,
    shuffled_labels,
    warnings_of,
)
from actinscope.evidence.evaluation import Evaluation, evaluate, evaluation_to_json
from actinscope.evidence.examples import typical_examples, worst_errors
from actinscope.evidence.intervals import Estimate
from actinscope.evidence.metrics import CLASS_METRICS, METRICS
from actinscope.evidence.paired import PairedComparison, compare_pairs
from actinscope.evidence.verdict import Verdict, verdict

__all__ = [
    "CLASS_METRICS",
    "CONTROL_FEATURES",
    "METRICS",
    "Answers",
    "BatchControl",
    "Control",
    "Estimate",
    "Evaluation",
    "PairedComparison",
    "ShuffledLabels",
    "Verdict",
    "batch_control",
    "common_scale",
    "compare_pairs",
    "contrast_map",
    "control_features",
    "evaluate",
    "evaluation_to_json",
    "heat_map",
    "judge_control",
    "shuffled_labels",
    "signed_map",
    "typical_examples",
    "verdict",
    "warnings_of",
    "worst_errors",
]
