"""Metrics, intervals and class activation maps: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evidence.abstention import AnsweredCurve, answered_curve, fit_abstention
from actinscope.evidence.calibration import (
    CALIBRATION_METRICS,
    Temperature,
    calibration_figures,
    fit_temperature,
)
from actinscope.evidence.class_activation import common_scale, contrast_map, heat_map, signed_map
from actinscope.evidence.conformal import fewest_images, fit_sets
from actinscope.evidence.evaluation import (
    Evaluation,
    estimates_to_json,
    evaluate,
    evaluation_to_json,
)
from actinscope.evidence.examples import typical_examples, worst_errors
from actinscope.evidence.intervals import Estimate
from actinscope.evidence.metrics import CLASS_METRICS, METRICS
from actinscope.evidence.paired import PairedComparison, compare_pairs
from actinscope.evidence.unfamiliar import fit_familiar
from actinscope.evidence.verdict import Verdict, verdict
from actinscope.evidence.worth import ReliabilityPoint, Worth, worth, worth_figures

__all__ = [
    "CALIBRATION_METRICS",
    "CLASS_METRICS",
    "METRICS",
    "AnsweredCurve",
    "Estimate",
    "Evaluation",
    "PairedComparison",
    "ReliabilityPoint",
    "Temperature",
    "Verdict",
    "Worth",
    "answered_curve",
    "calibration_figures",
    "common_scale",
    "compare_pairs",
    "contrast_map",
    "estimates_to_json",
    "evaluate",
    "evaluation_to_json",
    "fewest_images",
    "fit_abstention",
    "fit_familiar",
    "fit_sets",
    "fit_temperature",
    "heat_map",
    "signed_map",
    "typical_examples",
    "verdict",
    "worst_errors",
    "worth",
    "worth_figures",
]
