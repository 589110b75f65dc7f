"""The verdict: one sentence, a tone, and a reason for every caution."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from actinscope.evaluation import Conditions, Evaluation, Verdict, evaluate, verdict
from actinscope.wording import whole_percent


def _evaluation(
    correct: int,
    n: int,
    *,
    groups: int | None = 12,
    labels: np.ndarray | None = None,
    classes: tuple[str, ...] = ("wild_type", "knockout"),
) -> Evaluation:
    """n images in turn of each class and group; errors spread evenly."""
    truth = np.arange(n) % len(classes) if labels is None else labels
    wrong = np.zeros(n, dtype=bool)
    wrong[np.linspace(0, n - 1, n - correct).round().astype(int)] = True
    predicted = np.where(wrong, (truth + 1) % len(classes), truth)
    probabilities = np.full((n, len(classes)), 0.1)
    probabilities[np.arange(n), predicted] = 1 - 0.1 * (len(classes) - 1)
    names = None if groups is None else [f"g{i}" for i in np.arange(n) * groups // n]
    return evaluate(truth, probabilities, classes=classes, groups=names, seed=0, resamples=20)


def _say(evaluation: Evaluation, **changes: object) -> Verdict:
    plain = {"baseline": 0.65, "by_image": False, "synthetic": False, "random_weights": False}
    given = plain | changes
    own = {one.name: given.pop(one.name) for one in fields(Conditions) if one.name in given}
    return verdict(evaluation, Conditions(**own), **given)  # type: ignore[arg-type]


def test_a_good_result_has_no_reasons() -> None:
    evaluation = _evaluation(220, 240)
    low, high = (
        round(100 * end)
        for end in (evaluation.metrics["accuracy"].low, evaluation.metrics["accuracy"].high)
    )
    said = _say(evaluation, group="field")
    assert said.sentence == (
        f"On 240 images from 12 fields that it never saw, the model names the class of 92 % "
        f"(95 % interval {low} to {high}); guessing the majority class gives 65 %."
    )
    assert (said.tone, said.reasons) == ("good", ())


def test_groups_that_were_joined_are_counted_beside_the_result() -> None:
    said = _say(_evaluation(220, 240), group="field", names=30)
    assert (
        "On 240 images from 12 fields (30 by name, of which those that share cells count as one) "
        "that it never saw, the model"
    ) in said.sentence


def test_without_groups() -> None:
    said = _say(_evaluation(220, 240, groups=None))
    assert said.sentence.startswith("On 240 images that it never saw, the model")
    assert "(95 % interval 87 to 95)" in said.sentence
    assert said.tone == "caution"
    (reason,) = said.reasons
    assert reason.startswith("No group (field, slide, donor) was named")


def test_not_better_than_guessing() -> None:
    said = _say(_evaluation(170, 240))
    assert said.tone == "bad"
    assert said.reasons[0].startswith("The result cannot be told from guessing")


def test_worse_than_guessing() -> None:
    said = _say(_evaluation(110, 240))
    assert said.tone == "bad"
    assert said.reasons[0] == "The model is worse than guessing the majority class."


def test_too_few_groups_for_an_interval() -> None:
    said = _say(_evaluation(220, 240, groups=3), group="donor")
    assert said.tone == "caution"
    assert "92 % (no interval can be given); guessing" in said.sentence
    assert said.reasons[0].startswith("Without an interval it cannot be said")
    assert "from 3 donors only: too few to say how the model does on another donor." in " ".join(
        said.reasons
    )


def test_few_groups() -> None:
    said = _say(_evaluation(230, 240, groups=6), group="field_of_view")
    assert said.tone == "caution"
    assert said.reasons == (
        "The test images come from 6 fields of view only: another choice of fields of view "
        "could give a rather different result.",
    )


def test_a_leak_is_never_a_good_result() -> None:
    said = _say(_evaluation(230, 240, groups=20), leak=True)
    assert said.tone == "caution"
    assert said.reasons[0].startswith("Groups or copies of images stand in more than one part")
    assert "never saw" not in said.sentence


def test_copies_of_tested_cells_are_named_and_nothing_is_called_unseen() -> None:
    said = _say(_evaluation(220, 240), copies=3)
    assert "that it never saw" not in said.sentence
    assert said.tone == "caution"
    assert said.reasons[0].startswith("3 pairs of images show the same cells, one of them tested")
    assert _say(_evaluation(220, 240), copies=1).reasons[0].startswith("1 pair of images shows")


def test_a_question_without_an_answer_is_said_before_any_figure() -> None:
    said = _say(_evaluation(240, 240), unanswerable="Each class comes from one slide only.")
    assert said.sentence.startswith("These images cannot answer the question")
    assert said.tone == "bad"
    assert said.reasons[0] == "Each class comes from one slide only."


def test_images_of_unknown_origin_are_not_called_unseen() -> None:
    said = _say(_evaluation(230, 240, groups=20), held_out=False)
    assert "never saw" not in said.sentence
    assert said.sentence.startswith("On 240 images from 20 groups, the model names")


def test_split_by_image_is_an_upper_bound() -> None:
    said = _say(_evaluation(220, 240, groups=None), by_image=True)
    assert "never saw" not in said.sentence
    assert "On 240 images kept out of its training (where other images" in said.sentence
    assert said.tone == "caution"
    assert "upper bound" in said.reasons[0]


def test_synthetic_images_and_random_weights() -> None:
    said = _say(_evaluation(220, 240), synthetic=True, random_weights=True)
    assert said.sentence.startswith("On 240 synthetic images from 12 groups")
    assert said.tone == "caution"
    assert "nothing about real cells" in said.reasons[0]
    assert "did not start from pretrained weights" in said.reasons[1]


def test_a_wide_interval() -> None:
    said = _say(_evaluation(28, 32, groups=None))
    assert said.tone == "caution"
    assert said.reasons[1].startswith("The interval is wide, 72 to 95 %")


def test_classes_with_few_images_or_none_or_poor_recall() -> None:
    labels = np.array([0] * 200 + [1] * 8)
    evaluation = _evaluation(
        208, 208, groups=None, labels=labels, classes=("round", "spread", "dead")
    )
    said = _say(evaluation)
    assert said.reasons[1:] == (
        "Not tested, as there are no test images: dead.",
        "Fewer than 10 test images, too few to judge the class: spread (8).",
    )
    truth = np.array([0] * 200 + [1] * 20)
    probabilities = np.tile([0.9, 0.1], (220, 1))
    blind = evaluate(truth, probabilities, classes=("a", "b"), groups=None, seed=0, resamples=20)
    assert _say(blind).reasons[1:] == (
        "Fewer than half of the images are recognised: b (0 of 20).",
    )


def test_gaps_to_training_and_validation() -> None:
    test = _evaluation(200, 240)
    high = _evaluation(240, 240).metrics["accuracy"]
    said = _say(test, training=high, validation=high)
    assert said.tone == "caution"
    assert said.reasons[0].startswith("On the training images the model reaches 100 %")
    assert said.reasons[1].startswith("On the validation images the model reaches 100 %")
    assert _say(test, training=_evaluation(218, 240).metrics["accuracy"]).tone == "good"


def test_a_gap_within_the_interval_is_chance() -> None:
    small = _evaluation(10, 12, groups=None)
    said = _say(small, training=_evaluation(226, 240).metrics["accuracy"])
    assert small.metrics["accuracy"].high > 226 / 240
    assert not any("training images" in reason for reason in said.reasons)


def test_one_image_and_one_group() -> None:
    one = _evaluation(1, 1, groups=None)
    assert _say(one).sentence.startswith("On 1 image that")
    single = _evaluation(20, 20, groups=1)
    assert "from 1 movie that" in _say(single, group="movie").sentence


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.914, "91"),
        (0.9966, "99.7"),
        (0.99966, "99.97"),
        (0.999999, "over 99.99"),
        (0.004, "0.4"),
        (0.000001, "under 0.01"),
    ],
)
def test_rates_are_not_rounded_to_certainty(rate: float, text: str) -> None:
    assert whole_percent(rate) == text


@pytest.mark.parametrize(
    ("group", "plural"),
    [("batch", "batches"), ("assay", "assays"), ("study", "studies"), ("plate_id", "plate ids")],
)
def test_plural_of_groups(group: str, plural: str) -> None:
    assert f"from 12 {plural} that" in _say(_evaluation(220, 240), group=group).sentence


def test_a_baseline_must_be_a_rate() -> None:
    with pytest.raises(ValueError, match="rate between 0 and 1, not 65"):
        _say(_evaluation(10, 12), baseline=65)
