"""The section on calibration and uncertainty: words, tables, charts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actinscope.bundle import AbstainRule, NetworkOutput, OodRule, Reliability, SetRule
from actinscope.evaluation import UncertaintyEvaluation, evaluate_uncertainty
from actinscope.predict import DecisionRules
from actinscope.predict.decision import decision_cells
from actinscope.report import text
from actinscope.report.charts import calibration_charts
from actinscope.report.drawing import sheet
from actinscope.report.uncertainty import (
    calibration_rows,
    main_uncertainty,
    set_rows,
    uncertainty_sentences,
)

CLASSES = ("flat <b>", "round")


def rules(**changes: object) -> Reliability:
    values = {
        "temperature": 1.25,
        "images": 40,
        "groups": 6,
        "sets": SetRule(
            coverage=0.9, per_class=False, thresholds=(0.3, 0.3), images=40, effective=(30.0, 30.0)
        ),
        "abstain": AbstainRule(by="set"),
    }
    return Reliability(**(values | changes))  # type: ignore[arg-type]


def example(rule: Reliability, *, n: int = 60) -> UncertaintyEvaluation:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, n)
    labels = (rng.random(n) > sure).astype(np.int64)
    raw = np.stack([sure, 1 - sure], axis=1)
    judged = DecisionRules(rule)(NetworkOutput(raw, None, None))
    groups = [f"g{k // 5}" for k in range(n)]
    return evaluate_uncertainty(labels, raw, judged, [rule], classes=CLASSES, groups=groups, seed=0)


def test_the_sentences_say_what_was_measured() -> None:
    found = example(rules())
    told = " ".join(uncertainty_sentences(found))
    assert "calibrated on 40 validation images from 6 groups (temperature 1.25: the network" in told
    assert "overconfident" in told
    held = found.coverage[""]
    assert f"({held.count} of 60; 95 % interval " in told
    assert "where its prediction set is not a single class" in told
    assert "does not know what is unfamiliar" in told
    assert "Note:" not in told


def test_what_could_not_be_fitted_is_said() -> None:
    sets = SetRule(
        coverage=0.9,
        per_class=False,
        thresholds=(None, None),
        images=5,
        effective=(3.0, 3.0),
        note="every prediction set holds all classes: too few",
    )
    told = uncertainty_sentences(example(rules(sets=sets)))
    assert "Note: every prediction set holds all classes: too few." in told
    assert any("No abstention rule could be fitted" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (AbstainRule(by="never"), "The model never abstains. It answers 100.0"),
        (AbstainRule(by="share", target=0.8, confidence=0.61), "probability is below 0.610"),
    ],
)
def test_each_rule_has_its_words(rule: AbstainRule, words: str) -> None:
    assert words in " ".join(uncertainty_sentences(example(rules(abstain=rule))))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (AbstainRule(by="never"), "The model abstains only where the image is unfamiliar."),
        (AbstainRule(by="set"), "is not a single class and where the image is unfamiliar."),
    ],
)
def test_unfamiliar_images_are_counted_as_they_are_delivered(rule: AbstainRule, words: str) -> None:
    """Each of 10 sets holds its class; those of the 3 unfamiliar images are delivered empty."""
    plain = rules(abstain=rule)
    labels = np.arange(10) % 2
    raw = np.where(labels[:, None] == np.arange(2), 0.9, 0.1)
    judged = replace(
        DecisionRules(plain)(NetworkOutput(raw, None, None)),
        unfamiliarity=np.where(np.arange(10) < 3, 2.0, 0.5),
        abstained=np.arange(10) < 3,
    )
    found = evaluate_uncertainty(labels, raw, judged, [plain], classes=CLASSES, groups=None, seed=0)
    assert (found.coverage[""].count, found.size[""].value) == (7, 0.7)
    written = [decision_cells(judged, place, CLASSES)[0] for place in range(10)]
    held = [text == CLASSES[label] for text, label in zip(written, labels, strict=True)]
    assert sum(held) == 7 and written[:3] == ["", "", ""]
    ood = OodRule(neighbours=5, threshold=1.0, share=0.01, references=50, images=40, golden=())
    known = rules(abstain=rule, ood=ood)
    told = " ".join(uncertainty_sentences(replace(found, rules=(known,))))
    assert "(7 of 10; 95 % interval " in told
    assert "(the 3 unfamiliar among them have an empty set), with 0.70" in told
    assert words in told


def test_the_sentences_of_an_ensemble() -> None:
    note = "no abstaining: too few images"
    members = (rules(), rules(temperature=1.5), rules(notes=(note,)))
    found = replace(example(rules()), rules=members)
    told = uncertainty_sentences(found)
    assert "mean of those of 3 networks" in told[0] and "1.25 to 1.50)" in told[0]
    assert "at least 80.0\u202f% (Gasparin and Ramdas, 2024), mostly in nearly as many." in told[1]
    assert f"({found.coverage[''].count} of 60; " in told[1]
    assert "its 3 members do and where its prediction set is not its answer alone." in told[2]
    assert "Not every member knows what is unfamiliar" in told[3]
    assert told[4:] == [f"Note: member 3: {note}."]
    mixed = replace(found, rules=(rules(), rules(abstain=AbstainRule(by="never"))))
    assert "its answer alone" not in " ".join(uncertainty_sentences(mixed))
    share = found.coverage[""]
    odd = " ".join(uncertainty_sentences(replace(found, unfamiliar=share)))
    assert "where more than half of the members find it so. Of these images" in odd
    assert "members do, where its prediction set is not its answer alone and where the" in odd


def test_the_rows_hold_all_figures() -> None:
    found = example(rules())
    assert len(calibration_rows(found)) == 5
    assert [name for name, _, _ in set_rows(found)] == ["all images", *CLASSES]
    assert main_uncertainty({}, "test") is None
    assert main_uncertainty({"validation": found}, "test") is found


def test_the_charts_hold_every_bin_and_the_rule_as_delivered() -> None:
    found = example(rules())
    reliability, answered = calibration_charts(found)
    axes = sheet(85, 70).subplots()
    reliability.draw(axes)
    after = axes.get_lines()[-1]
    assert len(found.points) == len(found.points_before) == 6
    assert list(after.get_xdata()) == [100 * one.confidence for one in found.points]
    assert list(after.get_ydata()) == [100 * one.accuracy.value for one in found.points]
    assert [one.get_text() for one in axes.texts] == [str(one.accuracy.n) for one in found.points]
    axes = sheet(85, 70).subplots()
    answered.draw(axes)
    curve, mark = axes.get_lines()
    assert len(curve.get_xdata()) == len(found.curve.answered)
    assert found.answered is not None and found.accuracy_answered is not None
    assert list(mark.get_xdata()) == [100 * found.answered.value]
    assert list(mark.get_ydata()) == [100 * found.accuracy_answered.value]
    assert f"{text.percent(found.answered.value)}" in answered.words
