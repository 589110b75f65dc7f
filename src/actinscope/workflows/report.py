"""The report of a run or a cross-validation: sentences, tables and pictures put together."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from actinscope.audit import Audited, AuditFinding
from actinscope.cells import CropReader
from actinscope.evaluation import (
    Evaluation,
    typical_examples,
    worst_errors,
)
from actinscope.explain import ACTIVATION, SaliencySource, heat_map
from actinscope.predict import ScaledImages
from actinscope.report import (
    CellPicture,
    Finding,
    FoldRow,
    FoldsShown,
    Headline,
    NeighbourShown,
    Page,
    ReportContent,
    SplitTable,
    displayed,
    explanation_findings,
    explanation_shown,
    neighbour_words,
    write_report,
)
from actinscope.runs import (
    OUT_OF_FOLD,
    EvaluatedPredictions,
    Pooled,
    fold_values,
    mean_over_repeats,
)
from actinscope.study import TEST, Fingerprints, Manifest, Record, summarise
from actinscope.wording import listed, percent, plural
from actinscope.writeup import (
    Facts,
    FoldsResult,
    SplitResult,
    StudyResult,
    gather_facts,
    majority_rate,
    write_writeup,
)

_EXAMPLES = 6
_ERRORS = 24
_CORRECT = 12
#: Pictures of a kind that get an occlusion map: each takes over a hundred predictions.
_OCCLUDED = 4
_SHOWN = ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "auroc")


def write_study_report(result: StudyResult, reader: CropReader) -> str:
    """Write the write-up, and ``report.html`` with its figures and tables; returns the verdict.

    Raises:
        StudyError, SettingsError, BundleError: a model has not left what a model leaves.
        OutputError: a file cannot be written.
    """
    facts = gather_facts(result)
    judged = facts.verdict
    written = write_writeup(facts, result.folder)
    pictures = _pictures(result, reader)
    reading = facts.reading if facts.split else ()
    title = " or ".join(facts.classes)
    if facts.synthetic:
        title = "Synthetic actin cells"
    elif len(facts.classes) > 3:
        title = f"{result.manifest.root.name}: {len(facts.classes)} classes"
    content = ReportContent(
        page=Page(
            title=title,
            question=_question(facts),
            synthetic=facts.synthetic,
            notices=tuple(_notices(result.outcome)),
            settings=facts.recipe.model_dump(mode="json"),
            file_problems=result.problems,
            **vars(facts.context),
        ),
        verdict=judged,
        headline=headline(facts.result, OUT_OF_FOLD if facts.folds else TEST),
        classes=facts.classes,
        evaluations={},
        split_notes=(*result.manifest.notes, *result.notes),
        findings=tuple(
            _data_findings(
                result.fingerprints, result.audited, by_image=facts.by_image, reading=reading
            )
        ),
        examples=pictures.examples(facts.recipe.seed),
        errors=pictures.errors(),
        errors_total=pictures.error_count(),
        levels=facts.levels,
        methods=tuple(written.methods.items()),
        checklists=written.checklists,
    )
    if isinstance(result.outcome, SplitResult):
        content = _with_split(content, result, result.outcome, pictures)
    else:
        content = _with_folds(content, result, result.outcome)
    write_report(content, result.folder, figures=result.recipe.figures)
    return judged.sentence


def _with_split(
    content: ReportContent, result: StudyResult, outcome: SplitResult, pictures: Pictures
) -> ReportContent:
    """What only a run on one split has to show."""
    evaluated, fitted = outcome.evaluated, outcome.fitted
    training = sum(row["seconds"] for row in fitted.history)
    steps = "epochs" if fitted.forest is None else "rounds"
    several = len(fitted.history) > 1
    trained = f", {training / 60:.1f} of them in {len(fitted.history)} {steps}"
    return replace(
        content,
        evaluations={part: one.evaluation for part, one in evaluated.items()},
        uncertainty={part: one.uncertainty for part, one in evaluated.items() if one.uncertainty},
        history={key: [row[key] for row in fitted.history] for key in fitted.history[0]}
        if several
        else {},
        best_epoch=fitted.kept_epoch,
        split=_split_table(result.manifest),
        findings=(*content.findings, *explanation_findings(outcome.explanation)),
        controls=outcome.controls,
        explanation=explanation_shown(
            outcome.explanation, outcome.saliency, group=result.manifest.group or ""
        ),
        right=pictures.correct(result.recipe.seed),
        preprocessing=outcome.prepared.preprocess.description,
        network=" ".join((outcome.network, *result.network.notices)),
        timing=f"{result.seconds / 60:.1f} minutes in all{trained if several else ''}",
    )


def _with_folds(content: ReportContent, result: StudyResult, outcome: FoldsResult) -> ReportContent:
    """What only a cross-validation has to show."""
    return replace(
        content,
        evaluations={
            OUT_OF_FOLD if one.repeat == 1 else f"repeat {one.repeat}": one.evaluation
            for one in outcome.pooled
        },
        folds=_folds_shown(result, outcome),
        split=_fold_table(result.manifest, outcome),
        network=" ".join(
            (
                f"{result.network.entry.title}; every fold fits its own scaling of intensities.",
                *result.network.notices,
            )
        ),
        timing=f"{result.seconds / 60:.1f} minutes since the last start",
    )


# Sentences


def _question(facts: Facts) -> str:
    what = "cells cropped from fields of view" if facts.crop_size and facts.split else "images"
    return f"Can a network tell {listed(facts.classes)} apart, from {facts.images} {what}?"


def _notices(outcome: SplitResult | FoldsResult) -> Iterator[str]:
    """What the figure is of, and what is delivered."""
    if isinstance(outcome, SplitResult):
        return
    delivered = (
        "the delivered model, trained on all images, was tested on none"
        if outcome.refit
        else "none of them is delivered for new images"
    )
    yield (
        f"The figure is of the way of training, not of one model: {len(outcome.folds)} models were "
        f"each tested on the fold that it never saw; {delivered}."
    )


def _folds_note(result: StudyResult, outcome: FoldsResult) -> str:
    """How the table of the folds is to be read."""
    note = ""
    if len(outcome.pooled) > 1:
        means = mean_over_repeats(outcome.pooled)
        note = (
            f"The folds were drawn {len(outcome.pooled)} times; mean of the pooled results: "
            f"accuracy {percent(means['accuracy'].value)}, balanced accuracy "
            f"{percent(means['balanced_accuracy'].value)}. Repeats are no new images: the "
            "interval is that of the first and does not shrink with their number. "
        )
    group = plural(result.manifest.group or "image")
    return note + (
        "The spread shows how much a single split may mislead. It is no error of the mean, as the "
        "folds share most of their training images (Bengio and Grandvalet, 2004); the interval of "
        f"the result comes from the pooled {group} instead. It does not include how training "
        "varies with another seed. AUROC and log loss compare probabilities of different models."
    )


def headline(evaluation: Evaluation, part: str) -> Headline:
    """The number shown large: accuracy, against always naming the majority class."""
    return Headline(
        name="Accuracy",
        part=part,
        estimate=evaluation.metrics["accuracy"],
        baseline=majority_rate(evaluation),
    )


def _data_findings(
    fingerprints: Fingerprints, audited: Audited | None, *, by_image: bool, reading: Sequence[str]
) -> Iterator[Finding | AuditFinding]:
    """What is to be said about the images of a study."""
    if by_image:
        yield Finding(
            "warning",
            "Split by image",
            "No group (field, slide, culture, donor) was named, so images of one sample may "
            "be in training and in test. The result is then an upper bound.",
            "Name the column that holds the sample with --group",
        )
    if fingerprints.problems:
        yield Finding(
            "warning",
            f"Images that could not be used: {len(fingerprints.problems)}",
            "They are listed below and were left out.",
            "Replace or remove them",
        )
    yield from (Finding("info", note) for note in reading)
    if fingerprints.changed:
        yield Finding(
            "warning",
            f"{len(fingerprints.changed)} images changed since the manifest was written",
            ", ".join(fingerprints.changed[:6]),
            "Scan the folder again if that was not intended",
        )
    for one in audited.findings if audited is not None else ():
        if one.kind != "no group":  # said above, in the words of a training run
            yield one


# Tables


def _split_table(manifest: Manifest) -> SplitTable:
    """Counts of images and groups by class and part."""
    summary = summarise(manifest)
    members = {
        part: Counter(manifest.group_of(one) for one in manifest.records if one.part == part)
        for part in (summary.parts if manifest.group is not None else ())
    }

    def by_class(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
        return {name: {part: counts[part][name] for part in counts} for name in summary.classes}

    groups = by_class(summary.groups) if summary.groups else {}
    return SplitTable(
        summary.classes, summary.parts, by_class(summary.images), groups, manifest.group, members
    )


def _fold_table(manifest: Manifest, outcome: FoldsResult) -> SplitTable:
    """Images and groups that each fold of the first repeat tests."""
    pooled = outcome.pooled[0]
    order = np.argsort(pooled.folds, kind="stable").tolist()
    tested = (replace(pooled.records[row], part=f"fold {pooled.folds[row]}") for row in order)
    return _split_table(replace(manifest, records=tuple(tested)))


def _folds_shown(result: StudyResult, outcome: FoldsResult) -> FoldsShown:
    several = len(outcome.pooled) > 1
    rows = tuple(
        FoldRow(
            name=f"{fold.repeat}.{fold.number}" if several else str(fold.number),
            images=len(fold.run.predictions.rows_of(TEST)),
            groups=fold.test_groups,
            metrics={name: fold.test[name] for name in _SHOWN if name in fold.test},
            folder=fold.name,
        )
        for fold in outcome.folds
    )
    spreads = {
        name: (statistics.fmean(values), statistics.stdev(values) if values[1:] else math.nan)
        for name in _SHOWN
        if (values := fold_values(outcome.folds, name))
    }
    return FoldsShown(
        rows=rows,
        pooled=outcome.pooled[0].evaluation.metrics["accuracy"],
        spreads=spreads,
        note=_folds_note(result, outcome),
    )


# Pictures


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of cells that were tested, as the network sees them.

    With ``saliency``, errors also get their nearest training images, and networks without
    class maps get occlusion maps for the first pictures of a kind.

    Attributes:
        predicted: the predictions on a part, or on all folds.
        scaled_of: what the preprocessing makes of an image, (S, S, K) float32 in 0..1.
    """

    predicted: EvaluatedPredictions | Pooled
    scaled_of: Callable[[Record], NDArray[np.float32]]
    saliency: SaliencySource | None = None

    def examples(self, seed: int) -> dict[str, tuple[CellPicture, ...]]:
        """A few cells of each class, drawn at random, spread over the groups."""
        chosen = typical_examples(
            self.predicted.labels, self.predicted.groups, seed=seed, n=_EXAMPLES
        )
        return {
            self.predicted.evaluation.classes[k]: tuple(
                self._picture(int(i), heat=False) for i in rows
            )
            for k, rows in chosen.items()
        }

    def errors(self) -> tuple[CellPicture, ...]:
        """The wrong predictions, the surest first, with class activation maps."""
        worst = worst_errors(self.predicted.labels, self.predicted.probabilities, n=_ERRORS)
        return tuple(self._picture(int(i), place=n, near=True) for n, i in enumerate(worst))

    def error_count(self) -> int:
        """Number of wrong predictions."""
        return int((self._names != self.predicted.labels).sum())

    def correct(self, seed: int) -> tuple[CellPicture, ...]:
        """Some correct predictions, at random from all classes, with class activation maps."""
        correct = np.flatnonzero(self._names == self.predicted.labels)
        each = max(1, _CORRECT // len(self.predicted.evaluation.classes))
        chosen = typical_examples(self.predicted.labels[correct], None, seed=seed, n=each)
        # A class after the other in turn, so that the first few are not all of one class.
        turns = zip_longest(*(rows.tolist() for rows in chosen.values()))
        order = [i for turn in turns for i in turn if i is not None][:_CORRECT]
        return tuple(self._picture(int(correct[i]), place=n) for n, i in enumerate(order))

    @property
    def _names(self) -> NDArray[np.int64]:
        return np.asarray(self.predicted.probabilities.argmax(axis=1))

    def _picture(
        self, index: int, *, heat: bool = True, place: int = 0, near: bool = False
    ) -> CellPicture:
        record = self.predicted.records[index]
        classes = self.predicted.evaluation.classes
        row = self.predicted.probabilities[index]
        named = int(row.argmax())
        far = (
            self.predicted.unfamiliar
            if isinstance(self.predicted, Pooled)
            else self.predicted.decisions.unfamiliar
        )
        scaled = self.scaled_of(record)
        maps = self._maps(index, scaled, place) if heat else None
        return CellPicture(
            name=record.name,
            label=record.label,
            predicted=classes[named],
            probabilities=dict(zip(classes, map(float, row), strict=True)),
            pixels=displayed(scaled),
            heat=None if maps is None else heat_map(maps, named, size=scaled.shape[:2]),
            group=self.predicted.groups[index] if self.predicted.groups else "",
            object_id=record.object_id,
            map_name=self.saliency.method if self.saliency else ACTIVATION,
            neighbours=self._neighbours(index) if near else (),
            unfamiliar=far is not None and bool(far[index]),
        )

    def _maps(
        self, index: int, scaled: NDArray[np.float32], place: int
    ) -> NDArray[np.float32] | None:
        if isinstance(self.predicted, Pooled):
            return None
        stored = self.predicted.output.class_maps
        if stored is not None:
            maps: NDArray[np.float32] = stored[index]
            return maps
        if self.saliency is None or place >= _OCCLUDED:
            return None
        return self.saliency.maps(index, scaled)

    def _neighbours(self, index: int) -> tuple[NeighbourShown, ...]:
        found = self.saliency.neighbours(index) if self.saliency else ()
        return tuple(
            NeighbourShown(
                one.record.title,
                one.record.label,
                neighbour_words(one),
                displayed(self.scaled_of(one.record)),
            )
            for one in found
        )


def _pictures(result: StudyResult, reader: CropReader) -> Pictures:
    """Of the test part, or of all images, each as the network of its fold saw it."""
    outcome = result.outcome
    if isinstance(outcome, SplitResult):
        return Pictures(outcome.evaluated[TEST], outcome.prepared.images.of, outcome.saliency)
    pooled = outcome.pooled[0]
    images = {
        fold.number: ScaledImages(fold.run.info.preprocess, reader)
        for fold in outcome.folds
        if fold.repeat == 1 and fold.run.info is not None
    }
    fold_of = {one.key: n for one, n in zip(pooled.records, pooled.folds.tolist(), strict=True)}
    return Pictures(pooled, lambda record: images[fold_of[record.key]].of(record))
