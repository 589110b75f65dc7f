"""What a training run is asked to do, and which network it trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import SettingsError
from actinscope.networks import (
    PAPER_NETWORK,
    NetworkEntry,
    ResolvedWeights,
    default_network,
    default_sentence,
    network_entry,
    resolve_weights,
)
from actinscope.runs.prepare import StudySource
from actinscope.training import Recipe, require_xgboost


@dataclass(frozen=True)
class TrainRequest:
    """What one training run shall do.

    Attributes:
        source: where images, labels and groups come from.
        recipe: all settings.
        output: the run's folder.
        resume: go on after the last finished epoch found in ``output``.
        synthetic: the images are phantoms; said wherever a result is shown.
        command: the command line, for the report.
        notices: further sentences that go with the bundle.
    """

    source: StudySource
    recipe: Recipe
    output: Path
    resume: bool = False
    synthetic: bool = False
    command: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChosenNetwork:
    """Which network is trained, from which weights, and what to say about the choice."""

    entry: NetworkEntry
    weights: ResolvedWeights
    notices: tuple[str, ...]


def choose_network(recipe: Recipe, *, automatic: bool = False) -> ChosenNetwork:
    """Settle the network and its weights before any work is done.

    Args:
        recipe: its network and training sections.
        automatic: the name in it was not chosen, but is that of the run that goes on.

    Raises:
        SettingsError: no network of that name, or ``auto`` with a weights file.
        WeightsError: the weights are not to be had.
    """
    settings = recipe.network
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
        entry, sentence = default_network()
        notices.append(sentence)
    else:
        raise SettingsError(
            "a weights file belongs to one network, and none is named",
            where="network.name",
            remedy="Name the network of the weights with --network",
        )
    weights = resolve_weights(entry, settings.weights)
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
