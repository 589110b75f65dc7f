"""Sections of the recipe beside the training of the network itself."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Settings that belong together; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LevelSettings(Section):
    """At which levels above the single image or cell the answers are summed up and judged.

    Attributes:
        by: such as ``donor``, ``field:vote`` or ``plate+well:pool``: a column of the
            manifest (several joined by ``+``), and the rule ``mean`` (of the
            probabilities, unless said), ``vote`` or ``pool`` (geometric mean).
        fewest_cells: a unit with fewer cells gets no answer.
        agreement: share of its cells that must name a unit's answer, from 0 to 1; else
            it gets none.
    """

    by: tuple[str, ...] = ()
    fewest_cells: int = Field(default=1, ge=1)
    agreement: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _no_idle_options(self) -> LevelSettings:
        if not self.by and (self.fewest_cells, self.agreement) != (1, 0.0):
            raise ValueError("fewest_cells and agreement do nothing where by names no level")
        return self


class ProbabilitySettings(Section):
    """What is said beside the probabilities, fitted on the validation part.

    Attributes:
        coverage: share of images whose prediction set is to hold their class.
        per_class: reach the coverage in every class by itself, for which every class needs
            enough validation images of its own.
        abstain: ``set`` gives no answer where the prediction set is not a single class;
            ``accuracy`` and ``share`` where the model is least sure, so that ``target`` is
            reached; ``never`` always answers.
        target: accuracy of the answers, or share of images answered; only with ``accuracy``
            or ``share``.
        unfamiliar_share: share of images like the training images that may be flagged as
            unfamiliar; the smaller, the odder an image must be.
    """

    coverage: float = Field(default=0.9, ge=0.5, le=0.99)
    per_class: bool = False
    abstain: Literal["set", "accuracy", "share", "never"] = "set"
    target: float | None = Field(default=None, gt=0, le=1)
    unfamiliar_share: float = Field(default=0.01, ge=0.001, le=0.2)

    @model_validator(mode="after")
    def _no_idle_options(self) -> ProbabilitySettings:
        wanted = self.abstain in ("accuracy", "share")
        if wanted and self.target is None:
            raise ValueError(f"abstain = {self.abstain!r} needs a target between 0 and 1")
        if not wanted and self.target is not None:
            raise ValueError(
                f"target does nothing with abstain = {self.abstain!r}: leave it out, or set "
                "abstain to 'accuracy' or 'share'"
            )
        return self


class TreeSettings(Section):
    """How boosted trees are fitted, where ``training.head_model`` is ``boosted_trees``.

    Attributes:
        rounds: rounds of boosting at most; each adds one tree for every class.
        depth: decisions from the root of a tree to a leaf at most.
        learning_rate: what a tree's answer is multiplied by.
        features: share of the embedding's features that a tree may look at, drawn by lot.
        patience: stop after this many rounds without a better validation loss; 0 never
            stops early. The round of the best validation loss is delivered either way.
    """

    rounds: int = Field(default=400, ge=1, le=100_000)
    depth: int = Field(default=3, ge=1, le=16)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    features: float = Field(default=0.3, gt=0, le=1)
    patience: int = Field(default=40, ge=0)
