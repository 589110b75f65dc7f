"""Saliency, attention, sanity checks, prototypes and controls: is it the cell or the slide?"""

from __future__ import annotations

from actinscope.explain.attention import (
    Attention,
    attention_inside,
    attention_sentence,
    judge_attention,
)
from actinscope.explain.class_activation import contrast_map, enlarged, heat_map
from actinscope.explain.control_models import Control
from actinscope.explain.control_report import TITLES, control_warnings, controls_shown
from actinscope.explain.controls import MOST_IMAGES, ControlResults, run_controls
from actinscope.explain.explanation import Explanation, explain
from actinscope.explain.explanation_report import (
    attention_warnings,
    explanation_findings,
    explanation_shown,
    neighbour_words,
)
from actinscope.explain.saliency import (
    ACTIVATION,
    MASKED,
    OCCLUSION,
    MaskedCell,
    Method,
    SaliencySource,
    inside_of,
    occlusion_maps,
)
from actinscope.explain.sanity_checks import SanityStep, map_likeness, sanity_sentence

__all__ = [
    "ACTIVATION",
    "MASKED",
    "MOST_IMAGES",
    "OCCLUSION",
    "TITLES",
    "Attention",
    "Control",
    "ControlResults",
    "Explanation",
    "MaskedCell",
    "Method",
    "SaliencySource",
    "SanityStep",
    "attention_inside",
    "attention_sentence",
    "attention_warnings",
    "contrast_map",
    "control_warnings",
    "controls_shown",
    "enlarged",
    "explain",
    "explanation_findings",
    "explanation_shown",
    "heat_map",
    "inside_of",
    "judge_attention",
    "map_likeness",
    "neighbour_words",
    "occlusion_maps",
    "run_controls",
    "sanity_sentence",
]
