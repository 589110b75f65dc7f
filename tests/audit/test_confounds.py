"""Permutation tests over groups, and the review of labels."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.audit.labels import review_labels
from actinscope.audit.permutation import find_confounds
from actinscope.errors import StudyError


def study(groups: int, *, seed: int = 0, images: int = 6) -> tuple[np.ndarray, list[str]]:
    """Labels 0 and 1 for whole groups, and the group of each image."""
    of_group = np.random.default_rng(seed).permutation(np.arange(groups) % 2)
    return np.repeat(of_group, images), [f"g{n // images}" for n in range(groups * images)]


def test_what_names_the_class_is_found_and_noise_is_not() -> None:
    labels, groups = study(16)
    noise = np.random.default_rng(1).normal(size=(len(labels), 2))
    told, untold = find_confounds(
        {"same as the class": labels[:, None] * 1.0, "noise": noise},
        labels,
        groups=groups,
        seed=0,
        exchanges=199,
    )
    assert told.p <= 0.05
    assert told.balanced_accuracy == 1.0
    assert untold.p > 0.05


def test_false_alarms_stay_rare_though_groups_differ() -> None:
    alarms = 0
    for seed in range(40):
        labels, groups = study(12, seed=seed)
        rng = np.random.default_rng(seed)
        own = np.repeat(rng.normal(size=(12, 3)), 6, axis=0)  # each group has its own brightness
        checks = {str(n): own[:, n : n + 1] + 0.1 * rng.normal(size=(72, 1)) for n in range(3)}
        found = find_confounds(checks, labels, groups=groups, seed=seed, exchanges=99)
        alarms += any(one.p <= 0.05 for one in found)
    assert alarms <= 6  # of 40; 2 are expected, more than 6 come in 1 of 200 such tests


def test_few_groups_cannot_tell() -> None:
    labels, groups = study(4)
    (one,) = find_confounds({"class": labels[:, None] * 1.0}, labels, groups=groups, seed=0)
    assert one.least_p == pytest.approx(2 / 6)  # 6 ways to choose 2 of 4, which end for end agree
    assert one.p > 0.05


def test_unequal_classes_cannot_change_names() -> None:
    labels = np.array([0] + [1] * 9)
    groups = [str(n) for n in range(10)]
    (one,) = find_confounds({"class": labels[:, None] * 1.0}, labels, groups=groups, seed=0)
    assert one.least_p == pytest.approx(1 / 10)  # ten groups may be the one


def test_classes_change_names_only_where_all_mixed_groups_stay_the_same() -> None:
    # A group with two classes, and one group for each of two: 2 * 2 exchanges; names cannot
    # change between classes 0 and 1, nor with class 2.
    labels = np.array([0, 1, 0, 2])
    (one,) = find_confounds({"x": np.arange(4.0)[:, None]}, labels, groups=[*"aabc"], seed=0)
    assert one.least_p == pytest.approx(1 / 4)


def test_many_classes_can_be_told() -> None:
    labels = np.repeat(np.arange(16), 4)
    groups = [f"g{n}" for n in range(64)]
    (one,) = find_confounds(
        {"x": labels[:, None] * 1.0}, labels, groups=groups, seed=0, exchanges=99
    )
    assert one.least_p == pytest.approx(1 / 100)


@pytest.mark.parametrize("classes", [2, 5, 16])
def test_classes_in_the_middle_count_as_much_as_those_at_the_ends(classes: int) -> None:
    labels = np.repeat(np.arange(classes), 20)
    groups = [f"g{n}" for n in range(len(labels))]
    rng = np.random.default_rng(0)
    one, two = find_confounds(
        {
            "x": labels[:, None] + rng.normal(size=(len(labels), 1)) * 0.05,
            "two": labels[:, None] + rng.normal(size=(len(labels), 2)) * 0.05,
        },
        labels,
        groups=groups,
        seed=0,
        exchanges=39,
    )
    assert one.strength > 0.85
    assert two.strength > 0.95
    assert one.expected == pytest.approx(1 / classes, abs=0.06)


def test_the_accuracy_is_that_of_groups_left_out() -> None:
    labels, groups = study(20)
    own = np.repeat(np.random.default_rng(3).normal(size=(20, 60)), 6, axis=0)
    (one,) = find_confounds({"groups": own}, labels, groups=groups, seed=0, exchanges=99)
    assert one.balanced_accuracy < 0.75  # features know the group, none knows the class


def test_a_column_with_more_values_than_units_can_weigh_is_judged_fairly() -> None:
    labels = np.repeat(np.arange(8), 3)
    groups = [str(n) for n in range(24)]
    names = (labels[:, None] == np.arange(8)) * 1.0
    noise = np.random.default_rng(0).normal(size=(24, 30))
    told, untold = find_confounds(
        {"names": names, "noise": noise}, labels, groups=groups, seed=0, exchanges=99
    )
    assert told.balanced_accuracy == 1.0
    assert untold.balanced_accuracy < 0.4
    assert 0.04 < untold.expected < 0.25  # 1 / 8


def test_within_groups_that_hold_both_classes_labels_are_exchanged_there() -> None:
    groups = [f"g{n // 4}" for n in range(40)]
    labels = np.tile([0, 0, 1, 1], 10)
    offsets = np.repeat(np.arange(10) * 100.0, 4)  # groups differ far more than classes
    found = find_confounds(
        {"shift": (offsets + labels)[:, None], "class": labels[:, None] * 1.0},
        labels,
        groups=groups,
        seed=0,
        exchanges=199,
    )
    assert found[1].p <= 0.05


def test_lengths_must_fit() -> None:
    with pytest.raises(StudyError, match="do not fit"):
        find_confounds({"a": np.zeros((3, 1))}, np.array([0, 1]), groups=None, seed=0)


def test_the_most_doubtful_label_comes_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95]])
    review = review_labels(probabilities, np.array([0, 0, 1, 1, 0]))
    assert review.order[0] == 4
    assert review.suggested[4] == 1
    assert review.doubted.tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("bad", [np.array([[0.5, 0.6]]), np.array([[np.nan, 1.0]])])
def test_probabilities_must_be_some(bad: np.ndarray) -> None:
    with pytest.raises(StudyError, match="sum to 1"):
        review_labels(bad, np.array([0]))
