"""The methods paragraph of a paper, written from the facts of a run.

A sentence stands here only where the facts bear it; what they cannot know is left to the
author in square brackets. Cautions are part of the text, so that they go where it goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from actinscope.evidence import (
    FEWEST_UNITS,
    RULE_WORDS,
    counted,
    level_words,
    plural,
)
from actinscope.experiment.check_words import check_sentences, probability_sentences
from actinscope.experiment.citations import citations
from actinscope.experiment.facts import RunFacts
from actinscope.experiment.methods_training import amount, network_sentences, training_sentences
from actinscope.experiment.wording import figure, listed, share
from actinscope.study import TEST, TRAIN, VALIDATION

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
        *((("Caution", " ".join(cautions(facts))),) if cautions(facts) else ()),
        ("Images", " ".join(_images(facts))),
        ("Split", " ".join(_split(facts))),
        ("Preprocessing", " ".join(_preprocessing(facts))),
        ("Augmentation", " ".join(_augmentation(facts))),
        ("Network", " ".join(network_sentences(facts))),
        ("Training", " ".join(training_sentences(facts))),
        ("Evaluation", " ".join(_evaluation(facts))),
        *_paragraph("Probabilities", probability_sentences(facts)),
        *((("Levels", " ".join(_levels(facts))),) if facts.levels else ()),
        *_paragraph("Checks", check_sentences(facts)),
        ("Software", " ".join(_software(facts))),
        ("References", " ".join(citations(facts))),
    )


def _paragraph(heading: str, sentences: Iterator[str]) -> tuple[Paragraph, ...]:
    """The paragraph, or none where there is nothing to say."""
    told = " ".join(sentences)
    return ((heading, told),) if told else ()


def methods_markdown(facts: RunFacts) -> str:
    """The same as a Markdown file."""
    paragraphs = (f"**{heading}.** {escaped(text)}" for heading, text in methods_paragraphs(facts))
    return "# Methods\n\n" + "\n\n".join(paragraphs) + "\n"


def escaped(text: str) -> str:
    """Foreign text in Markdown: no tags, no columns, no links of its own."""
    for sign in "\\<|`*":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("](", "]\\(")


def cautions(facts: RunFacts) -> tuple[str, ...]:
    """What limits every figure of the run; the gravest first."""
    found = []
    if facts.synthetic:
        found.append("The images are SYNTHETIC: no figure says anything about real cells.")
    if facts.random_weights:
        found.append(
            "The network started from RANDOM weights, not from pretrained ones: the figures say "
            "nothing about transfer learning."
        )
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
    if facts.group is not None and (facts.test.groups or 0) < FEWEST_UNITS:
        found.append(
            f"The test images come from {counted(facts.test.groups or 0, facts.group)} only: too "
            f"few to say how the model does on another {_word(facts)}."
        )
    return (*found, *facts.checks.doubts)


def group_words(count: int | None, facts: RunFacts) -> str:
    """ " from 12 fields", or nothing where no groups are known."""
    return "" if count is None or facts.group is None else f" from {counted(count, facts.group)}"


def _images(facts: RunFacts) -> Iterator[str]:
    classes = [f"{name} ({number})" for name, number in facts.by_class.items()]
    kind = "single-cell images" if facts.crop_size else "images"
    drawn = "synthetic " if facts.synthetic else ""
    yield (
        f"The data were {facts.images} {drawn}{kind}{group_words(facts.groups, facts)} in "
        f"{len(facts.classes)} classes: {listed(classes)}."
    )
    if facts.crop_size:
        yield (
            f"Each cell was cut from its field of view as a square of {facts.crop_size} pixels "
            "around its position, with its surroundings."
        )
    if facts.left_out:
        yield f"{facts.left_out} further images could not be read or predicted and were left out."
    if facts.duplicates:
        sets = "set" if facts.duplicates == 1 else "sets"
        yield f"{facts.duplicates} {sets} of images with identical pixels were found."
    yield (
        "[AUTHOR: cells, staining, microscope, objective, pixel size, exposure; what one image "
        "shows; who gave the labels and how.]"
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
        if facts.group is not None:
            yield f"All images of one {_word(facts)} stayed in one part."
        yield "Images with identical pixels stayed in one part."
        if shares.keep_copies:
            yield "So did images found to be changed copies of each other."
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
        yield f"No {_word(facts)} lay in two parts."
    if not facts.leak:
        yield (
            "Test images took no part in fitting the intensity range, in training or in the "
            f"choice of the {facts.choice}."
        )


def _word(facts: RunFacts) -> str:
    return counted(1, facts.group or "image").removeprefix("1 ")


def _preprocessing(facts: RunFacts) -> Iterator[str]:
    settings = facts.preprocess
    chosen = [settings.channel_names[plane] for plane in settings.planes]
    if len(settings.channel_names) > 1:
        yield f"Of {len(settings.channel_names)} channels {listed(chosen)} were used."
    for note in facts.reading:
        yield f"On reading: {note}."
    percentiles = f"the percentiles {settings.low_percentile:g} and {settings.high_percentile:g}"
    pairs = list(dict.fromkeys(zip(settings.low, settings.high, strict=True)))
    ranges = listed([f"{low:g} to {high:g}" for low, high in pairs] or [""])
    if settings.intensity == "divide":
        yield f"Pixel values were divided by {settings.high[0]:g}."
    elif settings.intensity == "fixed":
        yield f"Pixel values {ranges} were mapped linearly to 0 to 1 and clipped."
    elif settings.intensity == "per_image":
        yield (
            f"In every image by itself, {percentiles} of the pixel values were mapped linearly to "
            "0 and 1, and values beyond were clipped."
        )
    else:
        yield (
            f"Pixel values were mapped linearly to 0 to 1 and clipped between {percentiles} of "
            f"the pooled pixels of the training part ({ranges})."
        )
    shaped = "stretched" if settings.resize == "stretch" else "resized in shape and padded"
    yield f"Images were {shaped} to {settings.size} x {settings.size} pixels."
    if len(settings.planes) == 1 and settings.network_channels > 1:
        yield f"The one channel was given to all {settings.network_channels} input channels."
    means = ", ".join(f"{value:.3f}" for value in dict.fromkeys(settings.mean))
    deviations = ", ".join(f"{value:.3f}" for value in dict.fromkeys(settings.std))
    yield f"The network's input is this value minus {means}, divided by {deviations}."


def _augmentation(facts: RunFacts) -> Iterator[str]:
    settings, training = facts.recipe.augmentation, facts.recipe.training
    if not facts.augmented:
        yield "Training images were not augmented."
        return
    low, high = settings.zoom_range
    kinds = [
        ("left-right flips", settings.horizontal_flip),
        ("up-down flips", settings.vertical_flip),
        (f"rotation by up to {settings.rotation_degrees:g} degrees", settings.rotation_degrees),
        (f"horizontal shift by up to {100 * settings.width_shift:g} %", settings.width_shift),
        (f"vertical shift by up to {100 * settings.height_shift:g} %", settings.height_shift),
        (f"shear by up to {settings.shear_degrees:g} degrees", settings.shear_degrees),
        (f"zoom factors from {low:g} to {high:g}", (low, high) != (1.0, 1.0)),
        (f"intensity gain (parameter {settings.intensity_gain:g})", settings.intensity_gain),
        (f"gamma (parameter {settings.gamma:g})", settings.gamma),
        (f"Gaussian noise of a standard deviation of up to {settings.noise:g}", settings.noise),
        (f"Gaussian blur of a sigma of up to {settings.blur:g} pixels", settings.blur),
    ]
    yield (
        "Training images only were varied at random: "
        f"{listed([text for text, used in kinds if used])}; pixels beyond the border were filled "
        f"with mode '{settings.fill}'."
    )
    if facts.forest is not None:
        was = "was" if training.views == 1 else "were"
        yield f"{amount(training.views, 'variant')} of each image {was} used."
    elif not training.views:
        yield "Every epoch showed a new variant of every image."
    else:
        views = "variant" if training.views == 1 else "variants"
        replaced = int((facts.epochs - 1) * training.refresh + 1e-9)
        yield (
            f"At most {training.views} {views} of each image were at hand at a time, their "
            "activations before the first trained layer computed once and stored"
            + (
                f"; over the run up to {replaced} new ones of each image replaced the oldest."
                if replaced
                else "."
            )
        )


def _evaluation(facts: RunFacts) -> Iterator[str]:
    test = facts.test
    new = " that took no part in training," if facts.held_out and facts.group is not None else ""
    yield (
        f"On the {test.n} test images{group_words(test.groups, facts)}{new} the accuracy was "
        f"{figure(facts.accuracy, 'accuracy', test.confidence)}; always naming the commonest "
        f"class is right for {share(facts.baseline)}."
    )
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
    if facts.by_image:
        yield "They take images as independent, which images of one sample are not."
    others = [
        f"{share(facts.evaluations[part].metrics['accuracy'].value)} on the "
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


def _levels(facts: RunFacts) -> Iterator[str]:
    for level in facts.levels:
        rule = level.rule
        if level.evaluation is None:  # else the result names the rule
            yield f"Predictions were summed up to {rule.words} by {RULE_WORDS[rule.rule]}."
        if rule.fewest_cells > 1:
            yield f"No answer was given from fewer than {rule.fewest_cells} cells."
        if rule.agreement > 0:
            yield f"No answer was given unless {share(rule.agreement)} of the cells named it."
        yield from level_words(level)


def _software(facts: RunFacts) -> Iterator[str]:
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
        **({} if facts.forest is None else {"xgboost": "XGBoost", "xgboost-cpu": "XGBoost"}),
    }
    versions = dict.fromkeys(f"{names[key]} {known[key]}" for key in names if key in known)
    yield (
        f"actinscope {known['actinscope']} ran under Python {known['python']} with installed "
        f"versions {', '.join(versions)}; Keras computed with {known['backend']}."
    )
    steps = "epochs" if facts.forest is None else "rounds"
    device = "a GPU was at hand" if facts.gpu else "no GPU was used"
    yield (
        f"Platform: {known['platform']}, {known['cores']} processor cores; {device}. The {steps} "
        f"took {facts.training_seconds / 60:.1f} minutes. [AUTHOR: processor and memory.]"
    )
    yield (
        "All settings are in recipe.toml, every image with its part and hash in manifest.csv, and "
        "every prediction in predictions.csv of the run."
    )
