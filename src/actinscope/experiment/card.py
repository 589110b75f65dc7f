"""The model card that goes with a bundle (sections of Mitchell et al., FAT* 2019)."""

from __future__ import annotations

from collections.abc import Iterator

from actinscope.evidence import counted, level_words
from actinscope.experiment.check_words import confounds, limits, probability_sentences
from actinscope.experiment.citations import MODEL_CARDS
from actinscope.experiment.facts import RunFacts
from actinscope.experiment.methods import (
    cautions,
    escaped,
    group_words,
    methods_paragraphs,
)
from actinscope.experiment.wording import figure, listed, share
from actinscope.study import TEST, TRAIN, VALIDATION

CARD_FILE = "MODEL_CARD.md"
_OVERALL = ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "auroc", "log_loss")


def model_card(facts: RunFacts) -> str:
    """The card as Markdown; what must be known before any figure comes first."""
    blocks = [
        f"# Model card: {escaped(listed(list(facts.classes)))}",
        *(f"> **{escaped(text)}**" for text in cautions(facts)),
        "## Model details",
        _bullets(_details(facts)),
        "## Intended use",
        _bullets(_intended(facts)),
        "## Out of scope",
        _bullets(_out_of_scope(facts)),
        "## Factors",
        escaped(_factors(facts)),
        "## Metrics",
        f"{escaped(facts.test.interval_method)} All figures are in bundle.json.",
        "## Evaluation data",
        escaped(_data_of(facts, TEST)),
        "## Training data",
        escaped(f"{_data_of(facts, TRAIN)} {_data_of(facts, VALIDATION)}"),
        escaped(dict(methods_paragraphs(facts))["Preprocessing"]),
        "## Quantitative analyses",
        _figures(facts),
        *(escaped(" ".join(level_words(level))) for level in facts.levels),
        *((escaped(" ".join(probability_sentences(facts))),) if facts.checks.worth else ()),
        "## Ethical considerations",
        "[AUTHOR: consent and origin of human or animal material. The bundle holds a few of the "
        "test images with their file names (golden.npz): think before it is published.]",
        "## Caveats and recommendations",
        _bullets(_caveats(facts)),
        "## How to verify",
        "`actinscope verify BUNDLE` checks the hashes of all files that bundle.json names and "
        "replays the golden images. This card is not among them: the figures that count are those "
        "in bundle.json.",
        f"Layout after: {MODEL_CARDS}",
    ]
    return "\n\n".join(blocks) + "\n"


def _bullets(sentences: Iterator[str]) -> str:
    return "\n".join(f"- {escaped(text)}" for text in sentences)


def _details(facts: RunFacts) -> Iterator[str]:
    trees = "" if facts.forest is None else " and boosted trees"
    yield f"{facts.network.title}{trees}, image classifier with {len(facts.classes)} classes."
    yield f"Made {facts.created} with actinscope {facts.environment['actinscope']}."
    yield (
        f"Recipe {facts.recipe.name}, seed {facts.recipe.seed}, "
        f"{'weights of epoch' if facts.forest is None else 'trees up to round'} "
        f"{facts.kept_epoch} of {facts.epochs}."
    )
    yield f"{facts.parameters:,} parameters, {facts.trained_parameters:,} of them trained."
    if facts.weights == "imagenet":
        yield f"Started from: {facts.weights_text}; licence {facts.network.licence}."
    elif facts.weights == "file":
        yield f"Started from: {facts.weights_text}. [AUTHOR: licence of that file.]"
    else:
        yield "Started from random numbers; no licence of pretrained weights applies."
    yield "[AUTHOR: who made it, how to reach them, licence of this model, how to cite it.]"


def _intended(facts: RunFacts) -> Iterator[str]:
    crops = f", cells cut out as squares of {facts.crop_size} pixels" if facts.crop_size else ""
    channels = [facts.preprocess.channel_names[plane] for plane in facts.preprocess.planes]
    if facts.synthetic:
        yield "Demonstration only: the images that it learnt from are synthetic."
    yield (
        f"To name one of the classes {listed(list(facts.classes))} for images like those it was "
        f"trained on (input: {listed(channels)}{crops})."
    )
    yield "[AUTHOR: cells, stain, microscope, objective, and the question it was made for.]"


def _out_of_scope(facts: RunFacts) -> Iterator[str]:
    yield "Diagnosis, treatment, or any decision about a person."
    odd = limits(facts)
    yield (f"{odd[0].upper()}{odd[1:]}. A high probability does not mean that an answer is right.")
    yield "Other cells, stains, microscopes or exposures, unless tested on them."


def _factors(facts: RunFacts) -> str:
    grouped = (
        "No group (field, slide, plate, donor) was known, so how much the results differ between "
        "samples cannot be said."
        if facts.group is None
        else f"Images were grouped by {facts.group}, "
        f"{counted(facts.groups or 0, facts.group)} in all."
    )
    found = confounds(facts)
    rest = (
        f"{found} Factors that are not named here were not analysed."
        if found
        else "Other factors (day, plate, operator, microscope) were not analysed."
    )
    return f"{grouped} {rest}"


def _data_of(facts: RunFacts, name: str) -> str:
    part = facts.part(name)
    title = {TRAIN: "Training", VALIDATION: "Validation", TEST: "Test"}[name]
    classes = listed([f"{label} {count}" for label, count in part.by_class.items()])
    return f"{title}: {part.images} images{group_words(part.groups, facts)} ({classes})."


def _figures(facts: RunFacts) -> str:
    test = facts.test
    rows = [
        f"| {name} | {figure(test.metrics[name], name, test.confidence)} |" for name in _OVERALL
    ]
    rows += [
        f"| recall of {escaped(name)} | {figure(own['recall'], 'recall', test.confidence)} |"
        for name, own in test.per_class.items()
    ]
    head = [f"Test part, {test.n} images:", "", "| figure | value |", "|---|---|"]
    tail = [f"| commonest class always | {share(facts.baseline)} |"]
    return "\n".join([*head, *rows, *tail])


def _caveats(facts: RunFacts) -> Iterator[str]:
    yield from cautions(facts)
    if not facts.accuracy.has_interval:
        yield "There is no interval: the figures tell little about other samples."
    if facts.held_out:
        yield f"The test images are of other values of {facts.group}, but of the same study."
    yield "Test it on labelled images of your own before you rely on it: actinscope evaluate."
