"""The model card that goes with a bundle (sections of Mitchell et al., FAT* 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from actinscope.evaluation import Evaluation, level_words
from actinscope.preprocess import Preprocess
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.training import Recipe
from actinscope.wording import counted, escaped, listed, percent
from actinscope.writeup.citations import MODEL_CARDS
from actinscope.writeup.diagnostics_text import confounds, figure, limits, probability_sentences
from actinscope.writeup.facts import PartFacts, RunFacts, StudyFacts, Trained
from actinscope.writeup.methods import cautions, methods_paragraphs
from actinscope.writeup.methods_images import group_words

CARD_FILE = "MODEL_CARD.md"
_OVERALL = ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "auroc", "log_loss")


VERIFY = (
    "`actinscope bundle verify BUNDLE` checks the hashes of all files that bundle.json names and "
    "replays the golden images. This card is not among them: the figures that count are those "
    "in bundle.json."
)
TRY_IT = "Test it on labelled images of your own before you rely on it: actinscope evaluate."


def model_card(facts: RunFacts) -> str:
    """The card as Markdown; what must be known before any figure comes first."""
    unnamed = facts.checks.leaves_unfamiliar_unnamed
    made = (facts.created, facts.environment["actinscope"])
    heading = f"Test part, {facts.test.n} images:"
    return lay_out(
        facts.classes,
        cautions(facts),
        {
            "Model details": [bullets(details(facts, facts.recipe, facts.trained, made))],
            "Intended use": [bullets(intended(facts, facts.preprocess))],
            "Out of scope": [bullets(out_of_scope(unnamed=unnamed))],
            "Factors": [escaped(factors(facts))],
            "Metrics": [f"{escaped(facts.test.interval_method)} All figures are in bundle.json."],
            "Evaluation data": [escaped(part_words(facts, facts.part(TEST)))],
            "Training data": [
                escaped(
                    f"{part_words(facts, facts.part(TRAIN))} "
                    f"{part_words(facts, facts.part(VALIDATION))}"
                ),
                escaped(dict(methods_paragraphs(facts))["Preprocessing"]),
            ],
            "Quantitative analyses": [
                figures_table(facts.test, heading, facts.baseline),
                *(escaped(" ".join(level_words(level))) for level in facts.levels),
                *((escaped(" ".join(probability_sentences(facts))),) if facts.checks.worth else ()),
            ],
            "Ethical considerations": [ethics("test")],
            "Caveats and recommendations": [bullets(_caveats(facts))],
            "How to verify": [VERIFY],
        },
    )


def lay_out(
    classes: Sequence[str], warnings: Sequence[str], sections: Mapping[str, Sequence[str]]
) -> str:
    """A card: title, what must be known first, then blocks of Markdown under their headings."""
    blocks = [
        f"# Model card: {escaped(listed(list(classes)))}",
        *(f"> **{escaped(text)}**" for text in warnings),
    ]
    for heading, own in sections.items():
        blocks += [f"## {heading}", *own]
    return "\n\n".join([*blocks, f"Layout after: {MODEL_CARDS}"]) + "\n"


def ethics(part: str) -> str:
    """What to think of before the bundle, which holds images of ``part``, is given away."""
    return (
        "[AUTHOR: consent and origin of human or animal material. The bundle holds a few of the "
        f"{part} images with their file names (golden.npz): think before it is published.]"
    )


def bullets(sentences: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {escaped(text)}" for text in sentences)


def details(
    facts: StudyFacts, recipe: Recipe, trained: Trained, made: tuple[str, str]
) -> Iterator[str]:
    """Which network it is; ``made`` is when, and with which version of actinscope."""
    trees = " and boosted trees" if facts.boosted_trees else ""
    yield f"{facts.network.title}{trees}, image classifier with {len(facts.classes)} classes."
    yield f"Made {made[0]} with actinscope {made[1]}."
    yield (
        f"Recipe {recipe.name}, seed {recipe.seed}, "
        f"{'trees up to round' if facts.boosted_trees else 'weights of epoch'} "
        f"{trained.kept_epoch} of {trained.epochs}."
    )
    if trained.parameters is not None and trained.trained_parameters is not None:
        yield f"{trained.parameters:,} parameters, {trained.trained_parameters:,} of them trained."
    yield from origin(facts)
    yield "[AUTHOR: who made it, how to reach them, licence of this model, how to cite it.]"


def origin(facts: StudyFacts) -> Iterator[str]:
    """The weights that it started from, and their licence."""
    if facts.weights == "imagenet":
        yield f"Started from: {facts.weights_text}; licence {facts.network.licence}."
    elif facts.weights == "file":
        yield f"Started from: {facts.weights_text}. [AUTHOR: licence of that file.]"
    else:
        yield "Started from random numbers; no licence of pretrained weights applies."


def intended(facts: StudyFacts, preprocess: Preprocess) -> Iterator[str]:
    """For which images it was made."""
    crops = f", cells cut out as squares of {facts.crop_size} pixels" if facts.crop_size else ""
    channels = [preprocess.channel_names[plane] for plane in preprocess.planes]
    if facts.synthetic:
        yield "Demonstration only: the images that it learnt from are synthetic."
    yield (
        f"To name one of the classes {listed(list(facts.classes))} for images like those it was "
        f"trained on (input: {listed(channels)}{crops})."
    )
    yield "[AUTHOR: cells, stain, microscope, objective, and the question it was made for.]"


def out_of_scope(*, unnamed: bool) -> Iterator[str]:
    """What it was not made for; ``unnamed``: images far from the training get no name."""
    yield "Diagnosis, treatment, or any decision about a person."
    odd = limits(unnamed=unnamed)
    yield (f"{odd[0].upper()}{odd[1:]}. A high probability does not mean that an answer is right.")
    yield "Other cells, stains, microscopes or exposures, unless tested on them."


def factors(facts: StudyFacts) -> str:
    """What the result may hang on."""
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


def part_words(facts: StudyFacts, part: PartFacts) -> str:
    """One part: "Test: 40 images from 8 donors (control 20 and treated 20)."."""
    title = {TRAIN: "Training", VALIDATION: "Validation", TEST: "Test"}[part.name]
    classes = listed([f"{label} {count}" for label, count in part.by_class.items()])
    return f"{title}: {part.images} images{group_words(part.groups, facts)} ({classes})."


def figures_table(found: Evaluation, heading: str, baseline: float) -> str:
    """All figures with their intervals, under a line on what they are of."""
    rows = [
        f"| {name} | {figure(found.metrics[name], name, found.confidence)} |" for name in _OVERALL
    ]
    rows += [
        f"| recall of {escaped(name)} | {figure(own['recall'], 'recall', found.confidence)} |"
        for name, own in found.per_class.items()
    ]
    head = [heading, "", "| figure | value |", "|---|---|"]
    tail = [f"| commonest class always | {percent(baseline)} |"]
    return "\n".join([*head, *rows, *tail])


def _caveats(facts: RunFacts) -> Iterator[str]:
    yield from cautions(facts)
    if not facts.accuracy.has_interval:
        yield "There is no interval: the figures tell little about other samples."
    if facts.held_out:
        yield f"The test images are of other values of {facts.group}, but of the same study."
    yield TRY_IT
