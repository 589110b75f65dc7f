"""The whole job of ``actinscope evaluate``: a delivered model on labelled images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from actinscope.audit import with_changed_copies
from actinscope.bundle import Bundle, load_bundle
from actinscope.cells import CropReader
from actinscope.evaluation import Conditions, Evaluation, level_words, verdict
from actinscope.explain import Explanation, SaliencySource, attention_warnings, explain
from actinscope.names import RunFile
from actinscope.predict import Predictor, ScaledImages
from actinscope.preprocess import AppearanceCounter
from actinscope.progress import Progress
from actinscope.report import (
    Finding,
    Page,
    ReportContent,
    explanation_findings,
    explanation_shown,
    write_report,
)
from actinscope.requests import EvaluateRequest
from actinscope.runs import (
    EvaluatedPredictions,
    RunContext,
    TrainingProvenance,
    familiar_groups,
    fingerprint_study,
    level_rules,
    predict_and_evaluate,
    read_labelled,
    seen_before,
    training_provenance,
    whole,
    with_familiar,
    without_training_images,
    write_evaluation,
    write_levels,
)
from actinscope.study import TEST, copy_notes, write_manifest
from actinscope.training import LevelSettings
from actinscope.workflows.report import Pictures, headline
from actinscope.writeup import majority_rate

_PART = TEST


@dataclass(frozen=True, eq=False)
class EvaluateOutcome:
    """The metrics, the verdict in a sentence, and the images that were left out."""

    folder: Path
    evaluation: Evaluation
    verdict: str
    problems: tuple[tuple[str, str], ...]
    levels: tuple[tuple[str, ...], ...] = ()


@whole
def evaluate_bundle(request: EvaluateRequest, progress: Progress) -> EvaluateOutcome:
    """Predict labelled images and write predictions, manifest, metrics and report.

    Raises:
        BundleError, StudyError: what the rooms below say; a single bad image is
            reported and left out.
        UsageError: the folder for the results is in use.
    """
    bundle = load_bundle(request.bundle)
    predictor = Predictor(bundle, precision=request.precision)
    options = bundle.info.reading(request.options)
    listed, note = read_labelled(request.source, bundle.info, options)
    rules = level_rules(request.levels or LevelSettings(), listed, bundle.info.classes)
    reader = CropReader(options, keep_in=request.output)
    known = training_provenance(bundle)
    looking = known.thumbnails is not None
    found = fingerprint_study(listed, reader, progress, observing=looking)
    known = with_changed_copies(known, found, progress)
    manifest, seen = without_training_images(found.manifest, known)
    cost = (predictor.cost,) if predictor.cost else ()
    familiar = familiar_groups(manifest, known)
    remarks = (*cost, *note, *seen, *familiar)
    copies = copy_notes(manifest.records, manifest.group)
    for text in (*copies, *remarks):
        progress.say(f"note: {text}")
    result = predict_and_evaluate(
        predictor,
        manifest.records,
        manifest,
        images=reader,
        seed=request.seed,
        progress=progress,
        rules=rules,
    )
    unlike = tuple(_unlike_training(bundle, result, reader))
    for text in unlike:
        progress.say(f"warning: {text}")
    levels = (
        with_familiar(one, known.units(one.rule.columns, [unit.name for unit in one.units]))
        for one in result.levels
    )
    result = replace(result, levels=tuple(levels))
    problems = (*found.unreadable, *result.problems)
    write_evaluation(request.output, {_PART: result}, manifest)
    tested = tuple(replace(record, part=_PART) for record, _ in result.listed)
    write_manifest(replace(manifest, records=tested), request.output / RunFile.MANIFEST)
    write_levels(request.output, {_PART: result.levels})
    images = ScaledImages(bundle.info.preprocess, reader)
    saliency = SaliencySource(predictor, result, None, images)
    explained = None
    if len(bundle.networks) == 1:  # the members of an ensemble each look for themselves
        explained = explain(saliency, seed=request.seed, progress=progress)
    sentence = _write_report(
        request,
        known,
        saliency,
        explained,
        group=manifest.group,
        notes=_Notes(remarks, familiar, unlike),
        problems=problems,
    )
    said = tuple(map(level_words, result.levels))
    return EvaluateOutcome(request.output, result.evaluation, sentence, problems, said)


class _Notes(NamedTuple):
    """What is said of the images: everything, and what limits the result."""

    all: tuple[str, ...]
    familiar: tuple[str, ...]
    unlike: tuple[str, ...]


def _unlike_training(
    bundle: Bundle, result: EvaluatedPredictions, reader: CropReader
) -> Iterator[str]:
    unfamiliar = result.decisions.unfamiliar
    count = 0 if unfamiliar is None else int(unfamiliar.sum())
    total = len(result.records)
    if count:
        yield (
            f"{count} of {total} images are unfamiliar and have no class in predictions.csv; "
            "the metrics count them by their most probable class"
        )
    seen = AppearanceCounter()
    for record in result.records:
        seen(reader.read(record.path, record.region))
    yield from seen.unlike(bundle.info.appearance, unfamiliar=count, total=total)


def _write_report(
    request: EvaluateRequest,
    known: TrainingProvenance,
    saliency: SaliencySource,
    explained: Explanation | None,
    *,
    group: str | None,
    notes: _Notes,
    problems: tuple[tuple[str, str], ...],
) -> str:
    """Write the report; returns the verdict's sentence."""
    bundle, result = saliency.predictor.bundle, saliency.part
    info = bundle.info
    judged = verdict(
        result.evaluation,
        Conditions(
            by_image=False,
            held_out=known.complete and not notes.familiar,
            synthetic=info.synthetic,
            random_weights=info.random_weights,
            group=group or "group",
            names=len(set(result.groups or ())),
        ),
        baseline=majority_rate(result.evaluation),
        controls=(
            *(f"{one[0].upper()}{one[1:]}." for one in (*notes.familiar, *notes.unlike)),
            *(attention_warnings(explained) if explained else ()),
        ),
    )
    pictures = Pictures(result, saliency.images.of, saliency if explained else None)
    content = ReportContent(
        page=Page(
            title=f"{' or '.join(info.classes[:3])}: a delivered model on other images",
            question=(
                f"How well does the model in {request.bundle.name} name the class of "
                f"{len(result.records)} labelled images? {seen_before(known)}"
            ),
            synthetic=info.synthetic,
            notices=info.notices,
            settings={"bundle": info.training, "network": info.network.model_dump()},
            file_problems=problems,
            **vars(RunContext.now(request.command)),
        ),
        verdict=judged,
        headline=headline(result.evaluation, _PART),
        classes=info.classes,
        evaluations={_PART: result.evaluation},
        uncertainty={_PART: result.uncertainty} if result.uncertainty else {},
        findings=(
            *_findings(group is not None, notes.all),
            *(explanation_findings(explained) if explained else ()),
        ),
        explanation=(
            explanation_shown(explained, saliency, group=group or "") if explained else None
        ),
        examples=pictures.examples(request.seed),
        errors=pictures.errors(),
        errors_total=pictures.error_count(),
        right=pictures.correct(request.seed),
        levels=result.levels,
        preprocessing=" ".join(
            dict.fromkeys(one.info.preprocess.description for one in bundle.networks)
        ),
        network=f"{info.network.title}. {info.network.weights}",
    )
    write_report(content, request.output)
    return judged.sentence


def _findings(grouped: bool, notes: tuple[str, ...]) -> Iterator[Finding]:
    for note in notes:
        yield Finding("info", f"{note[0].upper()}{note[1:]}")
    if not grouped:
        yield Finding(
            "warning",
            "No group was named",
            "The intervals take every image as independent; images of one field or slide are not.",
            "Name the column that holds the sample with --group",
        )
