"""The whole job of ``actinscope audit``: what is wrong with the images, before any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from actinscope.audit.confounds import confound_findings, run_checks
from actinscope.audit.copies import COPIES_SEARCHED, CopyPair, copy_findings, copy_pairs
from actinscope.audit.copy_matching import NearPair, near_duplicates, sets_of
from actinscope.audit.design import design_findings
from actinscope.audit.labels import ReviewedLabels, review_study
from actinscope.audit.permutation import Confound
from actinscope.audit.quality import quality_findings
from actinscope.audit.tables import write_copies, write_findings, write_queue
from actinscope.cells import CropReader
from actinscope.errors import ImageError, SplitError, StudyError, WeightsError
from actinscope.evaluation import Verdict
from actinscope.files import make_folder
from actinscope.networks import default_network, resolve_weights
from actinscope.progress import Progress, StepCounter
from actinscope.report import AuditContent, AuditFinding, Page, Shot, write_audit_page
from actinscope.runs import (
    RunContext,
    StudySource,
    fingerprint_study,
    read_study,
    require_new_folder,
    unreadable,
)
from actinscope.study import Fingerprints, Manifest, Split, split, summarise
from actinscope.training import Recipe
from actinscope.wording import percent

_GRAVITY = ("error", "warning", "info")
_SHOWN_LABELS = 24
_HARDLY_BETTER = 0.1  # accuracy above guessing below which doubts about labels mean nothing


@dataclass(frozen=True)
class AuditRequest:
    """What to look at.

    Attributes:
        source: where images, labels and groups come from.
        recipe: how images are read, the split and the seed.
        output: folder for the results.
        network: also ask a pretrained network which labels look wrong.
        command: the command line, for the page.
    """

    source: StudySource
    recipe: Recipe
    output: Path
    network: bool = True
    command: str = ""


@dataclass(frozen=True, eq=False)
class Audited:
    """What the cheap part of the audit found.

    Attributes:
        findings: the gravest first.
        copies: all pairs of copies.
        confounds: the result of every check.
        parts: the split that training would use, or None where there is none.
        manifest: of the fingerprints; copies are marked where they are to stay together.
    """

    findings: tuple[AuditFinding, ...]
    copies: tuple[CopyPair, ...]
    confounds: tuple[Confound, ...]
    parts: Split | None
    manifest: Manifest


@dataclass(frozen=True, eq=False)
class AuditOutcome:
    """The findings, and the (name, message) of images that could not be read."""

    folder: Path
    findings: tuple[AuditFinding, ...]
    problems: tuple[tuple[str, str], ...]


def audit_study(request: AuditRequest, progress: Progress) -> AuditOutcome:
    """Look at every image once, write what is wrong.

    Raises:
        StudyError: labels, groups or folders are not usable.
        UsageError: the output folder is in use.
    """
    require_new_folder(request.output, request.source)
    recipe = request.recipe
    manifest = read_study(request.source, recipe)
    reader = CropReader(recipe.images)
    fingerprints = fingerprint_study(manifest, reader, progress, observing=True)
    found = audit_images(fingerprints, recipe, progress=progress)
    reviewed, said = _review(request, fingerprints, reader, progress)
    findings = list(found.findings)
    if reviewed is not None:
        findings += _label_findings(reviewed, fingerprints)
    if unreadable(fingerprints):
        findings.append(_unreadable_finding(fingerprints))
    ranked = by_gravity(findings)
    make_folder(request.output)
    write_findings(request.output, ranked, found.confounds)
    write_copies(request.output, found.copies, found.parts.manifest if found.parts else None)
    if reviewed is not None:
        write_queue(request.output, fingerprints.manifest, reviewed)
    content = _content(request, fingerprints, found, ranked, said, reviewed=reviewed is not None)
    write_audit_page(content, request.output / "report.html")
    return AuditOutcome(request.output, ranked, unreadable(fingerprints))


def audit_images(
    fingerprints: Fingerprints,
    recipe: Recipe,
    *,
    progress: Progress,
    parts: Split | None = None,
) -> Audited:
    """All that needs no network, from what reading the images once has kept.

    Args:
        fingerprints: taken with ``observing``.
        recipe: its split and seed.
        progress: told of the search for copies.
        parts: the split in use; None makes the one that training would use.
    """
    manifest = fingerprints.manifest
    seen = fingerprints.observations
    findings = list(design_findings(manifest))
    near = _near(fingerprints, recipe, progress)
    if recipe.split.keep_copies:
        manifest = joined_copies(manifest, near)
    if parts is None:
        try:
            shares = (recipe.split.train, recipe.split.validation, recipe.split.test)
            parts = split(manifest, seed=recipe.seed, fractions=shares)
        except SplitError as error:
            findings.append(_no_split(error))
    copies = copy_pairs(fingerprints, near)
    findings += copy_findings(copies, manifest, parts.manifest if parts else None, seen)
    confounds = run_checks(manifest, seen, seed=recipe.seed)
    findings += confound_findings(confounds, manifest, seen)
    findings += quality_findings(manifest, seen)
    if manifest.group is None:
        findings.append(_no_group())
    return Audited(by_gravity(findings), copies, confounds, parts, manifest)


def audit_before(
    fingerprints: Fingerprints, recipe: Recipe, parts: Split | None, progress: Progress
) -> tuple[Fingerprints, Audited]:
    """The audit at the start of a training run, and the fingerprints with copies joined.

    Copies are joined only where the recipe says ``keep_copies``.
    """
    audited = audit_images(fingerprints, recipe, progress=progress, parts=parts)
    for finding in audited.findings:
        if finding.severity != "info":
            progress.say(f"{finding.severity}: {finding.title}")
    return replace(fingerprints, manifest=audited.manifest), audited


def with_copies_kept(fingerprints: Fingerprints, recipe: Recipe, progress: Progress) -> Manifest:
    """The manifest as a training run splits it: copies joined where the recipe says so.

    Args:
        fingerprints: taken with ``observing`` where the recipe says ``keep_copies``.
    """
    if not recipe.split.keep_copies:
        return fingerprints.manifest
    return joined_copies(fingerprints.manifest, _near(fingerprints, recipe, progress))


def _near(fingerprints: Fingerprints, recipe: Recipe, progress: Progress) -> Sequence[NearPair]:
    return near_duplicates(
        [one.sketch for one in fingerprints.observations],
        seed=recipe.seed,
        progress=StepCounter(progress, "Comparing images"),
    )


def joined_copies(manifest: Manifest, near: Sequence[NearPair]) -> Manifest:
    """``manifest`` with near copies marked to stay in one part."""
    sets = sets_of([(pair.first, pair.second) for pair in near])
    name = {number: f"copies {at}" for at, found in enumerate(sets) for number in found}
    records = [
        replace(record, copy_set=name.get(number, ""))
        for number, record in enumerate(manifest.records)
    ]
    return replace(manifest, records=tuple(records))


def by_gravity(findings: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Errors, then warnings, then the rest; what makes the question unanswerable first."""
    return tuple(sorted(findings, key=lambda f: (not f.unanswerable, _GRAVITY.index(f.severity))))


def _no_split(error: SplitError) -> AuditFinding:
    return AuditFinding(
        kind="no split",
        severity="error",
        title="No honest split can be made of these images",
        detail=f"{error.what[:1].upper()}{error.what[1:]}.",
        remedy=error.remedy or "",
    )


def _no_group() -> AuditFinding:
    return AuditFinding(
        kind="no group",
        severity="warning",
        title="No group was named",
        detail="Images of one field, slide, culture or donor may stand in training and in test, "
        "and the checks below take every image for an independent sample: they find too much "
        "rather than too little.",
        remedy="Name the column that holds the sample with --group",
    )


def _unreadable_finding(fingerprints: Fingerprints) -> AuditFinding:
    problems = unreadable(fingerprints)
    return AuditFinding(
        kind="unreadable",
        severity="warning",
        title=f"{len(problems)} images cannot be used",
        detail=f"The first: {problems[0][0]}: {problems[0][1]}",
        remedy="Replace or remove them",
        images=tuple(name for name, _ in problems),
    )


def _review(
    request: AuditRequest, fingerprints: Fingerprints, reader: CropReader, progress: Progress
) -> tuple[ReviewedLabels | None, str]:
    """The review of the labels, or None and why not."""
    if not request.network:
        return None, "Labels were not reviewed: --no-network was given."
    try:
        entry, _ = default_network()
        weights = resolve_weights(entry, "imagenet")
        reviewed = review_study(
            fingerprints.manifest, entry, weights, request.recipe, reader=reader, progress=progress
        )
    except WeightsError as error:
        return None, f"Labels were not reviewed, for lack of a pretrained network: {error}"
    except SplitError as error:
        return None, f"Labels were not reviewed, as no folds can be made: {error}"
    except (StudyError, ImageError) as error:
        return None, f"Labels were not reviewed, as one network cannot take all images: {error}"
    return reviewed, (
        f"Labels were reviewed with {entry.title} (ImageNet weights) and logistic regression, "
        f"{reviewed.folds} folds: it agrees with {percent(reviewed.accuracy)} of the labels."
    )


def _label_findings(reviewed: ReviewedLabels, fingerprints: Fingerprints) -> Iterator[AuditFinding]:
    manifest, review = fingerprints.manifest, reviewed.review
    doubted = int(review.doubted.sum())
    counts = np.unique([r.label for r in manifest.records], return_counts=True)[1]
    if reviewed.accuracy < counts.max() / counts.sum() + _HARDLY_BETTER or not doubted:
        return
    pictures = [one.sketch.picture for one in fingerprints.observations]
    shots = [
        Shot(
            manifest.records[i].title,
            (
                f"is {manifest.records[i].label}",
                f"looks like {manifest.classes[review.suggested[i]]}",
            ),
            pictures[i],
        )
        for i in review.order[:_SHOWN_LABELS]
    ]
    yield AuditFinding(
        kind="doubtful labels",
        severity="info",
        title=f"{doubted} labels deserve a second look",
        detail=f"A network that has learnt from the other {_others(manifest)} speaks for another "
        "class, as clearly as it does for that class's own images (confident learning). Many of "
        "these are borderline cells or its own errors, some are wrong labels; the most doubtful "
        "are shown.",
        remedy="Go through review_queue.csv from the top, without looking at the suggestion first, "
        "and stop when hardly any label is wrong. Correct labels in training and test alike",
        images=tuple(manifest.records[i].title for i in review.order[:doubted]),
        numbers={"doubted": doubted, "agreement": reviewed.accuracy},
        shots=tuple(shots),
    )


def _others(manifest: Manifest) -> str:
    return "groups" if manifest.group else "images"


def _content(
    request: AuditRequest,
    fingerprints: Fingerprints,
    found: Audited,
    findings: tuple[AuditFinding, ...],
    said: str,
    *,
    reviewed: bool,
) -> AuditContent:
    manifest = fingerprints.manifest
    count = {name: sum(f.severity == name for f in findings) for name in _GRAVITY}
    tone: Literal["good", "caution", "bad"] = "good"
    if count["error"] or count["warning"]:
        tone = "bad" if count["error"] else "caution"
    return AuditContent(
        page=Page(title=f"Audit of {manifest.root.name}", **vars(RunContext.now(request.command))),
        verdict=Verdict(verdict_sentence(findings), tone, ()),
        findings=findings,
        counts=tuple(_counts(manifest)),
        group_name=manifest.group,
        reviewed=reviewed,
        checks=tuple(
            (
                one.name,
                percent(one.balanced_accuracy),
                percent(one.expected),
                f"{one.p:.3f}",
            )
            for one in found.confounds
        ),
        done=(
            f"{len(manifest.records)} images were read. {COPIES_SEARCHED}",
            f"{len(found.confounds)} checks for confounds, at a chance of 5 % for any false alarm.",
            "Blank, saturated, unsharp and wrongly exposed images were looked for in each class.",
            said,
        ),
    )


def verdict_sentence(findings: Sequence[AuditFinding]) -> str:
    """One sentence on what the audit comes to."""
    if blocking := [one for one in findings if one.unanswerable]:
        return f"{blocking[0].title}."
    count = {name: sum(f.severity == name for f in findings) for name in _GRAVITY}
    if count["error"]:
        return (
            f"{count['error']} {'errors' if count['error'] > 1 else 'error'} to correct before "
            f"training, {count['warning']} to look at."
        )
    if count["warning"]:
        return f"No error was found; {count['warning']} findings to look at before training."
    return "Nothing was found that stands in the way of training."


def _counts(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    summary = summarise(manifest)
    for label in summary.classes:
        own = [record for record in manifest.records if record.label == label]
        groups = len({manifest.group_of(record) for record in own}) if manifest.group else ""
        yield label, str(len(own)), str(groups)
