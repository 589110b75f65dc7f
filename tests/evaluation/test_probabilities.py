"""Calibration, prediction sets, abstaining and unfamiliarity, against values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.bundle import (
    AbstainRule,
    NetworkOutput,
    ReferenceFeatures,
    Reliability,
    SetRule,
    calibrated,
    reference_features,
)
from actinscope.evaluation import (
    evaluate_uncertainty,
    fit_abstention,
    fit_ood_threshold,
    fit_sets,
    fit_temperature,
    uncertainty_estimates,
)
from actinscope.evaluation.abstention import answered_curve
from actinscope.evaluation.calibration import TEMPERATURES, bins_of, calibration_figures
from actinscope.evaluation.conformal import effective_images, fewest_images
from actinscope.predict import DecisionRules

CLASSES = ("a", "b")


def two(first: list[float]) -> np.ndarray:
    """(N, 2) probabilities from those of the first class."""
    column = np.array(first)
    return np.stack([column, 1 - column], axis=1)


def overconfident(n: int = 400, *, factor: float = 3.0, seed: int = 0) -> tuple:
    """Labels drawn from honest probabilities, and the same with all logits times ``factor``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, n)
    honest = two((1 / (1 + np.exp(-logits))).tolist())
    labels = (rng.random(n) >= honest[:, 0]).astype(np.int64)
    return labels, honest, calibrated(honest, 1 / factor)


# Calibration


def test_the_temperature_of_exaggerated_logits_is_found() -> None:
    labels, honest, loud = overconfident(4000)
    found = fit_temperature(labels, loud)
    assert found.value == pytest.approx(3.0, rel=0.1)
    assert found.note == ""
    np.testing.assert_allclose(calibrated(loud, 3.0), honest, atol=1e-9)
    losses = [
        calibration_figures(labels, calibrated(loud, t))["log_loss"][0]
        for t in (0.97 * found.value, found.value, 1.03 * found.value)
    ]
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("images", [20, 200])
def test_images_that_are_all_named_right_do_not_make_a_model_certain(images: int) -> None:
    """Least of n ln(1 + 9^(-1/T)) + (ln T)^2 / (2 * 0.5^2), by trying all temperatures."""
    found = fit_temperature(np.array([0, 1] * (images // 2)), two([0.9, 0.1] * (images // 2)))
    tried = np.exp(np.linspace(-1.3, 0, 10_001))
    costs = images * np.log1p(9 ** (-1 / tried)) + 2 * np.log(tried) ** 2
    assert found.value == pytest.approx(tried[costs.argmin()], abs=1e-3)


def test_a_large_part_that_is_separated_stops_at_the_bound_and_says_so() -> None:
    found = fit_temperature(np.array([0, 1] * 10_000), two([0.9, 0.1] * 10_000))
    assert found.value == TEMPERATURES[0]
    assert "separated too well" in found.note
    wrong = fit_temperature(np.array([0, 1] * 100), two([0.1, 0.9] * 100))
    assert wrong.value == TEMPERATURES[1]
    assert "next to nothing" in wrong.note


def test_a_tiny_part_is_not_calibrated() -> None:
    found = fit_temperature(np.array([0, 1] * 4), two([0.9, 0.6] * 4))
    assert found.value == 1.0
    assert "has 8 images, 10 are needed" in found.note


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=6),
    st.floats(*TEMPERATURES),
)
def test_a_temperature_keeps_the_answer_and_the_sum(row: list[float], temperature: float) -> None:
    chances = np.array([row]) + 1e-9
    chances /= chances.sum()
    given_back = calibrated(chances, temperature)
    assert given_back.sum() == pytest.approx(1)
    assert given_back[0, chances[0].argmax()] == given_back[0].max()


def test_zero_probabilities_stay_numbers() -> None:
    found = calibrated(np.array([[1.0, 0.0, 0.0]]), 2.0)
    assert np.isfinite(found).all()
    assert found[0, 0] == pytest.approx(1)


def test_figures_by_hand() -> None:
    # One bin (fewer than 20 images): confidences 0.9, 0.8, 0.6, 0.6; three of four right.
    labels = np.array([0, 1, 0, 1])
    chances = two([0.9, 0.2, 0.6, 0.6])
    found = {name: value[0] for name, value in calibration_figures(labels, chances).items()}
    assert found["ece_equal_mass"] == pytest.approx(abs(0.75 - 2.9 / 4))
    assert found["ece_equal_width"] == pytest.approx(0.025)
    assert found["calibration_error_debiased"] == 0  # 0.025^2 < 0.75 * 0.25 / 3
    squares = 2 * (0.1**2 + 0.2**2 + 0.4**2 + 0.6**2)
    assert found["brier"] == pytest.approx(squares / 4)
    losses = [math.log(1 / p) for p in (0.9, 0.8, 0.6, 0.4)]
    assert found["log_loss"] == pytest.approx(sum(losses) / 4)


def test_the_debiased_error_by_hand() -> None:
    # Five images at 0.9, one right: 0.7^2 - 0.2 * 0.8 / 4.
    labels = np.array([0, 1, 1, 1, 1])
    found = calibration_figures(labels, two([0.9] * 5))
    assert found["calibration_error_debiased"][0] == pytest.approx(math.sqrt(0.49 - 0.04))
    assert found["ece_equal_mass"][0] == pytest.approx(0.7)


def test_weights_count_images_as_often_as_they_say() -> None:
    labels, _, chances = overconfident(30)
    times = np.random.default_rng(1).integers(1, 4, len(labels))
    repeated = np.repeat(np.arange(len(labels)), times)
    weighed = calibration_figures(labels, chances, times[:, None].astype(float))
    for name in ("brier", "log_loss"):
        plain = calibration_figures(labels[repeated], chances[repeated])[name]
        assert weighed[name][0] == pytest.approx(plain[0])


def test_bins_hold_every_image_once() -> None:
    confidence = np.random.default_rng(0).uniform(0.5, 1, 57)
    for equal_width in (False, True):
        found = bins_of(confidence, equal_width=equal_width)
        assert sum(one.images.astype(int) for one in found).tolist() == [1] * 57
    assert sorted(int(one.images.sum()) for one in bins_of(confidence)) == [11, 11, 11, 12, 12]


# Prediction sets


def sets(labels: list[int], first: list[float], groups: list[str] | None = None, **more) -> SetRule:
    settings = {"coverage": 0.8, "per_class": False} | more
    return fit_sets(np.array(labels), two(first), classes=CLASSES, groups=groups, **settings)


def test_a_threshold_by_hand() -> None:
    # Nine scores 0.0, 0.1 ... 0.8; place 0.8 * (9 + 1) = 8: the eighth, 0.7.
    found = sets([0] * 9, [1 - 0.1 * k for k in range(9)])
    assert found.thresholds == pytest.approx((0.3, 0.3))
    assert found.effective == (9, 9)
    # 0.75 * 10 = 7.5: half way between the seventh and the eighth.
    half = sets([0] * 9, [1 - 0.1 * k for k in range(9)], coverage=0.75)
    assert half.thresholds[0] == pytest.approx(1 - 0.65)


@pytest.mark.parametrize(("coverage", "needed"), [(0.9, 9), (0.8, 4), (0.95, 19), (0.5, 1)])
def test_too_few_images_put_every_class_in_every_set(coverage: float, needed: int) -> None:
    assert fewest_images(coverage) == needed
    enough = sets([0] * needed, [0.9] * needed, coverage=coverage)
    assert enough.known and enough.note == ""
    if needed > 1:
        few = sets([0] * (needed - 1), [0.9] * (needed - 1), coverage=coverage)
        assert few.thresholds == (None, None)
        assert f"{needed} are needed for {100 * coverage:g} %" in few.note


def test_per_class_thresholds_come_from_their_own_images() -> None:
    labels = [0] * 9 + [1] * 3
    first = [1 - 0.1 * k for k in range(9)] + [0.5] * 3
    found = sets(labels, first, per_class=True)
    assert found.thresholds[0] == pytest.approx(0.3)
    assert found.thresholds[1] is None
    assert "holds b (3.0): the validation images of these classes" in found.note
    assert found.known


def test_images_of_one_group_count_for_less() -> None:
    """Twenty groups of five copies are worth twenty images."""
    rng = np.random.default_rng(0)
    scores = np.repeat(rng.random(20), 5)
    units = np.repeat(np.arange(20), 5)
    # The share p covered of 20 alike groups has variance 20 / 19 * p (1 - p) / 20.
    assert effective_images(scores, units, 0.8) == pytest.approx(19)
    assert effective_images(scores, np.arange(100), 0.8) == 100
    assert effective_images(scores, np.repeat([0, 1, 2, 3], 25), 0.8) == 4
    grouped = sets([0] * 100, (1 - scores).tolist(), [str(unit) for unit in units])
    alone = sets([0] * 100, (1 - scores).tolist())
    assert grouped.thresholds[0] < alone.thresholds[0]


def test_sets_cover_as_often_as_they_promise() -> None:
    """200 studies of images in groups that differ: 90 % sets hold the class in 88 to 92 %."""
    rng = np.random.default_rng(3)
    held = []
    for _ in range(200):
        shift = np.repeat(rng.normal(0, 0.7, 40), 6)
        sure = 1 / (1 + np.exp(-(1.5 + shift + rng.normal(0, 1, 240))))
        names = [f"g{k // 6}" for k in range(120)]
        found = sets([0] * 120, sure[:120].tolist(), names, coverage=0.9)
        held.append((sure[120:] >= (found.thresholds[0] or 0.0)).mean())
    assert 0.88 <= np.mean(held) <= 0.92


# Abstaining


def test_the_answered_curve_by_hand() -> None:
    curve = answered_curve(np.array([0.9, 0.6, 0.6, 0.8]), np.array([True, False, True, True]))
    assert curve.answered.tolist() == [0.25, 0.5, 1.0]
    assert curve.accuracy.tolist() == [1.0, 1.0, 0.75]
    assert curve.confidence.tolist() == [0.9, 0.8, 0.6]


def test_the_confidence_that_is_answered() -> None:
    labels = np.array([0, 0, 1, 1])
    chances = two([0.9, 0.8, 0.7, 0.4])  # the third is wrong
    fit = {"labels": labels, "probabilities": chances}
    assert fit_abstention("accuracy", 0.75, **fit).confidence == pytest.approx(0.6)
    assert fit_abstention("accuracy", 1.0, **fit).confidence == pytest.approx(0.8)
    assert fit_abstention("share", 0.5, **fit).confidence == pytest.approx(0.8)
    assert fit_abstention("share", 0.6, **fit).confidence == pytest.approx(0.7)
    never = fit_abstention("accuracy", 0.9, labels=1 - labels, probabilities=two([0.9, 0.8] * 2))
    assert never.confidence is None
    assert "fewer than 90 %" in never.note


# Unfamiliar images


def features(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, 2, (n, 6)).astype(np.float32)


def test_far_images_are_unfamiliar_and_own_ones_are_not() -> None:
    references, kept = reference_features(features(200), seed=0)
    assert kept.tolist() == list(range(200))
    assert references.centre == pytest.approx(features(200).mean(axis=0), abs=1e-5)
    far = features(3) + 20
    rule = fit_ood_threshold(
        references, features(100, 1), training_groups=None, share=0.05, golden=far
    )
    assert rule is not None
    assert rule.images == 300 and rule.references == 200 and rule.note == ""
    assert min(rule.golden) > 3
    judge = DecisionRules(rules(ood=rule), references)
    fresh = judge(output(features(400, 2))).unfamiliar
    assert fresh is not None and 0.01 < fresh.mean() < 0.1


def test_few_images_make_the_largest_distance_the_threshold() -> None:
    references, _ = reference_features(features(30), seed=0)
    found = fit_ood_threshold(
        references, features(8, 1), training_groups=None, share=0.01, golden=features(1)
    )
    assert found is not None
    assert "38 images show what is familiar, 99 are needed for 1 %" in found.note
    few, _ = reference_features(features(10), seed=0)
    assert (
        fit_ood_threshold(few, features(8), training_groups=None, share=0.01, golden=features(1))
        is None
    )


def test_training_images_are_seen_from_other_groups() -> None:
    """Every group is ten copies of one image: within it all distances would be 0."""
    values = np.repeat(features(6), 10, axis=0)
    references, _ = reference_features(values, seed=0)
    names = [f"g{k // 10}" for k in range(60)]
    limits = [
        fit_ood_threshold(
            references, values[:1], training_groups=groups, share=0.2, golden=values[:1]
        )
        for groups in (None, names)
    ]
    assert limits[0] is not None and limits[1] is not None
    assert limits[0].threshold == pytest.approx(1e-6, abs=1e-5)
    assert limits[1].threshold > 0.5


def test_only_so_many_training_images_are_kept() -> None:
    first, kept = reference_features(features(50), seed=1, most=10)
    again, same = reference_features(features(50), seed=1, most=10)
    assert len(first.rows) == 10 and kept.tolist() == same.tolist()
    np.testing.assert_array_equal(first.rows, again.rows)


# All figures together


def rules(**changes: object) -> Reliability:
    values = {
        "temperature": 1.0,
        "images": 20,
        "sets": SetRule(
            coverage=0.9, per_class=False, thresholds=(0.3, 0.3), images=20, effective=(20.0, 20.0)
        ),
        "abstain": AbstainRule(by="set"),
    }
    return Reliability(**(values | changes))  # type: ignore[arg-type]


def output(early: np.ndarray) -> NetworkOutput:
    return NetworkOutput(np.full((len(early), 2), 0.5), None, None, early)


def test_worth_by_hand() -> None:
    labels = np.array([0, 1, 0, 1])
    raw = two([0.9, 0.2, 0.6, 0.6])
    plain = rules()
    judged = DecisionRules(plain)(NetworkOutput(raw, None, None))
    assert judged.in_set is not None and judged.abstained is not None
    assert judged.in_set.tolist() == [[True, False], [False, True], [True, True], [True, True]]
    assert judged.abstained.tolist() == [False, False, True, True]
    found = evaluate_uncertainty(labels, raw, judged, [plain], classes=CLASSES, groups=None, seed=0)
    figures = uncertainty_estimates(found)
    assert figures["set_coverage"].value == 1 and figures["set_size"].value == 1.5
    assert figures["set_size[b]"].value == 1.5 and figures["set_coverage[a]"].n == 2
    assert figures["answered"].value == 0.5 and figures["accuracy_answered"].count == 2
    assert figures["brier"].value == figures["brier_uncalibrated"].value
    # Answered 0.25, 0.5 and 1 (0.6 twice, together): wrong 0, 0 and a quarter.
    assert figures["aurc"].value == pytest.approx(0.5 * 0.25)
    assert "unfamiliar" not in figures and "log_loss" not in figures


def test_intervals_are_those_of_groups() -> None:
    labels, honest, _ = overconfident(120)
    judged = DecisionRules(rules())(NetworkOutput(honest, None, None))
    groups = [f"g{k // 10}" for k in range(120)]
    found = evaluate_uncertainty(
        labels, honest, judged, [rules()], classes=CLASSES, groups=groups, seed=0
    )
    brier = found.after["brier"]
    assert brier.low < brier.value < brier.high
    assert "of 12 groups" in brier.method
    again = evaluate_uncertainty(
        labels, honest, judged, [rules()], classes=CLASSES, groups=groups, seed=0
    )
    assert again.after["brier"] == brier


def test_what_is_no_number_is_unfamiliar() -> None:
    references = ReferenceFeatures(
        np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros((1, 1), np.float32)
    )
    rule = fit_ood_threshold(
        reference_features(features(30), seed=0)[0],
        features(5),
        training_groups=None,
        share=0.1,
        golden=features(1),
    )
    judge = DecisionRules(rules(ood=rule), references)
    found = judge(output(np.array([[np.nan]], np.float32))).unfamiliar
    assert found is not None and found.tolist() == [True]
