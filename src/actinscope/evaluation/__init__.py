"""Metrics, intervals and tests: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evaluation.abstention import fit_abstention
from actinscope.evaluation.calibration import fit_temperature
from actinscope.evaluation.comparison import DIFFERENCES, Comparison, RunPair, compare_classifiers
from actinscope.evaluation.comparison_words import comparison_verdict, pair_sentence
from actinscope.evaluation.conformal import fit_sets
from actinscope.evaluation.evaluation import (
    Evaluation,
    estimates_to_json,
    evaluate,
    evaluation_to_json,
)
from actinscope.evaluation.example_selection import typical_examples, worst_errors
from actinscope.evaluation.intervals import (
    FEWEST_CLUSTERS,
    NORMAL_95,
    Clusters,
    Estimate,
    bootstrap_estimate,
    linear_contrast,
    proportion_of_images,
)
from actinscope.evaluation.level_evaluation import (
    LevelEvaluation,
    evaluate_level,
    level_to_json,
    level_words,
)
from actinscope.evaluation.levels import RULE_WORDS, RULES, LevelRule, Unit, parse_level, sum_up
from actinscope.evaluation.metrics import METRICS
from actinscope.evaluation.ood import fit_ood_threshold
from actinscope.evaluation.paired import (
    ResampledTest,
    compare_pairs,
    corrected_resampled_t,
    exact_mcnemar,
    mean_difference,
)
from actinscope.evaluation.sample_size import images_for_half_width
from actinscope.evaluation.uncertainty_metrics import (
    UncertaintyEvaluation,
    evaluate_uncertainty,
    uncertainty_estimates,
)
from actinscope.evaluation.verdict import Conditions, Verdict, verdict

__all__ = [
    "DIFFERENCES",
    "FEWEST_CLUSTERS",
    "METRICS",
    "NORMAL_95",
    "RULES",
    "RULE_WORDS",
    "Clusters",
    "Comparison",
    "Conditions",
    "Estimate",
    "Evaluation",
    "LevelEvaluation",
    "LevelRule",
    "ResampledTest",
    "RunPair",
    "UncertaintyEvaluation",
    "Unit",
    "Verdict",
    "bootstrap_estimate",
    "compare_classifiers",
    "compare_pairs",
    "comparison_verdict",
    "corrected_resampled_t",
    "estimates_to_json",
    "evaluate",
    "evaluate_level",
    "evaluate_uncertainty",
    "evaluation_to_json",
    "exact_mcnemar",
    "fit_abstention",
    "fit_ood_threshold",
    "fit_sets",
    "fit_temperature",
    "images_for_half_width",
    "level_to_json",
    "level_words",
    "linear_contrast",
    "mean_difference",
    "pair_sentence",
    "parse_level",
    "proportion_of_images",
    "sum_up",
    "typical_examples",
    "uncertainty_estimates",
    "verdict",
    "worst_errors",
]
