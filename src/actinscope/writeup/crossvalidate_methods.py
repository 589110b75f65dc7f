"""The methods paragraph of a cross-validation, written from its facts.

As :mod:`actinscope.writeup.methods`, whose sentences it takes where they hold for every fold.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from actinscope.evaluation import FEWEST_CLUSTERS
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.training import Recipe
from actinscope.wording import counted, listed, percent, percent_span, plural, span
from actinscope.writeup.citations import BENGIO, citations
from actinscope.writeup.crossvalidate_facts import FoldsFacts, Model
from actinscope.writeup.diagnostics import AuditFacts
from actinscope.writeup.diagnostics_text import confounds_tested, copies_told, figure
from actinscope.writeup.facts import part_of
from actinscope.writeup.methods import (
    Paragraph,
    figure_sentences,
    level_sentences,
    origin_cautions,
    paragraph,
    software_sentences,
)
from actinscope.writeup.methods_images import (
    augmentation_sentences,
    group_word,
    group_words,
    image_sentences,
    kept_together,
    preprocessing_sentences,
)
from actinscope.writeup.methods_training import (
    THRESHOLDS_MOVED,
    fitting_sentences,
    network_sentences,
    stop_sentences,
)

_BEGAN = "Every search began with what follows; Searching says what it changed."


def folds_paragraphs(facts: FoldsFacts) -> tuple[Paragraph, ...]:
    """The text in paragraphs, cautions first, references last."""
    fitted = [fold.info.preprocess for fold in facts.folds]
    began = (_BEGAN,) if facts.searched else ()
    method = facts.result.interval_method
    return (
        *paragraph("Caution", folds_cautions(facts)),
        ("Images", " ".join(image_sentences(facts))),
        ("Folds", " ".join(_folds(facts))),
        *paragraph("Searching", _searching(facts)),
        *paragraph("Preprocessing", preprocessing_sentences(fitted, _reading(facts))),
        *paragraph("Augmentation", (*began, *augmentation_sentences(facts, facts.trained.epochs))),
        *paragraph("Network", (*began, *network_sentences(facts, facts.trained))),
        *paragraph("Training", (*began, *fitting_sentences(facts), *_trainings(facts))),
        ("Evaluation", " ".join(_evaluation(facts))),
        ("Probabilities", " ".join(_probabilities(facts))),
        *paragraph("Levels", _levels(facts)),
        *paragraph("Checks", _checks(facts)),
        ("Model for new images", " ".join(delivered(facts))),
        ("Software", " ".join(_software(facts))),
        ("References", " ".join((BENGIO, *citations(facts, method)))),
    )


def folds_cautions(facts: FoldsFacts) -> tuple[str, ...]:
    """What limits every figure of the cross-validation; the gravest first."""
    found = [*origin_cautions(facts)]
    audit = facts.checks.audit
    if audit is not None and audit.apart:
        pairs = "pair of images" if audit.apart == 1 else "pairs of images"
        found.append(
            f"{audit.apart} {pairs} of the same cells stood in different folds, so that a model "
            "named an image whose copy had trained it or chosen its epoch: the figures may be too "
            "good."
        )
    if facts.by_image:
        found.append(
            "No sample (field, slide, culture, donor) was named to be kept together, so images of "
            "one sample may lie in several folds: the figures are an upper bound of what new "
            "samples would give."
        )
    if facts.group is not None and (facts.groups or 0) < FEWEST_CLUSTERS:
        found.append(
            f"The images come from {counted(facts.groups or 0, facts.group)} only: too few to say "
            f"how a model does on another {group_word(facts)}."
        )
    return (*found, *facts.checks.doubts)


def _folds(facts: FoldsFacts) -> Iterator[str]:
    units = "images" if facts.group is None else plural(facts.group)
    yield (
        f"{units[0].upper()}{units[1:]} were divided at random (seed {facts.recipe.seed}) into "
        f"{facts.count} folds with as even a share of each class as could be found."
    )
    yield from kept_together(facts, "fold")
    part = "a part" if facts.group is None else f"some {plural(facts.group)}"
    yield (
        f"Each fold was tested by a model that was trained on the others, of which {part}, aiming "
        f"at {percent(facts.validation_share)} of each class, served for validation."
    )
    if facts.repeats > 1:
        yield (
            f"All of this was done {facts.repeats} times, with the seeds {facts.recipe.seed} to "
            f"{facts.recipe.seed + facts.repeats - 1}, which drew other folds."
        )
    yield f"A fold's parts held {listed([_part_span(facts, name) for name in _PARTS])}."
    if facts.notes:
        yield f"On the folds: {'; '.join(facts.notes)}."
    search = "in the search of settings, " if facts.searched else ""
    yield (
        "The images of a fold took no part in fitting the intensity range, "
        f"{search}in training or in the choice of the {facts.choice} of the model that tested them."
    )


_PARTS = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}


def _part_span(facts: FoldsFacts, name: str) -> str:
    """ "40 to 42 training images from 8 fields"."""
    parts = [part_of(fold.parts, name) for fold in facts.folds]
    groups = [part.groups for part in parts if part.groups is not None]
    found = ""
    if facts.group is not None and groups:
        words = group_word(facts) if max(groups) == 1 else plural(facts.group)
        found = f" from {span(groups)} {words}"
    return f"{span([part.images for part in parts])} {_PARTS[name]} images{found}"


def _searching(facts: FoldsFacts) -> Iterator[str]:
    search = facts.search
    if search is None:
        return
    time = "" if search.minutes is None else f" or {search.minutes:g} minutes"
    judged = (
        "the fold's validation part"
        if search.folds == 1
        else f"{search.folds} inner folds"
    )  # fmt: skip
    yield (
        "In every fold settings were searched before its training, on what the fold does not test: "
        f"{counted(search.trials, 'trial')}{time} at most, judged by {judged}."
    )
    changed = list(changed_settings(facts.recipe, facts.folds))
    if not changed:
        yield "Every search kept the settings that it began with."
        return
    told = [
        f"{name} {begun} became {', '.join(values)}" for name, begun, values in changed
    ]  # fmt: skip
    yield f"What they kept, fold by fold, where it differs from the start: {'; '.join(told)}."


def changed_settings(
    recipe: Recipe, folds: Sequence[Model]
) -> Iterator[tuple[str, str, list[str]]]:
    """Settings in which a fold differs from ``recipe``: name, value there, and in each fold."""
    begun = dict(_flat(recipe))
    kept = [dict(_flat(fold.recipe)) for fold in folds]
    for name, value in begun.items():
        values = [one[name] for one in kept]
        if name not in _LEFT_OUT and any(one != value for one in values):
            yield name, str(value), [str(one) for one in values]


#: Follow from the number of the repeat, or are switched off in folds; no search sets them.
_LEFT_OUT = {"name", "seed", "audit", "controls", "explanation"}


def _flat(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _reading(facts: FoldsFacts) -> list[str]:
    """What reading the images kept with the models noted; such as differ in numbers once."""
    notes = [note for fold in facts.folds for one in fold.info.golden for note in one.notes]
    return list({re.sub(r"[0-9]+", "N", note): note for note in notes}.values())


def _trainings(facts: FoldsFacts) -> Iterator[str]:
    """How long the folds trained, and what each kept."""
    epochs = [fold.trained.epochs for fold in facts.folds]
    kept = [fold.trained.kept_epoch for fold in facts.folds]
    if facts.boosted_trees:
        yield (
            f"Of {span(epochs)} rounds the first {span(kept)} were kept in each fold, with which "
            "the loss on its validation part was lowest."
        )
        yield THRESHOLDS_MOVED
    else:
        one = max(epochs) == 1
        yield f"The trainings ran for {span(epochs)} {'epoch' if one else 'epochs'} each."
        yield from stop_sentences(facts)
        if facts.recipe.training.keep == "best":
            yield (
                "Each fold kept the weights of the epoch with the lowest loss on its validation "
                f"part ({'epoch' if len(set(kept)) == 1 else 'epochs'} {span(kept)})."
            )
        else:
            yield "Each fold kept the weights of its last epoch."
    more = ", in every further repeat one more" if facts.repeats > 1 else ""
    yield (
        f"The seed of folds, augmentation, first weights and order was {facts.recipe.seed}{more}."
    )


def _evaluation(facts: FoldsFacts) -> Iterator[str]:
    found = facts.result
    repeat = " of the first repeat" if facts.repeats > 1 else ""
    yield (
        f"The predictions of all test parts{repeat} were pooled and judged as one set: on "
        f"{found.n} images{group_words(found.groups, facts)}, each named by a model trained "
        f"without it, the accuracy was {figure(facts.accuracy, 'accuracy', found.confidence)}; "
        f"always naming the commonest class is right for {percent(facts.baseline)}."
    )
    if facts.missing:
        yield f"{facts.missing} images could not be predicted when they were tested."
    yield from figure_sentences(found, by_image=facts.by_image)
    yield (
        "The intervals do not tell how training would fall out with other folds or another seed. "
        "AUROC compares probabilities of different models as if they came from one."
    )
    own = accuracies(facts, TEST)
    if len(own) > 1:
        yield (
            f"Fold by fold the accuracy was {percent_span(own)}, on average "
            f"{percent(statistics.fmean(own))} with a standard deviation of "
            f"{100 * statistics.stdev(own):.1f} points, from which no interval follows, as the "
            "folds are not independent of each other (Bengio and Grandvalet 2004)."
        )
    if facts.repeats > 1:
        repeats = [one.metrics["accuracy"].value for one in facts.pooled]
        yield (
            f"Pooled anew in each of the {facts.repeats} repeats it was {percent_span(repeats)}, "
            f"on average {percent(statistics.fmean(repeats))}; repeats are no new images and do "
            "not narrow the interval."
        )
    yield (
        f"For comparison, the mean accuracy over the folds was {mean_accuracy(facts, VALIDATION)} "
        f"on their validation and {mean_accuracy(facts, TRAIN)} on their training images."
    )
    searched = " and searching settings" if facts.searched else ""
    yield (
        f"All these figures are of a way of training{searched}, not of one model: "
        f"{len(facts.folds)} models were trained."
    )


def accuracies(facts: FoldsFacts, part: str) -> list[float]:
    """Accuracy of every fold on its own images of ``part``."""
    return [fold.metrics[part]["accuracy"].value for fold in facts.folds if part in fold.metrics]


def mean_accuracy(facts: FoldsFacts, part: str) -> str:
    """The mean of them as text."""
    found = accuracies(facts, part)
    return percent(statistics.fmean(found)) if found else "not known"


def _probabilities(facts: FoldsFacts) -> Iterator[str]:
    rules = [fold.info.reliability for fold in facts.folds]
    fitted = [one.temperature for one in rules if one is not None and one.temperature != 1]
    if fitted:
        some = "every model" if len(fitted) == len(rules) else f"{len(fitted)} of {len(rules)}"
        others = "" if len(fitted) == len(rules) else "; the others were left as they are"
        yield (
            f"In {some} all logits were divided by a temperature of its own, fitted on the "
            f"validation part of its fold ({_decimals(fitted)}){others}; this changes no answer."
        )
    else:
        yield "The probabilities are those that the networks give (temperature 1)."
    yield (
        "Prediction sets, answers that are not to be taken and unfamiliar images were not judged "
        "on the pooled predictions: all figures count every image that was predicted."
    )


def _decimals(values: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys((f"{min(values):.3g}", f"{max(values):.3g}")))


def _levels(facts: FoldsFacts) -> Iterator[str]:
    yield from level_sentences(facts.levels)
    if facts.levels and facts.repeats > 1:
        yield "This is of the first repeat."


def _checks(facts: FoldsFacts) -> Iterator[str]:
    audit = facts.checks.audit
    if audit is not None:
        yield "Before the folds were made the images were audited, once for all folds."
        yield copies_found(audit)
        yield confounds_tested(audit)
    if facts.extras and (facts.recipe.controls or facts.recipe.explanation):
        made = [
            name
            for name, done in (
                ("simple controls", facts.recipe.controls),
                ("what the network looks at", facts.recipe.explanation),
            )
            if done
        ]
        yield (
            f"Every fold also looked into {listed(made)}; the results stand in its own report "
            "and were not pooled."
        )


def copies_found(audit: AuditFacts) -> str:
    """What is known of copies in different folds."""
    return copies_told(
        audit,
        together="none of them in different folds",
        apart=f"{audit.apart} in different folds, which are NOT independent there",
    )


def delivered(facts: FoldsFacts) -> Iterator[str]:
    """Which model new images are named by, and that it was not tested."""
    if facts.deployed == "none":
        yield "No model for new images was asked for."
        return
    if facts.deployed == "ensemble":
        yield (
            f"New images are named by the mean of the probabilities of the {len(facts.folds)} "
            "models of the folds (ensemble/)."
        )
        yield (
            "This mean was tested on no image, as every image took part in training some of the "
            "models; the figures above are of such models one by one."
        )
        return
    model = facts.refit
    assert model is not None  # deployed as refit
    searched = ", after a search of its own," if facts.searched else ""
    parts = [
        f"{part.images} {_PARTS[part.name]} images{group_words(part.groups, facts)}"
        for part in model.parts
    ]
    ran = model.trained
    kept = (
        f"The first {ran.kept_epoch} of {counted(ran.epochs, 'round')}"
        if facts.boosted_trees
        else f"The weights of epoch {ran.kept_epoch} of {ran.epochs}"
    )
    yield (
        f"New images are named by one further model (refit/bundle), trained in the same "
        f"way{searched} on all images: {listed(parts)}. {kept} were kept."
    )
    yield (
        "This model was tested on no image; the figures above are an estimate for it, from models "
        "that were trained on fewer images."
    )


def _software(facts: FoldsFacts) -> Iterator[str]:
    yield from software_sentences(facts)
    if facts.other_environments:
        yield (
            f"{facts.other_environments} of the {len(facts.folds)} folds were trained with other "
            "versions or on another platform, which environment.json of their folder names."
        )
    steps = "rounds" if facts.boosted_trees else "epochs"
    yield (
        f"The {steps} of all folds took {facts.seconds / 60:.1f} minutes. [AUTHOR: processor and "
        "memory.]"
    )
    yield (
        "All settings are in recipe.toml, every image with its hash in manifest.csv, every "
        "prediction with its fold in predictions.csv, the folds in folds.csv; each fold's own "
        "settings, parts and model are in fold-R-K."
    )
