"""What a run asked besides its accuracy, for the texts that are written about it.

Whatever was switched off, or could not be done, is None here, so that the texts can say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actinscope.audit import LEVEL, Audited, Confound, sentence_of
from actinscope.evaluation import UncertaintyEvaluation
from actinscope.explain import (
    Attention,
    ControlResults,
    Explanation,
    SanityStep,
    attention_warnings,
    control_warnings,
)
from actinscope.runs import EvaluatedPredictions
from actinscope.study import TEST, Manifest

if TYPE_CHECKING:
    from actinscope.writeup.result import RunResult


@dataclass(frozen=True)
class AuditFacts:
    """What the audit before the training looked for and found.

    Attributes:
        confounds: every check of what tells the classes besides the cells.
        copies: pairs of images that are copies, exact or changed.
        apart: pairs of them in two parts of the split that was used.
        apart_from_test: pairs of them with one image in the test part.
    """

    confounds: tuple[Confound, ...] = ()
    copies: int = 0
    apart: int = 0
    apart_from_test: int = 0

    @property
    def telling(self) -> tuple[Confound, ...]:
        """The checks that tell the classes, as the audit's own findings have it."""
        return tuple(one for one in self.confounds if one.p <= LEVEL and one.strength > 0)


@dataclass(frozen=True)
class ExplanationFacts:
    """How maps of the test images were made and judged.

    Attributes:
        method: the kind of map.
        attention: how much of them lies inside the cells, where that could be told.
        sanity: maps of shuffled networks against those of the network.
    """

    method: str
    attention: Attention | None = None
    sanity: tuple[SanityStep, ...] = ()


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Everything beside the accuracy; None where it was switched off.

    Attributes:
        controls: simpler models, shuffled labels, coarser images, batches.
        audit: what was wrong with the images.
        explanation: maps of the test images.
        worth: of the test part's probabilities, with the rules of the bundle.
        class_maps: the report shows class activation maps, with or without the explanation.
        doubts: sentences that limit the result, as the report's verdict has them.
    """

    controls: ControlResults | None = None
    audit: AuditFacts | None = None
    explanation: ExplanationFacts | None = None
    worth: UncertaintyEvaluation | None = None
    class_maps: bool = True
    doubts: tuple[str, ...] = ()

    @property
    def leaves_unfamiliar_unnamed(self) -> bool:
        """Whether ``predict`` gives no name to what is far from all training images."""
        if self.worth is None:
            return False
        return all(rules.ood is not None for rules in self.worth.rules)


def diagnostics_of(
    story: RunResult, assessments: Mapping[str, EvaluatedPredictions]
) -> Diagnostics:
    """Sum up what a finished run holds."""
    test, audited = assessments[TEST], story.audited
    unanswerable = sentence_of(audited.findings) if audited else ""
    return Diagnostics(
        controls=story.controls,
        audit=_audit(audited, story.prepared.split.manifest) if audited else None,
        explanation=_explanation(story.explanation) if story.explanation else None,
        worth=test.uncertainty,
        class_maps=test.output.class_maps is not None,
        doubts=(
            *((unanswerable,) if unanswerable else ()),
            *(control_warnings(story.controls) if story.controls else ()),
            *(attention_warnings(story.explanation) if story.explanation else ()),
        ),
    )


def _audit(audited: Audited, manifest: Manifest) -> AuditFacts:
    part_of = {record.key: record.part for record in manifest.records}
    parts = [(part_of[one.first.key], part_of[one.second.key]) for one in audited.copies]
    apart = [pair for pair in parts if pair[0] != pair[1]]
    return AuditFacts(
        confounds=audited.confounds,
        copies=len(parts),
        apart=len(apart),
        apart_from_test=sum(TEST in pair for pair in apart),
    )


def _explanation(found: Explanation) -> ExplanationFacts:
    return ExplanationFacts(found.method, found.attention, found.sanity)
