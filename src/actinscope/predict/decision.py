"""Calibration, prediction sets, abstaining and out-of-distribution scores: applied, not fitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import (
    Bundle,
    NetworkOutput,
    ReferenceFeatures,
    Reliability,
    calibrated,
    neighbour_distances,
)
from actinscope.errors import BundleError
from actinscope.predict.votes import (
    majority,
    majority_score,
    notes_of_members,
    numbered,
    promised_coverage,
    usual_coverage,
)

_Value = TypeVar("_Value")

SEPARATOR = "|"
#: Columns that stand beside the probabilities.
DECISION_COLUMNS = ("prediction_set", "abstained", "unfamiliar", "unfamiliarity")


@dataclass(frozen=True, eq=False)
class Decisions:
    """What the rules of a bundle say of N images.

    Attributes:
        probabilities: (N, K) float64, calibrated where the bundle has a temperature.
        in_set: (N, K) whether a class belongs to the prediction set; None where the bundle
            has no sets.
        abstained: (N,) whether no answer is given; None where the bundle has no rule or the
            rule could not be fitted. An unfamiliar image is always abstained from.
        unfamiliarity: (N,) out-of-distribution score, 0 for a copy of training images, 1 at the
            threshold; None where the bundle has no rule for it.
    """

    probabilities: NDArray[np.float64]
    in_set: NDArray[np.bool_] | None = None
    abstained: NDArray[np.bool_] | None = None
    unfamiliarity: NDArray[np.float64] | None = None

    @property
    def unfamiliar(self) -> NDArray[np.bool_] | None:
        """(N,) whether an image is too far from all training images; not to be named."""
        return None if self.unfamiliarity is None else ~(self.unfamiliarity <= 1.0)

    def answer(self, place: int) -> int | None:
        """The most probable class of one image; None where it is unfamiliar."""
        if self.unfamiliarity is not None and not self.unfamiliarity[place] <= 1.0:
            return None
        return int(self.probabilities[place].argmax())

    @property
    def delivered(self) -> NDArray[np.bool_] | None:
        """(N, K) the prediction sets as tables hold them: that of an unfamiliar image is empty."""
        if self.in_set is None or self.unfamiliar is None:
            return self.in_set
        return self.in_set & ~self.unfamiliar[:, None]


class DecisionRules:
    """Applies the rules of a bundle; without rules the probabilities stay as they are.

    The members of an ensemble vote, where all of them have rules (see ``predict.votes``): a
    class is in the set where more than half have it in theirs, an image is unfamiliar where
    more than half find it so, and there is no answer where more than half give none. Where all
    members abstain by their sets, so does the ensemble: where the merged set is not its answer
    alone. What one of them does not know, what is unfamiliar or when to abstain, is not known.

    Args:
        fitted: on the validation part, or None.
        references: early features of training images, or None.
        members: of an ensemble, the rules of each member.
    """

    def __init__(
        self,
        fitted: Reliability | None,
        references: ReferenceFeatures | None = None,
        *,
        members: Sequence[DecisionRules] = (),
    ) -> None:
        self.fitted = fitted
        self.references = references
        self.members = tuple(members)

    @classmethod
    def of(cls, bundle: Bundle, precision: str = "float32") -> DecisionRules:
        """The rules of ``bundle`` and of its members.

        Raises:
            BundleError: the stored early features are not what bundle.json announces.
        """
        return cls(
            bundle.reliability(precision),
            bundle.references(),
            members=[cls.of(member, precision) for member in bundle.members],
        )

    @property
    def networks(self) -> tuple[DecisionRules, ...]:
        """The rules of one network each: of the members, or these themselves."""
        return self.members or (self,)

    @property
    def has_rules(self) -> bool:
        """Whether there is more than probabilities: the columns ``DECISION_COLUMNS``."""
        return all(one.fitted is not None for one in self.networks)

    @property
    def all_rules(self) -> tuple[Reliability, ...]:
        """What was fitted, of each network that has something."""
        return tuple(one.fitted for one in self.networks if one.fitted is not None)

    @property
    def wants_features(self) -> bool:
        """Whether outputs of the network must come with their early features."""
        return self.references is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be fitted, and how members vote, to be said beside the predictions."""
        if self.members:
            return (*self._vote_notes(), *notes_of_members([one.notes for one in self.members]))
        if self.fitted is None:
            return ()
        rules = self.fitted
        return tuple(filter(None, (*rules.notes, rules.sets.note, rules.abstain.note)))

    def __call__(self, output: NetworkOutput) -> Decisions:
        """Apply the rules to the outputs for N images.

        Raises:
            BundleError: the early features are missing or others than the stored ones.
        """
        probabilities = self.probabilities(output)
        if self.members and self.has_rules:
            return self._voted(output, probabilities)
        if self.fitted is None:
            return Decisions(probabilities)
        limits = [0.0 if limit is None else limit for limit in self.fitted.sets.thresholds]
        in_set = probabilities >= np.array(limits)
        abstained = _abstained(self.fitted, probabilities, in_set)
        return _decisions(probabilities, in_set, abstained, self._unfamiliarity(output))

    def probabilities(self, output: NetworkOutput) -> NDArray[np.float64]:
        """(N, K) calibrated probabilities alone; those of an ensemble come calibrated."""
        given = output.probabilities
        return given if self.fitted is None else calibrated(given, self.fitted.temperature)

    def _voted(self, output: NetworkOutput, probabilities: NDArray[np.float64]) -> Decisions:
        # Of no image there may be no members' outputs either: each is then given the empty one.
        parts = output.members if len(output) else (output,) * len(self.members)
        decided = [rules(part) for rules, part in zip(self.members, parts, strict=True)]
        sets = _of_all(one.in_set for one in decided)
        assert sets is not None  # as all have rules
        in_set = majority(sets)
        scores = _of_all(one.unfamiliarity for one in decided)
        unfamiliarity = None if scores is None else majority_score(scores)
        silent = _of_all(one.abstained for one in decided)
        abstained = None if silent is None else majority(silent)
        if abstained is not None and all(one.abstain.by == "set" for one in self.all_rules):
            answer = np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
            abstained = abstained | (in_set != answer).any(axis=1)
        return _decisions(probabilities, in_set, abstained, unfamiliarity)

    def _vote_notes(self) -> tuple[str, ...]:
        if not self.all_rules:  # as of any bundle without rules, nothing is said
            return ()
        if not self.has_rules:
            without = [n for n, one in enumerate(self.members, start=1) if one.fitted is None]
            return (
                "the ensemble gives no prediction sets, does not abstain and takes nothing for "
                f"unfamiliar: there are no rules for that in {numbered(without)}",
            )
        coverages = [rules.sets.coverage for rules in self.all_rules]
        low, high = _per_cent(min(coverages)), _per_cent(max(coverages))
        return (
            "prediction sets, abstaining and what is unfamiliar are the vote of more than half of "
            f"the {len(self.members)} members; where the sets of each hold the true class in "
            f"{low if low == high else f'{low} to {high}'} of images, the merged sets do in at "
            f"least {_per_cent(promised_coverage(coverages))}, {usual_coverage(len(coverages))}",
        )

    def _unfamiliarity(self, output: NetworkOutput) -> NDArray[np.float64] | None:
        if self.references is None or self.fitted is None or self.fitted.ood is None:
            return None
        rule = self.fitted.ood
        if not len(output):
            return np.zeros(0)
        found, wanted = output.early_features, len(self.references.centre)
        if found is None or found.shape[1] != wanted:
            raise BundleError(
                f"the network gives no {wanted} early features, as are stored of training images",
                remedy="Copy the bundle again",
            )
        rows = self.references.scaled(found)
        return neighbour_distances(rows, self.references, rule.neighbours) / rule.threshold


def _abstained(
    fitted: Reliability, probabilities: NDArray[np.float64], in_set: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    rule = fitted.abstain
    if rule.by == "never":
        return np.zeros(len(probabilities), dtype=np.bool_)
    if rule.by == "set":
        return in_set.sum(axis=1) != 1 if fitted.sets.known else None
    if rule.confidence is None:
        return None
    return np.asarray(probabilities.max(axis=1, initial=0.0) < rule.confidence)


def _decisions(
    probabilities: NDArray[np.float64],
    in_set: NDArray[np.bool_],
    abstained: NDArray[np.bool_] | None,
    unfamiliarity: NDArray[np.float64] | None,
) -> Decisions:
    """An unfamiliar image is abstained from whatever the rule."""
    if abstained is not None and unfamiliarity is not None:
        abstained = abstained | ~(unfamiliarity <= 1.0)
    return Decisions(probabilities, in_set, abstained, unfamiliarity)


def _of_all(values: Iterable[_Value | None]) -> list[_Value] | None:
    """The values, or None where one of them is missing."""
    found = list(values)
    there = [value for value in found if value is not None]
    return there if len(there) == len(found) else None


def _per_cent(share: float) -> str:
    return f"{100 * share:.3g} %"


def set_text(names: Sequence[str], in_set: NDArray[np.bool_]) -> str:
    """The classes of a set in one cell, joined by ``|``; a ``|`` or ``\\`` in a name is escaped."""
    return SEPARATOR.join(
        name.replace("\\", "\\\\").replace(SEPARATOR, f"\\{SEPARATOR}")
        for name, member in zip(names, in_set, strict=True)
        if member
    )


def decision_cells(decisions: Decisions, place: int, names: Sequence[str]) -> list[str]:
    """The cells of ``DECISION_COLUMNS`` for one image; none where the bundle has no rules.

    The set of an unfamiliar image is empty, as it is not to be named.
    """
    sets = decisions.delivered
    if sets is None:
        return []
    abstained, score = decisions.abstained, decisions.unfamiliarity
    return [
        set_text(names, sets[place]),
        "" if abstained is None else _truth(bool(abstained[place])),
        "" if score is None else _truth(not score[place] <= 1.0),
        "" if score is None else f"{score[place]:.4f}",
    ]


def _truth(value: bool) -> str:
    return "true" if value else "false"
