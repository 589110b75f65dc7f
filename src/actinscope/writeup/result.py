"""The results that reports and write-ups are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actinscope.audit import Audited
from actinscope.evaluation import Evaluation, LevelEvaluation
from actinscope.requests import Deliver, NestedSearch
from actinscope.runs import FoldResult, Pooled, RunContext
from actinscope.study import Fingerprints, Manifest
from actinscope.training import Recipe

if TYPE_CHECKING:
    from actinscope.runs import ChosenNetwork

from actinscope.explain import ControlResults, Explanation, SaliencySource
from actinscope.networks import NetworkEntry, ResolvedWeights
from actinscope.runs import PreparedStudy
from actinscope.training import Fitted


@dataclass(frozen=True, eq=False)
class RunResult:
    """What happened in a training run, as far as a report tells it."""

    recipe: Recipe
    synthetic: bool
    random_weights: bool
    context: RunContext
    notices: tuple[str, ...]
    entry: NetworkEntry
    weights: ResolvedWeights
    prepared: PreparedStudy
    audited: Audited | None
    fitted: Fitted
    network: str
    seconds: float
    controls: ControlResults | None = None
    looks: SaliencySource | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, eq=False)
class FoldsResult:
    """All that the report of a cross-validation is made from.

    Attributes:
        recipe: as used, of the first repeat and without a search.
        folds: of all repeats.
        pooled: one entry a repeat.
        levels: of the first repeat.
        manifest: all images that could be read.
        audited: None where no audit was made.
        by_image: no group was kept together.
        notes: on how the folds were made.
        network: that every fold trained.
        search: every fold searched its own settings; None takes the recipe as it is.
        extras: controls and explanation in every fold, as far as the recipe has them.
        deployed: what was delivered.
        problems: (name, message) of images that were left out.
        context: the moment and the machine of the last start.
    """

    recipe: Recipe
    folds: tuple[FoldResult, ...]
    pooled: tuple[Pooled, ...]
    levels: tuple[LevelEvaluation, ...]
    manifest: Manifest
    fingerprints: Fingerprints
    audited: Audited | None
    by_image: bool
    notes: tuple[str, ...]
    network: ChosenNetwork
    search: NestedSearch | None
    extras: bool
    deployed: Deliver
    synthetic: bool
    problems: tuple[tuple[str, str], ...]
    context: RunContext
    seconds: float

    @property
    def evaluation(self) -> Evaluation:
        """Of the first repeat, whose interval is given."""
        return self.pooled[0].evaluation

    @property
    def count(self) -> int:
        """Folds of one repeat."""
        return sum(fold.repeat == 1 for fold in self.folds)

    @property
    def group(self) -> str:
        """What a group is called."""
        return self.manifest.group or "group"
