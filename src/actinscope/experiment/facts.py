"""The facts of one training run, gathered once.

Methods paragraph, checklists and model card are written from these values and from
nothing else, so that one figure cannot stand there in two versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from actinscope.evidence import Estimate, Evaluation, LevelEvaluation
from actinscope.experiment.assess import Assessment
from actinscope.experiment.checks import Checks, checks_of
from actinscope.experiment.environment import describe_environment, now_utc
from actinscope.networks import NetworkEntry, has_gpu
from actinscope.preprocess import AugmentSettings, Preprocess
from actinscope.study import TEST, Manifest
from actinscope.training import Forest, Recipe

if TYPE_CHECKING:
    from actinscope.experiment.story import RunStory

SplitOrigin = Literal["seed", "manifest", "caller"]


@dataclass(frozen=True)
class PartFacts:
    """One part of the images: how many, from how many groups (None without groups)."""

    name: str
    images: int
    groups: int | None
    by_class: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class RunFacts:
    """What happened in a run.

    Attributes:
        classes: in the order of the probabilities.
        by_class: class -> images that were used.
        left_out: images that could not be read or predicted.
        duplicates: sets of images with the same pixels.
        group: the column that was kept together, or None.
        groups: how many groups there are, or None.
        crop_size: side of single-cell crops in pixels; None for whole images.
        parts: train, validation, test.
        split_origin: drawn with the seed, given by the manifest, or by the caller.
        by_image: no group was kept together.
        leak: groups or copies stand in more than one part.
        recipe: all settings as used.
        preprocess: as fitted on the training part.
        reading: what was done on reading, such as a projection.
        network: its registry entry.
        weights: where they come from: "imagenet", "file", "none", or "scratch" for a network
            that is made to start from random numbers.
        weights_text: the same in words.
        weights_sha256: of their file; None where there is none.
        frozen_layers, trained_layers: before and after the cut.
        parameters, trained_parameters: of the network; the latter change in training.
        epochs: that were trained.
        kept_epoch: whose weights are delivered.
        history: one row an epoch.
        evaluations: of each part.
        levels: of the test part.
        synthetic: the images are phantoms.
        environment: versions and platform.
        gpu: Keras saw one.
        created: when.
        forest: the boosted trees that name the class, for which a round counts as an epoch; None
            where the softmax layer of the network names it.
        checks: controls, audit, maps and what the probabilities are worth.
    """

    classes: tuple[str, ...]
    by_class: Mapping[str, int]
    left_out: int
    duplicates: int
    group: str | None
    groups: int | None
    crop_size: int | None
    parts: tuple[PartFacts, ...]
    split_origin: SplitOrigin
    by_image: bool
    leak: bool
    recipe: Recipe
    preprocess: Preprocess
    reading: tuple[str, ...]
    network: NetworkEntry
    weights: Literal["imagenet", "file", "none", "scratch"]
    weights_text: str
    weights_sha256: str | None
    frozen_layers: int
    trained_layers: int
    parameters: int
    trained_parameters: int
    epochs: int
    kept_epoch: int
    history: tuple[Mapping[str, float], ...]
    evaluations: Mapping[str, Evaluation]
    levels: tuple[LevelEvaluation, ...]
    synthetic: bool
    environment: Mapping[str, str]
    gpu: bool
    created: str
    forest: Forest | None = None
    checks: Checks = field(default_factory=Checks)

    @property
    def images(self) -> int:
        """Number of images that were used."""
        return sum(self.by_class.values())

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
        counts = self.test.confusion.sum(axis=1)
        return float(counts.max() / counts.sum())

    @property
    def held_out(self) -> bool:
        """Whether the test images are of groups that the training never met."""
        return not self.by_image and not self.leak

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
    def training_seconds(self) -> float:
        """Time of all epochs, also of those before a resumption."""
        return sum(row["seconds"] for row in self.history)

    @property
    def epoch_chosen(self) -> bool:
        """Whether the validation part decided which epoch is delivered, or when to stop."""
        return self.recipe.training.keep == "best" or self.recipe.training.early_stopping > 0

    @property
    def choice(self) -> str:
        """What the validation part chose, where it chose something."""
        return "epoch" if self.forest is None else "number of rounds"

    @property
    def augmented(self) -> bool:
        """Whether training images were varied."""
        changed = self.recipe.augmentation.model_dump(exclude={"fill"})
        return changed != AugmentSettings.off().model_dump(exclude={"fill"})

    def part(self, name: str) -> PartFacts:
        """One of ``parts``."""
        return next(part for part in self.parts if part.name == name)


def run_facts(story: RunStory, assessments: Mapping[str, Assessment], left_out: int) -> RunFacts:
    """Gather the facts of a finished run; ``left_out`` images could not be used."""
    prepared = story.prepared
    split, manifest = prepared.split, prepared.split.manifest
    model, forest = story.fitted.model, story.fitted.forest
    # With trees the network ends before its last layer, and nothing of it is trained.
    unused = 0 if forest is None else int(model.layers[-1].count_params())
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
        parameters=int(model.count_params()) - unused,
        trained_parameters=_size(model.trainable_weights) if forest is None else 0,
        epochs=len(story.fitted.history),
        kept_epoch=story.fitted.kept_epoch,
        history=story.fitted.history,
        evaluations={part: one.evaluation for part, one in assessments.items()},
        levels=assessments[TEST].levels,
        synthetic=story.synthetic,
        environment=describe_environment(),
        gpu=has_gpu(),
        created=now_utc(),
        forest=forest,
        checks=checks_of(story, assessments),
    )


def _size(weights: list[Any]) -> int:
    return int(sum(np.prod(weight.shape, dtype=np.int64) for weight in weights))


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
