"""What is written about a cross-validation: its own figures, and no claim beyond them."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.training import load_recipe
from actinscope.writeup import Facts
from actinscope.writeup.diagnostics import AuditFacts, Diagnostics
from actinscope.writeup.documents import methods_paragraphs
from actinscope.writeup.facts import TrainingSummary
from helpers.run_facts import (
    answers_of,
    card_of,
    evaluated,
    paragraph,
    toy_folds,
    toy_model,
    toy_worth,
)
from helpers.tiny_training import tiny_preprocess


def text_of(facts: Facts) -> str:
    answers = [item.answer for item in answers_of(facts).values()]
    card = card_of(facts) if facts.folds and facts.folds.refit else ""
    return "\n".join([*methods_paragraphs(facts).values(), *answers, card])


@pytest.mark.parametrize(
    "facts",
    [
        toy_folds(),
        toy_folds(group=None),
        toy_folds(refit=None, synthetic=True),
        toy_folds(weights="none"),
        toy_folds(load_recipe("boosted-trees")),
        toy_folds(load_recipe("paper"), repeats=3),
    ],
)
def test_every_item_is_answered_or_left_to_someone(facts: Facts) -> None:
    found = answers_of(facts)
    assert len(found) == 21 + 32
    for item in found.values():
        assert item.source in {"run", "author", "not done"}, item.number
        assert len(item.answer) > 15, item.number
    text = text_of(facts)
    assert "  " not in text and "None images" not in text and " nan" not in text


def test_figures_are_of_the_procedure_and_never_of_the_model() -> None:
    facts = toy_folds()
    assert "This model was tested on no image" in paragraph(facts, "Model for new images")
    assert "epoch 11 of 12" in paragraph(facts, "Model for new images")
    assert "(epochs 4 to 9)" in paragraph(facts, "Training")
    told = paragraph(facts, "Evaluation")
    # Folds of 0.8 and 0.9: mean 0.85, standard deviation 0.0707.
    assert "80.0 % to 90.0 %, on average 85.0 % with a standard deviation of 7.1 points" in told
    assert "not of one model: 2 models were trained" in told
    text = text_of(facts)
    assert "Test part" not in text and "test part" not in text.replace("all test parts", "")
    for number in ("5e", "7c", "E3 comparison", "5f"):
        assert answers_of(facts)[number].source == "not done", number


def test_without_groups_nothing_is_called_independent() -> None:
    text = text_of(toy_folds(group=None))
    for claim in ("stayed in one fold. Images with", "its whole", "stands in two folds"):
        assert claim not in text, claim
    assert "split one by one" in text
    assert "NOT independent" in text and "upper bound" in text


def test_copies_in_different_folds_are_a_caution() -> None:
    apart = AuditFacts(copies=3, apart=2, apart_from_test=2)
    facts = toy_folds(diagnostics=Diagnostics(audit=apart))
    assert "2 pairs of images show the same cells" in paragraph(facts, "Caution")
    assert "3 pairs, 2 in different folds, which are NOT independent" in text_of(facts)
    together = toy_folds(diagnostics=Diagnostics(audit=AuditFacts(copies=3)))
    assert "show the same cells" not in methods_paragraphs(together).get("Caution", "")
    assert "3 pairs, none of them in different folds" in paragraph(together, "Checks")


def test_few_groups_are_a_caution() -> None:
    few = toy_folds(result=evaluated(3, 40, 3))
    assert "come from 3 donors only" in paragraph(few, "Caution")


def test_scaling_that_differs_is_told_from_least_to_most() -> None:
    fitted = [
        tiny_preprocess().model_copy(
            update={"intensity": "percentile", "low": (low,), "high": (high,)}
        )
        for low, high in ((10.0, 900.0), (12.5, 880.0))
    ]
    folds = tuple(toy_model(f"fold-1-{n}", preprocess=one) for n, one in enumerate(fitted, 1))
    told = paragraph(toy_folds(models=folds), "Preprocessing")
    assert "(lower end 10 to 12.5, upper end 880 to 900 over the folds)" in told
    other = fitted[1].model_copy(update={"size": 99, "description": "other."})
    folds = (folds[0], toy_model("fold-1-2", preprocess=other))
    assert "differed between the folds" in paragraph(toy_folds(models=folds), "Preprocessing")


def test_models_of_unlike_size_are_given_no_size() -> None:
    other = toy_model("fold-1-2", frozen_layers=50, trained_layers=94, trained_parameters=3_000_000)
    facts = toy_folds(models=(toy_model("fold-1-1"), other))
    told = paragraph(facts, "Network")
    assert "3,415,586 parameters" in told and "frozen" not in told


def test_temperatures_are_counted() -> None:
    (rules,) = toy_worth(ood=False).rules  # temperature 1.25
    folds = (toy_model("fold-1-1", reliability=rules), toy_model("fold-1-2"))
    told = paragraph(toy_folds(models=folds), "Probabilities")
    assert "In 1 of 2 all logits were divided by a temperature of its own" in told
    assert "(1.25); the others were left as they are" in told


def test_boosted_trees_are_told_as_such() -> None:
    training = TrainingSummary(144, 0, 3_400_000, 0, 30, 20, features=1280, trees=40)
    recipe = load_recipe("boosted-trees")
    folds = tuple(toy_model(f"fold-1-{n}", recipe=recipe, training=training) for n in (1, 2))
    refit = toy_model("refit", recipe=recipe, training=training)
    facts = toy_folds(recipe, models=folds, refit=refit)
    assert "Of 30 rounds the first 20 were kept in each fold" in paragraph(facts, "Training")
    assert "The first 20 of 30 rounds were kept" in paragraph(facts, "Model for new images")
    text = text_of(facts)
    for words in ("epoch ", "Adam", "frozen", "softmax"):
        assert words not in text, words
    assert np.isfinite(facts.training_seconds)
