"""What a cross-validation is asked for, and that it is continued as it was started."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actinscope.errors import ResumeError
from actinscope.runs.prepare import StudySource
from actinscope.training import Recipe, SearchSpace

Deploy = Literal["refit", "ensemble", "none"]


@dataclass(frozen=True)
class NestedSearch:
    """A search of settings inside every fold, on what the fold does not test.

    Attributes:
        space: TOML file of the space, or None for the default.
        trials: how many are finished in each search, the base recipe included.
        minutes: of each search; None does not limit it.
        folds: that judge a trial; 1 is the validation part.
    """

    space: Path | None = None
    trials: int = 20
    minutes: float | None = None
    folds: int = 3


@dataclass(frozen=True)
class CrossvalidateRequest:
    """What one cross-validation shall do.

    Attributes:
        source: where images, labels and groups come from.
        recipe: all settings; repeat r takes its seed + r - 1.
        output: folder for the folds and the results.
        folds: at least 2.
        repeats: of all folds, with other seeds.
        deploy: ``refit`` trains one more model on all images, ``ensemble`` joins the models of
            the folds, ``none`` delivers nothing.
        search: settings are searched in each fold; None takes the recipe as it is.
        extras: controls and explanation in every fold, as far as the recipe has them.
        resume: continue with what is found in ``output``.
        synthetic: the images are phantoms.
        command: the command line, for the report.
    """

    source: StudySource
    recipe: Recipe
    output: Path
    folds: int = 5
    repeats: int = 1
    deploy: Deploy = "refit"
    search: NestedSearch | None = None
    extras: bool = False
    resume: bool = False
    synthetic: bool = False
    command: str = ""


def question_of(request: CrossvalidateRequest, space: SearchSpace | None) -> dict[str, Any]:
    """What decides the results besides recipe and images."""
    search: dict[str, Any] | None = None
    if request.search is not None and space is not None:
        search = {
            "space": space.described(),
            "trials": request.search.trials,
            "minutes": request.search.minutes,
            "folds": request.search.folds,
        }
    return {
        "folds": request.folds,
        "repeats": request.repeats,
        "extras": request.extras,
        "search": search,
    }


def require_same_question(path: Path, asked: dict[str, Any]) -> None:
    """Folds and search must be those of the first start; repeats may have been added.

    Raises:
        ResumeError: they are not, or the first start's file is broken.
    """
    try:
        started = json.loads(path.read_text("utf-8"))
        repeats = int(started["repeats"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResumeError(
            f"cannot be read ({type(error).__name__})",
            where=path,
            remedy="Start again in another folder",
        ) from error
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
