"""Continuing a run: only with the settings and images that it was started with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from actinscope.errors import ResumeError
from actinscope.names import RunFile
from actinscope.networks import network_entry
from actinscope.runs.chosen_network import recipe_as_used
from actinscope.study import Manifest, manifest_csv
from actinscope.training import Recipe, change_recipe, read_recipe


def is_started(folder: Path, recipe: Recipe, manifest: Manifest) -> bool:
    """Whether a run was started in ``folder``, with ``recipe`` (as used) on ``manifest``.

    Raises:
        ResumeError: one was, with other settings or images.
    """
    if not (folder / RunFile.RECIPE).exists():
        return False
    require_same_settings(folder, recipe)
    require_same_images(folder, manifest)
    return True


def with_network_of_run(recipe: Recipe, folder: Path) -> Recipe:
    """``recipe`` with ``auto`` replaced by the network that the run in ``folder`` began with.

    What ``auto`` means depends on the weights at hand, and these may have come since.
    """
    if recipe.network.name != "auto":
        return recipe
    started = read_recipe(folder / RunFile.RECIPE)
    return change_recipe(recipe, {"network": {"name": started.network.name}})


def require_same_settings(folder: Path, recipe: Recipe) -> None:
    """Compare ``recipe`` (as used) with the one that the run in ``folder`` has written.

    Raises:
        ResumeError: names the settings that differ.
    """
    started = read_recipe(folder / RunFile.RECIPE)
    if started.network.name != "auto":  # written before some of the settings existed
        started = recipe_as_used(started, network_entry(started.network.name))
    changed = _differences(started.model_dump(), recipe.model_dump())
    if changed:
        raise ResumeError(
            f"the run was started with other settings: {'; '.join(changed[:5])}",
            where=folder / RunFile.RECIPE,
            remedy="Repeat the command that started it with --resume, or start again in another "
            "folder",
        )


def require_same_images(folder: Path, manifest: Manifest) -> None:
    """Compare ``manifest`` with the one that the run in ``folder`` has written.

    Raises:
        ResumeError: an image, a label, a group or a part differs.
    """
    written = folder / RunFile.MANIFEST
    if written.exists() and written.read_bytes() != manifest_csv(manifest).encode():
        raise ResumeError(
            "the images, labels, groups or parts are not those that the run was started with",
            where=written,
            remedy="Restore them, or start again in another folder",
        )


def _differences(started: dict[str, Any], asked: dict[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in started.items():
        other = asked[key]
        if isinstance(value, dict) and isinstance(other, dict):
            found += _differences(value, other, f"{prefix}{key}.")
        elif value != other:
            found.append(f"{prefix}{key} was {value!r} and is now {other!r}")
    return found


def started_folds(path: Path) -> int:
    """The folds of the cross-validation whose question lies at ``path``.

    Raises:
        ResumeError: the file is broken.
    """
    return int(_question_at(path)["folds"])


def _question_at(path: Path) -> dict[str, Any]:
    try:
        started: dict[str, Any] = json.loads(path.read_text("utf-8"))
        int(started["repeats"]), int(started["folds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResumeError(
            f"cannot be read ({type(error).__name__})",
            where=path,
            remedy="Start again in another folder",
        ) from error
    return started


def require_same_question(path: Path, asked: dict[str, Any]) -> None:
    """Folds and search must be those of the first start; repeats may have been added.

    Raises:
        ResumeError: they are not, or the first start's file is broken.
    """
    started = _question_at(path)
    repeats = int(started["repeats"])
    asked = json.loads(json.dumps(asked))
    changed = [
        f"{name} was {started.get(name)!r} and is now {value!r}"
        for name, value in asked.items()
        if name != "repeats" and started.get(name) != value
    ]
    if repeats > asked["repeats"]:
        changed.append(f"repeats was {repeats} and is now {asked['repeats']}; it may only grow")
    if changed:
        raise ResumeError(
            f"the cross-validation was started with other options: {'; '.join(changed)}",
            where=path,
            remedy="Repeat the command that started it with --resume, or start again in another "
            "folder",
        )
