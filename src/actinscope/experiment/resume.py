"""Going on with a run: only with the settings and images that it was begun with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from actinscope.errors import ResumeError
from actinscope.networks import NetworkEntry
from actinscope.study import Manifest, write_manifest
from actinscope.training import Recipe, change_recipe, read_recipe


def recipe_as_used(recipe: Recipe, entry: NetworkEntry) -> Recipe:
    """``recipe`` with the network and what hangs on it settled, as ``recipe.toml`` keeps it."""
    settings = recipe.network
    trained = recipe.training.head_model == "softmax"
    frozen = (settings.frozen_layers or entry.frozen_layers) if trained else None
    return change_recipe(
        recipe,
        {
            "network": {
                "name": entry.name,
                "input_size": settings.input_size or entry.input.size,
                "frozen_layers": frozen,
            }
        },
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
