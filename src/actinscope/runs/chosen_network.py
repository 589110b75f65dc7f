"""The network that a run trains, and the settings that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actinscope.errors import SettingsError
from actinscope.networks import (
    PAPER_NETWORK,
    Head,
    NetworkEntry,
    ResolvedWeights,
    default_network,
    default_sentence,
    has_stage_graph,
    network_entry,
    require_framework,
    resolve_weights,
    settle_head,
)
from actinscope.training import Recipe, change_recipe, require_xgboost


@dataclass(frozen=True)
class ChosenNetwork:
    """Which network is trained, from which weights, and what to say about the choice."""

    entry: NetworkEntry
    weights: ResolvedWeights
    notices: tuple[str, ...]


def choose_network(recipe: Recipe, *, automatic: bool = False) -> ChosenNetwork:
    """Settle the network and its weights before any work is done.

    With ``automatic`` the name in it was not chosen, but is that of the run that goes on.

    Raises:
        SettingsError: no network of that name, or ``auto`` with a weights file.
        WeightsError: the weights are not to be had.
        TrainingError: the training framework is missing, or has too little memory.
    """
    settings = recipe.network
    if recipe.training.head_model != "linear_probe":
        require_framework()
    notices: list[str] = []
    if recipe.training.head_model == "boosted_trees":
        require_xgboost()
    if settings.name != "auto":
        entry = network_entry(settings.name)
        if automatic and settings.weights == "imagenet":
            notices.append(default_sentence(entry))
    elif settings.weights == "none":
        entry = network_entry(PAPER_NETWORK)
    elif settings.weights == "imagenet":
        probe = recipe.training.head_model == "linear_probe"
        entry, sentence = default_network(bundled=probe)
        notices.append(sentence)
    else:
        raise SettingsError(
            "a weights file belongs to one network, and none is named",
            where="network.name",
            remedy="Name the network of the weights with --network",
        )
    weights = resolve_weights(entry, settings.weights)
    if recipe.training.head_model == "linear_probe" and not has_stage_graph(entry, weights):
        raise SettingsError(
            f"{entry.title} has no linear probe: one is made of an EfficientNet-Lite as published",
            where="training.head_model",
            remedy="Give --recipe fine-tuned, or --network efficientnet-lite0",
        )
    if weights.kind == "none":
        notices.append(
            f"{entry.title} starts from RANDOM weights, as asked for: "
            "no accuracy of this run says anything about the method."
        )
    if weights.kind == "scratch":
        notices.append(
            f"{entry.title} is trained from scratch, all of its layers; the recipe 'scratch' has "
            "settings for it."
        )
    return ChosenNetwork(entry, weights, tuple(notices))


def recipe_as_used(recipe: Recipe, entry: NetworkEntry) -> Recipe:
    """``recipe`` with the network and what hangs on it settled, as ``recipe.toml`` keeps it.

    Where every layer is trained there are no frozen layers whose output could be stored, so
    that every epoch has fresh views; and where there are no pretrained weights either, there
    are no statistics of batch normalisation to keep and no features to fit the last layer on.

    Raises:
        SettingsError: settings of the network that contradict each other or the network.
    """
    settings = recipe.network
    frozen = entry.frozen_layers if settings.frozen_layers is None else settings.frozen_layers
    learned = settings.weights != "none" and not (
        entry.from_scratch and settings.weights == "imagenet"
    )
    if recipe.training.head_model != "softmax":
        return _untrained(recipe, entry)
    if frozen and entry.from_scratch and not learned:
        raise SettingsError(
            f"{entry.title} starts from random numbers, and {frozen} of its layers are to stay so",
            where="network.frozen_layers",
            remedy="Leave frozen_layers out, or name a weights file with --weights",
        )
    head = head_of(recipe, entry)
    dense = {"head_units": head.units, "head_flatten": head.flatten} if head.units else {}
    network: dict[str, Any] = {
        "name": entry.name,
        "input_size": settings.input_size or entry.input.size,
        "frozen_layers": frozen,
        "head": head.kind,
        "head_dropout": head.dropout,
        **dense,
    }
    training: dict[str, Any] = {}
    if not frozen:
        training["views"] = 0
        if not learned:
            training["head_start"] = "random"
            network["freeze_batch_norm"] = False
    return change_recipe(recipe, {"network": network, "training": training})


def require_buildable(recipe: Recipe, entry: NetworkEntry) -> None:
    """See that the network can be built as ``recipe`` (as used) asks, without building it.

    Raises:
        SettingsError: the input is too small for it, or no layer is left to train.
    """
    size = recipe.network.input_size or entry.input.size
    if size < entry.smallest:
        raise SettingsError(
            f"the input size {size} is too small for {entry.title}",
            where="network.input_size",
            remedy=f"Choose at least {entry.smallest} pixels",
        )
    layers = entry.layer_count - entry.head.layer_count + head_of(recipe, entry).layer_count
    frozen = recipe.network.frozen_layers or 0
    if frozen >= layers:
        raise SettingsError(
            f"{frozen} layers are to stay frozen, and {entry.title} has {layers}: nothing is left "
            "to train",
            where="network.frozen_layers",
            remedy=f"Freeze at most {layers - 1} layers",
        )


def _untrained(recipe: Recipe, entry: NetworkEntry) -> Recipe:
    """Nothing of the network is trained, so its frozen layers and its head stay unsaid."""
    settings = recipe.network
    if entry.from_scratch and settings.weights == "imagenet":
        raise SettingsError(
            f"{entry.title} has no pretrained weights, and {recipe.training.head_model} learns "
            "from features of a pretrained network",
            where="training.head_model",
            remedy="Choose a pretrained network, or name a weights file with --weights",
        )
    size = settings.input_size or entry.input.size
    return change_recipe(recipe, {"network": {"name": entry.name, "input_size": size}})


def head_of(recipe: Recipe, entry: NetworkEntry) -> Head:
    """The head that the recipe asks for, or the network's own.

    Boosted trees read the mean of the last feature map: fully connected layers would be new
    and untrained.

    Raises:
        SettingsError: settings of the head that do nothing.
    """
    settings = recipe.network
    if recipe.training.head_model == "boosted_trees":
        return Head()
    return settle_head(
        entry.head,
        kind=settings.head,
        units=settings.head_units,
        dropout=settings.head_dropout,
        flatten=settings.head_flatten,
    )
