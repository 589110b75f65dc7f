"""Metrics, intervals and class activation maps: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evidence.abstention import (
    AnsweredCurve,
    answered_curve,
    fit_abstention,
)
from actinscope.evidence.attention import (
    Attention,
    MeanMap,
    attention_inside,
    attention_sentence,
    judge_attention,
    mean_maps,
)
from actinscope.evidence.calibration import (
    CALIBRATION_METRICS,
    Temperature,
    calibration_figures,
    fit_temperature,
)
from actinscope.evidence.class_activation import (
    common_scale,
    contrast_map,
    enlarged,
    heat_map,
    signed_map,
)
from actinscope.evidence.comparison import (
    DIFFERENCES,
    Comparison,
    RunPair,
    compare_classifiers,
)
from actinscope.evidence.comparison_words import (
    comparison_verdict,
    pair_sentence,
)
from actinscope.evidence.conformal import (
    fewest_images,
    fit_sets,
)
from actinscope.evidence.confounds import (
    Confound,
    find_confounds,
)
from actinscope.evidence.contrasts import (
    linear_contrast,
)
from actinscope.evidence.control_features import (
    CONTROL_FEATURES,
    cell_mask,
    control_features,
    reduced_planes,
)
from actinscope.evidence.controls import (
    Answers,
    BatchControl,
    Control,
    ShuffledLabels,
    balanced_of,
    batch_control,
    judge_control,
    shuffled_labels,
    warnings_of,
)
from actinscope.evidence.embedding_map import (
    EmbeddingMap,
    has_umap,
    principal_map,
    umap_map,
)
from actinscope.evidence.evaluation import (
    Evaluation,
    estimates_to_json,
    evaluate,
    evaluation_to_json,
)
from actinscope.evidence.examples import (
    typical_examples,
    worst_errors,
)
from actinscope.evidence.intervals import (
    FEWEST_UNITS,
    Estimate,
)
from actinscope.evidence.label_errors import (
    LabelReview,
    review_labels,
)
from actinscope.evidence.level_evaluation import (
    LevelEvaluation,
    composition_error,
    evaluate_level,
    level_to_json,
    level_words,
)
from actinscope.evidence.levels import (
    RULE_WORDS,
    RULES,
    LevelRule,
    Unit,
    parse_level,
    sum_up,
)
from actinscope.evidence.metrics import (
    CLASS_METRICS,
    METRICS,
)
from actinscope.evidence.multiple import (
    holm,
)
from actinscope.evidence.occlusion import (
    POSITIONS,
    Occlusion,
    occlude,
)
from actinscope.evidence.paired import (
    PairedComparison,
    compare_pairs,
    mean_difference,
)
from actinscope.evidence.prototypes import (
    Prototype,
    nearest_images,
    prototypes,
)
from actinscope.evidence.resampled import (
    ResampledTest,
    corrected_resampled_t,
)
from actinscope.evidence.sample_size import (
    fewest_for_mcnemar,
    images_for_half_width,
    pairs_for_mcnemar,
)
from actinscope.evidence.sanity import (
    Likeness,
    SanityStep,
    map_likeness,
    sanity_sentence,
)
from actinscope.evidence.unfamiliar import (
    fit_familiar,
)
from actinscope.evidence.verdict import Verdict, verdict
from actinscope.evidence.worth import (
    ReliabilityPoint,
    Worth,
    worth,
    worth_figures,
)

__all__ = [
    "CALIBRATION_METRICS",
    "CLASS_METRICS",
    "CONTROL_FEATURES",
    "DIFFERENCES",
    "FEWEST_UNITS",
    "METRICS",
    "POSITIONS",
    "RULES",
    "RULE_WORDS",
    "AnsweredCurve",
    "Answers",
    "Attention",
    "BatchControl",
    "Comparison",
    "Confound",
    "Control",
    "EmbeddingMap",
    "Estimate",
    "Evaluation",
    "LabelReview",
    "LevelEvaluation",
    "LevelRule",
    "Likeness",
    "MeanMap",
    "Occlusion",
    "PairedComparison",
    "Prototype",
    "ReliabilityPoint",
    "ResampledTest",
    "RunPair",
    "SanityStep",
    "ShuffledLabels",
    "Temperature",
    "Unit",
    "Verdict",
    "Worth",
    "answered_curve",
    "attention_inside",
    "attention_sentence",
    "balanced_of",
    "batch_control",
    "calibration_figures",
    "cell_mask",
    "common_scale",
    "compare_classifiers",
    "compare_pairs",
    "comparison_verdict",
    "composition_error",
    "contrast_map",
    "control_features",
    "corrected_resampled_t",
    "enlarged",
    "estimates_to_json",
    "evaluate",
    "evaluate_level",
    "evaluation_to_json",
    "fewest_for_mcnemar",
    "fewest_images",
    "find_confounds",
    "fit_abstention",
    "fit_familiar",
    "fit_sets",
    "fit_temperature",
    "has_umap",
    "heat_map",
    "holm",
    "images_for_half_width",
    "judge_attention",
    "judge_control",
    "level_to_json",
    "level_words",
    "linear_contrast",
    "map_likeness",
    "mean_difference",
    "mean_maps",
    "nearest_images",
    "occlude",
    "pair_sentence",
    "pairs_for_mcnemar",
    "parse_level",
    "principal_map",
    "prototypes",
    "reduced_planes",
    "review_labels",
    "sanity_sentence",
    "shuffled_labels",
    "signed_map",
    "sum_up",
    "typical_examples",
    "umap_map",
    "verdict",
    "warnings_of",
    "worst_errors",
    "worth",
    "worth_figures",
]
