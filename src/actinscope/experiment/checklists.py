"""Answers to the checklists DOME and REFORMS, from the facts of a run.

Three kinds of answer: what the run knows, what was not done in it, and what only the
author can say, with what to write there. Nothing is answered by default.
"""

from __future__ import annotations

from collections.abc import Mapping

from actinscope.evidence import counted
from actinscope.experiment import check_words
from actinscope.experiment.checklist_items import DOME_ITEMS, REFORMS_ITEMS
from actinscope.experiment.citations import DOME, REFORMS
from actinscope.experiment.facts import RunFacts
from actinscope.experiment.methods import cautions, methods_paragraphs
from actinscope.experiment.wording import figure, listed, share
from actinscope.report import Checklist, ChecklistItem
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.training import Forest

Answer = tuple[str, str]
"""Who answers ("run", "author" or "not done"), and what."""


def checklists(facts: RunFacts) -> tuple[Checklist, ...]:
    """DOME and REFORMS, every item answered or left to the author by name."""
    return (
        _filled("DOME", DOME, DOME_ITEMS, _dome(facts)),
        _filled("REFORMS", REFORMS, REFORMS_ITEMS, _reforms(facts)),
    )


def checklist_rows(lists: tuple[Checklist, ...]) -> list[list[str]]:
    """Rows of ``checklists.csv``."""
    header = ["checklist", "item", "question", "answer", "source"]
    return [header] + [
        [one.title, item.number, item.question, item.answer, item.source]
        for one in lists
        for item in one.items
    ]


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


def _run(*sentences: str) -> Answer:
    return "run", " ".join(sentence for sentence in sentences if sentence)


def _author(text: str) -> Answer:
    return "author", text


def _not_done(text: str) -> Answer:
    return "not done", text


def _told(answer: tuple[bool, str]) -> Answer:
    """The answer to an item that the run may have seen to, or not."""
    done, text = answer
    return _run(text) if done else _not_done(text)


def _dome(facts: RunFacts) -> dict[str, Answer]:
    text = dict(methods_paragraphs(facts))
    return {
        "D1 provenance": _author(
            f"Write where the {facts.images} images come from (DOI), and who used them before."
        ),
        "D2 splits": _run(_parts(facts)),
        "D3 redundancy": _run(_separation(facts)),
        "D4 availability": _author(
            "Write where images and manifest.csv (parts and hashes) are, and their licence."
        ),
        "O1 algorithm": _run(text["Network"], "The network type is not new."),
        "O2 meta-predictions": _run("No: pixels are the only input."),
        "O3 encoding": _run(text["Preprocessing"], text["Augmentation"]),
        "O4 parameters": _run(_parameters(facts)),
        "O5 features": _run(_features(facts), "No features were selected."),
        "O6 fitting": _run(_fitting(facts)),
        "O7 regularisation": _run(_regularisation(facts)),
        "O8 configuration": (
            "author",
            "Settings (recipe.toml), curve (history.csv) and model (bundle/) are in the run's "
            "folder. Write where you publish them, and under which licence.",
        ),
        "M1 interpretability": _run("Black box.", check_words.maps_shown(facts)),
        "M2 output": _run(
            f"Classification: one probability for each of {len(facts.classes)} classes.",
            f"The probabilities are {'' if check_words.is_calibrated(facts) else 'not '}"
            "calibrated; beside them stand a prediction set, whether an answer should "
            "be taken and, where the bundle can tell, whether the image is unfamiliar."
            if facts.checks.worth
            else "",
        ),
        "M3 execution time": _not_done(
            "The time of one prediction was not measured in this run; measure it on your computer."
        ),
        "M4 software": _author(
            "Write where actinscope (MIT licence, version "
            f"{facts.environment['actinscope']}) and your bundle can be had."
        ),
        "E1 evaluation": _run(_evaluated(facts), *cautions(facts)),
        "E2 measures": _run(
            "Accuracy, balanced accuracy, precision, recall, F1, Matthews correlation, AUROC, log "
            "loss and confusion matrix, of all parts (metrics.json).",
            "Of validation and test part also calibration errors, coverage and size of prediction "
            "sets, and accuracy of the images that are answered."
            if facts.checks.worth
            else "",
        ),
        "E3 comparison": _told(check_words.compared(facts)),
        "E4 confidence": _run(_uncertainty(facts), _against_baseline(facts)),
        "E5 availability": (
            "author",
            "Every prediction is in predictions.csv, every figure in metrics.json, the confusion "
            "matrices in tables/. Write where you publish them.",
        ),
    }


def _reforms(facts: RunFacts) -> dict[str, Answer]:
    return _reforms_study(facts) | _reforms_model(facts)


def _reforms_study(facts: RunFacts) -> dict[str, Answer]:
    text = dict(methods_paragraphs(facts))
    individuals = (
        "No group was named, so the number of independent individuals is not known here."
        if facts.groups is None or facts.group is None
        else f"They come from {counted(facts.groups, facts.group)}."
    )
    return {
        "1a": _author("Name the cells, conditions and laboratories that the claim is about."),
        "1b": _author("Say why these, and not wider or narrower."),
        "1c": _author("Say why images are classified by a network and not by measured features."),
        "2a": _author("Give the DOI of the images; manifest.csv holds the hash of each."),
        "2b": _author(
            f"actinscope {facts.environment['actinscope']}: give the link or DOI of that version."
        ),
        "2c": _run(text["Software"]),
        "2d": _author("Put a README beside the data: the command at the end of the report."),
        "2e": _author(
            "The command at the end of the report with recipe.toml and manifest.csv repeats this "
            "run. Add a script if the paper has results from elsewhere."
        ),
        "3a": _author(
            "Say where, when and with what the images were taken, separately for the test part if "
            "it differs, and who labelled them, by which rule, blind or not."
        ),
        "3b": _author("Say how wells, fields and cells were chosen for imaging, and from what."),
        "3c": _author("Say why these images show what the classes differ in."),
        "3d": _run(
            f"The class of an image, one of {len(facts.classes)}: "
            f"{listed([f'{name} {share(n / facts.images)}' for name, n in facts.by_class.items()])}"
            " of the images. What a class means is for the author to say."
        ),
        "3e": _run(f"{_count_by_class(facts)}.", individuals),
        "3f": _run(
            f"{facts.left_out} images that were listed could not be used; every other image is "
            "complete. Their share by class was not worked out."
        ),
        "3g": _author("Say whether the samples stand for the population of 1a, and who is absent."),
        "4a": (
            "author",
            f"The run left out {facts.left_out} images, those that could not be read or "
            "predicted. Add what you left out before.",
        ),
        "4b": _run(
            "Every file was read and its pixels hashed before the split; unreadable and constant "
            "images were refused unless the recipe allows constant ones. "
            f"Sets of identical images found: {facts.duplicates}."
        ),
        "4c": _run(
            text["Preprocessing"],
            text["Augmentation"],
            "Of these only the intensity range may depend on data; it was taken from the training "
            "part."
            if facts.preprocess.intensity == "percentile"
            else "None of these depends on other images.",
        ),
    }


def _reforms_model(facts: RunFacts) -> dict[str, Answer]:
    text = dict(methods_paragraphs(facts))
    return {
        "5a": _run(
            f"Input: {_features(facts)}",
            text["Network"],
            text["Training"],
            "One model is reported.",
        ),
        "5b": _author(f"Say why {facts.network.title}, and what a simpler model reaches."),
        "5c": _run(_evaluated(facts), text["Split"]),
        "5d": _run(_selected(facts), "Whether other runs were made before is for the author."),
        "5e": _not_done(
            "In this run no hyperparameter was tuned: all are those of the recipe. If several runs "
            "were compared, say which, how many, and by which part."
        ),
        "5f": _told(check_words.baselines(facts)),
        "6a": _run(_training_only(facts)),
        "6b": _run(_separation(facts)),
        "6c": _author(
            "The input is pixels alone. Say whether anything in them but biology goes with the "
            "class: plate, day, exposure, file format, crop, labels burnt in. "
            + (check_words.confounds(facts) or "The run did not look for that.")
        ),
        "7a": (
            "author",
            f"Metrics as in metrics.json; the {facts.choice} was chosen by "
            + ("validation loss" if facts.epoch_chosen else "its number alone")
            + ". Say which metric the claim rests on and why; with classes of unlike size balanced "
            "accuracy, not accuracy.",
        ),
        "7b": _run(_uncertainty(facts)),
        "7c": _told(check_words.tests_made(facts)),
        "8a": (
            "author",
            "No data from elsewhere were tested in this run: `actinscope evaluate` does that with "
            "images of another day, plate or laboratory. " + _reach(facts),
        ),
        "8b": _author(
            "Name where it will not hold: other cells, stains, microscopes, densities, and "
            f"{check_words.limits(facts)}."
        ),
    }


def _count_by_class(facts: RunFacts) -> str:
    classes = listed([f"{name} {number}" for name, number in facts.by_class.items()])
    return f"{facts.images} images: {classes}"


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


def _nodes(forest: Forest) -> int:
    return sum(len(tree.feature) for tree in forest.trees)


def _features(facts: RunFacts) -> str:
    settings = facts.preprocess
    planes = "1 channel" if len(settings.planes) == 1 else f"{len(settings.planes)} channels"
    return f"{settings.size} x {settings.size} pixels of {planes}."


def _fitting(facts: RunFacts) -> str:
    found = facts.evaluations
    train, validation, test = (
        share(found[part].metrics["accuracy"].value) for part in (TRAIN, VALIDATION, TEST)
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


def _regularisation(facts: RunFacts) -> str:
    settings, trees = facts.recipe.training, facts.recipe.trees
    if facts.forest is not None:
        views = "augmentation, " if facts.augmented else ""
        return (
            f"An untouched network, {views}trees of a depth of at most {trees.depth} that see "
            f"{share(trees.features)} of the features each, the number of rounds of lowest "
            "validation loss."
        )
    structure = settings.loss == "class_structure"
    dropout = facts.recipe.network.head_dropout or 0.0
    done = [
        text
        for text, used in (
            (f"{facts.frozen_layers} frozen layers", facts.frozen_layers > 1),
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


def _against_baseline(facts: RunFacts) -> str:
    if not facts.accuracy.has_interval:
        return "Without an interval, superiority over the commonest class is not shown."
    if facts.accuracy.low > facts.baseline:
        return "The interval of the accuracy lies above the rate of the commonest class."
    return "The interval of the accuracy does not lie above the rate of the commonest class."


def _reach(facts: RunFacts) -> str:
    if facts.held_out:
        return f"The test part tells of another {facts.group} of the same study only."
    return "The test part does not tell of new samples."
