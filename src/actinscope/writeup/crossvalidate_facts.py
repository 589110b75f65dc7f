"""The facts of a cross-validation, for the texts that are written about it.

Models are told from what their folders hold, so that folds of an earlier start and folds of
this one go the same way.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from actinscope.audit import sentence_of
from actinscope.bundle import BundleInfo, read_bundle_info
from actinscope.errors import StudyError
from actinscope.evaluation import Estimate, Evaluation, LevelEvaluation
from actinscope.networks import has_gpu
from actinscope.requests import Deliver, NestedSearch
from actinscope.runs import ListedImage, read_listed_images
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.training import Recipe, read_recipe
from actinscope.writeup.diagnostics import AuditFacts, Diagnostics
from actinscope.writeup.facts import PartFacts, StudyFacts, Trained, majority_rate

if TYPE_CHECKING:
    from actinscope.writeup.result import FoldsResult


@dataclass(frozen=True, eq=False)
class Model:
    """One model of a cross-validation: that of a fold, or the one to deliver.

    Attributes:
        name: of its folder.
        recipe: as used; with a search what that found.
        info: of its bundle.
        parts: train, validation and, for a fold, test.
        trained: its size, and how long it was trained.
        seconds: time of all epochs.
        metrics: {part: {metric: Estimate}}; empty for the model to deliver.
    """

    name: str
    recipe: Recipe
    info: BundleInfo
    parts: tuple[PartFacts, ...]
    trained: Trained
    seconds: float
    metrics: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldsFacts(StudyFacts):
    """What happened in a cross-validation; ``recipe`` is the one without a search.

    Attributes:
        count: folds of one repeat.
        folds: the models of all repeats.
        pooled: one evaluation a repeat; the first is the one that counts.
        missing: images that a fold of the first repeat could not predict.
        levels: of the first repeat.
        notes: on how the folds were made.
        search: settings were searched in every fold; None takes the recipe as it is.
        extras: controls and explanation in every fold, as far as the recipe has them.
        deployed: what was delivered.
        refit: the model that was trained on all images, where one was.
        validation_share: of what a fold does not test, 0..1.
        other_environments: folds that were trained with other versions, or elsewhere.
    """

    count: int
    folds: tuple[Model, ...]
    pooled: tuple[Evaluation, ...]
    missing: int
    levels: tuple[LevelEvaluation, ...]
    notes: tuple[str, ...]
    search: NestedSearch | None
    extras: bool
    deployed: Deliver
    refit: Model | None
    validation_share: float
    other_environments: int = 0

    @property
    def result(self) -> Evaluation:
        """The pooled figures that count: those of the first repeat."""
        return self.pooled[0]

    @property
    def accuracy(self) -> Estimate:
        """Of the pooled predictions."""
        return self.result.metrics["accuracy"]

    @property
    def baseline(self) -> float:
        """Share of the commonest class, 0..1."""
        return majority_rate(self.result)

    @property
    def repeats(self) -> int:
        """How often all folds were made."""
        return len(self.pooled)

    @property
    def trained(self) -> Trained:
        """What all models of the folds have in common; else None."""
        sizes = [fold.trained for fold in self.folds]

        def same(name: str) -> int | None:
            values = {getattr(size, name) for size in sizes}
            return values.pop() if len(values) == 1 else None

        return Trained(
            same("frozen_layers"),
            same("trained_layers"),
            same("parameters"),
            same("trained_parameters"),
            epochs=max(size.epochs for size in sizes),
            kept_epoch=max(size.kept_epoch for size in sizes),
            features=same("features"),
        )

    @property
    def seconds(self) -> float:
        """Time of all epochs of all folds."""
        return sum(fold.seconds for fold in self.folds)

    @property
    def searched(self) -> bool:
        """Whether every fold searched its own settings."""
        return self.search is not None

    @property
    def leaves_unfamiliar_unnamed(self) -> bool:
        """Whether the model to deliver gives no name to what is far from all training images."""
        if self.deployed == "ensemble":
            return False  # has no such rule
        models = self.folds if self.refit is None else (self.refit,)
        found = [one.info.reliability for one in models]
        return all(one is not None and one.ood is not None for one in found)


def folds_facts(story: FoldsResult, folder: Path) -> FoldsFacts:
    """Gather the facts of a finished cross-validation in ``folder``.

    Raises:
        StudyError, SettingsError, BundleError: a fold has not left what a fold leaves.
    """
    manifest, network = story.manifest, story.network
    labels = [record.label for record in manifest.records]
    groups = None
    if manifest.group is not None:
        groups = len({manifest.group_of(record) for record in manifest.records})
    shares = story.recipe.split
    unanswerable = sentence_of(story.audited.findings) if story.audited else ""
    return FoldsFacts(
        classes=manifest.classes,
        by_class={name: labels.count(name) for name in manifest.classes},
        left_out=len(story.fingerprints.problems),
        duplicates=len(story.fingerprints.duplicates),
        group=manifest.group,
        groups=groups,
        crop_size=manifest.crop_size,
        by_image=story.by_image,
        recipe=story.recipe,
        network=network.entry,
        weights=network.weights.kind,
        weights_text=network.weights.description,
        weights_sha256=network.weights.sha256,
        synthetic=story.synthetic,
        environment=story.context.environment,
        gpu=has_gpu(),
        created=story.context.created,
        checks=Diagnostics(audit=_audit(story), doubts=(unanswerable,) if unanswerable else ()),
        count=story.count,
        folds=tuple(
            _model(fold.run.path, manifest.classes, fold.run.metrics) for fold in story.folds
        ),
        pooled=tuple(one.evaluation for one in story.pooled),
        missing=len(story.pooled[0].missing),
        levels=story.levels,
        notes=story.notes,
        search=story.search,
        extras=story.extras,
        deployed=story.deployed,
        refit=_model(folder / "refit", manifest.classes) if story.deployed == "refit" else None,
        validation_share=shares.validation / (shares.train + shares.validation),
        other_environments=sum(
            _elsewhere(fold.run.path, story.context.environment) for fold in story.folds
        ),
    )


def _elsewhere(folder: Path, here: Mapping[str, str]) -> bool:
    """Whether a fold was trained with other versions than those at hand, or elsewhere."""
    path = folder / "environment.json"
    try:
        return bool(json.loads(path.read_text("utf-8")) != here)
    except (OSError, ValueError) as error:
        raise _broken(path, f"cannot be read ({type(error).__name__})") from error


def _audit(story: FoldsResult) -> AuditFacts | None:
    """Copies count as apart where some repeat has put them into different folds."""
    if story.audited is None:
        return None
    apart = set()
    for pooled in story.pooled:
        records = zip(pooled.records, pooled.folds.tolist(), strict=True)
        fold_of = {record.key: fold for record, fold in records}
        for number, pair in enumerate(story.audited.copies):
            folds = {fold_of.get(pair.first.key), fold_of.get(pair.second.key)} - {None}
            if len(folds) > 1:
                apart.add(number)
    return AuditFacts(
        confounds=story.audited.confounds,
        copies=len(story.audited.copies),
        apart=len(apart),
        apart_from_test=len(apart),
    )


def _model(
    folder: Path,
    classes: Sequence[str],
    metrics: Mapping[str, Mapping[str, Estimate]] | None = None,
) -> Model:
    info = read_bundle_info(folder / "bundle")
    images = read_listed_images(folder / "manifest.csv")
    names = [part for part in (TRAIN, VALIDATION, TEST) if any(one.part == part for one in images)]

    def number(name: str) -> int | None:
        value = info.training.get(name)
        return value if isinstance(value, int) else None

    epochs, kept = number("epochs"), number("kept_epoch")
    if epochs is None or kept is None:
        raise _broken(folder / "bundle", "does not say how long it was trained")
    return Model(
        name=folder.name,
        recipe=read_recipe(folder / "recipe.toml"),
        info=info,
        parts=tuple(_part(images, name, classes, info.group) for name in names),
        trained=Trained(
            number("frozen_layers"),
            number("trained_layers"),
            number("parameters"),
            number("trained_parameters"),
            epochs,
            kept,
            number("features"),
            number("trees"),
        ),
        seconds=_seconds(folder / "history.csv"),
        metrics=metrics or {},
    )


def _part(
    images: Sequence[ListedImage], name: str, classes: Sequence[str], group: str | None
) -> PartFacts:
    own = [image for image in images if image.part == name]
    labels = [image.label for image in own]
    groups = None if group is None else len({image.groups.get(group, "") for image in own})
    return PartFacts(name, len(own), groups, {label: labels.count(label) for label in classes})


def _seconds(path: Path) -> float:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return sum(float(row["seconds"]) for row in csv.DictReader(stream))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(path, f"cannot be read ({type(error).__name__})") from error


def _broken(path: Path, what: str) -> StudyError:
    return StudyError(
        what,
        where=path,
        remedy="Delete the folder that holds it and repeat the command with --resume",
    )
