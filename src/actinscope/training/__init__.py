"""Training: the recipe, the one loop, checkpoints, and what the frozen layers store."""

from actinscope.training.head_start import logistic_head
from actinscope.training.loop import Fitted, fit
from actinscope.training.recipe import (
    RECIPE_NAMES,
    LevelSettings,
    Recipe,
    change_recipe,
    load_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)
from actinscope.training.saver import HISTORY_COLUMNS
from actinscope.training.scratch import Releaser, scratch_array
from actinscope.training.views import LabelledImages
from actinscope.training.workbench import TrainingData

__all__ = [
    "HISTORY_COLUMNS",
    "RECIPE_NAMES",
    "Fitted",
    "LabelledImages",
    "LevelSettings",
    "Recipe",
    "Releaser",
    "TrainingData",
    "change_recipe",
    "fit",
    "load_recipe",
    "logistic_head",
    "read_recipe",
    "recipe_text",
    "scratch_array",
    "write_recipe",
]
