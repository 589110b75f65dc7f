"""Training: the recipe, the one loop, checkpoints, and what the frozen layers store."""

from __future__ import annotations

from actinscope.training.activation_cache import ActivationCache, SearchImages
from actinscope.training.augmented_views import LabelledImages
from actinscope.training.boosted_trees import fit_boosted_trees, forest_sentence, require_xgboost
from actinscope.training.checkpoint import write_history
from actinscope.training.linear_probe import fit_stage_probe, logistic_head
from actinscope.training.loop import Fitted, fit
from actinscope.training.recipe import (
    LevelSettings,
    ProbabilitySettings,
    Recipe,
    change_recipe,
    load_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)
from actinscope.training.search import (
    FINISHED,
    Search,
    TrialResult,
    import_optuna,
    is_hopeless,
    rung_of,
)
from actinscope.training.search_space import (
    FREEZE,
    SearchSpace,
    default_space_text,
    load_space,
    recipe_with,
)
from actinscope.training.setup import TrainingData
from actinscope.training.tree_onnx import tree_ensemble_to_onnx
from actinscope.training.trial import Fold, TrialRunner

__all__ = [
    "FINISHED",
    "FREEZE",
    "ActivationCache",
    "Fitted",
    "Fold",
    "LabelledImages",
    "LevelSettings",
    "ProbabilitySettings",
    "Recipe",
    "Search",
    "SearchImages",
    "SearchSpace",
    "TrainingData",
    "TrialResult",
    "TrialRunner",
    "change_recipe",
    "default_space_text",
    "fit",
    "fit_boosted_trees",
    "fit_stage_probe",
    "forest_sentence",
    "import_optuna",
    "is_hopeless",
    "load_recipe",
    "load_space",
    "logistic_head",
    "read_recipe",
    "recipe_text",
    "recipe_with",
    "require_xgboost",
    "rung_of",
    "tree_ensemble_to_onnx",
    "write_history",
    "write_recipe",
]
