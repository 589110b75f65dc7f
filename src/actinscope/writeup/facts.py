"""The facts of a run or a cross-validation, gathered once for all that is written about it.

A run has one model, a cross-validation one a fold. Methods, checklists and model card are
written from these values and from nothing else, so that no number can stand there in two
versions. Models are described by what their folders hold, so that folds of an earlier start
and folds of this one go the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from actinscope.bundle import BundleInfo, read_bundle_info
from actinscope.errors import StudyError
from actinscope.evaluation import (
    Conditions,
    Estimate,
    Evaluation,
    LevelEvaluation,
    Verdict,
    verdict,
)
from actinscope.names import RunFile
from actinscope.networks import NetworkEntry, ResolvedWeights, has_gpu
from actinscope.preprocess import AugmentSettings, Preprocess
from actinscope.runs import (
    EvaluatedPredictions,
    Pooled,
    RunContext,
    read_history,
    read_listed_images,
)
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.training import Recipe, read_recipe
from actinscope.wording import spoken
from actinscope.writeup.diagnostics import Diagnostics, diagnostics_of
from actinscope.writeup.result import FoldsResult, SplitResult, StudyResult


@dataclass(frozen=True)
class PartFacts:
    """One part of the images: how many, from how many groups (None without groups)."""

    name: str
    images: int
    groups: int | None
    by_class: Mapping[str, int]


@dataclass(frozen=True)
class TrainingSummary:
    """The size of a trained model and how long it was trained; None where that is not known.

    Attributes:
        frozen_layers, trained_layers: before and after the cut.
        parameters, trained_parameters: of the network; the latter change in training.
        epochs: that were trained; of boosted trees rounds.
        kept_epoch: whose weights are delivered.
        features: of the embedding, for boosted trees and probes; None where the softmax layer of
            the network names the class.
        trees, nodes: how many of them are kept.
        inverse_penalty: of a probe, as folds chose it; None where they could not.
    """

    frozen_layers: int | None
    trained_layers: int | None
    parameters: int | None
    trained_parameters: int | None
    epochs: int
    kept_epoch: int
    features: int | None = None
    trees: int | None = None
    nodes: int | None = None
    inverse_penalty: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelFacts:
    """One model: that of a run or of a fold, or the one that is delivered.

    Attributes:
        name: of its folder.
        recipe: as used; with a search what that found.
        info: of its bundle.
        parts: train, validation and, where it was tested, test.
        training: its size, and how long it was trained.
        seconds: time of all epochs, also of those before a resumption.
        metrics: {part: {metric: Estimate}}; empty for a model that was not tested.
    """

    name: str
    recipe: Recipe
    info: BundleInfo
    parts: tuple[PartFacts, ...]
    training: TrainingSummary
    seconds: float
    metrics: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    @property
    def reading(self) -> tuple[str, ...]:
        """What reading its golden images noted; such as differ in numbers once."""
        return _once(note for one in self.info.golden for note in one.notes)

    def part(self, name: str) -> PartFacts:
        """One of ``parts``."""
        return next(part for part in self.parts if part.name == name)

    def accuracy(self, part: str) -> Estimate:
        """On the images of one part."""
        return self.metrics[part]["accuracy"]


@dataclass(frozen=True)
class SplitFacts:
    """One split into parts.

    Attributes:
        origin: drawn with the seed, given by the manifest, or by the caller.
        leak: groups or copies stand in more than one part.
    """

    origin: Literal["seed", "manifest", "caller"]
    leak: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldsFacts:
    """A cross-validation.

    Attributes:
        count: folds of one repeat.
        pooled: one evaluation a repeat; the first is the one that counts.
        missing: images that a fold of the first repeat could not predict.
        notes: on how the folds were made.
        refit: the model that was trained on all images, where one was.
        validation_share: of what a fold does not test, 0..1.
        other_environments: folds that were trained with other versions, or elsewhere.
    """

    count: int
    pooled: tuple[Evaluation, ...]
    missing: int
    notes: tuple[str, ...]
    refit: ModelFacts | None
    validation_share: float
    other_environments: int = 0

    @property
    def repeats(self) -> int:
        """How often all folds were made."""
        return len(self.pooled)


@dataclass(frozen=True, eq=False, kw_only=True)
class Facts:
    """What happened in a run or a cross-validation.

    Attributes:
        classes: in the order of the probabilities.
        by_class: class -> images that were used.
        left_out: images that could not be read or, in a run, predicted.
        duplicates: sets of images with the same pixels.
        group: the column that was kept together, or None.
        groups: how many groups there are, or None.
        crop_size: side of single-cell crops in pixels; None for whole images.
        by_image: no group was kept together.
        synthetic: the images are phantoms.
        reading: what was done on reading, such as a projection.
        recipe: all settings as used, without a search.
        network: its registry entry.
        gpu: Keras saw one.
        models: one of a run; of a cross-validation the models of all folds and repeats.
        result: the evaluation that counts: of the test part, or of the pooled predictions.
        levels: the same by fields, wells or donors.
        names: number of names of groups that were tested; those that share images were joined.
    """

    classes: tuple[str, ...]
    by_class: Mapping[str, int]
    left_out: int
    duplicates: int
    group: str | None
    groups: int | None
    crop_size: int | None
    by_image: bool
    synthetic: bool
    reading: tuple[str, ...]
    recipe: Recipe
    network: NetworkEntry
    weights: ResolvedWeights
    context: RunContext
    gpu: bool
    design: SplitFacts | FoldsFacts
    models: tuple[ModelFacts, ...]
    result: Evaluation
    levels: tuple[LevelEvaluation, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    names: int = 0

    @property
    def split(self) -> SplitFacts | None:
        """The design of a run; None for a cross-validation."""
        return self.design if isinstance(self.design, SplitFacts) else None

    @property
    def folds(self) -> FoldsFacts | None:
        """The design of a cross-validation; None for a run."""
        return self.design if isinstance(self.design, FoldsFacts) else None

    @property
    def images(self) -> int:
        """Number of images that were used."""
        return sum(self.by_class.values())

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
    def probe(self) -> bool:
        """Whether logistic regression on an untouched network names the class."""
        return self.recipe.training.head_model == "linear_probe"

    @property
    def step(self) -> str:
        """What the training is counted in."""
        return "round" if self.boosted_trees else "epoch"

    @property
    def epoch_chosen(self) -> bool:
        """Whether the validation part decided which epoch, or how many views, are delivered."""
        if self.probe:
            return True
        return self.recipe.training.keep == "best" or self.recipe.training.early_stopping > 0

    @property
    def choice(self) -> str:
        """What the validation part chose, where it chose something."""
        if self.probe:
            return "number of views"
        return "number of rounds" if self.boosted_trees else "epoch"

    @property
    def augmented(self) -> bool:
        """Whether training images were varied."""
        changed = self.recipe.augmentation.model_dump(exclude={"fill"})
        return changed != AugmentSettings.off().model_dump(exclude={"fill"})

    @property
    def common(self) -> TrainingSummary:
        """What all models have in common, else None; of epochs and rounds the most."""
        found = [model.training for model in self.models]

        def same(name: str) -> Any:
            values = {getattr(summary, name) for summary in found}
            return values.pop() if len(values) == 1 else None

        most = {name: max(getattr(one, name) for one in found) for name in ("epochs", "kept_epoch")}
        return TrainingSummary(
            **{one.name: same(one.name) for one in fields(TrainingSummary)} | most
        )

    @property
    def fitted(self) -> list[Preprocess]:
        """The preprocessing of every model."""
        return [model.info.preprocess for model in self.models]

    @property
    def accuracy(self) -> Estimate:
        """On the test part, or of the pooled predictions."""
        return self.result.metrics["accuracy"]

    @property
    def baseline(self) -> float:
        """Share of the majority class among the images that were tested, 0..1."""
        return majority_rate(self.result)

    @property
    def verdict(self) -> Verdict:
        """The result in a sentence, and what limits it."""
        checks, folds = self.diagnostics, self.folds
        trained = [None if folds else self.models[0].accuracy(part) for part in (TRAIN, VALIDATION)]
        judged = verdict(
            self.result,
            Conditions(
                by_image=self.by_image,
                synthetic=self.synthetic,
                random_weights=self.weights.random,
                leak=self.split is not None and self.split.leak,
                copies=checks.audit.apart_from_test if checks.audit else 0,
                group=self.group or "group",
                names=self.names,
                # Which of the models saw what is said in the sentence put before.
                held_out=folds is None,
            ),
            baseline=self.baseline,
            training=trained[0],
            validation=trained[1],
            controls=checks.warnings,
            unanswerable=checks.unanswerable,
        )
        if folds is None:
            return judged
        without = (
            "it (other images of the same sample may have been there)"
            if self.by_image
            else f"it and its whole {spoken(self.group or 'group')}"
        )
        estimate = (
            f"An estimate over {folds.count} folds: every image was named by a model that was "
            f"trained without {without}. "
        )
        return replace(judged, sentence=estimate + judged.sentence)

    @property
    def held_out(self) -> bool:
        """Whether what was tested is of groups that its model never met."""
        return not self.by_image and not (self.split is not None and self.split.leak)

    @property
    def training_seconds(self) -> float:
        """Time of all epochs of all models."""
        return sum(model.seconds for model in self.models)

    @property
    def leaves_unfamiliar_unnamed(self) -> bool:
        """Whether the model to deliver gives no name to what is far from all training images."""
        models: tuple[ModelFacts, ...] = self.models
        if self.folds is None:
            return self.diagnostics.leaves_unfamiliar_unnamed
        if self.folds.refit is not None:
            models = (self.folds.refit,)
        found = [one.info.reliability for one in models]
        return all(one is not None and one.ood is not None for one in found)

    def accuracies(self, part: str) -> list[float]:
        """Accuracy of every model on its own images of ``part``, where that is known."""
        return [model.accuracy(part).value for model in self.models if part in model.metrics]


def majority_rate(evaluation: Evaluation) -> float:
    """Share of the majority class, 0..1: the accuracy of always naming it."""
    counts = evaluation.confusion.sum(axis=1)
    return float(counts.max() / counts.sum())


def gather_facts(result: StudyResult) -> Facts:
    """Gather the facts of what has finished.

    Raises:
        StudyError, SettingsError, BundleError: a model has not left what a model leaves.
    """
    manifest, outcome = result.manifest, result.outcome
    diagnostics = diagnostics_of(result)
    if isinstance(outcome, SplitResult):
        prepared = outcome.prepared
        metrics = {part: one.evaluation.metrics for part, one in outcome.evaluated.items()}
        models: tuple[ModelFacts, ...] = (_read_model(result.folder, manifest.classes, metrics),)
        design: SplitFacts | FoldsFacts = SplitFacts(prepared.split_origin, prepared.split.leak)
        tested: EvaluatedPredictions | Pooled = outcome.evaluated[TEST]
        reading = prepared.reading
        left_out = len(result.problems)
    else:
        models = tuple(
            _read_model(fold.run.path, manifest.classes, fold.run.metrics) for fold in outcome.folds
        )
        design = _folds_facts(result, outcome)
        tested = outcome.pooled[0]
        reading = _once(note for model in models for note in model.reading)
        left_out = len(result.fingerprints.problems)
    return Facts(
        classes=manifest.classes,
        by_class=_by_class(manifest.classes, [record.label for record in manifest.records]),
        left_out=left_out,
        duplicates=len(result.fingerprints.duplicates),
        group=manifest.group,
        groups=len({manifest.group_of(record) for record in manifest.records})
        if manifest.group is not None
        else None,
        crop_size=manifest.crop_size,
        by_image=result.by_image,
        synthetic=result.synthetic,
        reading=reading,
        recipe=result.recipe,
        network=result.network.entry,
        weights=result.network.weights,
        context=result.context,
        gpu=result.recipe.training.head_model != "linear_probe" and has_gpu(),
        design=design,
        models=models,
        result=tested.evaluation,
        levels=result.levels,
        diagnostics=diagnostics,
        names=len(set(tested.groups or ())),
    )


def _folds_facts(result: StudyResult, outcome: FoldsResult) -> FoldsFacts:
    shares = result.recipe.split
    here, classes = result.context.environment, result.manifest.classes
    return FoldsFacts(
        count=outcome.count,
        pooled=tuple(one.evaluation for one in outcome.pooled),
        missing=len(outcome.pooled[0].missing),
        notes=result.notes,
        refit=_read_model(result.folder / "refit", classes, {}) if outcome.refit else None,
        validation_share=shares.validation / (shares.train + shares.validation),
        other_environments=sum(_environment(one.run.path) != here for one in outcome.folds),
    )


def _once(notes: Iterable[str]) -> tuple[str, ...]:
    """Notes that differ only in numbers are one."""
    return tuple({re.sub(r"[0-9]+", "N", note): note for note in notes}.values())


def _read_model(
    folder: Path, classes: Sequence[str], metrics: Mapping[str, Mapping[str, Estimate]]
) -> ModelFacts:
    info = read_bundle_info(folder / RunFile.BUNDLE)
    known = {
        one.name: value if isinstance(value := info.training.get(one.name), int | float) else None
        for one in fields(TrainingSummary)
    }
    if known["epochs"] is None or known["kept_epoch"] is None:
        raise _broken(folder / RunFile.BUNDLE, "does not say how long it was trained")
    images = read_listed_images(folder / RunFile.MANIFEST)
    parts = []
    for name in (TRAIN, VALIDATION, TEST):
        if own := [image for image in images if image.part == name]:
            found = {image.groups.get(info.group, "") for image in own} if info.group else None
            by_class = _by_class(classes, [image.label for image in own])
            parts.append(PartFacts(name, len(own), None if found is None else len(found), by_class))
    return ModelFacts(
        name=folder.name,
        recipe=read_recipe(folder / RunFile.RECIPE),
        info=info,
        parts=tuple(parts),
        training=TrainingSummary(**known),  # type: ignore[arg-type]  # epochs are known
        seconds=_seconds(folder),
        metrics=metrics,
    )


def _by_class(classes: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    return {name: labels.count(name) for name in classes}


def _environment(folder: Path) -> object:
    """With which versions, and where, a model was trained."""
    path = folder / RunFile.ENVIRONMENT
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _broken(path, f"cannot be read ({type(error).__name__})") from error


def _seconds(folder: Path) -> float:
    history = read_history(folder)
    if "seconds" not in history:
        raise _broken(folder / RunFile.HISTORY, "does not say how long an epoch took")
    return sum(history["seconds"])


def _broken(path: Path, what: str) -> StudyError:
    return StudyError(
        what,
        where=path,
        remedy="Delete the folder that holds it and repeat the command with --resume",
    )
