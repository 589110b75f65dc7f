"""How bundle.json says what the probabilities mean, and what is stored beside it.

Fitted on the validation part (``actinscope.evaluation``), applied by ``actinscope.predict``:

* one *temperature* that the logits are divided by,
* the lowest probability with which a class belongs to the *prediction set*,
* when the model *abstains*,
* how far an image may be from the training images before it is *out of distribution*.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

AbstainBy = Literal["set", "accuracy", "share", "never"]
ABSTAIN_BY: tuple[str, ...] = get_args(AbstainBy)


class StoredModel(BaseModel):
    """A part of bundle.json; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Rule(StoredModel):
    model_config = ConfigDict(allow_inf_nan=False, populate_by_name=True)


class SetRule(_Rule):
    """Which classes belong to the prediction set of an image.

    Attributes:
        coverage: share of images whose set is to hold their class.
        per_class: each class has a threshold of its own.
        thresholds: one a class: the lowest calibrated probability with which it is in the
            set; None puts it into every set, as there were too few images to tell.
        images: validation images behind the thresholds.
        effective: how many independent images they count as, for each class; the same
            number for all classes without ``per_class``.
        note: why a class is in every set; else empty.
    """

    coverage: float = Field(gt=0, lt=1)
    per_class: bool
    thresholds: tuple[float | None, ...] = Field(min_length=2)
    images: int = Field(ge=1)
    effective: tuple[float, ...]
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether at least one class has a threshold; without, every set holds all classes."""
        return any(threshold is not None for threshold in self.thresholds)


class AbstainRule(_Rule):
    """When the model gives no answer.

    Attributes:
        by: ``set``: where the prediction set is not a single class. ``accuracy`` and
            ``share``: where the highest probability is below ``confidence``, which was chosen
            so that the answered validation images are right to the share ``target``, or are
            the share ``target`` of all. ``never``.
        target: see ``by``; None for ``set`` and ``never``.
        confidence: lowest highest probability that is answered; None where it is not used, or
            where the target could not be reached.
        note: what could not be reached; else empty.
    """

    by: AbstainBy
    target: float | None = Field(default=None, gt=0, le=1)
    confidence: float | None = Field(default=None, ge=0, le=2)
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> AbstainRule:
        if (self.target is None) == (self.by in ("accuracy", "share")):
            raise ValueError("a target belongs to abstaining by accuracy or share, and to no other")
        return self


class OodRule(_Rule):
    """How far an image may be from the training images.

    Attributes:
        neighbours: the distance is that to the k-th nearest stored embedding.
        threshold: largest distance within the distribution; the unfamiliarity is the distance
            divided by it.
        share: share of validation images that was to be flagged.
        references: stored embeddings of training images.
        images: validation images behind the threshold.
        golden: unfamiliarity of each golden image, replayed by ``bundle verify``.
        note: what the threshold rests on where there were few images; else empty.
    """

    neighbours: int = Field(ge=1)
    threshold: float = Field(gt=0)
    share: float = Field(gt=0, lt=1)
    references: int = Field(ge=1)
    images: int = Field(ge=1)
    golden: tuple[float, ...]
    note: str = ""


class Reliability(_Rule):
    """What turns the outputs of the network into statements that mean something.

    Attributes:
        temperature: the logits are divided by it; ``probability_*`` are calibrated.
        images: validation images that it was fitted on.
        groups: groups among them, None where no groups are known.
        sets: the rule of the prediction sets.
        abstain: the rule of abstaining.
        ood: the out-of-distribution rule (``familiar`` in the file), None where the network has
            no embedding or there were too few training images.
        notes: what a user should know of how this was fitted.
    """

    temperature: float = Field(gt=0)
    images: int = Field(ge=1)
    groups: int | None = Field(default=None, ge=1)
    sets: SetRule
    abstain: AbstainRule
    ood: OodRule | None = Field(default=None, alias="familiar")
    notes: tuple[str, ...] = ()
