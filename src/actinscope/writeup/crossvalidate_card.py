"""The card of a model that was delivered after a cross-validation, and was tested on nothing.

Its figures are those of the procedure that made it, and every place says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from actinscope.bundle import BundleInfo
from actinscope.evaluation import level_words
from actinscope.preprocess import Preprocess
from actinscope.wording import escaped
from actinscope.writeup.card import (
    TRY_IT,
    VERIFY,
    bullets,
    details,
    ethics,
    factors,
    figures_table,
    intended,
    lay_out,
    origin,
    out_of_scope,
    part_words,
)
from actinscope.writeup.crossvalidate_facts import FoldsFacts, Model
from actinscope.writeup.crossvalidate_methods import folds_cautions, folds_paragraphs
from actinscope.writeup.methods_images import group_words, preprocessing_sentences


def refit_card(facts: FoldsFacts, model: Model) -> str:
    """The card of the model that was trained on all images."""
    info = model.info
    made = (info.created, info.actinscope_version)
    read = list(dict.fromkeys(note for one in info.golden for note in one.notes))
    return _card(
        facts,
        info.preprocess,
        "This very model was tested on no image: every figure here is an estimate by "
        f"{facts.count}-fold cross-validation of the way of training that made it.",
        {
            "Model details": bullets(details(facts, model.recipe, model.trained, made)),
            "Training data": "\n\n".join(
                (
                    escaped(" ".join(part_words(facts, part) for part in model.parts)),
                    escaped(" ".join(preprocessing_sentences((info.preprocess,), read))),
                )
            ),
            "Ethical considerations": ethics("validation"),
        },
    )


def ensemble_card(facts: FoldsFacts, info: BundleInfo) -> str:
    """The card of the mean of the models of all folds."""
    every = f"all {facts.images} images{group_words(facts.groups, facts)}"
    return _card(
        facts,
        info.preprocess,
        "This ensemble was tested on no image: every figure here is of models like its "
        f"{len(info.members)} members one by one, by {facts.count}-fold cross-validation.",
        {
            "Model details": bullets(_members(facts, info)),
            "Training data": escaped(
                f"Every member was trained on what one fold did not test; together, training and "
                f"validation, they saw {every}. {dict(folds_paragraphs(facts))['Folds']}"
            ),
            "Ethical considerations": ethics("study's"),
        },
    )


def _members(facts: FoldsFacts, info: BundleInfo) -> Iterator[str]:
    yield f"{info.network.title}; image classifier with {len(info.classes)} classes."
    yield f"Made {info.created} with actinscope {info.actinscope_version}."
    yield "Prediction sets, abstaining and unfamiliar images follow the votes of its members."
    yield from origin(facts)
    yield "[AUTHOR: who made it, how to reach them, licence of this model, how to cite it.]"


def _card(facts: FoldsFacts, preprocess: Preprocess, untested: str, own: dict[str, str]) -> str:
    """What both have in common, with the sections of ``own`` in their places."""
    found = facts.result
    text = dict(folds_paragraphs(facts))
    heading = (
        f"Pooled test predictions of {facts.count} folds, {found.n} images, not of this model:"
    )
    where = "All figures are in metrics.json of the cross-validation"
    where += ", and in bundle.json." if facts.deployed == "refit" else "."
    return lay_out(
        facts.classes,
        (untested, *folds_cautions(facts)),
        {
            "Model details": [own["Model details"]],
            "Intended use": [bullets(intended(facts, preprocess))],
            "Out of scope": [bullets(out_of_scope(unnamed=facts.leaves_unfamiliar_unnamed))],
            "Factors": [escaped(factors(facts))],
            "Metrics": [f"{escaped(found.interval_method)} {where}"],
            "Evaluation data": [escaped(f"None for this model. {text['Folds']}")],
            "Training data": [own["Training data"]],
            "Quantitative analyses": [
                figures_table(found, heading, facts.baseline),
                *(escaped(" ".join(level_words(level))) for level in facts.levels),
            ],
            "Ethical considerations": [own["Ethical considerations"]],
            "Caveats and recommendations": [bullets(_caveats(facts, untested))],
            "How to verify": [VERIFY if facts.deployed == "refit" else _VERIFY_ENSEMBLE],
        },
    )


_VERIFY_ENSEMBLE = (
    "`actinscope bundle verify BUNDLE` checks the hashes of all files that bundle.json names and "
    "replays the golden images. This card is not among them."
)


def _caveats(facts: FoldsFacts, untested: str) -> Iterator[str]:
    yield untested
    yield from folds_cautions(facts)
    if not facts.accuracy.has_interval:
        yield "There is no interval: the figures tell little about other samples."
    if not facts.by_image:
        yield "The folds hold other groups each, but all of the same study."
    yield TRY_IT
