"""From parsed options to what the work needs, and the lines that every command prints."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope.errors import UsageError

if TYPE_CHECKING:
    from actinscope.images import ReadOptions
    from actinscope.runs import StudySource
    from actinscope.training import LevelSettings, Recipe

_BAD_FILES = 3
_SHOWN_PROBLEMS = 20
_NO_GROUP = "none"


def source_of(arguments: Namespace) -> StudySource:
    """Where images, labels and groups come from.

    Raises:
        UsageError: options contradict each other.
    """
    from actinscope.runs import StudySource

    scanning = {
        "--group-level": arguments.group_level,
        "--group-pattern": arguments.group_pattern,
    }
    if arguments.manifest is None and arguments.crop_size is not None:
        raise UsageError(
            "--crop-size needs a --manifest that says where the cells are",
            remedy="Give --manifest CSV with a column mask, objects, or y and x; images of one "
            "cell each are taken whole",
        )
    if arguments.group == _NO_GROUP:
        for name, value in scanning.items():
            if value is not None:
                raise UsageError(
                    f"--group {_NO_GROUP} and {name} contradict each other",
                    remedy="Leave one of them out",
                )
    elif (
        arguments.manifest is None
        and arguments.group is not None
        and all(value is None for value in scanning.values())
    ):
        raise UsageError(
            "--group names a column, and there is no --manifest that has columns",
            remedy="Give --manifest CSV, or find the group in the folders with --group-level N "
            "or --group-pattern REGEX",
        )
    return StudySource(
        data=arguments.data,
        manifest=arguments.manifest,
        group=arguments.group,
        group_level=arguments.group_level,
        group_pattern=arguments.group_pattern,
        crop_size=arguments.crop_size,
    )


def recipe_of(arguments: Namespace) -> Recipe:
    """The recipe with what the command line changes in it.

    Not every command has every one of the options that change a recipe.

    Raises:
        SettingsError, UsageError: no such recipe, or a bad value.
    """
    from actinscope.training import change_recipe, load_recipe

    given = vars(arguments)
    changes: dict[str, dict[str, Any]] = {}
    for section, key, value in (
        ("network", "name", given.get("network")),
        ("network", "weights", given.get("weights")),
        ("training", "epochs", given.get("epochs")),
    ):
        if value is not None:
            changes.setdefault(section, {})[key] = value
    levels = levels_of(arguments)
    if levels:
        changes["levels"] = levels
    reading = reading_of(arguments)
    if reading:
        read_options_of(arguments)  # says what is wrong in the words of the command line
        changes["images"] = reading
    return change_recipe(load_recipe(arguments.recipe), changes, seed=arguments.seed)


def levels_of(arguments: Namespace) -> dict[str, Any]:
    """The settings of the section [levels] that were given on the command line."""
    options = vars(arguments)
    given = {
        "by": tuple(options.get("level") or ()) or None,
        "fewest_cells": options.get("fewest_cells"),
        "agreement": options.get("agreement"),
    }
    return {name: value for name, value in given.items() if value is not None}


def level_settings_of(arguments: Namespace) -> LevelSettings:
    """The levels of the command line alone.

    Raises:
        UsageError: an option that does nothing without --level.
    """
    from actinscope.training import LevelSettings

    given = levels_of(arguments)
    if given and "by" not in given:
        raise UsageError(
            "--fewest-cells and --agreement do nothing without --level",
            remedy="Add --level COLUMN, or leave them out",
        )
    return LevelSettings(**given)


def print_levels(levels: Sequence[Sequence[str]]) -> None:
    """Print what is to be said of each level."""
    for sentences in levels:
        print(" ".join(sentences))


def reading_of(arguments: Namespace) -> dict[str, Any]:
    """The reading options that were given on the command line."""
    given = {name: getattr(arguments, name) for name in ("z", "time", "scene", "axes")}
    return {name: value for name, value in given.items() if value is not None}


def read_options_of(arguments: Namespace, base: ReadOptions | None = None) -> ReadOptions:
    """``base`` with the reading options of the command line.

    Raises:
        UsageError: they contradict each other.
    """
    from pydantic import ValidationError

    from actinscope.images import ReadOptions

    settings = (base or ReadOptions()).model_dump() | reading_of(arguments)
    try:
        return ReadOptions.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(f"--{first['loc'][0]}: {message}") from error


def print_results(folder: Path, *names: str) -> None:
    """Say which files were written."""
    for name in names:
        print(f"  {folder / name}")


def report_problems(problems: tuple[tuple[str, str], ...], fate: str = "left out") -> int:
    """Say which images could not be used; returns the exit code."""
    for name, message in problems[:_SHOWN_PROBLEMS]:
        print(f"actinscope: {fate}: {name}: {message}", file=sys.stderr)
    more = len(problems) - _SHOWN_PROBLEMS
    if more > 0:
        print(f"actinscope: {fate}: {more} more", file=sys.stderr)
    return _BAD_FILES if problems else 0
