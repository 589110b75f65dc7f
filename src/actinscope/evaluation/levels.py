"""From single cells to the fields, wells, plates or donors that they come from.

A *unit* is all cells that share the value of a column. Its answer comes from its cells'
probabilities by one of three rules:

- ``mean``: the arithmetic mean of the probabilities (linear opinion pool), the class of
  the highest mean.
- ``vote``: every cell votes for its most probable class; the share of the votes. Of
  classes with equal votes the one of the higher mean probability, and the unit is
  marked as tied.
- ``pool``: the normalised geometric mean of the probabilities (logarithmic opinion
  pool; both pools: Genest and Zidek, Stat. Sci. 1: 114, 1986). Probabilities below
  1e-6 count as 1e-6, or one cell that is quite sure could forbid a class to all others.

All three give one cell the weight of any other, and none gets surer because there are
more cells: cells of one unit resemble each other and are no independent witnesses.
Where even that leaves two classes equal, the unit gets no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError, StudyError
from actinscope.wording import plural, spoken

Rule = Literal["mean", "vote", "pool"]
RULES: tuple[str, ...] = get_args(Rule)
UNDECIDED = ("too few cells", "cells disagree", "tie")
"""Why a unit has no answer."""

RULE_WORDS: Mapping[str, str] = {
    "mean": "the mean probability of the cells",
    "vote": "the majority vote of the cells",
    "pool": "the normalised geometric mean of the cells' probabilities",
}
_FLOOR = 1e-6  # as fine as a CSV of predictions is written
_EQUAL = 1e-9  # nearer probabilities are equal but for rounding


@dataclass(frozen=True)
class LevelRule:
    """How cells are summed up.

    Attributes:
        columns: what a unit is: one column, or several where only their values together
            name it, such as plate and well.
        rule: see the module.
        fewest_cells: units with fewer cells get no answer.
        agreement: share of its cells (0..1) that must name a unit's answer; else it gets none.

    Raises:
        SettingsError: a value that is none of these.
    """

    columns: tuple[str, ...]
    rule: Rule = "mean"
    fewest_cells: int = 1
    agreement: float = 0.0

    def __post_init__(self) -> None:
        different = len(set(self.columns)) == len(self.columns)
        if self.rule not in RULES or not self.columns or not all(self.columns) or not different:
            raise SettingsError(
                f"'{'+'.join(self.columns)}:{self.rule}' is no level",
                remedy=f"Write COLUMN or COLUMN:RULE with a rule of {', '.join(RULES)}",
            )
        if self.fewest_cells < 1 or not 0 <= self.agreement <= 1:
            raise SettingsError(
                f"fewest_cells {self.fewest_cells} or agreement {self.agreement:g} is impossible",
                remedy="Give a number of cells from 1 on, and a share between 0 and 1",
            )

    @property
    def name(self) -> str:
        """The columns joined by ``+``, as they are written in settings."""
        return "+".join(self.columns)

    @property
    def word(self) -> str:
        """What one unit is called: "donor", "plate-well"."""
        return "-".join(spoken(column) for column in self.columns)

    @property
    def words(self) -> str:
        """What several units are called."""
        return plural(self.word)


def parse_level(
    text: str, *, known: Sequence[str] = (), fewest_cells: int = 1, agreement: float = 0.0
) -> LevelRule:
    """The level written ``COLUMN``, ``COLUMN:RULE`` or ``COLUMN+COLUMN:RULE``.

    A name among ``known`` is taken whole, also where it holds ``+`` or ``:``.

    Raises:
        SettingsError: no such rule, no column, or a column twice.
    """
    head, colon, tail = text.rpartition(":")
    whole = not colon or text.strip() in known
    columns, rule = (text, "mean") if whole else (head, tail.strip())
    single = columns.strip() in known
    names = tuple(name.strip() for name in ([columns] if single else columns.split("+")))
    return LevelRule(names, rule, fewest_cells, agreement)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Unit:
    """What the cells of one unit say together.

    Attributes:
        name: the values of the level's columns.
        cells: how many there are.
        votes: (K,) cells that name each class.
        mean: (K,) mean probabilities.
        probabilities: (K,) what the rule makes of the cells; sums to 1.
        answer: index of the class; None where there is none.
        why: of UNDECIDED, or empty.
        tied: classes had equal votes (rule ``vote``), or are equal altogether.
        labels: (K,) cells of each true class; None where labels are not known.
    """

    name: tuple[str, ...]
    cells: int
    votes: NDArray[np.int64]
    mean: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    answer: int | None
    why: str = ""
    tied: bool = False
    labels: NDArray[np.int64] | None = None

    @property
    def label(self) -> int | None:
        """Index of the one true class of all its cells; None if mixed or not known."""
        if self.labels is None or np.count_nonzero(self.labels) != 1:
            return None
        return int(self.labels.argmax())

    @property
    def mixed(self) -> bool:
        """Whether its cells have several true classes."""
        return self.labels is not None and int(np.count_nonzero(self.labels)) > 1


def sum_up(
    probabilities: NDArray[np.floating],
    names: Sequence[tuple[str, ...]],
    rule: LevelRule,
    *,
    labels: NDArray[np.integer] | None = None,
) -> tuple[Unit, ...]:
    """Sum the predictions of N cells up to units, in the order of the units' names.

    Args:
        probabilities: (N, K), rows summing to 1.
        names: unit of each cell; cells whose name has an empty value belong to none.
        labels: (N,) true class indices, or None.

    Raises:
        StudyError: the lengths differ.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    if len(names) != len(chances) or (labels is not None and len(labels) != len(chances)):
        raise StudyError(f"{len(names)} names of units for {len(chances)} cells")
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, name in enumerate(names):
        if all(name):
            rows.setdefault(name, []).append(row)
    return tuple(
        _unit(name, chances[rows[name]], rule, None if labels is None else labels[rows[name]])
        for name in sorted(rows)
    )


def _unit(
    name: tuple[str, ...],
    chances: NDArray[np.float64],
    rule: LevelRule,
    labels: NDArray[np.integer] | None,
) -> Unit:
    cells, classes = chances.shape
    votes = np.bincount(chances.argmax(axis=1), minlength=classes)
    mean = chances.mean(axis=0)
    mean /= mean.sum()
    together = _together(rule.rule, chances, votes / cells, mean)
    best = np.flatnonzero(together >= together.max() - _EQUAL)
    tied = len(best) > 1
    if tied and rule.rule == "vote":
        best = best[mean[best] >= mean[best].max() - _EQUAL]
        # The chosen class must also be the highest of the probabilities that are handed on.
        together[best] += _EQUAL * 10
        together /= together.sum()
    answer, why = int(best[0]), ""
    if cells < rule.fewest_cells:
        why = UNDECIDED[0]
    elif len(best) > 1:
        why = UNDECIDED[2]
    elif votes[answer] < rule.agreement * cells - _EQUAL:
        why = UNDECIDED[1]
    return Unit(
        name=name,
        cells=cells,
        votes=votes.astype(np.int64),
        mean=mean,
        probabilities=together,
        answer=None if why else answer,
        why=why,
        tied=tied,
        labels=None if labels is None else np.bincount(labels, minlength=classes).astype(np.int64),
    )


def _together(
    rule: str,
    chances: NDArray[np.float64],
    shares: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    if rule == "vote":
        return shares.copy()
    if rule == "mean":
        return mean.copy()
    logs = np.log(np.maximum(chances, _FLOOR)).mean(axis=0)
    pooled: NDArray[np.float64] = np.exp(logs - logs.max())
    pooled /= pooled.sum()
    return pooled
