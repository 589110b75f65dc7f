"""What a finished run or cross-validation hands to its write-up and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actinscope.audit import Audited
from actinscope.evaluation import LevelEvaluation
from actinscope.explain import ControlResults, Explanation, SaliencySource
from actinscope.runs import (
    ChosenNetwork,
    EvaluatedPredictions,
    FoldResult,
    Pooled,
    PreparedStudy,
    RunContext,
)
from actinscope.study import Fingerprints, Manifest
from actinscope.training import Fitted, Recipe


@dataclass(frozen=True, eq=False)
class SplitResult:
    """One model, trained and tested on one split; None for what the recipe switches off.

    Attributes:
        evaluated: by part: test, validation and train.
        network: a sentence on what was trained, and how far.
    """

    prepared: PreparedStudy
    fitted: Fitted
    evaluated: Mapping[str, EvaluatedPredictions]
    network: str
    controls: ControlResults | None = None
    saliency: SaliencySource | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, eq=False)
class FoldsResult:
    """The models of all folds, and their test predictions together.

    Attributes:
        folds: of all repeats.
        pooled: one entry a repeat; the first is the one that counts.
        refit: one more model, trained on all images, is delivered.
    """

    folds: tuple[FoldResult, ...]
    pooled: tuple[Pooled, ...]
    refit: bool

    @property
    def count(self) -> int:
        """Folds of one repeat."""
        return sum(fold.repeat == 1 for fold in self.folds)


@dataclass(frozen=True, eq=False, kw_only=True)
class StudyResult:
    """A finished run or cross-validation.

    Attributes:
        folder: that it was written to.
        recipe: as used; of the first repeat.
        context: the moment and the machine of the last start.
        manifest: all images that could be read; of a run with their parts.
        audited: None where no audit was made.
        by_image: no group was kept together.
        notes: on how parts or folds were made.
        problems: (name, message) of images that were left out.
        levels: of the test part, or of the first repeat.
        seconds: since the last start.
        outcome: of a run on one split, or of a cross-validation.
    """

    folder: Path
    recipe: Recipe
    network: ChosenNetwork
    context: RunContext
    synthetic: bool
    manifest: Manifest
    fingerprints: Fingerprints
    audited: Audited | None
    by_image: bool
    notes: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]
    levels: tuple[LevelEvaluation, ...]
    seconds: float
    outcome: SplitResult | FoldsResult
