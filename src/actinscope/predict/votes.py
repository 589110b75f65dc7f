"""Votes of the members of an ensemble: what more than half of them give. Nothing is fitted.

A class is in the ensemble's prediction set where it is in the sets of more than half of the
members. Let the set of each member miss the true class in at most the share a of images. The
merged set misses it only where at least half of the members do, and by Markov's inequality that
happens in at most the share 2 a, however the members depend on each other: sets of 90 % each
promise at least 80 % together. That is the worst case, where members err on the same images so
that just half of them do; mostly the coverage stays near that of one set. Sources: Gasparin and
Ramdas, "Merging uncertainty sets via majority vote", arXiv:2401.09379, 2024, theorem 2.1;
Cherubin, "Majority vote ensembles of conformal predictors", Machine Learning 108, 2019.

A member that knows no threshold has every class in its set. That is a set that misses nothing, so
the promise holds; only the merged sets are larger.

Of two members more than half are both: their merged set holds only what is in both sets, and so
the true class at most as often as either of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def majority(votes: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Where more than half of M votes, arrays of one shape, are true."""
    return np.asarray(2 * np.stack(votes).sum(axis=0) > len(votes))


def majority_score(scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The score (N,) that is above any limit exactly where more than half of M scores are.

    It is the median, of an even number the lower one of the middle two. A score that is no
    number counts as above every limit.
    """
    ordered = np.sort(np.stack(scores), axis=0)  # what is no number comes last
    return np.asarray(ordered[(len(scores) - 1) // 2])


def promised_coverage(coverages: Sequence[float]) -> float:
    """Smallest coverage of the merged sets, of members whose sets have ``coverages``, 0..1.

    At least half of the members must miss a class for the merged set to miss it: at most twice
    the mean of their shares of misses.
    """
    return max(0.0, 1 - 2 * float(np.mean([1 - one for one in coverages])))


def usual_coverage(members: int) -> str:
    """What is to be expected of the merged sets, in words, beside what is promised."""
    if members == 2:
        return "and at most in as many as those of one member, as it takes both"
    return "mostly in nearly as many"


def notes_of_members(notes: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The notes of each member, each once, with the members that it holds for."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(notes, start=1):
        for note in dict.fromkeys(own):
            found[note].append(number)
    return tuple(f"{numbered(numbers)}: {note}" for note, numbers in found.items())


def numbered(members: Sequence[int]) -> str:
    """``member 2`` or ``members 1, 3``; counted from 1."""
    return f"member{'s' if len(members) > 1 else ''} {', '.join(map(str, members))}"
