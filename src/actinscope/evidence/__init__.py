"""Metrics, intervals and class activation maps: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evidence.class_activation import common_scale, contrast_map, heat_map, signed_map
from actinscope.evidence.evaluation import Evaluation, evaluate, evaluation_to_json
from actinscope.evidence.examples import typical_examples, worst_errors
from actinscope.evidence.intervals import FEWEST_UNITS, Estimate
from actinscope.evidence.level_evaluation import (
    LevelEvaluation,
    composition_error,
    evaluate_level,
    level_to_json,
    level_words,
)
from actinscope.evidence.levels import RULE_WORDS, RULES, LevelRule, Unit, parse_level, sum_up
from actinscope.evidence.metrics import CLASS_METRICS, METRICS
from actinscope.evidence.paired import PairedComparison, compare_pairs
from actinscope.evidence.verdict import Verdict, counted, percent, plural, spoken, verdict

__all__ = [
    "CLASS_METRICS",
    "FEWEST_UNITS",
    "METRICS",
    "RULES",
    "RULE_WORDS",
    "Estimate",
    "Evaluation",
    "LevelEvaluation",
    "LevelRule",
    "PairedComparison",
    "Unit",
    "Verdict",
    "common_scale",
    "compare_pairs",
    "composition_error",
    "contrast_map",
    "counted",
    "evaluate",
    "evaluate_level",
    "evaluation_to_json",
    "heat_map",
    "level_to_json",
    "level_words",
    "parse_level",
    "percent",
    "plural",
    "signed_map",
    "spoken",
    "sum_up",
    "typical_examples",
    "verdict",
    "worst_errors",
]
