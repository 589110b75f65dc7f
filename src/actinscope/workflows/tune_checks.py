"""What a search cannot start from, said before any image is read."""

from __future__ import annotations

from collections.abc import Callable

from actinscope.errors import SettingsError
from actinscope.networks import NetworkEntry
from actinscope.runs import ChosenNetwork, recipe_as_used, require_buildable
from actinscope.training import Recipe, import_optuna


def require_searchable(recipe: Recipe) -> None:
    """Refuse what cannot be searched before images are read.

    Raises:
        SettingsError: the recipe stores no views, or trains no layers.
        UsageError: the package that proposes trials is not installed.
    """
    import_optuna()
    if recipe.training.head_model != "softmax":
        raise SettingsError(
            "a search trains layers of the network, and boosted trees leave it as it is",
            where=f"recipe {recipe.name}",
            remedy="Start from a recipe with training.head_model = 'softmax'",
        )
    if not recipe.training.views:
        raise SettingsError(
            "a search trains on stored views, and training.views is 0",
            where=f"recipe {recipe.name}",
            remedy="Set training.views to 1 or more in the recipe that the search starts from",
        )


def require_frozen(recipe: Recipe, network: ChosenNetwork) -> None:
    """Refuse a base recipe that stores nothing; ``recipe`` is as used.

    Raises:
        SettingsError: no layer is frozen.
    """
    if recipe.network.frozen_layers:
        return
    scratch = network.entry.from_scratch
    raise SettingsError(
        "a search trains on what the frozen layers make of the images, and no layer of "
        f"{network.entry.title} is frozen",
        where=f"recipe {recipe.name}, network.frozen_layers",
        remedy="Choose a pretrained network with --network; this one is trained from random numbers"
        if scratch
        else f"Set it to 1 or more, or leave it out for {network.entry.frozen_layers}",
    )


def buildable_with(entry: NetworkEntry) -> Callable[[Recipe], None]:
    """Refuses a trial's recipe that the network cannot be built from."""
    return lambda recipe: require_buildable(recipe_as_used(recipe, entry), entry)
