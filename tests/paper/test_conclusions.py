"""What the experiment's report says first, from figures made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actinscope.evaluation import evaluate, linear_contrast
from actinscope.paper.conclusions import OTHER_IMAGES, conclude, notices_of
from actinscope.paper.networks import PlannedNetwork
from actinscope.paper.results import ProtocolResult, step_between
from actinscope.paper.tables import NetworkResults
from actinscope.training import Recipe, change_recipe


def result(own: int, unseen: int, *, n: int = 100, groups: int = 20) -> ProtocolResult:
    """``own`` and ``unseen`` of ``n`` images right, spread over the groups."""
    labels = np.arange(n) % 2
    evaluations = {}
    for part, right in (("test", own), ("unseen", unseen), ("unseen_plain", unseen)):
        answers = np.where(np.arange(n) < right, labels, 1 - labels)
        evaluations[part] = evaluate(
            labels,
            np.eye(2)[answers],
            classes=("a", "b"),
            groups=[str(number % groups) for number in range(n)],
            seed=0,
            resamples=20,
        )
    accuracy = [evaluations[part].metrics["accuracy"] for part in ("test", "unseen")]
    optimism = linear_contrast((1, -1), accuracy)
    return ProtocolResult(evaluations, optimism, ((own / n, unseen / n),), (), (Path("run"),))


def network(**results: ProtocolResult) -> NetworkResults:
    planned = PlannedNetwork("vgg16", "VGG-16", Recipe(), None)
    return NetworkResults(planned, results)


def test_a_clear_leak_is_called_flattery() -> None:
    said = conclude("field", 3, [network(published=result(99, 70), honest=result(71, 70))])
    assert "VGG-16 names the class of 99.0 %" in said.sentence
    assert "of samples (field) that it never saw: the protocol flatters by 29.0 points" in (
        said.sentence
    )
    assert said.tone == "caution"
    assert said.reasons[0].startswith("Divided by group before augmenting, VGG-16 claims 71.0 %")
    assert OTHER_IMAGES in said.reasons


def test_a_difference_that_may_be_chance_is_called_that() -> None:
    said = conclude("field", 3, [network(published=result(80, 76))])
    assert "the difference is +4.0 points" in said.sentence
    assert "which may be chance" in said.sentence
    assert "flatters" not in said.sentence


def test_a_protocol_that_claims_too_little_does_not_flatter() -> None:
    said = conclude("field", 3, [network(published=result(50, 95))])
    assert "the difference is \u221245.0 points" in said.sentence
    assert "flatters" not in said.sentence and "chance" not in said.sentence


def test_limits_are_told() -> None:
    said = conclude(None, 1, [network(published=result(9, 8, n=10, groups=4))])
    told = " ".join(said.reasons)
    assert "No group (field, slide, culture, donor) was named" in told
    assert "come from 4 groups: too few for intervals" in told
    assert "one repeat only" in told
    assert "(no interval)" in said.sentence


def test_the_honest_protocol_alone() -> None:
    said = conclude("donor", 5, [network(honest=result(90, 85))])
    assert said.sentence.startswith("VGG-16 names the class of 85.0 %")


def test_random_weights_are_a_bad_verdict() -> None:
    one = network(published=result(90, 85))
    random = change_recipe(Recipe(), {"network": {"weights": "none"}})
    one = replace(one, planned=replace(one.planned, recipe=random))
    said = conclude("field", 3, [one])
    assert said.tone == "bad"
    assert "VGG-16 (RANDOM WEIGHTS) names" in said.sentence
    assert any("says anything about the method" in text for text in notices_of([one]))


def test_a_network_that_was_not_trained_is_noticed() -> None:
    missing = NetworkResults(PlannedNetwork("a", "A", Recipe(), None, "no weights"), {})
    assert "A was not trained: no weights" in notices_of([missing])
    assert not any("LEAK" in text for text in notices_of([missing]))
    assert any("LEAK" in text for text in notices_of([network(published=result(9, 9, n=10))]))


def test_what_a_step_costs() -> None:
    step = step_between(result(95, 80), result(85, 82))
    assert step.value == pytest.approx(0.15 - 0.03)
    assert step.low < step.value < step.high
