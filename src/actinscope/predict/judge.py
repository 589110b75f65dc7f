"""What the outputs of a network are worth: applied to every prediction, fitted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import (
    NetworkOutput,
    References,
    Reliability,
    calibrated,
    neighbour_distances,
)
from actinscope.errors import BundleError

SEPARATOR = "|"
#: Columns that stand beside the probabilities.
JUDGED = ("prediction_set", "abstained", "unfamiliar", "unfamiliarity")


@dataclass(frozen=True, eq=False)
class Judgement:
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


class Judge:
    """Applies the rules of a bundle; without rules the probabilities stay as they are.

    Args:
        rules: as fitted on the validation part, or None.
        references: early features of training images, or None.
    """

    def __init__(self, rules: Reliability | None, references: References | None = None) -> None:
        self.rules = rules
        self.references = references

    @property
    def wants_features(self) -> bool:
        """Whether outputs must come with their early features."""
        return self.references is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be fitted, to be said beside the predictions."""
        if self.rules is None:
            return ()
        notes = (*self.rules.notes, self.rules.sets.note, self.rules.abstain.note)
        return tuple(note for note in notes if note)

    def __call__(self, output: NetworkOutput) -> Judgement:
        """Judge the outputs for N images.

        Raises:
            BundleError: the early features are missing or others than the stored ones.
        """
        rules = self.rules
        if rules is None:
            return Judgement(output.probabilities)
        probabilities = calibrated(output.probabilities, rules.temperature)
        thresholds = [0.0 if limit is None else limit for limit in rules.sets.thresholds]
        in_set = probabilities >= np.array(thresholds)
        unfamiliarity = self._unfamiliarity(output)
        abstained = self._abstained(probabilities, in_set)
        if unfamiliarity is not None and abstained is not None:
            abstained = abstained | ~(unfamiliarity <= 1.0)
        return Judgement(probabilities, in_set, abstained, unfamiliarity)

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


def judged_cells(judged: Judgement, place: int, names: Sequence[str]) -> list[str]:
    """The cells of the columns ``JUDGED`` for one image; none where the bundle has no rules.

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
