"""The facts of one training run, gathered once; and those that a cross-validation has, too.

Methods paragraph, checklists and model card are written from these values and from
nothing else, so that one figure cannot stand there in two versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from actinscope.evaluation import Estimate, Evaluation, LevelEvaluation
from actinscope.networks import NetworkEntry, has_gpu
from actinscope.preprocess import AugmentSettings, Preprocess
from actinscope.runs import EvaluatedPredictions, parameter_counts
from actinscope.study import TEST, Manifest
from actinscope.training import Recipe, TreeEnsemble
from actinscope.writeup.diagnostics import Diagnostics, diagnostics_of

if TYPE_CHECKING:
    from actinscope.writeup.result import RunResult

SplitOrigin = Literal["seed", "manifest", "caller"]


@dataclass(frozen=True)
class PartFacts:
    """One part of the images: how many, from how many groups (None without groups)."""

    name: str
    images: int
    groups: int | None
    by_class: Mapping[str, int]


@dataclass(frozen=True)
class Trained:
    """The size of a trained model and how it came about; None where that is not known.

    Attributes:
        frozen_layers, trained_layers: before and after the cut.
        parameters, trained_parameters: of the network; the latter change in training.
        epochs: that were trained; of boosted trees rounds.
        kept_epoch: whose weights are delivered.
        features: of the embedding, for boosted trees; None where the softmax layer of the
            network names the class.
        trees: how many of them are kept.
    """

    frozen_layers: int | None
    trained_layers: int | None
    parameters: int | None
    trained_parameters: int | None
    epochs: int
    kept_epoch: int
    features: int | None = None
    trees: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class StudyFacts:
    """What is common to a run and to a cross-validation: images, recipe, network, machine.

    Attributes:
        classes: in the order of the probabilities.
        by_class: class -> images that were used.
        left_out: images that could not be read or predicted.
        duplicates: sets of images with the same pixels.
        group: the column that was kept together, or None.
        groups: how many groups there are, or None.
        crop_size: side of single-cell crops in pixels; None for whole images.
        by_image: no group was kept together.
        recipe: all settings as used.
        network: its registry entry.
        weights: where they come from: "imagenet", "file", "none", or "scratch" for a network
            that is made to start from random numbers.
        weights_text: the same in words.
        weights_sha256: of their file; None where there is none.
        synthetic: the images are phantoms.
        environment: versions and platform.
        gpu: Keras saw one.
        created: when.
        checks: controls, audit, maps and what the probabilities are worth.
    """

    classes: tuple[str, ...]
    by_class: Mapping[str, int]
    left_out: int
    duplicates: int
    group: str | None
    groups: int | None
    crop_size: int | None
    by_image: bool
    recipe: Recipe
    network: NetworkEntry
    weights: Literal["imagenet", "file", "none", "scratch"]
    weights_text: str
    weights_sha256: str | None
    synthetic: bool
    environment: Mapping[str, str]
    gpu: bool
    created: str
    checks: Diagnostics = field(default_factory=Diagnostics)

    @property
    def images(self) -> int:
        """Number of images that were used."""
        return sum(self.by_class.values())

    @property
    def random_weights(self) -> bool:
        """Whether the network started from random numbers."""
        return self.weights == "none"

    @property
    def mixed_precision(self) -> bool:
        """Whether the arithmetic was float16 with float32 weights."""
        precision = self.recipe.training.precision
        return precision == "mixed" or (precision == "auto" and self.gpu)

    @property
    def boosted_trees(self) -> bool:
        """Whether trees name the class, for which a round counts as an epoch."""
        return self.recipe.training.head_model == "boosted_trees"

    @property
    def epoch_chosen(self) -> bool:
        """Whether the validation part decided which epoch is delivered, or when to stop."""
        return self.recipe.training.keep == "best" or self.recipe.training.early_stopping > 0

    @property
    def choice(self) -> str:
        """What the validation part chose, where it chose something."""
        return "number of rounds" if self.boosted_trees else "epoch"

    @property
    def augmented(self) -> bool:
        """Whether training images were varied."""
        changed = self.recipe.augmentation.model_dump(exclude={"fill"})
        return changed != AugmentSettings.off().model_dump(exclude={"fill"})


@dataclass(frozen=True, eq=False, kw_only=True)
class RunFacts(StudyFacts):
    """What happened in a run.

    Attributes:
        parts: train, validation, test.
        split_origin: drawn with the seed, given by the manifest, or by the caller.
        leak: groups or copies stand in more than one part.
        preprocess: as fitted on the training part.
        reading: what was done on reading, such as a projection.
        frozen_layers, trained_layers: before and after the cut.
        parameters, trained_parameters: of the network; the latter change in training.
        epochs: that were trained.
        kept_epoch: whose weights are delivered.
        history: one row an epoch.
        evaluations: of each part.
        levels: of the test part.
        forest: the boosted trees that name the class, for which a round counts as an epoch; None
            where the softmax layer of the network names it.
    """

    parts: tuple[PartFacts, ...]
    split_origin: SplitOrigin
    leak: bool
    preprocess: Preprocess
    reading: tuple[str, ...]
    frozen_layers: int
    trained_layers: int
    parameters: int
    trained_parameters: int
    epochs: int
    kept_epoch: int
    history: tuple[Mapping[str, float], ...]
    evaluations: Mapping[str, Evaluation]
    levels: tuple[LevelEvaluation, ...]
    forest: TreeEnsemble | None = None

    @property
    def trained(self) -> Trained:
        """The model that is delivered."""
        return Trained(
            self.frozen_layers,
            self.trained_layers,
            self.parameters,
            self.trained_parameters,
            self.epochs,
            self.kept_epoch,
            features=None if self.forest is None else self.forest.features,
            trees=None if self.forest is None else len(self.forest.trees),
        )

    @property
    def test(self) -> Evaluation:
        """The evaluation that counts."""
        return self.evaluations[TEST]

    @property
    def accuracy(self) -> Estimate:
        """On the test part."""
        return self.test.metrics["accuracy"]

    @property
    def baseline(self) -> float:
        """Share of the commonest class among the test images, 0..1."""
        return majority_rate(self.test)

    @property
    def held_out(self) -> bool:
        """Whether the test images are of groups that the training never met."""
        return not self.by_image and not self.leak

    @property
    def training_seconds(self) -> float:
        """Time of all epochs, also of those before a resumption."""
        return sum(row["seconds"] for row in self.history)

    def part(self, name: str) -> PartFacts:
        """One of ``parts``."""
        return part_of(self.parts, name)


def majority_rate(evaluation: Evaluation) -> float:
    """Share of the commonest class, 0..1: what always naming it would reach."""
    counts = evaluation.confusion.sum(axis=1)
    return float(counts.max() / counts.sum())


def part_of(parts: Sequence[PartFacts], name: str) -> PartFacts:
    """The one of that name."""
    return next(part for part in parts if part.name == name)


def run_facts(
    story: RunResult, assessments: Mapping[str, EvaluatedPredictions], left_out: int
) -> RunFacts:
    """Gather the facts of a finished run; ``left_out`` images could not be used."""
    prepared = story.prepared
    split, manifest = prepared.split, prepared.split.manifest
    parameters, trained_parameters = parameter_counts(story.fitted)
    return RunFacts(
        classes=prepared.data.classes,
        by_class=_by_class(manifest, prepared.data.classes, None),
        left_out=left_out,
        duplicates=len(prepared.fingerprints.duplicates),
        group=manifest.group,
        groups=_groups(manifest, None),
        crop_size=manifest.crop_size,
        parts=tuple(_part(manifest, name, prepared.data.classes) for name in assessments),
        split_origin=prepared.split_origin,
        by_image=split.by_image,
        leak=split.leak,
        recipe=story.recipe,
        preprocess=prepared.preprocess,
        reading=prepared.reading,
        network=story.entry,
        weights=story.weights.kind,
        weights_text=story.weights.description,
        weights_sha256=story.weights.sha256,
        frozen_layers=story.fitted.frozen_layers,
        trained_layers=story.fitted.trained_layers,
        parameters=parameters,
        trained_parameters=trained_parameters,
        epochs=len(story.fitted.history),
        kept_epoch=story.fitted.kept_epoch,
        history=story.fitted.history,
        evaluations={part: one.evaluation for part, one in assessments.items()},
        levels=assessments[TEST].levels,
        synthetic=story.synthetic,
        environment=story.context.environment,
        gpu=has_gpu(),
        created=story.context.created,
        forest=story.fitted.forest,
        checks=diagnostics_of(story, assessments),
    )


def _part(manifest: Manifest, name: str, classes: tuple[str, ...]) -> PartFacts:
    counts = _by_class(manifest, classes, name)
    return PartFacts(name, sum(counts.values()), _groups(manifest, name), counts)


def _by_class(manifest: Manifest, classes: tuple[str, ...], part: str | None) -> dict[str, int]:
    labels = [record.label for record in manifest.records if part in (None, record.part)]
    return {name: labels.count(name) for name in classes}


def _groups(manifest: Manifest, part: str | None) -> int | None:
    if manifest.group is None:
        return None
    records = (record for record in manifest.records if part in (None, record.part))
    return len({manifest.group_of(record) for record in records})
