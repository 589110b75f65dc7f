"""The review itself: every check that needs no network, on what one reading of the images kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from actinscope.audit.confounds import confound_findings, run_checks
from actinscope.audit.copies import CopyPair, copy_findings, copy_pairs
from actinscope.audit.copy_matching import NearPair, near_duplicates, sets_of
from actinscope.audit.design import design_findings
from actinscope.audit.findings import AuditFinding, by_gravity, words_of
from actinscope.audit.permutation import Confound
from actinscope.audit.quality import quality_findings
from actinscope.errors import SplitError
from actinscope.progress import Progress, StepCounter
from actinscope.runs import TrainingProvenance
from actinscope.study import TEST, Fingerprints, Manifest, Split, read_thumbnails, split
from actinscope.training import Recipe


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


def audit_images(
    fingerprints: Fingerprints,
    recipe: Recipe,
    *,
    progress: Progress,
    parts: Split | None = None,
    folds: Callable[[Manifest], Sequence[Split]] | None = None,
) -> Audited:
    """All that needs no network, from what reading the images once has kept.

    Args:
        fingerprints: taken with ``observing``.
        recipe: its split and seed.
        progress: of the search for copies.
        parts: the split in use; None makes the one that training would use.
        folds: makes the splits instead, of a study that is tested by folds.
    """
    manifest = fingerprints.manifest
    seen = fingerprints.observations
    near = _near(fingerprints, recipe, progress)
    if recipe.split.keep_copies:
        manifest = joined_copies(manifest, near)
    findings = list(design_findings(manifest))
    part_of: dict[tuple[str, str], str] = {}
    try:
        if folds is not None:
            part_of = {
                record.key: f"tested by fold {number}"
                for number, one in enumerate(folds(manifest), 1)
                for record in one.manifest.records
                if record.part == TEST
            }
        else:
            shares = (recipe.split.train, recipe.split.validation, recipe.split.test)
            parts = parts or split(manifest, seed=recipe.seed, fractions=shares)
            part_of = {one.key: f"{one.part} part" for one in parts.manifest.records}
    except SplitError as error:
        why = f"{error.what[:1].upper()}{error.what[1:]}"
        words = words_of("no split", why=why, remedy=error.remedy or "")
        findings.append(AuditFinding(**words, severity="error"))
    copies = copy_pairs(fingerprints, near)
    findings += copy_findings(copies, manifest, part_of, seen)
    confounds = run_checks(manifest, seen, seed=recipe.seed)
    findings += confound_findings(confounds, manifest, seen)
    findings += quality_findings(manifest, seen)
    if manifest.group is None:
        findings.append(AuditFinding(**words_of("no group"), severity="warning"))
    return Audited(by_gravity(findings), copies, confounds, parts, manifest)


def audit_before(
    fingerprints: Fingerprints,
    recipe: Recipe,
    parts: Split | None,
    progress: Progress,
    *,
    folds: Callable[[Manifest], Sequence[Split]] | None = None,
) -> tuple[Fingerprints, Audited | None]:
    """The audit at the start of a training run, and the fingerprints with copies joined.

    Copies are joined unless the recipe says otherwise. Nothing stops the run: what is found is a
    warning, with what to do. None where the recipe wants no audit.
    """
    if not recipe.audit:
        manifest = with_copies_kept(fingerprints, recipe, progress)
        return replace(fingerprints, manifest=manifest), None
    audited = audit_images(fingerprints, recipe, progress=progress, parts=parts, folds=folds)
    for finding in audited.findings:
        if finding.severity != "info":
            progress.say(f"warning: {finding.title}. {finding.remedy}.")
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


def with_changed_copies(
    known: TrainingProvenance, found: Fingerprints, progress: Progress
) -> TrainingProvenance:
    """``known`` with those images of ``found`` that are changed copies of what trained the bundle.

    They are looked for as near copies within a study are, where the run around the bundle has
    kept thumbnails and ``found`` was taken with ``observing``.

    Raises:
        StudyError: the thumbnails are damaged.
    """
    if known.thumbnails is None:
        return known
    trained = read_thumbnails(known.thumbnails, known.images)
    new = {name: one for name, one in found.thumbnails.items() if name not in known.images}
    if not trained or not new:
        return known
    names = [*trained, *new]
    pairs = near_duplicates(
        [*trained.values(), *new.values()],
        known=len(trained),
        progress=StepCounter(progress, "Comparing images"),
    )
    copies = {
        names[pair.second]: known.images[names[pair.first]]
        for pair in pairs
        if pair.first < len(trained) <= pair.second
    }
    return replace(known, images={**known.images, **copies}, changed=frozenset(copies))


def joined_copies(manifest: Manifest, near: Sequence[NearPair]) -> Manifest:
    """``manifest`` with near copies marked to stay in one part."""
    sets = sets_of([(pair.first, pair.second) for pair in near])
    name = {number: f"copies {at}" for at, found in enumerate(sets) for number in found}
    records = [
        replace(record, copy_set=name.get(number, ""))
        for number, record in enumerate(manifest.records)
    ]
    return replace(manifest, records=tuple(records))
