"""Going on with a run: only with the settings and images that it was begun with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from actinscope.errors import ResumeError, SettingsError
from actinscope.networks import Head, NetworkEntry, network_entry, settle_head
from actinscope.study import Manifest, write_manifest
from actinscope.training import Recipe, change_recipe, read_recipe


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
    if recipe.training.head_model == "boosted_trees":
        return _for_trees(recipe, entry)
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


def _for_trees(recipe: Recipe, entry: NetworkEntry) -> Recipe:
    """Nothing of the network is trained, so its frozen layers and its head stay unsaid."""
    settings = recipe.network
    if entry.from_scratch and settings.weights == "imagenet":
        raise SettingsError(
            f"{entry.title} has no pretrained weights, and boosted trees learn from features of "
            "a pretrained network",
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


def with_network_of_run(recipe: Recipe, folder: Path) -> Recipe:
    """``recipe`` with ``auto`` replaced by the network that the run in ``folder`` began with.

    What ``auto`` means depends on the weights at hand, and these may have come since.
    """
    if recipe.network.name != "auto":
        return recipe
    begun = read_recipe(folder / "recipe.toml")
    return change_recipe(recipe, {"network": {"name": begun.network.name}})


def require_same_settings(folder: Path, recipe: Recipe) -> None:
    """Compare ``recipe`` (as used) with the one that the run in ``folder`` has written.

    Raises:
        ResumeError: names the settings that differ.
    """
    begun = read_recipe(folder / "recipe.toml")
    if begun.network.name != "auto":  # written before some of the settings existed
        begun = recipe_as_used(begun, network_entry(begun.network.name))
    changed = _differences(begun.model_dump(), recipe.model_dump())
    if changed:
        raise ResumeError(
            f"the run was begun with other settings: {'; '.join(changed[:5])}",
            where=folder / "recipe.toml",
            remedy="Repeat the command that began it and add --resume, or start anew in another "
            "folder",
        )


def require_same_images(folder: Path, manifest: Manifest) -> None:
    """Compare ``manifest`` with the one that the run in ``folder`` has written.

    Raises:
        ResumeError: an image, a label, a group or a part differs.
    """
    written = folder / "manifest.csv"
    if written.exists() and written.read_bytes() != _manifest_bytes(manifest):
        raise ResumeError(
            "the images, labels, groups or parts are not those that the run was begun with",
            where=written,
            remedy="Bring them back as they were, or start anew in another folder",
        )


def _differences(begun: dict[str, Any], asked: dict[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in begun.items():
        other = asked[key]
        if isinstance(value, dict) and isinstance(other, dict):
            found += _differences(value, other, f"{prefix}{key}.")
        elif value != other:
            found.append(f"{prefix}{key} was {value!r} and is now {other!r}")
    return found


def _manifest_bytes(manifest: Manifest) -> bytes:
    with tempfile.TemporaryDirectory(prefix="actinscope-") as folder:
        path = Path(folder) / "manifest.csv"
        write_manifest(manifest, path)
        return path.read_bytes()
