"""What is written about a cross-validation: its own figures, and no claim beyond them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actinscope.requests import NestedSearch
from actinscope.training import Recipe, change_recipe, load_recipe
from actinscope.writeup import AuditFacts
from actinscope.writeup.checklist_items import DOME_ITEMS, REFORMS_ITEMS
from actinscope.writeup.crossvalidate_card import refit_card
from actinscope.writeup.crossvalidate_checklists import folds_checklists
from actinscope.writeup.crossvalidate_facts import FoldsFacts
from actinscope.writeup.crossvalidate_methods import changed_settings, folds_paragraphs
from actinscope.writeup.diagnostics import Diagnostics
from actinscope.writeup.facts import Trained
from helpers.run_facts import (
    toy_folds,
    toy_model,
    toy_worth,
)
from helpers.tiny_training import tiny_preprocess


def text_of(facts: FoldsFacts) -> str:
    answers = [item.answer for one in folds_checklists(facts) for item in one.items]
    card = "" if facts.refit is None else refit_card(facts, facts.refit)
    return "\n".join([*(words for _, words in folds_paragraphs(facts)), *answers, card])


def paragraph(facts: FoldsFacts, heading: str) -> str:
    return dict(folds_paragraphs(facts))[heading]


SEARCH = NestedSearch(trials=7, minutes=5.0, folds=1)


@pytest.mark.parametrize(
    "facts",
    [
        toy_folds(),
        toy_folds(group=None),
        toy_folds(deployed="none", refit=None, synthetic=True),
        toy_folds(deployed="ensemble", refit=None, weights="none", weights_sha256=None),
        toy_folds(search=SEARCH, extras=True),
        toy_folds(load_recipe("boosted-trees")),
        toy_folds(load_recipe("paper"), pooled=toy_folds().pooled * 3),
    ],
)
def test_every_item_is_answered_or_left_to_someone(facts: FoldsFacts) -> None:
    dome, reforms = folds_checklists(facts)
    assert [item.number for item in dome.items] == list(DOME_ITEMS)
    assert [item.number for item in reforms.items] == list(REFORMS_ITEMS)
    for item in (*dome.items, *reforms.items):
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
        (item,) = (i for one in folds_checklists(facts) for i in one.items if i.number == number)
        assert item.source == "not done", number


def test_without_groups_nothing_is_called_independent() -> None:
    text = text_of(toy_folds(group=None))
    for claim in ("stayed in one fold. Images with", "its whole", "stands in two folds"):
        assert claim not in text, claim
    assert "images of one sample may lie in several folds" in text
    assert "NOT independent" in text and "upper bound" in text


def test_copies_in_different_folds_are_a_caution() -> None:
    apart = AuditFacts(copies=3, apart=2, apart_from_test=2)
    facts = toy_folds(checks=Diagnostics(audit=apart))
    assert paragraph(facts, "Caution").startswith("2 pairs of images of the same cells stood in")
    assert "3 pairs, 2 in different folds, which are NOT independent" in text_of(facts)
    together = toy_folds(checks=Diagnostics(audit=AuditFacts(copies=3)))
    assert "Caution" not in dict(folds_paragraphs(together))
    assert "3 pairs, none of them in different folds" in paragraph(together, "Checks")


def test_few_groups_are_a_caution() -> None:
    assert "come from 3 donors only" in paragraph(toy_folds(groups=3), "Caution")


def test_scaling_that_differs_is_told_from_least_to_most() -> None:
    fitted = [
        tiny_preprocess().model_copy(
            update={"intensity": "percentile", "low": (low,), "high": (high,)}
        )
        for low, high in ((10.0, 900.0), (12.5, 880.0))
    ]
    folds = tuple(toy_model(f"fold-1-{n}", preprocess=one) for n, one in enumerate(fitted, 1))
    told = paragraph(toy_folds(folds=folds), "Preprocessing")
    assert "(lower end 10 to 12.5, upper end 880 to 900 over the folds)" in told
    other = fitted[1].model_copy(update={"size": 99, "description": "other."})
    folds = (folds[0], toy_model("fold-1-2", preprocess=other))
    assert "differed between the folds" in paragraph(toy_folds(folds=folds), "Preprocessing")


def test_a_search_says_what_it_changed() -> None:
    begun = Recipe()
    found = change_recipe(begun, {"training": {"learning_rate": 0.003}}, seed=5)
    folds = (toy_model("fold-1-1"), toy_model("fold-1-2", recipe=found))
    assert list(changed_settings(begun, folds)) == [
        ("training.learning_rate", "0.0002", ["0.0002", "0.003"])
    ]
    told = paragraph(toy_folds(search=SEARCH, folds=folds), "Searching")
    assert "7 trials or 5 minutes at most, judged by the fold's validation part" in told
    assert "training.learning_rate 0.0002 became 0.0002, 0.003" in told
    facts = toy_folds(search=SEARCH, folds=folds)
    assert paragraph(facts, "Training").startswith("Every search began with what follows")


def test_models_of_unlike_size_are_given_no_size() -> None:
    other = replace(toy_model("fold-1-2"), trained=Trained(50, 94, 3_415_586, 3_000_000, 12, 9))
    facts = toy_folds(folds=(toy_model("fold-1-1"), other))
    told = paragraph(facts, "Network")
    assert "3,415,586 parameters" in told and "frozen" not in told


def test_temperatures_are_counted() -> None:
    (rules,) = toy_worth(ood=False).rules  # temperature 1.25
    folds = (toy_model("fold-1-1", reliability=rules), toy_model("fold-1-2"))
    told = paragraph(toy_folds(folds=folds), "Probabilities")
    assert "In 1 of 2 all logits were divided by a temperature of its own" in told
    assert "(1.25); the others were left as they are" in told


def test_boosted_trees_are_told_as_such() -> None:
    trained = Trained(144, 0, 3_400_000, 0, 30, 20, features=1280, trees=40)
    recipe = load_recipe("boosted-trees")
    folds = tuple(toy_model(f"fold-1-{n}", recipe=recipe, trained=trained) for n in (1, 2))
    refit = toy_model("refit", recipe=recipe, trained=trained)
    facts = toy_folds(recipe, folds=folds, refit=refit)
    assert "Of 30 rounds the first 20 were kept in each fold" in paragraph(facts, "Training")
    assert "The first 20 of 30 rounds were kept" in paragraph(facts, "Model for new images")
    text = text_of(facts)
    for words in ("epoch ", "Adam", "frozen", "softmax"):
        assert words not in text, words
    assert np.isfinite(facts.seconds)
