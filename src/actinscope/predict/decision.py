"""What the outputs of a network are worth: applied to every prediction, fitted elsewhere."""

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
    """What is said of N images.

    Attributes:
        probabilities: (N, K) float64, calibrated where the bundle has a temperature.
        in_set: (N, K) whether a class belongs to the prediction set; None where the bundle
            has no sets.
        abstained: (N,) whether no answer is given; None where the bundle has no rule or the
            rule could not be fitted. An unfamiliar image is always abstained from.
        unfamiliarity: (N,) 0 for a copy of training images, 1 at the threshold; None where
            the bundle does not know what is familiar.
    """

    probabilities: NDArray[np.float64]
    in_set: NDArray[np.bool_] | None = None
    abstained: NDArray[np.bool_] | None = None
    unfamiliarity: NDArray[np.float64] | None = None

    @property
    def unfamiliar(self) -> NDArray[np.bool_] | None:
        """(N,) whether an image is too far from all training images; not to be named."""
        return None if self.unfamiliarity is None else ~(self.unfamiliarity <= 1.0)

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
        rules: as fitted on the validation part, or None.
        references: early features of training images, or None.
        members: of an ensemble, the judge of each member.
    """

    def __init__(
        self,
        rules: Reliability | None,
        references: ReferenceFeatures | None = None,
        *,
        members: Sequence[DecisionRules] = (),
    ) -> None:
        self.rules = rules
        self.references = references
        self.members = tuple(members)

    @classmethod
    def of(cls, bundle: Bundle, precision: str = "float32") -> DecisionRules:
        """The judge of what the networks of ``bundle`` say.

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
        """The judges of one network each: of the members, or this one itself."""
        return self.members or (self,)

    @property
    def has_rules(self) -> bool:
        """Whether it says more than probabilities: there are the columns ``DECISION_COLUMNS``."""
        return all(one.rules is not None for one in self.networks)

    @property
    def all_rules(self) -> tuple[Reliability, ...]:
        """The rules of each network that has some."""
        return tuple(one.rules for one in self.networks if one.rules is not None)

    @property
    def wants_features(self) -> bool:
        """Whether outputs of its own network must come with their early features."""
        return self.references is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be fitted, and how members vote, to be said beside the predictions."""
        if self.members:
            return (*self._vote_notes(), *notes_of_members([one.notes for one in self.members]))
        if self.rules is None:
            return ()
        notes = (*self.rules.notes, self.rules.sets.note, self.rules.abstain.note)
        return tuple(note for note in notes if note)

    def __call__(self, output: NetworkOutput) -> Decisions:
        """Judge the outputs for N images.

        Raises:
            BundleError: the early features are missing or others than the stored ones.
        """
        probabilities = self.probabilities(output)
        if self.members and self.has_rules:
            return self._voted(output, probabilities)
        rules = self.rules
        if rules is None:
            return Decisions(probabilities)
        thresholds = [0.0 if limit is None else limit for limit in rules.sets.thresholds]
        in_set = probabilities >= np.array(thresholds)
        unfamiliarity = self._unfamiliarity(output)
        abstained = self._abstained(probabilities, in_set)
        return _judgement(probabilities, in_set, abstained, unfamiliarity)

    def probabilities(self, output: NetworkOutput) -> NDArray[np.float64]:
        """(N, K) calibrated probabilities alone; those of an ensemble come calibrated."""
        if self.rules is None:
            return output.probabilities
        return calibrated(output.probabilities, self.rules.temperature)

    def _voted(self, output: NetworkOutput, probabilities: NDArray[np.float64]) -> Decisions:
        # Of no image there may be no members' outputs either: each then judges the empty one.
        parts = output.members if len(output) else (output,) * len(self.members)
        judged = [judge(part) for judge, part in zip(self.members, parts, strict=True)]
        sets = _of_all(one.in_set for one in judged)
        assert sets is not None  # as all have rules
        in_set = majority(sets)
        scores = _of_all(one.unfamiliarity for one in judged)
        unfamiliarity = None if scores is None else majority_score(scores)
        silent = _of_all(one.abstained for one in judged)
        abstained = None if silent is None else majority(silent)
        if abstained is not None and all(one.abstain.by == "set" for one in self.all_rules):
            answer = np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
            abstained = abstained | (in_set != answer).any(axis=1)
        return _judgement(probabilities, in_set, abstained, unfamiliarity)

    def _vote_notes(self) -> tuple[str, ...]:
        if not self.all_rules:  # as of any bundle without rules, nothing is said
            return ()
        if not self.has_rules:
            without = [n for n, one in enumerate(self.members, start=1) if one.rules is None]
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

    def _abstained(
        self, probabilities: NDArray[np.float64], in_set: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | None:
        assert self.rules is not None
        rule = self.rules.abstain
        if rule.by == "never":
            return np.zeros(len(probabilities), dtype=np.bool_)
        if rule.by == "set":
            return in_set.sum(axis=1) != 1 if self.rules.sets.known else None
        if rule.confidence is None:
            return None
        sure: NDArray[np.bool_] = probabilities.max(axis=1, initial=0.0) < rule.confidence
        return sure

    def _unfamiliarity(self, output: NetworkOutput) -> NDArray[np.float64] | None:
        if self.references is None or self.rules is None or self.rules.familiar is None:
            return None
        rule = self.rules.familiar
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


def _judgement(
    probabilities: NDArray[np.float64],
    in_set: NDArray[np.bool_],
    abstained: NDArray[np.bool_] | None,
    unfamiliarity: NDArray[np.float64] | None,
) -> Decisions:
    """What is said; an unfamiliar image is abstained from whatever the rule."""
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


def set_members(text: str) -> tuple[str, ...]:
    """The names that :func:`set_text` joined."""
    if not text:
        return ()
    names = [""]
    escaped = False
    for sign in text:
        if not escaped and sign == "\\":
            escaped = True
        elif not escaped and sign == SEPARATOR:
            names.append("")
        else:
            names[-1] += sign
            escaped = False
    return tuple(names)


def decision_cells(judged: Decisions, place: int, names: Sequence[str]) -> list[str]:
    """The cells of ``DECISION_COLUMNS`` for one image; none where the bundle has no rules.

    The set of an unfamiliar image is empty, as it is not to be named.
    """
    sets = judged.delivered
    if sets is None:
        return []
    abstained, score = judged.abstained, judged.unfamiliarity
    unfamiliar = score is not None and not score[place] <= 1.0
    return [
        set_text(names, sets[place]),
        "" if abstained is None else _truth(bool(abstained[place])),
        "" if score is None else _truth(unfamiliar),
        "" if score is None else f"{score[place]:.4f}",
    ]


def _truth(value: bool) -> str:
    return "true" if value else "false"
