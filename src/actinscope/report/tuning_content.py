"""What the page of a search shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actinscope.report import text
from actinscope.report.content import Page

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate, Verdict


@dataclass(frozen=True)
class TrialLine:
    """One trial of the table.

    Attributes:
        state: ``complete``, ``pruned`` or ``diverged``.
        values: dimension -> what was tried.
        objective: mean log loss; of trials that were stopped as far as they came, else NaN.
        fold_losses: log loss of each finished fold.
        accuracy: mean over the finished folds, 0..1, or NaN.
        seconds: it took.
        is_best: it is the one that was chosen.
        difference: of the log loss to the base recipe, over the same images; None for the base
            and for trials that were stopped.
    """

    number: int
    state: str
    values: Mapping[str, object]
    objective: float
    fold_losses: tuple[float, ...]
    accuracy: float
    seconds: float
    is_best: bool = False
    difference: Estimate | None = None


@dataclass(frozen=True)
class TuningContent:
    """Everything that the page of a search says.

    Attributes:
        verdict: "good" where the best trial stands out, else "caution".
        dimensions: names of the settings that were varied.
        trials: the first is the base recipe.
        importances: dimension -> share; empty where it is not known.
        folds: number of folds; 1 is the validation part.
        base_spread: standard deviation of the base recipe over the folds; NaN if not known.
        best_recipe: as TOML.
        final: the command that gives the test result.
    """

    page: Page
    verdict: Verdict
    dimensions: tuple[str, ...]
    trials: tuple[TrialLine, ...]
    importances: Mapping[str, float]
    folds: int
    base_spread: float
    best_recipe: str
    final: str


def short(value: object) -> str:
    """A setting's value for a table or an axis."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.3g}"
    return text.plain(value)
