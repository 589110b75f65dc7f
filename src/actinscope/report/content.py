"""What a report says: plain values, filled in by the caller, drawn by this room.

Every number in a report comes from one of these fields. Nothing here is worked out
from anything else, so a reader can trace each number to the file it was taken from.
All strings may hold anything (labels and file names are foreign text); they are
escaped when they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from actinscope.audit import AuditFinding
    from actinscope.evaluation import (
        Estimate,
        Evaluation,
        LevelEvaluation,
        UncertaintyEvaluation,
        Verdict,
    )
    from actinscope.explain import Attention, ControlResults, MapSimilarity, SanityStep


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every page has beside its subject.

    All strings, here and in the contents that hold a page, may hold anything (labels and file
    names are foreign text); they are escaped when they are drawn.

    Attributes:
        question: what was asked, in words.
        notices: what a reader must know before any number; at the top.
        synthetic: the images are phantoms; said at the top and on every printed page.
        settings: values may be mappings, sequences and plain values.
        file_problems: (file name, message) of the files that could not be read.
        created, environment, command, version: as in `actinscope.runs.RunContext`; what is
            empty is left out.
    """

    title: str
    question: str = ""
    notices: tuple[str, ...] = ()
    synthetic: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    file_problems: tuple[tuple[str, str], ...] = ()
    created: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    version: str = ""


@dataclass(frozen=True, eq=False)
class NeighbourShown:
    """A training image beside an error.

    Attributes:
        label: its class.
        note: whether it is of the same group, and how far away; a few words.
        pixels: as in `CellPicture`.
    """

    name: str
    label: str
    note: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CellPicture:
    """One cell as the network sees it, with what the network said about it.

    Attributes:
        name: file name as the manifest writes it.
        label: the true class; empty where it is not known.
        predicted: the class with the highest probability.
        probabilities: class name -> probability, 0..1.
        pixels: uint8, (H, W) grey or (H, W, 3) red, green, blue; after resizing and
            intensity scaling, before the network's own normalisation.
        heat: map of the evidence for the predicted class, float32 (H, W), 0..1, of the
            same height and width as ``pixels``; ``None`` where the network has none.
        group: name of the group that the cell belongs to; empty where there is none.
        object_id: name of the object within the file; empty for whole-image cells.
        map_name: how ``heat`` was made.
        neighbours: training images that the network takes for similar, the nearest first.
        unfamiliar: the cell is unlike all training images, so that ``predict`` names no class.
    """

    name: str
    label: str
    predicted: str
    probabilities: Mapping[str, float]
    pixels: NDArray[np.uint8]
    heat: NDArray[np.float32] | None = None
    group: str = ""
    object_id: str = ""
    map_name: str = "class activation map"
    neighbours: tuple[NeighbourShown, ...] = ()
    unfamiliar: bool = False


@dataclass(frozen=True)
class Finding:
    """Something that the audit of the data found: what, in detail, what to do about it."""

    severity: Literal["error", "warning", "info"]
    title: str
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Headline:
    """The one number that the report shows large.

    Attributes:
        name: what it is, as a reader says it: "Balanced accuracy".
        part: the part of the data that it was measured on; a key of ``evaluations``.
        estimate: value and interval, 0..1.
        baseline: what a fixed guess would reach on the same scale, 0..1; ``None`` hides it.
        baseline_name: what that guess is.
    """

    name: str
    part: str
    estimate: Estimate
    baseline: float | None = None
    baseline_name: str = "always predicting the majority class"


@dataclass(frozen=True)
class SplitTable:
    """How many images and groups of each class went into which part.

    Attributes:
        parts: column order, such as ("train", "validation", "test").
        images: class -> part -> number of images.
        groups: class -> part -> number of groups; empty where there are no groups.
        group_name: name of the group column; ``None`` where every image stands alone.
        members: part -> group name -> number of images; empty where there are no groups.
    """

    classes: tuple[str, ...]
    parts: tuple[str, ...]
    images: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    group_name: str | None = None
    members: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class FoldRow:
    """One fold of a cross-validation.

    Attributes:
        name: short, for table and chart.
        images, groups: of its test part; ``groups`` None where there are none.
        metrics: name -> value with interval, of its test part.
        folder: of its own report.
    """

    name: str
    images: int
    groups: int | None
    metrics: Mapping[str, Estimate]
    folder: str


@dataclass(frozen=True)
class FoldsShown:
    """The section on the folds of a cross-validation.

    Attributes:
        pooled: accuracy of all folds' test images together, with its interval.
        spreads: metric -> (mean, standard deviation or NaN) over the folds.
        note: what the spread is, and is not.
    """

    rows: tuple[FoldRow, ...]
    pooled: Estimate
    spreads: Mapping[str, tuple[float, float]]
    note: str = ""


@dataclass(frozen=True)
class ChecklistItem:
    """One item of a checklist.

    Attributes:
        source: who answers: the "run", the "author" (then ``answer`` says what to
            write), or nobody as it was "not done".
    """

    number: str
    question: str
    answer: str
    source: str


@dataclass(frozen=True)
class Checklist:
    """A published checklist, filled in."""

    title: str
    citation: str
    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True, eq=False)
class FeatureMapShown:
    """Images as points of a plane.

    Attributes:
        note: what a reader must know.
        axes: what stands along x and y.
        points: (N, 2) float64.
        classes, groups: (N,) numbers of ``class_names`` and ``group_names``; groups is
            empty where there are none.
        is_test: (N,) test images, drawn as rings.
    """

    note: str
    axes: tuple[str, str]
    points: NDArray[np.float64]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    group_word: str
    is_test: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ExplanationShown:
    """The section on what the network looks at.

    Attributes:
        method: how maps are made, in a sentence or two.
        attention: share of the evidence inside the cells, where that could be told.
        sanity: maps of networks with shuffled weights against those of the network.
        unlike: for comparison: maps of the network for two different images.
        features: a map of them.
    """

    method: str
    attention: Attention | None = None
    sanity: tuple[SanityStep, ...] = ()
    unlike: MapSimilarity | None = None
    features: FeatureMapShown | None = None


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that the report of a run or an evaluation says.

    Only the first five fields are needed; a report on new data has no history and no
    split. A section whose field is empty says so in one line or is left out.

    Attributes:
        verdict: the sentence to read first.
        evaluations: part ("test", "validation", "train" or any other name) -> Evaluation.
            The part that ``headline`` names is drawn first and large.
        history: ``epoch``, ``loss``, ``accuracy``, ``validation_loss``, ``validation_accuracy``,
            ``learning_rate`` and ``seconds``, lists of one value an epoch; other keys are
            ignored, missing ones are not drawn, NaN leaves a gap.
        best_epoch: value from ``history["epoch"]`` of the epoch whose weights were kept.
        errors_total: number of wrong predictions in the headline part, of which ``errors`` may
            hold only some; ``None`` takes it from the part's confusion matrix.
        methods: (heading, text) of the paragraphs for a paper.
        uncertainty: part -> calibration, prediction sets and abstention on it; that of the part
            of the headline is shown.
    """

    page: Page
    verdict: Verdict
    headline: Headline
    classes: tuple[str, ...]
    evaluations: Mapping[str, Evaluation]
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    best_epoch: int | None = None
    split: SplitTable | None = None
    split_notes: tuple[str, ...] = ()
    findings: tuple[Finding | AuditFinding, ...] = ()
    examples: Mapping[str, tuple[CellPicture, ...]] = field(default_factory=dict)
    errors: tuple[CellPicture, ...] = ()
    errors_total: int | None = None
    right: tuple[CellPicture, ...] = ()
    controls: ControlResults | None = None
    folds: FoldsShown | None = None
    explanation: ExplanationShown | None = None
    levels: tuple[LevelEvaluation, ...] = ()
    methods: tuple[tuple[str, str], ...] = ()
    checklists: tuple[Checklist, ...] = ()
    uncertainty: Mapping[str, UncertaintyEvaluation] = field(default_factory=dict)
    preprocessing: str = ""
    network: str = ""
    timing: str = ""
