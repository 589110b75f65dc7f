"""The whole job of ``actinscope audit``: what is wrong with the images, before any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actinscope.audit import (
    COPIES_SEARCHED,
    Audited,
    AuditFinding,
    ReviewedLabels,
    audit_images,
    by_gravity,
    label_findings,
    review_study,
    verdict_sentence,
    words_of,
    write_copies,
    write_findings,
    write_queue,
)
from actinscope.cells import CropReader
from actinscope.errors import ImageError, SplitError, StudyError, TrainingError, WeightsError
from actinscope.evaluation import Verdict
from actinscope.networks import default_network, resolve_weights
from actinscope.progress import Progress
from actinscope.report import AuditContent, Page, write_audit_page
from actinscope.requests import AuditRequest
from actinscope.runs import RunContext, fingerprint_study, read_study, whole
from actinscope.study import Fingerprints, Manifest
from actinscope.wording import p_value, percent


@dataclass(frozen=True, eq=False)
class AuditOutcome:
    """The findings, and the (name, message) of images that could not be read."""

    folder: Path
    findings: tuple[AuditFinding, ...]
    problems: tuple[tuple[str, str], ...]


@whole
def audit_study(request: AuditRequest, progress: Progress) -> AuditOutcome:
    """Look at every image once, write what is wrong.

    Raises:
        StudyError: labels, groups or folders are not usable.
        UsageError: the output folder is in use.
    """
    recipe = request.recipe
    manifest = read_study(request.source, recipe)
    reader = CropReader(recipe.images, keep_in=request.output.parent)
    fingerprints = fingerprint_study(manifest, reader, progress, observing=True)
    found = audit_images(fingerprints, recipe, progress=progress)
    reviewed, said = _review(request, fingerprints, reader, progress)
    findings = list(found.findings)
    if reviewed is not None:
        findings += label_findings(reviewed, fingerprints)
    if fingerprints.unreadable:
        findings.append(_unreadable(fingerprints.unreadable))
    ranked = by_gravity(findings)
    write_findings(request.output, ranked, found.confounds)
    write_copies(request.output, found.copies, found.parts.manifest if found.parts else None)
    if reviewed is not None:
        write_queue(request.output, fingerprints.manifest, reviewed)
    content = _content(request, fingerprints, found, ranked, said, reviewed=reviewed is not None)
    write_audit_page(content, request.output / "report.html")
    return AuditOutcome(request.output, ranked, fingerprints.unreadable)


def _review(
    request: AuditRequest, fingerprints: Fingerprints, reader: CropReader, progress: Progress
) -> tuple[ReviewedLabels | None, str]:
    """The review of the labels, or None and why not."""
    if not request.network:
        return None, "Labels were not reviewed: --no-network was given."
    try:
        entry, _ = default_network(bundled=True)
        weights = resolve_weights(entry, "imagenet")
        reviewed = review_study(
            fingerprints.manifest, entry, weights, request.recipe, reader=reader, progress=progress
        )
    except WeightsError as error:
        return None, f"Labels were not reviewed, for lack of a pretrained network: {error}"
    except TrainingError as error:
        return None, f"Labels were not reviewed: {error}"
    except SplitError as error:
        return None, f"Labels were not reviewed, as no folds can be made: {error}"
    except (StudyError, ImageError) as error:
        return None, f"Labels were not reviewed, as one network cannot take all images: {error}"
    return reviewed, (
        f"Labels were reviewed with {entry.title} (ImageNet weights) and logistic regression, "
        f"{reviewed.folds} folds: it agrees with {percent(reviewed.accuracy)} of the labels."
    )


def _unreadable(problems: Sequence[tuple[str, str]]) -> AuditFinding:
    words = words_of("unreadable", count=len(problems), first=": ".join(problems[0]))
    return AuditFinding(**words, severity="warning", images=tuple(name for name, _ in problems))


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
    worst = {finding.severity for finding in findings}
    tone: Literal["good", "caution", "bad"] = "good"
    if worst - {"info"}:
        tone = "bad" if "error" in worst else "caution"
    return AuditContent(
        page=Page(title=f"Audit of {manifest.root.name}", **vars(RunContext.now(request.command))),
        verdict=Verdict(verdict_sentence(findings), tone, ()),
        findings=findings,
        counts=tuple(_counts(manifest)),
        group_name=manifest.group,
        reviewed=reviewed,
        checks=tuple(
            (one.name, percent(one.balanced_accuracy), percent(one.expected), p_value(one.p))
            for one in found.confounds
        ),
        done=(
            f"{len(manifest.records)} images were read. {COPIES_SEARCHED}",
            f"{len(found.confounds)} checks for confounds, at a chance of 5 % for any false alarm.",
            "Blank, saturated, unsharp and wrongly exposed images were looked for in each class.",
            said,
        ),
    )


def _counts(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    for label in manifest.classes:
        own = [record for record in manifest.records if record.label == label]
        groups = manifest.groups_of(own)
        yield label, str(len(own)), "" if groups is None else str(len(set(groups)))
