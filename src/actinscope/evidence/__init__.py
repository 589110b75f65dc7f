"""Metrics, intervals and class activation maps: arrays in, plain results out.

`evaluate` turns labels and probabilities into an `Evaluation`, in which every figure
is an `Estimate` with its interval; `verdict` says in a sentence what it means.
Nothing here reads files or draws.
"""

from __future__ import annotations

from actinscope.evidence.attention import (
    Attention,
    MeanMap,
    attention_inside,
    attention_sentence,
    judge_attention,
    mean_maps,
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
from actinscope.evidence.comparison_words import comparison_verdict, pair_sentence
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
from actinscope.evidence.evaluation import Evaluation, evaluate, evaluation_to_json
from actinscope.evidence.examples import typical_examples, worst_errors
from actinscope.evidence.intervals import Estimate
from actinscope.evidence.metrics import CLASS_METRICS, METRICS
from actinscope.evidence.multiple import holm
from actinscope.evidence.occlusion import POSITIONS, Occlusion, occlude
from actinscope.evidence.paired import PairedComparison, compare_pairs
from actinscope.evidence.prototypes import Prototype, nearest_images, prototypes
from actinscope.evidence.resampled import ResampledTest, corrected_resampled_t
from actinscope.evidence.sample_size import (
    fewest_for_mcnemar,
    images_for_half_width,
    pairs_for_mcnemar,
)
from actinscope.evidence.sanity import Likeness, SanityStep, map_likeness, sanity_sentence
from actinscope.evidence.verdict import Verdict, verdict

__all__ = [
    "CLASS_METRICS",
    "CONTROL_FEATURES",
    "DIFFERENCES",
    "METRICS",
    "POSITIONS",
    "Answers",
    "Attention",
    "BatchControl",
    "Comparison",
    "Control",
    "EmbeddingMap",
    "Estimate",
    "Evaluation",
    "Likeness",
    "MeanMap",
    "Occlusion",
    "PairedComparison",
    "Prototype",
    "ResampledTest",
    "RunPair",
    "SanityStep",
    "ShuffledLabels",
    "Verdict",
    "attention_inside",
    "attention_sentence",
    "batch_control",
    "cell_mask",
    "common_scale",
    "compare_classifiers",
    "compare_pairs",
    "comparison_verdict",
    "contrast_map",
    "control_features",
    "corrected_resampled_t",
    "enlarged",
    "evaluate",
    "evaluation_to_json",
    "fewest_for_mcnemar",
    "has_umap",
    "heat_map",
    "holm",
    "images_for_half_width",
    "judge_attention",
    "judge_control",
    "map_likeness",
    "mean_maps",
    "nearest_images",
    "occlude",
    "pair_sentence",
    "pairs_for_mcnemar",
    "principal_map",
    "prototypes",
    "reduced_planes",
    "sanity_sentence",
    "shuffled_labels",
    "signed_map",
    "typical_examples",
    "umap_map",
    "verdict",
    "warnings_of",
    "worst_errors",
]
