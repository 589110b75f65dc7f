"""Sharing keep-together sets among parts, so that each class is spread as asked.

A set is what cannot be divided: one image, or all images of a group. It is known here only
by how many images of each class it has. Sets with the same counts are interchangeable, so
the search works on kinds of sets and the sets of a kind are drawn at random at the end. The
search places the sets one by one, largest first, where they help most; then it moves and
exchanges sets while that helps; and it starts again a few times in another order while the
result is not close enough. scikit-learn's ``StratifiedGroupKFold`` does not see to it that
every part has every class, which a train, a validation and a test part need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STARTS = 3
_GREATEST_STARTS = 20  # as long as some part lacks a class
_BLUR = 0.5
_GOOD_ENOUGH = 0.02  # largest deviation of a class's share of a part, as a fraction of the class
_EMPTY = 1e3  # cost of a class that is missing from a part: beyond any imbalance
_GREATEST_STEPS = 400
_EXCHANGES = 64  # kinds of sets compared with each other at a time
_VAIN_TRIES = 4
_LEAST_GAIN = 1e-9

Counts = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class _Problem:
    kinds: Counts  # (Q, K + 1) images of each class in a set of this kind, and their sum
    totals: Counts  # (K + 1,)
    shares: Counts  # (P, 1)
    penalties: Counts  # (P, 1)

    def cost(self, held: Counts) -> Counts:
        """(P,) cost of parts that hold ``held`` (P, K + 1) images."""
        missing: Counts = (self.penalties * (held == 0)).sum(-1)
        return self.imbalance(held) + missing

    def imbalance(self, held: Counts) -> Counts:
        """(P,) the cost without the penalty for classes that are missing.

        The squared deviation of each class's share over the share wanted (Pearson's
        form), so that one image too many weighs more in a small part.
        """
        deviation: Counts = ((held / self.totals - self.shares) ** 2 / self.shares).sum(-1)
        return deviation

    def part_cost(self, part: int, held: Counts) -> Counts:
        """Cost of one part for many states ``held`` (..., K + 1)."""
        deviation = (held / self.totals - self.shares[part]) ** 2 / self.shares[part]
        cost: Counts = (deviation + self.penalties[part] * (held == 0)).sum(-1)
        return cost


def share_out(
    counts: NDArray[np.int64], shares: Sequence[float], *, rng: np.random.Generator
) -> Places:
    """Give every set a part.

    Args:
        counts: (S, K) images of each class in each set; no empty set, no empty class.
        shares: the fraction of every class that each of the P parts should have, the
            first part being the one that must least of all lack a class.
        rng: breaks ties, orders the search and draws the sets of a kind.

    Returns:
        (S,) index of the part of each set.
    """
    kinds, kind_of = np.unique(counts, axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    with_sum = np.concatenate([kinds, kinds.sum(1, keepdims=True)], axis=1).astype(np.float64)
    available = np.bincount(kind_of, minlength=len(kinds))
    penalties = np.full((len(shares), 1), _EMPTY)
    penalties[0] *= 2
    problem = _Problem(
        kinds=with_sum,
        totals=available @ with_sum,
        shares=np.asarray(shares, dtype=np.float64)[:, None],
        penalties=penalties,
    )
    allotted = _best_allotment(problem, available, rng)
    places = np.empty(len(counts), dtype=np.intp)
    for kind in range(len(kinds)):
        members = rng.permutation(np.flatnonzero(kind_of == kind))
        places[members] = np.repeat(np.arange(len(shares)), allotted[kind])
    return places


def _best_allotment(
    problem: _Problem, available: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.int64]:
    best: NDArray[np.int64] | None = None
    lowest = np.inf
    for start in range(_GREATEST_STARTS):
        allotted = _improve(problem, _place_one_by_one(problem, available, rng), rng)
        held = allotted.T @ problem.kinds
        cost = float(problem.cost(held).sum())
        if best is None or cost < lowest - _LEAST_GAIN:
            best, lowest = allotted, cost
        deviation = np.abs(held / problem.totals - problem.shares).max()
        complete = lowest < _EMPTY
        if complete and (start + 1 >= _STARTS or deviation <= _GOOD_ENOUGH):
            break
    assert best is not None
    return best


def _place_one_by_one(
    problem: _Problem, available: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.int64]:
    """(Q, P) how many sets of each kind each part has: largest sets first."""
    order = rng.permutation(np.repeat(np.arange(len(available)), available))
    # Sizes are blurred so that every start, and every seed, comes to another solution.
    sizes = problem.kinds[order, -1] * rng.lognormal(0.0, _BLUR, len(order))
    order = order[np.argsort(-sizes, kind="stable")]
    parts = len(problem.shares)
    allotted = np.zeros((len(available), parts), dtype=np.int64)
    held = np.zeros((parts, problem.kinds.shape[1]))
    now = problem.imbalance(held)
    has_class = problem.kinds[:, :-1] > 0  # (Q, K)
    left = available @ has_class  # (K,) sets of each class that have no part yet
    # A little noise decides between parts that are equally good.
    noise = rng.random((len(order), parts)) * _LEAST_GAIN
    for kind, ties in zip(order, noise, strict=True):
        after = problem.imbalance(held + problem.kinds[kind])
        gains = after - now + ties
        classes = has_class[kind]
        if (left[classes] <= parts).any():  # the last sets of a class go to parts that lack it
            lacking = held[:, :-1] == 0
            gains -= _EMPTY * (lacking & classes & (left <= lacking.sum(0))).sum(1)
        part = int(np.argmin(gains))
        left -= classes
        allotted[kind, part] += 1
        held[part] += problem.kinds[kind]
        now[part] = after[part]
    return allotted


def _improve(
    problem: _Problem, allotted: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Move and exchange sets, the best change first, until none helps."""
    held = allotted.T @ problem.kinds
    vain = 0
    for _ in range(_GREATEST_STEPS):
        change = _best_move(problem, allotted, held)
        if change.gain > -_LEAST_GAIN:
            change = _best_exchange(problem, allotted, held, rng)
        if change.gain > -_LEAST_GAIN:
            vain += 1
            if len(allotted) <= _EXCHANGES or vain >= _VAIN_TRIES:
                break
            continue
        vain = 0
        _carry_out(change, problem, allotted, held)
    return allotted


@dataclass(frozen=True)
class _Change:
    """A set of ``kind`` goes from ``source`` to ``target``, perhaps one of ``back`` returns."""

    gain: float  # change of the cost: negative is better
    kind: int = 0
    source: int = 0
    target: int = 0
    back: int | None = None


_NO_CHANGE = _Change(np.inf)


def _carry_out(
    change: _Change, problem: _Problem, allotted: NDArray[np.int64], held: Counts
) -> None:
    moved = np.zeros(len(allotted), dtype=np.int64)
    moved[change.kind] += 1
    if change.back is not None:
        moved[change.back] -= 1
    allotted[:, change.source] -= moved
    allotted[:, change.target] += moved
    held[change.source] -= moved @ problem.kinds
    held[change.target] += moved @ problem.kinds


def _best_move(problem: _Problem, allotted: NDArray[np.int64], held: Counts) -> _Change:
    parts = range(len(problem.shares))
    now = problem.cost(held)
    leaves = [problem.part_cost(p, held[p] - problem.kinds) - now[p] for p in parts]
    enters = [problem.part_cost(p, held[p] + problem.kinds) - now[p] for p in parts]
    best = _NO_CHANGE
    for source in parts:
        for target in parts:
            if source == target:
                continue
            gains = np.where(allotted[:, source] > 0, leaves[source] + enters[target], np.inf)
            kind = int(np.argmin(gains))
            if gains[kind] < best.gain:
                best = _Change(float(gains[kind]), kind, source, target)
    return best


def _best_exchange(
    problem: _Problem, allotted: NDArray[np.int64], held: Counts, rng: np.random.Generator
) -> _Change:
    kinds = np.arange(len(allotted))
    if len(kinds) > _EXCHANGES:
        kinds = rng.choice(kinds, _EXCHANGES, replace=False)
    now = problem.cost(held)
    best = _NO_CHANGE
    for source in range(len(problem.shares)):
        for target in range(source + 1, len(problem.shares)):
            out = kinds[allotted[kinds, source] > 0]
            back = kinds[allotted[kinds, target] > 0]
            if not len(out) or not len(back):
                continue
            swing = problem.kinds[out][:, None] - problem.kinds[back][None]  # (O, B, K + 1)
            gains = (
                problem.part_cost(source, held[source] - swing)
                + problem.part_cost(target, held[target] + swing)
                - now[source]
                - now[target]
            )
            o, b = np.unravel_index(int(np.argmin(gains)), gains.shape)
            if gains[o, b] < best.gain:
                best = _Change(float(gains[o, b]), int(out[o]), source, target, int(back[b]))
    return best
