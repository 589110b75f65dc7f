"""Answers to the checklists DOME and REFORMS, from the facts of a run."""

from __future__ import annotations

from collections.abc import Mapping

from actinscope.report import Checklist
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.training import TreeEnsemble
from actinscope.wording import counted, percent
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
    told,
)
from actinscope.writeup.diagnostics_text import figure
from actinscope.writeup.facts import RunFacts
from actinscope.writeup.methods import cautions, methods_paragraphs


def checklists(facts: RunFacts) -> tuple[Checklist, ...]:
    """DOME and REFORMS, every item answered or left to the author by name."""
    return filled(_dome(facts), _reforms(facts))


def checklist_rows(lists: tuple[Checklist, ...]) -> list[list[str]]:
    """Rows of ``checklists.csv``."""
    header = ["checklist", "item", "question", "answer", "source"]
    return [header] + [
        [one.title, item.number, item.question, item.answer, item.source]
        for one in lists
        for item in one.items
    ]


def _dome(facts: RunFacts) -> dict[str, Answer]:
    text = dict(methods_paragraphs(facts))
    return shared_dome(facts, text) | {
        "D2 splits": by_run(_parts(facts)),
        "D3 redundancy": by_run(_separation(facts)),
        "D4 availability": by_author(
            "Write where images and manifest.csv (parts and hashes) are, and their licence."
        ),
        "O4 parameters": by_run(_parameters(facts)),
        "O5 features": by_run(features((facts.preprocess,)), "No features were selected."),
        "O6 fitting": by_run(_fitting(facts)),
        "O7 regularisation": by_run(regularisation(facts, facts.frozen_layers)),
        "O8 configuration": (
            "author",
            "Settings (recipe.toml), curve (history.csv) and model (bundle/) are in the run's "
            "folder. Write where you publish them, and under which licence.",
        ),
        "M1 interpretability": by_run("Black box.", check_words.maps_shown(facts)),
        "M2 output": by_run(
            f"Classification: one probability for each of {len(facts.classes)} classes.",
            f"The probabilities are {'' if check_words.is_calibrated(facts) else 'not '}"
            "calibrated; beside them stand a prediction set, whether an answer should "
            "be taken and, where the bundle can tell, whether the image is unfamiliar."
            if facts.checks.worth
            else "",
        ),
        "E1 evaluation": by_run(_evaluated(facts), *cautions(facts)),
        "E2 measures": by_run(
            "Accuracy, balanced accuracy, precision, recall, F1, Matthews correlation, AUROC, log "
            "loss and confusion matrix, of all parts (metrics.json).",
            "Of validation and test part also calibration errors, coverage and size of prediction "
            "sets, and accuracy of the images that are answered."
            if facts.checks.worth
            else "",
        ),
        "E3 comparison": told(check_words.compared(facts)),
        "E4 confidence": by_run(
            _uncertainty(facts), against_baseline(facts.accuracy, facts.baseline)
        ),
        "E5 availability": (
            "author",
            "Every prediction is in predictions.csv, every figure in metrics.json, the confusion "
            "matrices in tables/. Write where you publish them.",
        ),
    }


def _reforms(facts: RunFacts) -> dict[str, Answer]:
    text = dict(methods_paragraphs(facts))
    return shared_reforms(facts, text) | _reforms_study(facts, text) | _reforms_model(facts, text)


def _reforms_study(facts: RunFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    return {
        "2d": by_author("Put a README beside the data: the command at the end of the report."),
        "2e": by_author(
            "The command at the end of the report with recipe.toml and manifest.csv repeats this "
            "run. Add a script if the paper has results from elsewhere."
        ),
        "3a": by_author(
            "Say where, when and with what the images were taken, separately for the test part if "
            "it differs, and who labelled them, by which rule, blind or not."
        ),
        "3f": by_run(
            f"{facts.left_out} images that were listed could not be used; every other image is "
            "complete. Their share by class was not worked out."
        ),
        "4a": (
            "author",
            f"The run left out {facts.left_out} images, those that could not be read or "
            "predicted. Add what you left out before.",
        ),
        "4c": by_run(
            text["Preprocessing"],
            text["Augmentation"],
            "Of these only the intensity range may depend on data; it was taken from the training "
            "part."
            if facts.preprocess.intensity == "percentile"
            else "None of these depends on other images.",
        ),
    }


def _reforms_model(facts: RunFacts, text: Mapping[str, str]) -> dict[str, Answer]:
    return {
        "5a": by_run(
            f"Input: {features((facts.preprocess,))}",
            text["Network"],
            text["Training"],
            "One model is reported.",
        ),
        "5c": by_run(_evaluated(facts), text["Split"]),
        "5d": by_run(_selected(facts), "Whether other runs were made before is for the author."),
        "5e": not_done(
            "In this run no hyperparameter was tuned: all are those of the recipe. If several runs "
            "were compared, say which, how many, and by which part."
        ),
        "5f": told(check_words.baselines(facts)),
        "6a": by_run(_training_only(facts)),
        "6b": by_run(_separation(facts)),
        "7a": (
            "author",
            f"Metrics as in metrics.json; the {facts.choice} was chosen by "
            + ("validation loss" if facts.epoch_chosen else "its number alone")
            + ". Say which metric the claim rests on and why; with classes of unlike size balanced "
            "accuracy, not accuracy.",
        ),
        "7b": by_run(_uncertainty(facts)),
        "7c": told(check_words.tests_made(facts)),
        "8a": (
            "author",
            "No data from elsewhere were tested in this run: `actinscope evaluate` does that with "
            "images of another day, plate or laboratory. " + _reach(facts),
        ),
        "8b": by_author(
            "Name where it will not hold: other cells, stains, microscopes, densities, and "
            f"{check_words.limits(unnamed=facts.checks.leaves_unfamiliar_unnamed)}."
        ),
    }


def _parts(facts: RunFacts) -> str:
    told = []
    for part in (facts.part(TRAIN), facts.part(VALIDATION), facts.part(TEST)):
        groups = (
            "" if part.groups is None or facts.group is None else counted(part.groups, facts.group)
        )
        classes = ", ".join(f"{name} {number}" for name, number in part.by_class.items())
        told.append(
            f"{part.name} {part.images} images{f' from {groups}' if groups else ''} ({classes})"
        )
    use = "" if facts.epoch_chosen else "not "
    return (
        f"Three: {'; '.join(told)}. The validation part was {use}used to choose the {facts.choice}."
    )


def _separation(facts: RunFacts) -> str:
    return f"{_kept_apart(facts)} {check_words.copies(facts)}".strip()


def _kept_apart(facts: RunFacts) -> str:
    if facts.leak:
        return (
            "NOT independent: the parts that the manifest gives divide groups or identical images."
        )
    if facts.by_image:
        copies = " Identical images stay together." if facts.split_origin == "seed" else ""
        return (
            "No group was named, so the parts are NOT independent where images share a sample."
            f"{copies}"
        )
    how = {
        "seed": "by a random choice of whole groups",
        "manifest": "by the manifest",
        "caller": "before this run",
    }[facts.split_origin]
    copies = " Images with identical pixels stay together." if facts.split_origin == "seed" else ""
    return (
        f"Parts were made {how}; no {facts.group} stands in two parts.{copies} Whether one "
        f"{facts.group} is independent of another is for the author to say."
    )


def _parameters(facts: RunFacts) -> str:
    if facts.forest is not None:
        return (
            f"{facts.parameters:,} of the network, none of them trained, and "
            f"{_nodes(facts.forest):,} nodes of {len(facts.forest.trees)} trees, which were fitted."
        )
    return (
        f"{facts.parameters:,}, of which {facts.trained_parameters:,} were trained; given by "
        "the network and by how far it was frozen."
    )


def _nodes(forest: TreeEnsemble) -> int:
    return sum(len(tree.feature) for tree in forest.trees)


def _fitting(facts: RunFacts) -> str:
    found = facts.evaluations
    train, validation, test = (
        percent(found[part].metrics["accuracy"].value) for part in (TRAIN, VALIDATION, TEST)
    )
    fitted = (
        f"{facts.trained_parameters:,} trained parameters"
        if facts.forest is None
        else f"{_nodes(facts.forest):,} nodes of trees"
    )
    return (
        f"{fitted} against {found[TRAIN].n} training images. Compare the accuracies: training "
        f"{train}, validation {validation}, test {test}; the curves are in history.csv."
    )


def _evaluated(facts: RunFacts) -> str:
    part = facts.part(TEST)
    repeats = (
        "Whether other splits were run is for the author to say."
        if facts.split_origin == "caller"
        else "No cross-validation and no data from elsewhere in this run."
    )
    kind = (
        f"a test part of groups that took no part in training ({facts.group})"
        if facts.held_out
        else "a test part that is not known to be independent of the training part"
    )
    return (
        f"One split, {kind}: {part.images} images. Accuracy "
        f"{figure(facts.accuracy, 'accuracy', facts.test.confidence)}. {repeats}"
    )


def _selected(facts: RunFacts) -> str:
    if facts.recipe.training.keep == "best":
        step = "epoch" if facts.forest is None else "round"
        return f"By the lowest validation loss: {step} {facts.kept_epoch} of {facts.epochs}."
    if facts.epoch_chosen:
        return f"The last epoch, {facts.kept_epoch}; the validation loss decided when to stop."
    return f"The last epoch, {facts.kept_epoch}; nothing was selected."


def _training_only(facts: RunFacts) -> str:
    leak = " But images of the same groups, or identical ones, stand in both." if facts.leak else ""
    return (
        "The split came before scaling, augmentation and fitting. The intensity range is "
        + (
            "taken from training images; "
            if facts.preprocess.intensity == "percentile"
            else "independent of other images; "
        )
        + "augmentation and fitting used training images only"
        + (
            f", the choice of the {facts.choice} the validation images."
            if facts.epoch_chosen
            else "."
        )
        + leak
    )


def _uncertainty(facts: RunFacts) -> str:
    more = (
        " Images of one sample are not independent, which these intervals do not allow for."
        if facts.by_image
        else ""
    )
    return facts.test.interval_method + more


def _reach(facts: RunFacts) -> str:
    if facts.held_out:
        return f"The test part tells of another {facts.group} of the same study only."
    return "The test part does not tell of new samples."
