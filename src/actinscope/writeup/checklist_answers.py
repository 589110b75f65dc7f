"""Answers to the checklists that a run and a cross-validation give alike.

Three kinds of answer: what the run knows, what was not done in it, and what only the
author can say, with what to write there. Nothing is answered by default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actinscope.evaluation import Estimate
from actinscope.preprocess import Preprocess
from actinscope.report import Checklist, ChecklistItem
from actinscope.wording import counted, listed, percent, span
from actinscope.writeup import diagnostics_text as check_words
from actinscope.writeup.checklist_items import DOME_ITEMS, REFORMS_ITEMS
from actinscope.writeup.citations import DOME, REFORMS
from actinscope.writeup.facts import StudyFacts

Answer = tuple[str, str]
"""Who answers ("run", "author" or "not done"), and what."""


def filled(dome: Mapping[str, Answer], reforms: Mapping[str, Answer]) -> tuple[Checklist, ...]:
    """DOME and REFORMS with these answers.

    Raises:
        ValueError: an item has no answer.
    """
    return (
        _filled("DOME", DOME, DOME_ITEMS, dome),
        _filled("REFORMS", REFORMS, REFORMS_ITEMS, reforms),
    )


def _filled(
    title: str, citation: str, questions: Mapping[str, str], answers: Mapping[str, Answer]
) -> Checklist:
    if set(questions) != set(answers):
        raise ValueError(f"items without an answer: {sorted(set(questions) ^ set(answers))}")
    items = tuple(
        ChecklistItem(number, question, answers[number][1], answers[number][0])
        for number, question in questions.items()
    )
    return Checklist(title, citation, items)


def by_run(*sentences: str) -> Answer:
    """What the run knows; empty sentences are left out."""
    return "run", " ".join(sentence for sentence in sentences if sentence)


def by_author(text: str) -> Answer:
    """What only the author can say: what to write."""
    return "author", text


def not_done(text: str) -> Answer:
    """What the run did not do."""
    return "not done", text


def told(answer: tuple[bool, str]) -> Answer:
    """The answer to an item that the run may have seen to, or not."""
    done, text = answer
    return by_run(text) if done else not_done(text)


def shared_dome(facts: StudyFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    """Answers to items of DOME; ``text`` holds the methods by their headings."""
    return {
        "D1 provenance": by_author(
            f"Write where the {facts.images} images come from (DOI), and who used them before."
        ),
        "O1 algorithm": by_run(text["Network"], "The network type is not new."),
        "O2 meta-predictions": by_run("No: pixels are the only input."),
        "O3 encoding": by_run(text["Preprocessing"], text["Augmentation"]),
        "M3 execution time": not_done(
            "The time of one prediction was not measured in this run; measure it on your computer."
        ),
        "M4 software": by_author(
            "Write where actinscope (MIT licence, version "
            f"{facts.environment['actinscope']}) and your bundle can be had."
        ),
    }


def shared_reforms(facts: StudyFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    """Answers to items of REFORMS; ``text`` holds the methods by their headings."""
    individuals = (
        "No group was named, so the number of independent individuals is not known here."
        if facts.groups is None or facts.group is None
        else f"They come from {counted(facts.groups, facts.group)}."
    )
    return {
        "1a": by_author("Name the cells, conditions and laboratories that the claim is about."),
        "1b": by_author("Say why these, and not wider or narrower."),
        "1c": by_author("Say why images are classified by a network and not by measured features."),
        "2a": by_author("Give the DOI of the images; manifest.csv holds the hash of each."),
        "2b": by_author(
            f"actinscope {facts.environment['actinscope']}: give the link or DOI of that version."
        ),
        "2c": by_run(text["Software"]),
        "3b": by_author("Say how wells, fields and cells were chosen for imaging, and from what."),
        "3c": by_author("Say why these images show what the classes differ in."),
        "3d": by_run(
            f"The class of an image, one of {len(facts.classes)}: "
            f"{listed([f'{one} {percent(n / facts.images)}' for one, n in facts.by_class.items()])}"
            " of the images. What a class means is for the author to say."
        ),
        "3e": by_run(f"{count_by_class(facts)}.", individuals),
        "3g": by_author(
            "Say whether the samples stand for the population of 1a, and who is absent."
        ),
        "4b": by_run(
            "Every file was read and its pixels hashed before the split; unreadable and constant "
            "images were refused unless the recipe allows constant ones. "
            f"Sets of identical images found: {facts.duplicates}."
        ),
        "5b": by_author(f"Say why {facts.network.title}, and what a simpler model reaches."),
        "6c": by_author(
            "The input is pixels alone. Say whether anything in them but biology goes with the "
            "class: plate, day, exposure, file format, crop, labels burnt in. "
            + (check_words.confounds(facts) or "The run did not look for that.")
        ),
    }


def count_by_class(facts: StudyFacts) -> str:
    """How many images there are, of each class."""
    classes = listed([f"{name} {number}" for name, number in facts.by_class.items()])
    return f"{facts.images} images: {classes}"


def features(fitted: Sequence[Preprocess]) -> str:
    """Pixels and channels of the network's input, of one model or of several."""
    settings, sides = fitted[0], span([one.size for one in fitted])
    planes = "1 channel" if len(settings.planes) == 1 else f"{len(settings.planes)} channels"
    return f"{sides} x {sides} pixels of {planes}."


def regularisation(facts: StudyFacts, frozen: int | None) -> str:
    """What was done against overfitting; ``frozen`` layers, None where models differ in it."""
    settings, trees = facts.recipe.training, facts.recipe.trees
    if facts.boosted_trees:
        views = "augmentation, " if facts.augmented else ""
        return (
            f"An untouched network, {views}trees of a depth of at most {trees.depth} that see "
            f"{percent(trees.features)} of the features each, the number of rounds of lowest "
            "validation loss."
        )
    structure = settings.loss == "class_structure"
    dropout = facts.recipe.network.head_dropout or 0.0
    done = [
        text
        for text, used in (
            (f"{frozen} frozen layers", (frozen or 0) > 1),
            ("augmentation", facts.augmented),
            (f"dropout {dropout:g} in the new layers", dropout > 0),
            (f"label smoothing {settings.label_smoothing:g}", settings.label_smoothing > 0),
            ("a loss term that draws the embeddings of a class together", structure),
            ("the epoch of lowest validation loss", settings.keep == "best"),
            (f"early stopping after {settings.early_stopping} epochs", settings.early_stopping > 0),
        )
        if used
    ]
    return f"{listed(done).capitalize()}." if done else "Nothing by the recipe."


def against_baseline(accuracy: Estimate, baseline: float) -> str:
    """Whether the accuracy is shown to be above always naming the commonest class."""
    if not accuracy.has_interval:
        return "Without an interval, superiority over the commonest class is not shown."
    if accuracy.low > baseline:
        return "The interval of the accuracy lies above the rate of the commonest class."
    return "The interval of the accuracy does not lie above the rate of the commonest class."
