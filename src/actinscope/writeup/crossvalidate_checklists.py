"""Answers to the checklists DOME and REFORMS, from the facts of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping

from actinscope.report import Checklist
from actinscope.study import TRAIN, VALIDATION
from actinscope.wording import percent, span, spoken
from actinscope.writeup import diagnostics_text as check_words
from actinscope.writeup.checklist_answers import (
    Answer,
    against_baseline,
    by_author,
    by_run,
    features,
    filled,
    not_done,
    regularisation,
    shared_dome,
    shared_reforms,
)
from actinscope.writeup.crossvalidate_facts import FoldsFacts
from actinscope.writeup.crossvalidate_methods import (
    copies_found,
    folds_cautions,
    folds_paragraphs,
    mean_accuracy,
)
from actinscope.writeup.diagnostics_text import figure
from actinscope.writeup.facts import part_of
from actinscope.writeup.methods_images import group_word


def folds_checklists(facts: FoldsFacts) -> tuple[Checklist, ...]:
    """DOME and REFORMS, every item answered or left to the author by name."""
    text = dict(folds_paragraphs(facts))
    return filled(
        shared_dome(facts, text) | _dome(facts, text),
        shared_reforms(facts, text) | _reforms_study(facts, text) | _reforms_model(facts, text),
    )


def _dome(facts: FoldsFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    found = [fold.info.reliability for fold in facts.folds]
    calibrated = sum(one is not None and one.temperature != 1 for one in found)
    began = "Every search began with:" if facts.searched else ""
    return {
        "D2 splits": by_run(text["Folds"], "Images by class of each fold are in the report."),
        "D3 redundancy": by_run(_separation(facts)),
        "D4 availability": by_author(
            "Write where images, manifest.csv (hashes) and predictions.csv (the fold of each "
            "image) are, and their licence."
        ),
        "O4 parameters": by_run(_parameters(facts)),
        "O5 features": by_run(_features(facts), "No features were selected."),
        "O6 fitting": by_run(_fitting(facts)),
        "O7 regularisation": by_run(began, regularisation(facts, facts.trained.frozen_layers)),
        "O8 configuration": by_author(
            "Settings (recipe.toml), curves (history.csv) and models (bundle/) of every fold are "
            "in its folder. Write where you publish them, and under which licence."
        ),
        "M1 interpretability": by_run(
            "Black box. Maps of what a network looks at stand in the reports of the folds, as far "
            "as they were made; they were not judged together."
        ),
        "M2 output": by_run(
            f"Classification: one probability for each of {len(facts.classes)} classes.",
            f"{calibrated} of {len(found)} models give calibrated probabilities.",
        ),
        "E1 evaluation": by_run(_evaluated(facts), *folds_cautions(facts)),
        "E2 measures": by_run(
            "Accuracy, balanced accuracy, precision, recall, F1, Matthews correlation, AUROC, log "
            "loss and confusion matrix of the pooled test predictions, and the means over the "
            "folds (metrics.json); every fold's figures (folds.csv)."
        ),
        "E3 comparison": _compared(facts),
        "E4 confidence": by_run(
            _uncertainty(facts), against_baseline(facts.accuracy, facts.baseline)
        ),
        "E5 availability": by_author(
            "Every prediction is in predictions.csv, every figure in metrics.json, every fold in "
            "folds.csv. Write where you publish them."
        ),
    }


def _reforms_study(facts: FoldsFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    fitted = [fold.info.preprocess.intensity for fold in facts.folds]
    return {
        "2d": by_author("Put a README beside the data: the command at the end of the report."),
        "2e": by_author(
            "The command at the end of the report with the images, their labels and groups "
            "(manifest.csv) and recipe.toml repeats this cross-validation. Add a script if the "
            "paper has results from elsewhere."
        ),
        "3a": by_author(
            "Say where, when and with what the images were taken, separately for samples for "
            "which it differs, and who labelled them, by which rule, blind or not."
        ),
        "3f": by_run(
            f"{facts.left_out} images that were listed could not be read, {facts.missing} could "
            "not be predicted; every other image is complete. Their share by class was not worked "
            "out."
        ),
        "4a": by_author(
            f"{facts.left_out} images were left out, those that could not be read. Add what you "
            "left out before."
        ),
        "4c": by_run(
            text["Preprocessing"],
            text["Augmentation"],
            "Of these only the intensity range may depend on data; every fold took it from its "
            "own training part."
            if "percentile" in fitted
            else "None of these depends on other images.",
        ),
    }


def _reforms_model(facts: FoldsFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    unnamed = facts.leaves_unfamiliar_unnamed
    models = len(facts.folds) + (facts.refit is not None)
    return {
        "5a": by_run(
            f"Input: {_features(facts)}",
            text["Network"],
            text["Training"],
            f"{models} models were trained beside those of searches."
            if facts.searched
            else f"{models} models were trained.",
        ),
        "5c": by_run(_evaluated(facts), text["Folds"]),
        "5d": by_run(
            _selected(facts),
            text["Model for new images"],
            "Whether other runs were made before is for the author.",
        ),
        "5e": by_run(text["Searching"])
        if facts.searched
        else not_done(
            "No hyperparameter was tuned: all are those of the recipe. If several runs were "
            "compared, say which, how many, and by which figures."
        ),
        "5f": _baselines(facts),
        "6a": by_run(_training_only(facts)),
        "6b": by_run(_separation(facts)),
        "7a": by_author(
            f"Metrics as in metrics.json; the {facts.choice} of every fold was chosen by "
            + ("validation loss" if facts.epoch_chosen else "its number alone")
            + ". Say which metric the claim rests on and why; with classes of unlike size balanced "
            "accuracy, not accuracy."
        ),
        "7b": by_run(_uncertainty(facts)),
        "7c": not_done(_tests(facts)),
        "8a": by_author(
            "No data from elsewhere were tested: `actinscope evaluate` does that with images of "
            "another day, plate or laboratory. " + _reach(facts)
        ),
        "8b": by_author(
            "Name where it will not hold: other cells, stains, microscopes, densities, and "
            f"{check_words.limits(unnamed=unnamed)}."
        ),
    }


def _separation(facts: FoldsFacts) -> str:
    audit, kept = facts.checks.audit, facts.recipe.split.keep_copies
    found = copies_found(audit) if audit else "" if kept else "Near copies were not looked for."
    if facts.by_image:
        how = (
            "No group was named, so the folds are NOT independent where images share a sample. "
            "Identical images stay together."
        )
    else:
        word = group_word(facts)
        how = (
            f"Folds were made by a random choice of whole groups; no {word} stands in two folds, "
            "nor in two parts of one. Images with identical pixels stay together. Whether one "
            f"{word} is independent of another is for the author to say."
        )
    near = "Near copies (turned, shifted, recompressed) stay together, too." if kept else ""
    return " ".join(one for one in (how, near, found) if one)


def _parameters(facts: FoldsFacts) -> str:
    size = facts.trained
    if size.parameters is None or size.trained_parameters is None:
        return "Not the same in all folds, or not recorded; given by the network and its head."
    if facts.boosted_trees:
        trees = [fold.trained.trees for fold in facts.folds if fold.trained.trees is not None]
        fitted = f", and {span(trees)} trees in each fold, which were fitted" if trees else ""
        return f"{size.parameters:,} of the network, none of them trained{fitted}."
    return (
        f"{size.parameters:,} in every model, of which {size.trained_parameters:,} were trained; "
        "given by the network and by how far it was frozen."
    )


def _features(facts: FoldsFacts) -> str:
    return features([fold.info.preprocess for fold in facts.folds])


def _fitting(facts: FoldsFacts) -> str:
    images = span([part_of(fold.parts, TRAIN).images for fold in facts.folds])
    number = facts.trained.trained_parameters
    if facts.boosted_trees or number is None:
        fitted = f"Each model was fitted to {images} training images."
    else:
        fitted = f"{number:,} trained parameters against {images} training images in each fold."
    return (
        f"{fitted} Compare the mean accuracies over the folds, training "
        f"{mean_accuracy(facts, TRAIN)} and validation {mean_accuracy(facts, VALIDATION)}, with "
        f"{percent(facts.accuracy.value)} of the pooled test predictions; the curves are in each "
        "fold's history.csv."
    )


def _evaluated(facts: FoldsFacts) -> str:
    without = (
        "it, though perhaps with images of the same sample"
        if facts.by_image
        else f"it and its whole {spoken(facts.group or 'group')}"
    )
    often = f", {facts.repeats} times" if facts.repeats > 1 else ""
    figures = figure(facts.accuracy, "accuracy", facts.result.confidence)
    untested = (
        "" if facts.deployed == "none" else " The model for new images itself was not tested."
    )
    searched = " The search of settings never saw the images that tested it." * facts.searched
    return (
        f"By {facts.count}-fold cross-validation{often}: every image was named by a model trained "
        f"without {without}.{searched} Accuracy of the pooled predictions {figures}.{untested} "
        "No data from elsewhere were tested."
    )


def _compared(facts: FoldsFacts) -> Answer:
    commonest = f"always naming the commonest class ({percent(facts.baseline)} right)"
    if facts.extras and facts.recipe.controls:
        return by_run(
            f"With {commonest}, and in every fold with simple controls, which stand in its report "
            "and were not pooled. No other network and no published method was run."
        )
    return not_done(
        f"Only with {commonest}. No other method was run: --fold-extras tries simple controls in "
        "every fold, and `actinscope compare` takes a second cross-validation with the same folds."
    )


def _baselines(facts: FoldsFacts) -> Answer:
    if facts.extras and facts.recipe.controls:
        return by_run(
            "Baselines: the commonest class, and the controls in the reports of the folds, which "
            "were not tuned. Name other models you compare with and how they were tuned."
        )
    return not_done(
        "The only baseline is the commonest class. Name the models you compare with and how they "
        "were tuned."
    )


def _selected(facts: FoldsFacts) -> str:
    searched = "Settings were searched inside every fold. " if facts.searched else ""
    if facts.recipe.training.keep == "best":
        step = "round" if facts.boosted_trees else "epoch"
        chosen = f"every fold kept the {step} of its lowest validation loss"
    elif facts.epoch_chosen:
        chosen = "every fold kept its last epoch; the validation loss decided when to stop"
    else:
        chosen = "every fold kept its last epoch"
    return f"{searched}No fold was chosen by its test figures; {chosen}."


def _training_only(facts: FoldsFacts) -> str:
    fitted = [fold.info.preprocess.intensity for fold in facts.folds]
    scaling = (
        "taken from its training images" if "percentile" in fitted else "independent of images"
    )
    chosen = (
        f", the choice of the {facts.choice} its validation images" if facts.epoch_chosen else ""
    )
    audit = facts.checks.audit
    leak = " But copies of test images were among them." if audit and audit.apart else ""
    return (
        "Folds were made before scaling, augmentation and fitting. In every fold the intensity "
        f"range is {scaling}; augmentation and fitting used its training images only{chosen}."
        f"{leak}"
    )


def _uncertainty(facts: FoldsFacts) -> str:
    more = (
        " Images of one sample are not independent, which these intervals do not allow for."
        if facts.by_image
        else ""
    )
    return (
        f"{facts.result.interval_method}{more} Of the pooled test predictions; how training would "
        "fall out with other folds or another seed is not in them."
    )


def _tests(facts: FoldsFacts) -> str:
    audit = facts.checks.audit
    made = (
        f"The audit made {len(audit.confounds)} permutation tests for confounds, adjusted for "
        "their number. "
        if audit and audit.confounds
        else ""
    )
    return (
        f"{made}No statistical test was made of the pooled result. The interval of the accuracy "
        "can be read against the rate of the commonest class."
    )


def _reach(facts: FoldsFacts) -> str:
    if facts.by_image:
        return "The folds do not tell of new samples."
    return f"The folds tell of another {group_word(facts)} of the same study only."
