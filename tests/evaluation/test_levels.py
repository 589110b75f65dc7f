"""Cells summed up to units: rules by hand, refusals, what is said of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.errors import SettingsError, StudyError
from actinscope.evaluation import (
    RULES,
    LevelRule,
    Unit,
    evaluate_level,
    level_to_json,
    level_words,
    parse_level,
    sum_up,
)
from actinscope.evaluation.level_evaluation import composition_error

CLASSES = ("control", "treated")


def one_unit(rows: list[list[float]], rule: str, **settings: Any) -> Unit:
    level = LevelRule(("well",), rule, **settings)  # type: ignore[arg-type]
    (unit,) = sum_up(np.array(rows), [("A1",)] * len(rows), level)
    return unit


# Three cells: two just for class 0, one quite sure of class 1.
SPLIT = [[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]]


def test_mean() -> None:
    unit = one_unit(SPLIT, "mean")
    assert unit.probabilities == pytest.approx([1.3 / 3, 1.7 / 3])
    assert (unit.answer, unit.cells, list(unit.votes)) == (1, 3, [2, 1])


def test_vote() -> None:
    unit = one_unit(SPLIT, "vote")
    assert unit.probabilities == pytest.approx([2 / 3, 1 / 3])
    assert (unit.answer, unit.tied, unit.why) == (0, False, "")


def test_pool() -> None:
    unit = one_unit(SPLIT, "pool")
    first, second = (0.6 * 0.6 * 0.1) ** (1 / 3), (0.4 * 0.4 * 0.9) ** (1 / 3)
    assert unit.probabilities == pytest.approx(
        [first / (first + second), second / (first + second)]
    )
    assert unit.answer == 1


def test_one_cell_cannot_forbid_a_class_in_the_pool() -> None:
    unit = one_unit([[1.0, 0.0], [0.001, 0.999], [0.001, 0.999], [0.001, 0.999]], "pool")
    assert unit.answer == 1


def test_equal_votes_are_decided_by_the_mean_and_marked() -> None:
    unit = one_unit([[0.6, 0.4], [0.1, 0.9]], "vote")
    assert (unit.answer, unit.tied) == (1, True)
    assert unit.probabilities == pytest.approx([0.5, 0.5], abs=1e-7)
    assert unit.probabilities.argmax() == 1, "the figures must follow the answer"


@pytest.mark.parametrize("rule", RULES)
def test_no_answer_where_nothing_decides(rule: str) -> None:
    unit = one_unit([[0.7, 0.3], [0.3, 0.7]], rule)
    assert (unit.answer, unit.why) == (None, "tie")


def test_no_answer_from_too_few_cells() -> None:
    assert one_unit(SPLIT, "vote", fewest_cells=3).answer == 0
    unit = one_unit(SPLIT, "vote", fewest_cells=4)
    assert (unit.answer, unit.why) == (None, "too few cells")


def test_no_answer_where_cells_disagree() -> None:
    assert one_unit(SPLIT, "vote", agreement=2 / 3).answer == 0
    unit = one_unit(SPLIT, "vote", agreement=0.67)
    assert (unit.answer, unit.why) == (None, "cells disagree")
    # The mean names class 1, which only one cell of three names.
    assert one_unit(SPLIT, "mean", agreement=0.5).why == "cells disagree"


probability_rows = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(
    lambda firsts: np.array([[first, 1 - first] for first in firsts])
)


@given(chances=probability_rows, rule=st.sampled_from(RULES), copies=st.integers(2, 4))
def test_more_of_the_same_cells_make_no_unit_surer(
    chances: np.ndarray, rule: str, copies: int
) -> None:
    level = LevelRule(("well",), rule)  # type: ignore[arg-type]
    (once,) = sum_up(chances, [("A",)] * len(chances), level)
    many = np.tile(chances, (copies, 1))
    (often,) = sum_up(many, [("A",)] * len(many), level)
    assert often.probabilities == pytest.approx(once.probabilities, abs=1e-7)
    assert once.probabilities.sum() == pytest.approx(1)
    if once.answer is not None:
        assert once.probabilities[once.answer] == once.probabilities.max()


@given(chances=probability_rows, rule=st.sampled_from(RULES), seed=st.integers(0, 99))
def test_the_order_of_cells_does_not_matter(chances: np.ndarray, rule: str, seed: int) -> None:
    level = LevelRule(("well",), rule)  # type: ignore[arg-type]
    mixed = np.random.default_rng(seed).permutation(chances)
    (first,) = sum_up(chances, [("A",)] * len(chances), level)
    (second,) = sum_up(mixed, [("A",)] * len(mixed), level)
    assert second.probabilities == pytest.approx(first.probabilities, abs=1e-7)
    assert first.why == second.why


def test_cells_without_a_unit_belong_to_none() -> None:
    names = [("p1", "A"), ("p1", ""), ("p2", "A"), ("p1", "A")]
    units = sum_up(np.full((4, 2), 0.5), names, LevelRule(("plate", "well")))
    assert [(unit.name, unit.cells) for unit in units] == [(("p1", "A"), 2), (("p2", "A"), 1)]


@pytest.mark.parametrize(
    ("text", "columns", "rule"),
    [
        ("donor", ("donor",), "mean"),
        ("donor:vote", ("donor",), "vote"),
        ("plate+well:pool", ("plate", "well"), "pool"),
        ("a+b", ("a+b",), "mean"),
        ("time:point", ("time:point",), "mean"),
    ],
)
def test_levels_are_written_short(text: str, columns: tuple[str, ...], rule: str) -> None:
    level = parse_level(text, known=("a+b", "time:point"))
    assert (level.columns, level.rule) == (columns, rule)


@pytest.mark.parametrize("text", ["", ":vote", "donor:", "donor:max", "a++b", "a+a"])
def test_what_is_no_level_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no level"):
        parse_level(text)


@pytest.mark.parametrize("settings", [{"fewest_cells": 0}, {"agreement": 1.5}])
def test_impossible_limits_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="is impossible"):
        LevelRule(("well",), **settings)


def test_lengths_must_fit() -> None:
    with pytest.raises(StudyError, match="1 names of units for 2 cells"):
        sum_up(np.full((2, 2), 0.5), [("A",)], LevelRule(("well",)))


def study(right: list[bool], *, cells: int = 3) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """One unit an entry, its cells all right or all wrong; classes in turn."""
    labels = np.repeat(np.arange(len(right)) % 2, cells)
    hit = np.repeat(right, cells)
    named = np.where(hit, labels, 1 - labels)
    chances = np.where(np.arange(2) == named[:, None], 0.8, 0.2)
    return labels, chances, [(f"w{unit:02d}",) for unit in range(len(right)) for _ in range(cells)]


def test_units_count_not_cells() -> None:
    labels, chances, names = study([True] * 9 + [False])
    level = evaluate_level(labels, chances, names, LevelRule(("well",)), classes=CLASSES)
    assert level.evaluation is not None
    accuracy = level.evaluation.metrics["accuracy"]
    assert (accuracy.count, accuracy.n) == (9, 10)
    # Wilson for 9 of 10, by hand: centre (0.9 + 0.19207) / 1.38415, half 0.3049 / 1.38415 ...
    assert (accuracy.low, accuracy.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert accuracy.method == "Wilson, 10 wells"
    assert "take the wells as independent" in level.evaluation.interval_method
    assert level_words(level) == (
        "9 of 10 wells with one true class and an answer are classified correctly (90 %; 95 % "
        "interval 60 to 98 %), by the mean probability of the cells.",
    )


def test_too_few_units_give_no_interval() -> None:
    labels, chances, names = study([True] * 4)
    level = evaluate_level(labels, chances, names, LevelRule(("donor",)), classes=CLASSES)
    assert level.evaluation is not None
    found = [*level.evaluation.metrics.values()]
    found += [one for own in level.evaluation.per_class.values() for one in own.values()]
    assert not any(one.has_interval for one in found)
    assert level.evaluation.interval_method == "No intervals: 4 donors, fewer than 5."
    assert level_words(level)[1] == (
        "4 donors, fewer than 5: too few to say how the model does on another donor, and no "
        "interval is given."
    )
    assert level_to_json(level)["level[donor].accuracy"] == {
        "value": 1.0,
        "low": None,
        "high": None,
        "n": 4,
        "count": 4,
        "method": "no interval: 4 donors, fewer than 5",
    }


def test_a_class_of_too_few_units_gives_no_interval_either() -> None:
    labels, chances, names = study([True, False] * 4)
    level = evaluate_level(labels, chances, names, LevelRule(("well",)), classes=CLASSES)
    assert level.evaluation is not None
    recall = level.evaluation.per_class["control"]["recall"]
    assert (recall.n, recall.has_interval) == (4, False)
    assert recall.method == "no interval: 4 wells, fewer than 5"
    assert level.evaluation.metrics["accuracy"].has_interval


def test_units_without_an_answer_are_told_and_counted_as_wrong() -> None:
    labels, chances, names = study([True] * 6)
    chances[:2] = [[0.2, 0.8], [0.2, 0.8]]  # two of three cells of the first well
    rule = LevelRule(("well",), agreement=0.9)
    level = evaluate_level(labels, chances, names, rule, classes=CLASSES)
    assert level.undecided == {"cells disagree": 1}
    assert level.right is not None and (level.right.count, level.right.n) == (5, 6)
    assert level.evaluation is not None and level.evaluation.n == 5
    assert "1 well got no answer (cells disagree 1); counted as wrong, 83 % of 6 are right." in (
        level_words(level)
    )


def test_units_with_several_classes_get_shares_not_a_verdict() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
    names = [("d1",)] * 4 + [("d2",)]
    level = evaluate_level(labels, chances, names, LevelRule(("donor",)), classes=CLASSES)
    assert [unit.name for unit in level.mixed] == [("d1",)]
    # d1: 3 of 4 labelled control, 2 of 4 named so.
    assert composition_error(level) == pytest.approx([0.25, 0.25])
    assert level_to_json(level)["level[donor].share_error[control]"]["value"] == 0.25
    assert level.evaluation is not None and level.evaluation.n == 1
    said = " ".join(level_words(level))
    assert "1 donor holds cells of several true classes: there is no one right name" in said
    assert "not corrected for the confusion of classes" in said


def test_a_coarser_group_widens_the_interval() -> None:
    right = [True] * 8 + [False] * 2 + [True] * 8 + [True, False]
    labels, chances, names = study(right)
    plates = [f"p{int(name[1:]) // 2}" for (name,) in names]
    rule = LevelRule(("well",))
    alone = evaluate_level(labels, chances, names, rule, classes=CLASSES)
    grouped = evaluate_level(
        labels, chances, names, rule, classes=CLASSES, groups=plates, group="plate"
    )
    assert (alone.group, grouped.group) == (None, "plate")
    assert alone.evaluation is not None and grouped.evaluation is not None
    width = [
        one.evaluation.metrics["accuracy"].high - one.evaluation.metrics["accuracy"].low
        for one in (alone, grouped)
        if one.evaluation is not None
    ]
    assert width[1] > width[0]
    assert "20 wells in 10 groups" in grouped.evaluation.metrics["accuracy"].method


def test_a_finer_group_leaves_units_independent() -> None:
    labels, chances, names = study([True] * 6)
    fields = [f"f{place}" for place in range(len(names))]
    rule = LevelRule(("well",))
    level = evaluate_level(labels, chances, names, rule, classes=CLASSES, groups=fields)
    assert level.evaluation is not None and level.evaluation.groups is None


def test_nothing_to_judge() -> None:
    labels, chances, names = study([True])
    rule = LevelRule(("well",), fewest_cells=9)
    level = evaluate_level(labels, chances, names, rule, classes=CLASSES)
    assert level.evaluation is None
    assert level_words(level)[0] == "No well has an answer that could be judged."
    assert math.isclose(level_to_json(level)["level[well].right_of_all"]["value"], 0.0)  # type: ignore[arg-type]
