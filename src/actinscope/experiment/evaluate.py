"""The whole job of ``actinscope evaluate``: a delivered model on labelled images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from actinscope import __version__
from actinscope.bundle import Bundle, load_bundle
from actinscope.errors import SettingsError, StudyError
from actinscope.evidence import Evaluation, verdict
from actinscope.experiment.assess import Assessment, assess, check_labels, write_assessment
from actinscope.experiment.environment import describe_environment, now_utc
from actinscope.experiment.known import (
    Known,
    familiar_groups,
    known_training,
    seen_before,
    without_known,
)
from actinscope.experiment.output import require_new_folder
from actinscope.experiment.prepare import (
    StudySource,
    fingerprint_study,
    read_study,
    records_of,
    unreadable,
)
from actinscope.experiment.story import Pictures, headline, majority_rate
from actinscope.files import make_folder
from actinscope.images import CropReader, ReadOptions
from actinscope.predict import Predictor
from actinscope.progress import Progress
from actinscope.report import Finding, ReportContent, write_report
from actinscope.study import TEST, Manifest
from actinscope.training import Recipe

_PART = TEST


@dataclass(frozen=True)
class EvaluateRequest:
    """Which bundle, on which labelled images, into which folder.

    Attributes:
        options: how to read files with z, time or scenes; None as in training.
        precision: ``float32``, or ``int8`` where the bundle offers it.
    """

    bundle: Path
    source: StudySource
    output: Path
    seed: int = 0
    options: ReadOptions | None = None
    precision: str = "float32"
    command: str = ""


@dataclass(frozen=True, eq=False)
class EvaluateOutcome:
    """The figures, the sentence that sums them up, and how many images were left out."""

    folder: Path
    evaluation: Evaluation
    verdict: str
    problems: tuple[tuple[str, str], ...]


def evaluate_bundle(request: EvaluateRequest, progress: Progress) -> EvaluateOutcome:
    """Predict labelled images and write predictions, metrics and report.

    Raises:
        BundleError, StudyError: what the rooms below say; a single bad image is
            reported and left out.
        UsageError: the folder for the results is in use.
    """
    bundle = load_bundle(request.bundle)
    predictor = Predictor(bundle, precision=request.precision)
    options = request.options or bundle.info.read_options
    require_new_folder(request.output, request.source)
    listed, note = _test_part(_read(request.source, options, bundle.info.crop_size))
    check_labels(listed.records, bundle.info.classes, listed.root)
    make_folder(request.output)
    reader = CropReader(options)
    found = fingerprint_study(listed, reader, progress)
    known = known_training(bundle, request.bundle)
    manifest, seen = without_known(found.manifest, known)
    seen = (*seen, *familiar_groups(manifest, known))
    told = (*((predictor.cost,) if predictor.cost else ()), *note, *seen)
    notes = (*manifest.notes, *told)
    for text in notes:
        progress.say(f"note: {text}")
    result = assess(
        predictor,
        manifest.records,
        manifest,
        reader=reader,
        seed=request.seed,
        progress=progress,
    )
    problems = (*unreadable(found), *result.problems)
    write_assessment(request.output, {_PART: result}, manifest)
    sentence = _write_report(
        request, bundle, known, result, group=manifest.group, notes=told, problems=problems
    )
    return EvaluateOutcome(request.output, result.evaluation, sentence, problems)


def _write_report(
    request: EvaluateRequest,
    bundle: Bundle,
    known: Known,
    result: Assessment,
    *,
    group: str | None,
    notes: tuple[str, ...],
    problems: tuple[tuple[str, str], ...],
) -> str:
    """Write the report; returns the verdict's sentence."""
    info = bundle.info
    judged = verdict(
        result.evaluation,
        baseline=majority_rate(result.evaluation),
        by_image=False,
        held_out=known.complete,
        synthetic=info.synthetic,
        random_weights=info.random_weights,
        group=group or "group",
    )
    reader = CropReader(request.options or info.read_options)
    pictures = Pictures(result, info.preprocess, reader)
    content = ReportContent(
        title=f"{' or '.join(info.classes[:3])}: a delivered model on other images",
        question=(
            f"How well does the model in {request.bundle.name} name the class of "
            f"{len(result.records)} labelled images? {seen_before(known)}"
        ),
        verdict=judged,
        headline=headline(result.evaluation, _PART),
        classes=info.classes,
        evaluations={_PART: result.evaluation},
        synthetic=info.synthetic,
        notices=info.notices,
        findings=_findings(group is not None, notes),
        examples=pictures.examples(request.seed),
        errors=pictures.errors(),
        errors_total=pictures.error_count(),
        right=pictures.right(request.seed),
        settings={"bundle": info.training, "network": info.network.model_dump()},
        environment=describe_environment(),
        file_problems=problems,
        preprocessing=" ".join(
            dict.fromkeys(one.info.preprocess.description for one in bundle.networks)
        ),
        network=f"{info.network.title}. {info.network.weights}",
        command=request.command,
        created=now_utc(),
        version=__version__,
    )
    write_report(content, request.output)
    return judged.sentence


def _read(source: StudySource, options: ReadOptions, trained_on: int | None) -> Manifest:
    """The manifest, with crops as large as in training unless the user chose otherwise."""
    cells = replace(source, crop_size=source.crop_size or trained_on)
    try:
        manifest = read_study(cells, Recipe(images=options))
    except SettingsError as error:
        if trained_on is None or source.crop_size is not None:
            raise
        raise _other_kind(source.data, trained_on) from error  # there is nothing to crop
    if (manifest.crop_size is None) != (trained_on is None):
        raise _other_kind(source.data, trained_on)
    return manifest


def _other_kind(where: Path, trained_on: int | None) -> StudyError:
    if trained_on is None:
        return StudyError(
            "the bundle was trained on images of one cell each, and these are fields with cells",
            where=where,
            remedy="Crop the cells in the same way as for training, or leave out the columns "
            "that say where cells are",
        )
    return StudyError(
        f"the bundle was trained on crops of {trained_on} pixels around cells in fields, and "
        "nothing says where the cells are",
        where=where,
        remedy="Give --manifest CSV with a column mask, objects, or y and x",
    )


def _test_part(manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """The test part where the manifest names parts: what trained the model tests nothing."""
    tested = tuple(records_of(manifest, TEST))
    others = len(manifest.records) - len(tested)
    if not any(record.part for record in manifest.records) or not others:
        return manifest, ()
    if not tested:
        raise StudyError(
            "the manifest marks all images as train or validation, none as test",
            where=manifest.root,
            remedy="Empty the column part to evaluate all of them",
        )
    note = (
        f"the manifest marks {others} of {len(manifest.records)} images as train or validation; "
        "they are left out here, as they test nothing"
    )
    return replace(manifest, records=tested), (note,)


def _findings(grouped: bool, notes: tuple[str, ...]) -> tuple[Finding, ...]:
    told = tuple(Finding("info", f"{note[0].upper()}{note[1:]}") for note in notes)
    if grouped:
        return told
    return (
        *told,
        Finding(
            "warning",
            "No group was named",
            "The intervals take every image as independent; images of one field or slide are not.",
            "Name the column that holds the sample with --group",
        ),
    )
