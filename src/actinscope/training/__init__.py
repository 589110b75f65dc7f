"""Training: the recipe, the one loop, checkpoints, and what the frozen layers store."""

from actinscope.training.forest import (
    Forest,
    forest_to_onnx,
)
from actinscope.training.head_start import (
    logistic_head,
)
from actinscope.training.loop import (
    Fitted,
    fit,
)
from actinscope.training.recipe import (
    RECIPE_NAMES,
    Recipe,
    change_recipe,
    load_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)
from actinscope.training.saver import (
    HISTORY_COLUMNS,
)
from actinscope.training.scratch import (
    Releaser,
    scratch_array,
)
from actinscope.training.sections import LevelSettings, ProbabilitySettings
from actinscope.training.trees import (
    fit_trees,
    forest_sentence,
    require_xgboost,
)
from actinscope.training.views import (
    LabelledImages,
)
from actinscope.training.workbench import (
    TrainingData,
)

__all__ = [
    "HISTORY_COLUMNS",
    "RECIPE_NAMES",
    "Fitted",
    "Forest",
    "LabelledImages",
    "LevelSettings",
    "ProbabilitySettings",
    "Recipe",
    "Releaser",
    "TrainingData",
    "change_recipe",
    "fit",
    "fit_trees",
    "forest_sentence",
    "forest_to_onnx",
    "load_recipe",
    "logistic_head",
    "read_recipe",
    "recipe_text",
    "require_xgboost",
    "scratch_array",
    "write_recipe",
]
