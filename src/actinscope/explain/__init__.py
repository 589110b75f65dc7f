"""Saliency, attention, sanity checks, prototypes and controls: is it the cell or the slide?"""

from __future__ import annotations

from actinscope.explain.attention import (
    Attention,
    attention_inside,
    attention_sentence,
    judge_attention,
)
from actinscope.explain.class_activation import heat_map
from actinscope.explain.control_models import TITLES, Control, control_warnings
from actinscope.explain.controls import MOST_IMAGES, ControlResults, run_controls
from actinscope.explain.explanation import (
    COARSE,
    Explanation,
    FeatureMap,
    attention_warnings,
    explain,
)
from actinscope.explain.occlusion import POSITIONS
from actinscope.explain.saliency import (
    ACTIVATION,
    MASKED,
    OCCLUSION,
    MaskedCell,
    Method,
    Neighbour,
    SaliencySource,
    inside_of,
    occlusion_maps,
)
from actinscope.explain.sanity_checks import (
    MapSimilarity,
    SanityStep,
    sanity_sentence,
)

__all__ = [
    "ACTIVATION",
    "COARSE",
    "MASKED",
    "MOST_IMAGES",
    "OCCLUSION",
    "POSITIONS",
    "TITLES",
    "Attention",
    "Control",
    "ControlResults",
    "Explanation",
    "FeatureMap",
    "MapSimilarity",
    "MaskedCell",
    "Method",
    "Neighbour",
    "SaliencySource",
    "SanityStep",
    "attention_inside",
    "attention_sentence",
    "attention_warnings",
    "control_warnings",
    "explain",
    "heat_map",
    "inside_of",
    "judge_attention",
    "occlusion_maps",
    "run_controls",
    "sanity_sentence",
]
