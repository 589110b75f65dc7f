"""Metrics, intervals and class activation maps: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evidence.class_activation import common_scale, contrast_map, heat_map, signed_map
from actinscope.evidence.contrasts import linear_contrast
from actinscope.evidence.evaluation import Evaluation, evaluate, evaluation_to_json
from actinscope.evidence.examples import typical_examples, worst_errors
from actinscope.evidence.intervals import Estimate
from actinscope.evidence.metrics import CLASS_METRICS, METRICS
from actinscope.evidence.paired import PairedComparison, compare_pairs
from actinscope.evidence.verdict import Verdict, verdict

__all__ = [
    "CLASS_METRICS",
    "METRICS",
    "Estimate",
    "Evaluation",
    "PairedComparison",
    "Verdict",
    "common_scale",
    "compare_pairs",
    "contrast_map",
    "evaluate",
    "evaluation_to_json",
    "heat_map",
    "linear_contrast",
    "signed_map",
    "typical_examples",
    "verdict",
    "worst_errors",
]
