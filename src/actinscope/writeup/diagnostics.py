"""What a run asked besides its accuracy: audit, controls, saliency, uncertainty.

Whatever was switched off, or could not be done, is None here, so that the texts can say so.
"""

from __future__ import annotations

from dataclasses import dataclass

from actinscope.audit import LEVEL, Audited, Confound, sentence_of
from actinscope.evaluation import UncertaintyEvaluation
from actinscope.explain import (
    ControlResults,
    Explanation,
    attention_warnings,
    control_warnings,
)
from actinscope.study import TEST, Manifest
from actinscope.writeup.result import FoldsResult, StudyResult


@dataclass(frozen=True)
class AuditFacts:
    """What the audit before the training looked for and found.

    Attributes:
        confounds: every check of what tells the classes besides the cells.
        copies: pairs of images that are copies, exact or changed.
        apart: pairs of them in two parts of the split that was used, or in two folds.
        apart_from_test: pairs of them with one image tested by a model that met the other.
    """

    confounds: tuple[Confound, ...] = ()
    copies: int = 0
    apart: int = 0
    apart_from_test: int = 0

    @property
    def significant(self) -> tuple[Confound, ...]:
        """The checks that tell the classes, as the audit's own findings have it."""
        return tuple(one for one in self.confounds if one.p <= LEVEL and one.strength > 0)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Everything beside the accuracy; None where it was switched off.

    Attributes:
        controls: simpler models, permuted labels, batches.
        audit: what was wrong with the images.
        explanation: saliency maps of the test images.
        uncertainty: of the test part's probabilities, with the rules of the bundle.
        class_maps: the report shows class activation maps, with or without the explanation.
        unanswerable: why these images cannot answer the question; empty where they can.
        warnings: what controls and saliency maps hold against the result, in sentences.
    """

    controls: ControlResults | None = None
    audit: AuditFacts | None = None
    explanation: Explanation | None = None
    uncertainty: UncertaintyEvaluation | None = None
    class_maps: bool = True
    unanswerable: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def calibrated(self) -> bool:
        """Whether a temperature other than 1 was found; too few images leave it at 1."""
        found = self.uncertainty
        return found is not None and any(rules.temperature != 1 for rules in found.rules)

    @property
    def leaves_unfamiliar_unnamed(self) -> bool:
        """Whether ``predict`` gives no name to what is far from all training images."""
        found = self.uncertainty
        return found is not None and all(rules.ood is not None for rules in found.rules)


def diagnostics_of(result: StudyResult) -> Diagnostics:
    """Sum up what a finished run, or the audit before a cross-validation, found."""
    audited, outcome = result.audited, result.outcome
    unanswerable = sentence_of(audited.findings) if audited else ""
    if isinstance(outcome, FoldsResult):
        if audited is None:
            return Diagnostics()
        # Controls are made in one fold alone, so these are all that limits the result.
        doubts = (one for one in audited.findings if one.severity != "info")
        return Diagnostics(
            audit=_audit_of_folds(audited, outcome),
            unanswerable=unanswerable,
            warnings=tuple(
                f"{one.title}."
                for one in doubts
                if not one.unanswerable and one.kind != "no group"  # said in its own words
            ),
        )
    test, controls, explanation = outcome.evaluated[TEST], outcome.controls, outcome.explanation
    return Diagnostics(
        controls=controls,
        audit=_audit_of_split(audited, result.manifest) if audited else None,
        explanation=explanation,
        uncertainty=test.uncertainty,
        class_maps=test.output.class_maps is not None,
        unanswerable=unanswerable,
        warnings=(
            *(control_warnings(controls.controls, controls.batches) if controls else ()),
            *(attention_warnings(explanation) if explanation else ()),
        ),
    )


def _audit_of_split(audited: Audited, manifest: Manifest) -> AuditFacts:
    part_of = {record.key: record.part for record in manifest.records}
    parts = [{part_of[one.first.key], part_of[one.second.key]} for one in audited.copies]
    apart = [pair for pair in parts if len(pair) > 1]
    tested = sum(TEST in pair for pair in apart)
    return AuditFacts(audited.confounds, len(audited.copies), len(apart), tested)


def _audit_of_folds(audited: Audited, outcome: FoldsResult) -> AuditFacts:
    """Copies count as apart where some repeat has put them into different folds."""
    apart = set()
    for pooled in outcome.pooled:
        records = zip(pooled.records, pooled.folds.tolist(), strict=True)
        fold_of = {record.key: fold for record, fold in records}
        for number, pair in enumerate(audited.copies):
            folds = {fold_of.get(pair.first.key), fold_of.get(pair.second.key)} - {None}
            if len(folds) > 1:
                apart.add(number)
    return AuditFacts(audited.confounds, len(audited.copies), len(apart), len(apart))
