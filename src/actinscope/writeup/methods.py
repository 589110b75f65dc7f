"""The methods paragraph of a paper, written from the facts of a run.

A sentence stands here only where the facts bear it; what they cannot know is left to the
author in square brackets. Cautions are part of the text, so that they go where it goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from actinscope.evaluation import (
    FEWEST_CLUSTERS,
    RULE_WORDS,
    Evaluation,
    LevelEvaluation,
    level_words,
)
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.wording import counted, escaped, listed, percent, plural
from actinscope.writeup.citations import citations
from actinscope.writeup.diagnostics_text import check_sentences, figure, probability_sentences
from actinscope.writeup.facts import RunFacts, StudyFacts
from actinscope.writeup.methods_images import (
    augmentation_sentences,
    group_word,
    group_words,
    image_sentences,
    kept_together,
    preprocessing_sentences,
)
from actinscope.writeup.methods_training import network_sentences, training_sentences

Paragraph = tuple[str, str]
"""A heading and its text."""

_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "macro-averaged F1",
    "mcc": "Matthews correlation coefficient",
    "auroc": "area under the ROC curve",
}


def methods_paragraphs(facts: RunFacts) -> tuple[Paragraph, ...]:
    """The text in paragraphs, cautions first, references last."""
    return (
        *paragraph("Caution", cautions(facts)),
        ("Images", " ".join(image_sentences(facts))),
        ("Split", " ".join(_split(facts))),
        ("Preprocessing", " ".join(preprocessing_sentences((facts.preprocess,), facts.reading))),
        ("Augmentation", " ".join(augmentation_sentences(facts, facts.epochs))),
        ("Network", " ".join(network_sentences(facts, facts.trained))),
        ("Training", " ".join(training_sentences(facts))),
        ("Evaluation", " ".join(_evaluation(facts))),
        *paragraph("Probabilities", probability_sentences(facts)),
        *paragraph("Levels", level_sentences(facts.levels)),
        *paragraph("Checks", check_sentences(facts)),
        ("Software", " ".join(_software(facts))),
        ("References", " ".join(citations(facts, facts.test.interval_method))),
    )


def paragraph(heading: str, sentences: Iterable[str]) -> tuple[Paragraph, ...]:
    """The paragraph, or none where there is nothing to say."""
    told = " ".join(sentences)
    return ((heading, told),) if told else ()


def methods_markdown(paragraphs: Sequence[Paragraph]) -> str:
    """The same as a Markdown file."""
    blocks = (f"**{heading}.** {escaped(text)}" for heading, text in paragraphs)
    return "# Methods\n\n" + "\n\n".join(blocks) + "\n"


def cautions(facts: RunFacts) -> tuple[str, ...]:
    """What limits every figure of the run; the gravest first."""
    found = [*origin_cautions(facts)]
    if facts.leak:
        found.append(
            "Groups or identical images stand in more than one part: the test images are not new "
            "to the model, and the test figures are too good."
        )
    audit = facts.checks.audit
    if audit is not None and audit.apart_from_test and not facts.leak:
        pairs = "pair of images" if audit.apart_from_test == 1 else "pairs of images"
        found.append(
            f"{audit.apart_from_test} {pairs} of the same cells, one of them in the test part and "
            "one outside of it, were found: the test figures may be too good."
        )
    if facts.by_image:
        found.append(
            "No sample (field, slide, culture, donor) was named to be kept together, so images of "
            "one sample may lie in several parts: the test figures are an upper bound of what new "
            "samples would give."
        )
    if facts.group is not None and (facts.test.groups or 0) < FEWEST_CLUSTERS:
        found.append(
            f"The test images come from {counted(facts.test.groups or 0, facts.group)} only: too "
            f"few to say how the model does on another {group_word(facts)}."
        )
    return (*found, *facts.checks.doubts)


def origin_cautions(facts: StudyFacts) -> Iterator[str]:
    """That images or first weights are not what a reader takes them for."""
    if facts.synthetic:
        yield "The images are SYNTHETIC: no figure says anything about real cells."
    if facts.random_weights:
        yield (
            "The network started from RANDOM weights, not from pretrained ones: the figures say "
            "nothing about transfer learning."
        )


def _split(facts: RunFacts) -> Iterator[str]:
    if facts.split_origin == "manifest":
        yield "The parts for training, validation and test were fixed in advance in the manifest."
    elif facts.split_origin == "caller":
        yield "The parts for training, validation and test were fixed before this run."
    else:
        shares = facts.recipe.split
        aim = "/".join(f"{100 * part:g}" for part in (shares.train, shares.validation, shares.test))
        units = "images" if facts.group is None else plural(facts.group)
        yield (
            f"{units[0].upper()}{units[1:]} were assigned at random (seed {facts.recipe.seed}) to "
            f"training, validation and test, aiming at {aim} % of each class."
        )
        yield from kept_together(facts, "part")
    told = [
        f"{part.images} images{group_words(part.groups, facts)} ({name})"
        for part, name in (
            (facts.part(TRAIN), "training"),
            (facts.part(VALIDATION), "validation"),
            (facts.part(TEST), "test"),
        )
    ]
    yield f"The parts held {listed(told)}."
    if facts.split_origin != "seed" and facts.group is not None and not facts.leak:
        yield f"No {group_word(facts)} lay in two parts."
    if not facts.leak:
        yield (
            "Test images took no part in fitting the intensity range, in training or in the "
            f"choice of the {facts.choice}."
        )


def _evaluation(facts: RunFacts) -> Iterator[str]:
    test = facts.test
    new = " that took no part in training," if facts.held_out and facts.group is not None else ""
    yield (
        f"On the {test.n} test images{group_words(test.groups, facts)}{new} the accuracy was "
        f"{figure(facts.accuracy, 'accuracy', test.confidence)}; always naming the commonest "
        f"class is right for {percent(facts.baseline)}."
    )
    yield from figure_sentences(test, by_image=facts.by_image)
    others = [
        f"{percent(facts.evaluations[part].metrics['accuracy'].value)} on the "
        f"{facts.evaluations[part].n} {name} images"
        for part, name in ((VALIDATION, "validation"), (TRAIN, "training"))
    ]
    yield (
        f"For comparison, the accuracy was {listed(others)}; the model was fitted to the training "
        "images"
        + (
            f", and its {facts.choice} chosen by the validation images."
            if facts.epoch_chosen
            else "."
        )
    )


def figure_sentences(test: Evaluation, *, by_image: bool) -> Iterator[str]:
    """Every figure but the accuracy, and how the intervals were made."""
    others = [
        f"{title} {figure(test.metrics[name], name, test.confidence)}"
        for name, title in _METRICS.items()
        if math.isfinite(test.metrics[name].value)
    ]
    if others:
        yield f"Further figures: {'; '.join(others)}."
    recalls = [
        f"{name} {figure(own['recall'], 'recall', test.confidence)}"
        for name, own in test.per_class.items()
    ]
    yield f"Recall by class: {'; '.join(recalls)}."
    yield test.interval_method
    figures = [*test.metrics.values(), *(own["recall"] for own in test.per_class.values())]
    given = [one.has_interval for one in figures]
    if any(given) and not all(given):
        yield "A figure without interval rests on too few groups, or on resamples that agree."
    if by_image:
        yield "They take images as independent, which images of one sample are not."


def level_sentences(levels: Sequence[LevelEvaluation]) -> Iterator[str]:
    """What came out at the level of fields, wells or donors."""
    for level in levels:
        rule = level.rule
        if level.evaluation is None:  # else the result names the rule
            yield f"Predictions were summed up to {rule.words} by {RULE_WORDS[rule.rule]}."
        if rule.fewest_cells > 1:
            yield f"No answer was given from fewer than {rule.fewest_cells} cells."
        if rule.agreement > 0:
            yield f"No answer was given unless {percent(rule.agreement)} of the cells named it."
        yield from level_words(level)


def _software(facts: RunFacts) -> Iterator[str]:
    yield from software_sentences(facts)
    steps = "rounds" if facts.boosted_trees else "epochs"
    yield (
        f"The {steps} took {facts.training_seconds / 60:.1f} minutes. [AUTHOR: processor and "
        "memory.]"
    )
    yield (
        "All settings are in recipe.toml, every image with its part and hash in manifest.csv, and "
        "every prediction in predictions.csv of the run."
    )


def software_sentences(facts: StudyFacts) -> Iterator[str]:
    """Versions and machine."""
    known = facts.environment
    names = {
        "keras": "Keras",
        "tensorflow-cpu": "TensorFlow",
        "tensorflow": "TensorFlow",
        "numpy": "NumPy",
        "opencv-python-headless": "OpenCV",
        "scikit-learn": "scikit-learn",
        "openvino": "OpenVINO",
        "onnxruntime": "ONNX Runtime",
        **({"xgboost": "XGBoost", "xgboost-cpu": "XGBoost"} if facts.boosted_trees else {}),
    }
    versions = dict.fromkeys(f"{names[key]} {known[key]}" for key in names if key in known)
    yield (
        f"actinscope {known['actinscope']} ran under Python {known['python']} with installed "
        f"versions {', '.join(versions)}; Keras computed with {known['backend']}."
    )
    device = "a GPU was at hand" if facts.gpu else "no GPU was used"
    yield f"Platform: {known['platform']}, {known['cores']} processor cores; {device}."
