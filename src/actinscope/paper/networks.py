"""Which networks the experiment trains, and why some of them cannot be trained here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import SettingsError, UsageError, WeightsError, WeightsUnavailable
from actinscope.networks import network_entry
from actinscope.paper.copies import READ_COPIES
from actinscope.preprocess import AugmentSettings
from actinscope.runs import ChosenNetwork, choose_network, recipe_as_used, require_buildable
from actinscope.training import Recipe, change_recipe

NO_WEIGHTS = "none"


@dataclass(frozen=True)
class PlannedNetwork:
    """A network of the experiment.

    Attributes:
        name: in the registry.
        title: in tables.
        recipe: the settings of its runs.
        network: what is trained; None where its weights are not to be had, or where it cannot
            be built as the recipe asks.
        problem: why not, and what to do; empty where it is trained.
        impossible: the recipe is the problem.
    """

    name: str
    title: str
    recipe: Recipe
    network: ChosenNetwork | None
    problem: str = ""
    impossible: bool = False

    @property
    def random(self) -> bool:
        """Whether it starts from random weights, as was asked for by name."""
        return self.recipe.network.weights == NO_WEIGHTS


def weights_by_network(words: Sequence[str], networks: Sequence[str]) -> dict[str, str]:
    """``NAME=FILE``, ``NAME=none`` or ``none`` for all, as network name -> choice of weights.

    Raises:
        UsageError: a word of another form, or a network that is not in the experiment.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, choice = word.partition("=")
        if word == NO_WEIGHTS:
            found |= {network: NO_WEIGHTS for network in networks if network not in found}
        elif not equals or not choice or name not in networks:
            raise UsageError(
                f"--weights {word}: "
                + ("no file is named" if name in networks else "no such network is trained"),
                remedy=f"Give NAME=FILE with a NAME of {', '.join(networks)}; or none to start "
                "all from random weights",
            )
        else:
            found[name] = choice
    return found


def plan_networks(
    names: Sequence[str],
    recipe: Recipe,
    *,
    weights: Mapping[str, str],
    vgg_epochs: int | None,
) -> tuple[PlannedNetwork, ...]:
    """Settle networks and weights before any image is read.

    Raises:
        SettingsError: a name is not registered, or comes twice; or none of the networks can be
            built as the recipe asks.
        UsageError: ``vgg_epochs`` is given, and no network is a VGG.
        WeightsUnavailable: the weights of none of the networks are to be had.
    """
    if len(set(names)) < len(names):
        raise SettingsError("a network is named twice", where="--networks")
    if vgg_epochs is not None and not any(name.startswith("vgg") for name in names):
        raise UsageError(
            "no VGG network is trained, so it does nothing",
            where="--vgg-epochs",
            remedy="Leave it out, or name one such as vgg16 with --networks",
        )
    planned = tuple(
        _plan(name, recipe, weights.get(name, "imagenet"), vgg_epochs) for name in names
    )
    if not any(one.network for one in planned):
        what = f"none of the networks can be trained: {planned[0].problem.rstrip('.')}"
        if all(one.impossible for one in planned):
            raise SettingsError(
                what, remedy="Change the recipe, or name other networks with --networks"
            )
        raise WeightsUnavailable(
            what, remedy="Name networks whose weights are installed with --networks"
        )
    return planned


def _plan(name: str, recipe: Recipe, weights: str, vgg_epochs: int | None) -> PlannedNetwork:
    entry = network_entry(name)
    own = recipe_for(name, recipe, weights=weights, vgg_epochs=vgg_epochs)
    try:
        require_buildable(recipe_as_used(own, entry), entry)
    except SettingsError as error:
        return PlannedNetwork(name, entry.title, own, None, str(error), impossible=True)
    try:
        return PlannedNetwork(name, entry.title, own, choose_network(own))
    except WeightsError as error:
        # It goes into the report: without the name of the person whose home it is.
        problem = str(error).replace(str(Path.home()), "~")
        return PlannedNetwork(name, entry.title, own, None, problem)


def recipe_for(
    name: str, recipe: Recipe, *, weights: str = "imagenet", vgg_epochs: int | None = None
) -> Recipe:
    """The recipe of one network's runs: augmented copies are given, so none is drawn on the fly.

    The number of frozen layers is the recipe's for the network that the recipe names, and the
    network's own default for others: the paper does not state it for its rivals.
    """
    settings = recipe.network
    frozen = settings.frozen_layers if settings.name == name else None
    training: dict[str, object] = {"views": min(1, recipe.training.views), "refresh": 0.0}
    if vgg_epochs is not None and name.startswith("vgg"):
        training["epochs"] = vgg_epochs
    return change_recipe(
        recipe,
        {
            "network": {"name": name, "weights": weights, "frozen_layers": frozen},
            "augmentation": AugmentSettings.off().model_dump(),
            "images": READ_COPIES.model_dump(),
            "training": training,
        },
    )
