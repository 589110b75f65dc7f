"""What the report of a cross-validation says: pooled figures, folds, and what they are worth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actinscope.audit import sentence_of
from actinscope.cells import CropReader
from actinscope.evaluation import Conditions, Verdict, typical_examples, verdict, worst_errors
from actinscope.report import (
    CellPicture,
    FoldRow,
    FoldsShown,
    Page,
    ReportContent,
    SplitTable,
    displayed,
    level_section,
    write_report,
)
from actinscope.runs import OUT_OF_FOLD, fold_values, group_count, mean_over_repeats
from actinscope.wording import percent, plural, spoken
from actinscope.workflows.train_report import data_findings, headline, title_of
from actinscope.writeup import (
    AuditFacts,
    FoldsResult,
    folds_facts,
    majority_rate,
    write_folds_writeup,
)

if TYPE_CHECKING:
    pass

_EXAMPLES = 6
_ERRORS = 24
_SHOWN = ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "auroc")


def write_folds_report(story: FoldsResult, reader: CropReader, folder: Path) -> str:
    """Write ``report.html``, figures, tables and paperwork; returns the verdict."""
    facts = folds_facts(story, folder)
    judged = _verdict(story, facts.checks.audit)
    examples, errors = _pictures(story, reader)
    paperwork = write_folds_writeup(facts, folder)
    content = ReportContent(
        page=Page(
            title="Synthetic actin cells" if story.synthetic else title_of(story.manifest),
            question=_question(story),
            synthetic=story.synthetic,
            notices=tuple(_notices(story)),
            settings=story.recipe.model_dump(mode="json"),
            file_problems=story.problems,
            **vars(story.context),
        ),
        verdict=judged,
        headline=headline(story.evaluation, OUT_OF_FOLD),
        classes=story.manifest.classes,
        evaluations={
            OUT_OF_FOLD if one.repeat == 1 else f"repeat {one.repeat}": one.evaluation
            for one in story.pooled
        },
        folds=_folds_shown(story),
        split=_split_table(story),
        split_notes=(*story.manifest.notes, *story.notes),
        findings=data_findings(story.fingerprints, story.audited, by_image=story.by_image),
        examples=examples,
        errors=errors,
        errors_total=int(story.evaluation.confusion.sum() - story.evaluation.confusion.trace()),
        levels=tuple(map(level_section, story.levels)),
        methods=paperwork.methods,
        checklists=paperwork.checklists,
        network=f"{story.network.entry.title}; every fold fits its own scaling of intensities.",
        timing=f"{story.seconds / 60:.1f} minutes since the last start",
    )
    write_report(content, folder)
    return judged.sentence


def _verdict(story: FoldsResult, audit: AuditFacts | None) -> Verdict:
    judged = verdict(
        story.evaluation,
        Conditions(
            by_image=story.by_image,
            synthetic=story.synthetic,
            random_weights=story.network.weights.random,
            group=story.group,
            copies=audit.apart_from_test if audit else 0,
            held_out=False,  # which of the models saw what is said in the sentence put before
        ),
        baseline=majority_rate(story.evaluation),
        unanswerable=sentence_of(story.audited.findings) if story.audited else "",
    )
    without = (
        "it (other images of the same sample may have been there)"
        if story.by_image
        else f"it and its whole {spoken(story.group)}"
    )
    searched = ", its settings searched without them too" if story.search else ""
    estimate = (
        f"An estimate over {story.count} folds: every image was named by a model that was trained "
        f"without {without}{searched}. "
    )
    return replace(judged, sentence=estimate + judged.sentence)


def _question(story: FoldsResult) -> str:
    classes = story.manifest.classes
    names = f"{', '.join(classes[:-1])} and {classes[-1]}"
    group = story.manifest.group
    grouped = (
        f"images of one {group} stay together"
        if group
        else "the images were divided one by one, as no group was named"
    )
    return (
        f"Can a network tell {names} apart, from {len(story.manifest.records)} images? They were "
        f"divided into {story.count} folds; {grouped}. Each fold was tested in turn by a network "
        "trained on the others, of which a part chose when to stop. "
        f"Recipe: {story.recipe.name}, seed {story.recipe.seed}."
    )


def _notices(story: FoldsResult) -> Iterator[str]:
    yield from story.network.notices
    models = "the way of training and searching settings" if story.search else "a way of training"
    yield (
        f"These figures are of {models}, not of one model: {len(story.folds)} models were trained, "
        "each on a part of the images. A model trained on all of them is probably no worse, which "
        "cannot be tested without further images."
    )
    if story.deployed == "ensemble":
        yield (
            "The bundle in ensemble/ gives the mean of the folds' models. It was tested on no "
            "images: each of them took part in training some of its members."
        )
    if story.deployed == "refit":
        yield (
            "The model in refit/bundle was trained on all images and tested on none; its bundle "
            "names the figures of this page as what they are, an estimate for the procedure."
        )
    if story.search:
        yield (
            "Every fold searched its own settings on what it does not test, so the figures hold "
            "for the whole procedure, the search included. The settings differ between folds."
        )
    repeats = len(story.pooled)
    if repeats > 1:
        means = mean_over_repeats(story.pooled)
        yield (
            f"The folds were drawn {repeats} times. Mean of the pooled figures: accuracy "
            f"{percent(means['accuracy'].value)}, balanced accuracy "
            f"{percent(means['balanced_accuracy'].value)}. Repeats are no new images: the "
            "interval is that of the first repeat and does not shrink with their number."
        )


def _folds_shown(story: FoldsResult) -> FoldsShown:
    several = len(story.pooled) > 1
    rows = tuple(
        FoldRow(
            name=f"{fold.repeat}.{fold.number}" if several else str(fold.number),
            repeat=fold.repeat,
            images=len(fold.run.predictions.rows_of("test")),
            groups=group_count(fold),
            metrics={name: fold.test[name] for name in _SHOWN if name in fold.test},
            folder=fold.name,
        )
        for fold in story.folds
    )
    spreads = {}
    for name in _SHOWN:
        values = fold_values(story.folds, name)
        if values:
            spread = statistics.stdev(values) if len(values) > 1 else math.nan
            spreads[name] = (statistics.fmean(values), spread)
    return FoldsShown(
        rows=rows,
        pooled=story.evaluation.metrics["accuracy"],
        spreads=spreads,
        note=(
            "The spread shows how much a single split may mislead. It must not be divided by the "
            "square root of the number of folds: the folds share most of their training images, so "
            "they are not independent, and no unbiased estimate of that error exists (Bengio and "
            "Grandvalet, Journal of Machine Learning Research 5: 1089, 2004). The interval above "
            f"comes from the pooled images and their {plural(story.group)} instead; it does not "
            "know how training falls out with other folds or another seed. Probabilities of "
            "different folds come from different models: AUROC and log loss of the pooled images "
            "compare them as if they came from one."
        ),
    )


def _split_table(story: FoldsResult) -> SplitTable:
    """Images and groups that each fold of the first repeat tests."""
    pooled, classes = story.pooled[0], story.manifest.classes
    parts = tuple(f"fold {number}" for number in range(1, story.count + 1))
    images = {name: dict.fromkeys(parts, 0) for name in classes}
    groups: dict[str, dict[str, set[str]]] = {
        name: {part: set() for part in parts} for name in classes
    }
    members: dict[str, dict[str, int]] = {part: {} for part in parts}
    for record, number in zip(pooled.records, pooled.folds.tolist(), strict=True):
        part, group = parts[number - 1], story.manifest.group_of(record)
        images[record.label][part] += 1
        groups[record.label][part].add(group)
        members[part][group] = members[part].get(group, 0) + 1
    if story.manifest.group is None:
        return SplitTable(classes, parts, images)
    counts = {name: {part: len(met) for part, met in own.items()} for name, own in groups.items()}
    return SplitTable(classes, parts, images, counts, story.manifest.group, members)


def _pictures(
    story: FoldsResult, reader: CropReader
) -> tuple[dict[str, tuple[CellPicture, ...]], tuple[CellPicture, ...]]:
    """Examples of each class and the surest errors, each as its fold's network saw it."""
    pooled, classes = story.pooled[0], story.manifest.classes
    seen = {
        fold.number: fold.run.info.preprocess
        for fold in story.folds
        if fold.repeat == 1 and fold.run.info is not None
    }

    def picture(place: int) -> CellPicture:
        record, row = pooled.records[place], pooled.probabilities[place]
        preprocess = seen[int(pooled.folds[place])]
        return CellPicture(
            name=record.name,
            label=record.label,
            predicted=classes[int(row.argmax())],
            probabilities=dict(zip(classes, map(float, row), strict=True)),
            pixels=displayed(preprocess.to_scaled(reader.read(record.path, record.region))),
            group=pooled.groups[place] if pooled.groups else "",
            object_id=record.object_id,
        )

    chosen = typical_examples(pooled.labels, pooled.groups, seed=story.recipe.seed, n=_EXAMPLES)
    examples = {classes[k]: tuple(map(picture, np.asarray(rows))) for k, rows in chosen.items()}
    worst = worst_errors(pooled.labels, pooled.probabilities, n=_ERRORS)
    return examples, tuple(map(picture, np.asarray(worst)))
