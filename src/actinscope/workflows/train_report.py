"""Gathering what a report says: pictures, sentences, tables. Draws nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.audit import Audited, sentence_of
from actinscope.cells import CropReader
from actinscope.evaluation import Conditions, Evaluation, typical_examples, verdict, worst_errors
from actinscope.explain import (
    ACTIVATION,
    SaliencySource,
    attention_warnings,
    control_warnings,
    heat_map,
)
from actinscope.preprocess import Preprocess
from actinscope.report import (
    CellPicture,
    Finding,
    Headline,
    NeighbourShown,
    Page,
    ReportContent,
    SplitTable,
    controls_shown,
    displayed,
    explanation_findings,
    explanation_shown,
    level_section,
    neighbour_words,
    write_report,
)
from actinscope.runs import EvaluatedPredictions, unreadable
from actinscope.study import Fingerprints, Manifest, Record, summarise
from actinscope.training import Fitted, Recipe
from actinscope.writeup import RunResult, majority_rate, run_facts, write_run_writeup

_EXAMPLES = 6
_ERRORS = 24
_RIGHT = 12
#: Pictures of a kind that get an occlusion map: each takes over a hundred predictions.
_OCCLUDED = 4


def write_run_report(
    story: RunResult,
    assessments: Mapping[str, EvaluatedPredictions],
    reader: CropReader,
    folder: Path,
) -> str:
    """Write the report with its figures and tables, and the paperwork.

    Returns:
        The verdict's sentence.
    """
    test = assessments["test"]
    manifest = story.prepared.split.manifest
    problems = file_problems(story.prepared.fingerprints, assessments)
    facts = run_facts(story, assessments, len(problems))
    audit = facts.checks.audit
    judged = verdict(
        test.evaluation,
        Conditions(
            by_image=story.prepared.split.by_image,
            synthetic=story.synthetic,
            random_weights=story.random_weights,
            leak=story.prepared.split.leak,
            copies=audit.apart_from_test if audit else 0,
            group=manifest.group or "group",
        ),
        baseline=majority_rate(test.evaluation),
        training=assessments["train"].evaluation,
        validation=assessments["validation"].evaluation,
        controls=(
            *(control_warnings(story.controls) if story.controls else ()),
            *(attention_warnings(story.explanation) if story.explanation else ()),
        ),
        unanswerable=sentence_of(story.audited.findings) if story.audited else "",
    )
    paperwork = write_run_writeup(facts, folder)
    pictures = Pictures(test, story.prepared.preprocess, reader, story.looks)
    content = ReportContent(
        page=Page(
            title="Synthetic actin cells" if story.synthetic else title_of(manifest),
            question=_question(manifest, story.recipe),
            synthetic=story.synthetic,
            notices=story.notices,
            settings=story.recipe.model_dump(mode="json"),
            file_problems=problems,
            **vars(story.context),
        ),
        verdict=judged,
        headline=headline(test.evaluation),
        classes=manifest.classes,
        evaluations={part: one.evaluation for part, one in assessments.items()},
        uncertainty={part: one.uncertainty for part, one in assessments.items() if one.uncertainty},
        history=_history(story.fitted),
        best_epoch=story.fitted.kept_epoch,
        split=split_table(manifest),
        split_notes=(*manifest.notes, *story.prepared.split.notes),
        findings=(*_findings(story), *explanation_findings(story.explanation)),
        controls=controls_shown(story.controls) if story.controls else None,
        explanation=explanation_shown(
            story.explanation, story.looks, pictures, group=manifest.group or ""
        ),
        examples=pictures.examples(story.recipe.seed),
        errors=pictures.errors(),
        errors_total=pictures.error_count(),
        right=pictures.right(story.recipe.seed),
        levels=tuple(map(level_section, test.levels)),
        methods=paperwork.methods,
        checklists=paperwork.checklists,
        preprocessing=story.prepared.preprocess.description,
        network=story.network,
        timing=_timing(story),
    )
    write_report(content, folder)
    return judged.sentence


def file_problems(
    fingerprints: Fingerprints, assessments: Mapping[str, EvaluatedPredictions]
) -> tuple[tuple[str, str], ...]:
    """(name, message) of every image that was left out, on reading or on predicting."""
    return (
        *unreadable(fingerprints),
        *(problem for one in assessments.values() for problem in one.problems),
    )


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of cells of one part, as the network sees them.

    With ``looks``, errors also get their nearest training images, and networks without
    class maps get occlusion maps for the first pictures of a kind.
    """

    assessment: EvaluatedPredictions
    preprocess: Preprocess
    reader: CropReader
    looks: SaliencySource | None = None

    def examples(self, seed: int) -> dict[str, tuple[CellPicture, ...]]:
        """A few cells of each class, drawn by lot, spread over the groups."""
        chosen = typical_examples(
            self.assessment.labels, self.assessment.groups, seed=seed, n=_EXAMPLES
        )
        classes = self.assessment.evaluation.classes
        return {
            classes[k]: tuple(self._picture(int(i), heat=False) for i in indices)
            for k, indices in chosen.items()
        }

    def errors(self) -> tuple[CellPicture, ...]:
        """The wrong answers, the surest first, with class activation maps."""
        worst = worst_errors(self.assessment.labels, self._probabilities, n=_ERRORS)
        return tuple(self._picture(int(i), place=n, near=True) for n, i in enumerate(worst))

    def error_count(self) -> int:
        """Number of wrong answers."""
        return int((self._probabilities.argmax(axis=1) != self.assessment.labels).sum())

    def right(self, seed: int) -> tuple[CellPicture, ...]:
        """Some right answers, drawn by lot from all classes, with class activation maps."""
        right = np.flatnonzero(self._probabilities.argmax(axis=1) == self.assessment.labels)
        classes = len(self.assessment.evaluation.classes)
        chosen = typical_examples(
            self.assessment.labels[right], None, seed=seed, n=max(1, _RIGHT // classes)
        )
        # A class after the other in turn, so that the first few are not all of one class.
        turns = zip_longest(*(indices.tolist() for indices in chosen.values()))
        order = [i for turn in turns for i in turn if i is not None][:_RIGHT]
        return tuple(self._picture(int(right[i]), place=n) for n, i in enumerate(order))

    @property
    def _probabilities(self) -> NDArray[np.float64]:
        return self.assessment.probabilities

    def scaled_of(self, record: Record) -> NDArray[np.float32]:
        """What the preprocessing makes of an image, (S, S, K) float32 in 0..1."""
        return self.preprocess.to_scaled(self.reader.read(record.path, record.region))

    def _picture(
        self, index: int, *, heat: bool = True, place: int = 0, near: bool = False
    ) -> CellPicture:
        record = self.assessment.records[index]
        classes = self.assessment.evaluation.classes
        row = self._probabilities[index]
        predicted = int(row.argmax())
        scaled = self.scaled_of(record)
        maps = self._maps(index, scaled, place) if heat else None
        return CellPicture(
            name=record.name,
            label=record.label,
            predicted=classes[predicted],
            probabilities=dict(zip(classes, map(float, row), strict=True)),
            pixels=displayed(scaled),
            heat=None if maps is None else heat_map(maps, predicted, size=scaled.shape[:2]),
            group=self.assessment.groups[index] if self.assessment.groups else "",
            object_id=record.object_id,
            map_name=self.looks.method if self.looks else ACTIVATION,
            neighbours=self._neighbours(index) if near else (),
        )

    def _maps(
        self, index: int, scaled: NDArray[np.float32], place: int
    ) -> NDArray[np.float32] | None:
        stored = self.assessment.output.class_maps
        if stored is not None:
            maps: NDArray[np.float32] = stored[index]
            return maps
        if self.looks is None or place >= _OCCLUDED:
            return None
        return self.looks.maps(index, scaled)

    def _neighbours(self, index: int) -> tuple[NeighbourShown, ...]:
        found = self.looks.neighbours(index) if self.looks else ()
        return tuple(
            NeighbourShown(
                one.record.title,
                one.record.label,
                neighbour_words(one),
                displayed(self.scaled_of(one.record)),
            )
            for one in found
        )


def headline(evaluation: Evaluation, part: str = "test") -> Headline:
    """The number shown large: accuracy, against always naming the commonest class."""
    return Headline(
        name="Accuracy",
        part=part,
        estimate=evaluation.metrics["accuracy"],
        baseline=majority_rate(evaluation),
    )


def split_table(manifest: Manifest) -> SplitTable:
    """Counts of images and groups by class and part."""
    summary = summarise(manifest)
    members: dict[str, dict[str, int]] = {part: {} for part in summary.parts}
    if manifest.group is not None:
        for record in manifest.records:
            group = manifest.group_of(record)
            members[record.part][group] = members[record.part].get(group, 0) + 1
    return SplitTable(
        classes=summary.classes,
        parts=summary.parts,
        images=_by_class(summary.images, summary.classes),
        groups=_by_class(summary.groups, summary.classes) if summary.groups else {},
        group_name=manifest.group,
        members=members if manifest.group is not None else {},
    )


def _by_class(
    counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    return {name: {part: counts[part][name] for part in counts} for name in classes}


def title_of(manifest: Manifest) -> str:
    """What a report on these images is called."""
    return " or ".join(manifest.classes) if len(manifest.classes) <= 3 else (
        f"{manifest.root.name}: {len(manifest.classes)} classes"
    )  # fmt: skip


def _question(manifest: Manifest, recipe: Recipe) -> str:
    what = "cells cropped from fields of view" if manifest.crop_size else "images"
    classes = manifest.classes
    names = f"{', '.join(classes[:-1])} and {classes[-1]}"
    grouped = (
        f"Images of one {manifest.group} stay together in one part."
        if manifest.group
        else "The images were divided one by one: no group was named."
    )
    return (
        f"Can a network tell {names} apart, from {len(manifest.records)} {what}? It learns from "
        f"one part of them, a second part chooses when to stop, and a third part, never seen "
        f"before, tests it. {grouped} Recipe: {recipe.name}, seed {recipe.seed}."
    )


def _history(fitted: Fitted) -> dict[str, list[float]]:
    return {key: [row[key] for row in fitted.history] for key in fitted.history[0]}


def _findings(story: RunResult) -> tuple[Finding, ...]:
    prepared = story.prepared
    return data_findings(
        prepared.fingerprints, story.audited, by_image=prepared.split.by_image,
        reading=prepared.reading,
    )  # fmt: skip


def data_findings(
    fingerprints: Fingerprints,
    audited: Audited | None,
    *,
    by_image: bool,
    reading: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """What is to be said about the images of a study."""
    found = []
    if by_image:
        found.append(
            Finding(
                "warning",
                "Split by image",
                "No group (field, slide, culture, donor) was named, so images of one sample may "
                "be in training and in test. The result is then an upper bound.",
                "Name the column that holds the sample with --group",
            )
        )
    if fingerprints.problems:
        found.append(
            Finding(
                "warning",
                f"Images that could not be used: {len(fingerprints.problems)}",
                "They are listed below and were left out.",
                "Replace or remove them",
            )
        )
    found += [Finding("info", note) for note in reading]
    found += [
        Finding(
            "warning",
            f"{len(names)} images have the same pixels",
            ", ".join(names[:6]) + (" ..." if len(names) > 6 else ""),
            "Remove the copies; they add nothing to training or test",
        )
        for names in fingerprints.duplicates[:10]
    ]
    if fingerprints.changed:
        found.append(
            Finding(
                "warning",
                f"{len(fingerprints.changed)} images changed since the manifest was written",
                ", ".join(fingerprints.changed[:6]),
                "Scan the folder again if that was not intended",
            )
        )
    if audited is not None:
        # Said already above, in the words of a training run.
        said = {"no group", "exact copies"}
        found += [
            Finding(one.severity, one.title, one.detail, one.remedy)
            for one in audited.findings
            if one.kind not in said
        ]
    return tuple(found)


def _timing(story: RunResult) -> str:
    training = sum(row["seconds"] for row in story.fitted.history)
    return (
        f"{story.seconds / 60:.1f} minutes in all, {training / 60:.1f} of them in "
        f"{len(story.fitted.history)} {'epochs' if story.fitted.forest is None else 'rounds'}"
    )
