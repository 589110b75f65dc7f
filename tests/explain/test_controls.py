"""Controls: what simpler explanations reach, and when they explain a result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actinscope.errors import StudyError
from actinscope.explain.control_features import CONTROL_FEATURES, control_features
from actinscope.explain.control_models import (
    ControlPredictions,
    association,
    batch_control,
    control_warnings,
    judge_control,
    lead,
    linear_control,
    permuted_labels,
)

CLASSES = ("bright", "dim")


def answers(labels, predicted, groups=None) -> ControlPredictions:
    return ControlPredictions(np.asarray(labels), np.asarray(predicted), groups, CLASSES)


def disc(radius: float, level: float, *, side: int = 64, floor: float = 0.1) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = np.where(np.hypot(y, x) < radius, level, floor)
    return image[..., None].astype(np.float32)


# ------------------------------------------------------------------ features


def test_features_have_one_length_and_are_numbers() -> None:
    rng = np.random.default_rng(0)
    shapes = set()
    for image in (
        disc(12, 0.8),
        np.zeros((64, 64, 1)),
        np.ones((64, 64, 1)),
        rng.random((64, 64, 1)),
    ):
        found = control_features(image.astype(np.float32))
        assert tuple(found) == CONTROL_FEATURES
        shapes.add(tuple(len(values) for values in found.values()))
        assert all(
            np.isfinite(values).all() for name, values in found.items() if name != "background"
        )
    assert len(shapes) == 1


def test_brightness_is_mean_and_percentiles_whatever_the_place() -> None:
    image = disc(12, 0.8)
    found = control_features(image)["brightness"]
    assert found[0] == pytest.approx(image.mean(), rel=1e-6)
    assert (found[4], found[-1]) == pytest.approx((0.1, 0.8), rel=1e-6)  # 1st and 99th percentile
    moved = control_features(np.roll(image, 9, axis=1))["brightness"]
    np.testing.assert_allclose(moved, found)


def test_texture_knows_no_brightness() -> None:
    image = np.random.default_rng(1).random((64, 64, 1)).astype(np.float32)
    found = control_features(image)["texture"]
    dim = control_features(image * np.float32(0.25))["texture"]
    np.testing.assert_allclose(dim, found, atol=0.02)
    smooth = control_features(disc(20, 0.9))["texture"]
    assert np.abs(smooth - found).max() > 0.2


def test_outline_measures_the_bright_region() -> None:
    found = control_features(disc(16, 0.9))["outline"]
    share = np.pi * 16**2 / 64**2
    assert found[0] == pytest.approx(share, rel=0.05)
    assert found[2] == pytest.approx(share, rel=0.05)
    assert found[3] == pytest.approx(32 / 64, rel=0.05)  # diameter over side
    assert found[5] < 0.2  # a disc is not eccentric
    assert control_features(np.zeros((64, 64, 1), np.float32))["outline"].tolist() == [0] * 9


def test_background_is_blind_to_the_cell_and_refuses_an_image_full_of_it() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.01, (64, 64, 1)).astype(np.float32)
    one = control_features(np.clip(disc(12, 0.8) + noise, 0, 1))["background"]
    other = control_features(np.clip(disc(12, 0.5) + noise, 0, 1))["background"]
    np.testing.assert_allclose(one[:11], other[:11], rtol=1e-5)
    corners = disc(43.5, 0.8)  # leaves under 5 % once the edge is taken off
    assert np.isnan(control_features(corners)["background"]).any()


def test_thumbnail_is_means_of_fields() -> None:
    image = np.zeros((64, 64, 1), np.float32)
    image[:8, 8:16] = 1.0
    found = control_features(image)["thumbnail"]
    assert found[1] == pytest.approx(1.0)
    assert found.sum() == pytest.approx(1.0)


# ------------------------------------------------------------------ the linear model


def test_a_control_that_separates_the_classes_explains_the_result() -> None:
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], 40)
    features = rng.normal(size=(80, 3)) + 6 * labels[:, None]
    control = judge_control(
        "brightness", features[:40], labels[:40], features[40:], answers(labels[40:], labels[40:])
    )
    assert control is not None
    assert control.balanced_accuracy.value == 1
    assert control.ahead.value == 0
    assert control.explains
    (sentence,) = control_warnings([control], [])
    assert sentence.startswith("Brightness alone reaches 100.0 % (mean over the classes)")
    both = control_warnings([control, replace(control, name="outline")], [])
    assert len(both) == 1 and "reaches 100.0 % and outline 100.0 % (mean" in both[0]


def test_a_control_that_finds_the_rare_class_is_not_behind_a_network_that_never_does() -> None:
    labels = np.array([0] * 95 + [1] * 5)
    control = np.where(np.arange(100) % 7 == 0, 1 - labels, labels)  # often wrong, in both classes
    found = lead(labels, control, np.zeros(100, int), None)
    # Recalls of the control by hand: 81 of 95 and 4 of 5; of the network 1 and 0.
    assert found.value == pytest.approx((1 - 81 / 95 + 0 - 4 / 5) / 2)
    assert found.low < 0


def test_too_few_groups_show_no_lead() -> None:
    labels = np.tile([0, 1], 20)
    groups = [f"g{number // 10}" for number in range(40)]
    found = lead(labels, 1 - labels, labels, groups)
    assert found.value == 1
    assert not found.has_interval
    control = judge_control(
        "texture", labels[:, None], labels, 1.0 - labels[:, None], answers(labels, labels, groups)
    )
    assert control is not None
    assert control.explains


def test_noise_does_not_explain_a_network_that_is_right() -> None:
    rng = np.random.default_rng(4)
    labels = np.tile([0, 1], 60)
    features = rng.normal(size=(120, 3))
    control = judge_control(
        "texture", features[:60], labels[:60], features[60:], answers(labels[60:], labels[60:])
    )
    assert control is not None
    assert 0.2 < control.balanced_accuracy.value < 0.8
    assert control.network.value == 1
    assert not control.explains
    assert control_warnings([control], []) == ()


def test_images_without_the_feature_are_left_out_on_both_sides() -> None:
    labels = np.tile([0, 1], 10)
    features = labels[:, None] + np.zeros((20, 2))
    missing = features.copy()
    missing[:4] = np.nan
    control = judge_control("background", features, labels, missing, answers(labels, labels))
    assert control is not None
    assert control.images == 16
    nothing = np.full_like(features, np.nan)
    assert judge_control("background", nothing, labels, features, answers(labels, labels)) is None
    assert judge_control("background", features, labels, nothing, answers(labels, labels)) is None


def test_features_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StudyError, match="features of outline do not fit"):
        judge_control(
            "outline", np.zeros((3, 1)), np.zeros(2, int), np.zeros((1, 1)), answers([0], [0])
        )


def test_a_class_without_training_images_gets_no_probability() -> None:
    probabilities = linear_control(
        np.array([[0.0], [1.0]]), np.array([0, 2]), np.array([[0.0], [1.0]]), classes=3
    )
    assert probabilities[:, 1].tolist() == [0, 0]
    assert probabilities.argmax(axis=1).tolist() == [0, 2]


# ------------------------------------------------------------------ shuffled labels


def test_whole_groups_exchange_labels_where_each_has_one_class() -> None:
    groups = [f"g{number // 5}" for number in range(40)]
    labels = np.array([(number // 5) % 2 for number in range(40)])
    found = permuted_labels(answers(labels, labels, groups), seed=0)
    assert found.how == "between groups"
    assert found.balanced_accuracy == 1
    # 8 groups, 4 of each class: of 70 ways to deal them out, one is the true one.
    assert found.p == pytest.approx(1 / 70, abs=0.012)
    assert found.mean == pytest.approx(0.5, abs=0.03)


def test_labels_move_within_groups_that_are_mixed() -> None:
    groups = ["a"] * 4 + ["b"] * 4
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    by_group = np.array([0] * 4 + [1] * 4)  # a network that names the group
    found = permuted_labels(answers(labels, by_group, groups), seed=0)
    assert found.how == "within groups"
    assert (found.balanced_accuracy, found.mean, found.p) == (0.75, 0.75, 1.0)


def test_one_mixed_group_leaves_the_others_to_exchange() -> None:
    groups = [f"g{number // 5}" for number in range(100)] + ["mixed"] * 4
    labels = np.array([(number // 5) % 2 for number in range(100)] + [0, 1, 0, 1])
    found = permuted_labels(answers(labels, labels, groups), seed=0)
    assert found.how == "between groups of one class and within the others"
    assert found.mean == pytest.approx(0.5, abs=0.03)
    assert found.p == 0.001


def test_without_groups_images_exchange_labels() -> None:
    labels = np.tile([0, 1], 30)
    found = permuted_labels(answers(labels, labels), seed=1)
    assert (found.how, found.p) == ("between images", 0.001)
    assert found == permuted_labels(answers(labels, labels), seed=1)


# ------------------------------------------------------------------ batches


def test_an_embedding_that_knows_the_plate_is_told_from_one_that_does_not() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 40)
    plates = np.tile(np.repeat(["p1", "p2"], 20), 2)
    blind = rng.normal(size=(80, 4))
    knowing = blind + 5 * (plates == "p2")[:, None]
    names = plates.tolist()
    sees = batch_control(knowing, labels, names, column="plate", seed=0)
    does_not = batch_control(blind, labels, names, column="plate", seed=0)
    assert sees is not None
    assert does_not is not None
    assert (sees.batches, sees.images, sees.chance) == (2, 40, 0.5)
    assert sees.balanced_accuracy == 1
    assert does_not.balanced_accuracy < 0.75
    assert sees.association == pytest.approx(0)
    assert control_warnings([], [sees]) == ()  # harmless: plate and class are unrelated


def test_a_known_batch_that_goes_with_the_class_is_a_warning() -> None:
    rng = np.random.default_rng(6)
    plates = np.array(["p1"] * 20 + ["p2"] * 20 + ["p3"] * 20)
    labels = (plates == "p3").astype(int)
    features = rng.normal(size=(60, 3)) + 5 * (plates == "p2")[:, None]
    found = batch_control(features, labels, plates.tolist(), column="plate", seed=0)
    assert found is not None
    assert found.association == pytest.approx(1)
    as_group = batch_control(
        features, labels, plates.tolist(), column="plate", is_group=True, seed=0
    )
    assert as_group is not None
    assert control_warnings([], [as_group]) == ()
    (sentence,) = control_warnings([], [found])
    assert "the result may rest on plate instead of the cells" in sentence


def test_no_batch_control_without_two_filled_batches() -> None:
    labels = np.zeros(12, int)
    assert batch_control(np.zeros((12, 2)), labels, [""] * 12, column="day", seed=0) is None
    assert batch_control(np.zeros((12, 2)), labels, ["d"] * 12, column="day", seed=0) is None
    each = [str(number) for number in range(12)]
    assert batch_control(np.zeros((12, 2)), labels, each, column="day", seed=0) is None


def test_cramers_v_by_hand() -> None:
    # Counts 3 1 / 1 3: chi squared 8 * (9 - 1)^2 / 4^4 = 2, V = sqrt(2 / 8).
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    values = np.array(["x", "x", "x", "y", "x", "y", "y", "y"])
    assert association(labels, values) == pytest.approx(0.5)
    assert association(labels, np.array(["x"] * 8)) == 0
