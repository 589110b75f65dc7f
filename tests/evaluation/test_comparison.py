"""Several classifiers on the same images: figures, verdicts and words."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.errors import StudyError
from actinscope.evaluation import (
    DIFFERENCES,
    Comparison,
    compare_classifiers,
    comparison_verdict,
    evaluate,
    pair_sentence,
)

CLASSES = ("flat", "round")


def answers(right: list[bool] | np.ndarray, labels: np.ndarray, chance: float = 0.8) -> np.ndarray:
    """(N, 2) probabilities that are right where ``right`` is."""
    of_label = np.where(right, chance, 1 - chance)
    return np.stack([np.where(labels == k, of_label, 1 - of_label) for k in (0, 1)], axis=1)


def compared(
    wrong: dict[str, int | list[int]], n: int = 60, groups: list[str] | None = None
) -> Comparison:
    """Runs that get the named images wrong; an integer stands for the first so many."""
    labels = np.arange(n) % 2
    probabilities = []
    for missed in wrong.values():
        right = np.ones(n, dtype=bool)
        right[range(missed) if isinstance(missed, int) else missed] = False
        probabilities.append(answers(right, labels))
    return compare_classifiers(
        list(wrong),
        labels,
        np.array(probabilities),
        classes=CLASSES,
        groups=groups,
        seed=0,
        resamples=200,
    )


def test_figures_are_those_of_evaluate() -> None:
    found = compared({"a": 3, "b": 9})
    labels = np.arange(60) % 2
    right = np.arange(60) >= 9
    alone = evaluate(
        labels, answers(right, labels), classes=CLASSES, groups=None, seed=0, resamples=200
    )
    assert found.evaluations[1].metrics == alone.metrics
    assert found.best == 0
    assert found.n == 60


def test_pairs_are_corrected_together() -> None:
    """Of 60 images, b misses 6 and c 20; a none. p: 2/64, 2/2^20, 2/2^14."""
    found = compared({"a": 0, "b": 6, "c": 20})
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [pair.accuracy.mcnemar_p for pair in found.pairs] == pytest.approx(
        [2 / 2**6, 2 / 2**20, 2 / 2**14]
    )
    assert [pair.holm_p for pair in found.pairs] == pytest.approx(
        [2 / 2**6, 3 * 2 / 2**20, 2 * 2 / 2**14]
    )
    assert all(pair.told_apart for pair in found.pairs)
    assert all(pair.images_needed is None for pair in found.pairs)
    assert found.pair(2, 0) is found.pairs[1]


def test_a_difference_that_the_correction_takes_away() -> None:
    """p = 2/64 for a single pair; four runs have six pairs."""
    alone = compared({"a": 0, "b": 6})
    assert alone.pairs[0].told_apart
    among = compared({"a": 0, "b": 6, "c": [7, 8], "d": [9, 10]})
    first = among.pair(0, 1)
    assert first.accuracy.mcnemar_p == pytest.approx(2 / 64)
    assert first.holm_p == pytest.approx(6 * 2 / 64)
    assert not first.told_apart
    assert first.images_needed is not None and first.images_needed > 60


def test_groups_can_take_a_difference_away() -> None:
    """All twelve errors come from one of ten groups: another group may have none."""
    groups = ["g0"] * 12 + [f"g{1 + place % 9}" for place in range(48)]
    assert compared({"a": 0, "b": 12}).pairs[0].told_apart
    found = compared({"a": 0, "b": 12}, groups=groups).pairs[0]
    assert found.holm_p < 0.05
    assert found.accuracy.difference.high >= 0
    assert not found.told_apart


def test_differences_are_paired() -> None:
    """Runs that differ in one image differ in it in every resample: the interval is narrow."""
    found = compared({"a": 20, "b": [*range(19)]}).pairs[0].differences
    assert set(found) == set(DIFFERENCES)
    balanced = found["balanced_accuracy"]
    assert balanced.value == pytest.approx(1 / 60)
    assert 0 <= balanced.low <= balanced.value <= balanced.high < 0.1
    assert found["log_loss"].value == pytest.approx(np.log(0.2 / 0.8) / 60)
    assert "images" in balanced.method


def test_contested_and_all_wrong() -> None:
    found = compared({"a": [1, 2], "b": [2, 3]})
    assert sorted(found.contested.tolist()) == [1, 3]
    assert found.all_wrong.tolist() == [2]
    assert found.pairs[0].agreement == pytest.approx(58 / 60)


def test_words_for_a_pair_that_cannot_be_told_apart() -> None:
    """The paper's best two: 53 and 51 of 54."""
    found = compared({"efficientnet": 1, "inception": 3}, n=54)
    sentence = pair_sentence(found, found.pairs[0])
    assert sentence.startswith(
        "efficientnet and inception cannot be told apart on these 54 images: 2 images are "
        "classified correctly by only one of them (2 by efficientnet, 0 by inception; "
        "exact McNemar p = 0.5)."
    )
    assert "−3.7 points, interval " in sentence
    assert "about 210 independent images" in sentence


def test_words_for_equal_runs_and_for_a_difference() -> None:
    equal = compared({"a": [1], "b": [2]})
    assert "no number of images is known" in pair_sentence(equal, equal.pairs[0])
    same = compared({"a": [1], "b": [1]})
    assert "no images are classified correctly by only one" in pair_sentence(same, same.pairs[0])
    better = compared({"a": 20, "b": 0})
    sentence = pair_sentence(better, better.pairs[0])
    assert sentence.startswith("b is right more often than a on these 60 images")
    assert "exact McNemar p < 0.001)" in sentence


def verdict_of(found: Comparison, group: str | None = "field"):  # type: ignore[no-untyped-def]
    return comparison_verdict(found, synthetic=False, random_weights=False, group=group)


def test_verdicts() -> None:
    alike = verdict_of(compared({"a": 1, "b": 2}))
    assert alike.sentence == (
        "The two runs cannot be told apart on these 60 images. a classifies most images correctly, "
        "59 of 60."
    )
    assert alike.tone == "caution"
    assert "fewer than 6" in alike.reasons[0]
    clear = verdict_of(compared({"a": 0, "b": 20, "c": 30}))
    assert clear.sentence.endswith("is better than all other runs by more than chance explains.")
    assert clear.tone == "good"
    mixed = verdict_of(compared({"a": 1, "b": 2, "c": 30}))
    assert "but cannot be told apart from b on these 60 images" in mixed.sentence
    assert mixed.tone == "caution"


def test_what_limits_a_verdict_is_said() -> None:
    found = compared({"a": 0, "b": 20})
    judged = comparison_verdict(found, synthetic=True, random_weights=True, group=None)
    assert judged.tone == "caution"
    assert [reason.split()[0] for reason in judged.reasons] == ["The", "A", "The", "No"]
    assert "synthetic" in judged.reasons[0]
    few = compared({"a": 0, "b": 20}, groups=["x", "y", "z"] * 20)
    assert "3 groups (field): too few" in verdict_of(few).reasons[-1]


def test_names_must_differ_and_be_two() -> None:
    labels = np.array([0, 1])
    one = answers([True, True], labels)
    for names in (["a"], ["a", "a"], ["a", "b", "c"]):
        with pytest.raises(StudyError, match="no basis for a comparison"):
            compare_classifiers(
                names, labels, np.array([one, one]), classes=CLASSES, groups=None, seed=0
            )
