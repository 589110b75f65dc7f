"""The whole job of ``actinscope train --folds``: every image tested once by a model without it.

Each fold is a run like that of one split, in a folder of its own, so that what is finished is
kept and what was interrupted goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from actinscope.audit import Audited, audit_before
from actinscope.cells import CropReader
from actinscope.errors import UsageError
from actinscope.evaluation import LevelRule, level_words
from actinscope.files import make_folder, write_json_atomic
from actinscope.names import RunFile
from actinscope.networks import import_in_background
from actinscope.predict import require_free_columns
from actinscope.progress import FoldProgress, Progress
from actinscope.requests import TrainRequest
from actinscope.runs import (
    OUT_OF_FOLD,
    ChosenNetwork,
    FoldResult,
    RunContext,
    choose_network,
    fingerprint_study,
    is_finished,
    is_started,
    level_rules,
    metrics_json,
    pool,
    pooled_levels,
    read_run,
    read_study,
    recipe_as_used,
    require_same_images,
    require_same_question,
    resumable,
    started_folds,
    unpredicted,
    write_levels,
    write_results,
)
from actinscope.study import (
    Fingerprints,
    Manifest,
    Split,
    folds_for_size,
    grouped_folds,
    train_and_validation,
    write_manifest,
    write_thumbnails,
)
from actinscope.training import Recipe, change_recipe, write_recipe
from actinscope.workflows.report import write_study_report
from actinscope.workflows.train import (
    Begun,
    TrainOutcome,
    refit,
    settle_network,
    train_on_parts,
    train_study,
)
from actinscope.writeup import FoldsResult, StudyResult


@dataclass(frozen=True, eq=False)
class _Work:
    """What all folds share: ``request`` with its recipe as used, the images read once."""

    request: TrainRequest
    folds: int
    network: ChosenNetwork
    fingerprints: Fingerprints
    plan: tuple[tuple[int, tuple[Split, ...]], ...]
    audited: Audited | None
    rules: tuple[LevelRule, ...]
    reader: CropReader
    progress: Progress
    within: FoldProgress
    context: RunContext

    @property
    def manifest(self) -> Manifest:
        """All images that can be read, without parts."""
        return self.fingerprints.manifest


@resumable(mark=RunFile.QUESTION, what="cross-validation")
def crossvalidate(
    request: TrainRequest, progress: Progress, begun: Begun | None = None
) -> TrainOutcome:
    """Train and test every fold, pool the predictions, report, and deliver a model.

    Raises:
        ResumeError: the folder was started with other settings, folds or images.
        ActinscopeError: what any room says; finished folds stay in the folder.
    """
    started = time.perf_counter()
    work = _begin(request, progress, begun)
    request, manifest, plan = work.request, work.manifest, work.plan
    folds = [
        _run_fold(work, repeat, number, parts)
        for repeat, splits in plan
        for number, parts in enumerate(splits, 1)
    ]
    seed = request.recipe.seed
    pooled = [
        pool([fold for fold in folds if fold.repeat == repeat], manifest, seed=seed)
        for repeat, _ in plan
    ]
    levels = pooled_levels(pooled[0], manifest, work.rules, seed=seed)
    figures = metrics_json(pooled, folds, levels)
    write_results(request.output, folds, figures)
    write_levels(request.output, {OUT_OF_FOLD: levels})
    delivers = request.deliver == "refit"
    bundle = _refit(work, figures[OUT_OF_FOLD]) if delivers else None
    problems = (*work.fingerprints.unreadable, *unpredicted(pooled))
    result = StudyResult(
        folder=request.output,
        recipe=request.recipe,
        network=work.network,
        context=work.context,
        synthetic=request.synthetic,
        manifest=manifest,
        fingerprints=work.fingerprints,
        audited=work.audited,
        by_image=plan[0][1][0].by_image,
        notes=tuple(dict.fromkeys(note for _, splits in plan for p in splits for note in p.notes)),
        problems=problems,
        levels=levels,
        seconds=time.perf_counter() - started,
        outcome=FoldsResult(tuple(folds), tuple(pooled), delivers),
    )
    verdict = write_study_report(result, work.reader)
    return TrainOutcome(
        request.output,
        verdict,
        {OUT_OF_FOLD: pooled[0].evaluation},
        bundle,
        folds=request.folds,
        problems=problems,
        levels=tuple(map(level_words, levels)),
    )


def train(request: TrainRequest, progress: Progress) -> TrainOutcome:
    """Train and test on one split, or by folds: as asked, or as the size of the study allows.

    Without ``folds`` every image is tested once, by folds, where the test part of one split
    would be too small (:func:`actinscope.study.folds_for_size`).

    Raises:
        UsageError: repeats of folds were asked for, with one split.
        ActinscopeError: as :func:`train_study` and :func:`crossvalidate`.
    """
    begun: Begun | None = None
    if request.folds is None:
        folds, begun = _fitting_folds(request, progress)
        request = replace(request, folds=folds)
    if request.folds != 1:
        return crossvalidate(request, progress, begun)
    if request.repeats > 1:
        raise UsageError(
            "--repeats are of folds, and one split was asked for",
            remedy="Ask for --folds 2 or more",
        )
    return train_study(request, progress, begun)


def _fitting_folds(request: TrainRequest, progress: Progress) -> tuple[int, Begun | None]:
    """Those of an earlier start, or what suits the size of the study, and what told that size."""
    question = request.output / RunFile.QUESTION
    if question.exists():
        return started_folds(question), None
    if request.resume or (request.output / RunFile.RECIPE).exists():
        return 1, None
    recipe = request.recipe
    network = choose_network(recipe)  # refused before any work
    listed = read_study(request.source, recipe)
    folds, why = folds_for_size(listed, test_share=recipe.split.test)
    if folds > 1:
        progress.say(
            f"note: the test part of one split would hold only {why}, so every image is tested "
            f"once, in {folds} folds (--folds 1: one split)"
        )
    return folds, Begun(listed, network)


def _begin(request: TrainRequest, progress: Progress, begun: Begun | None) -> _Work:
    """Check everything that can be checked, read the images and write what was asked."""
    folds = request.folds
    assert folds is not None  # or else there is one split
    request, network = settle_network(request, progress, begun)
    recipe = recipe_as_used(request.recipe, network.entry)
    request = replace(request, recipe=recipe)
    question = {"folds": folds, "repeats": request.repeats}
    if request.resume:
        require_same_question(request.output / RunFile.QUESTION, question)
    manifest = begun.listed if begun else read_study(request.source, recipe)
    require_free_columns(manifest.group_columns, manifest.root, folds=True)
    rules = level_rules(recipe.levels, manifest)
    if recipe.training.head_model != "linear_probe":
        import_in_background()
    reader = CropReader(recipe.images, keep_in=request.output.parent)
    observing = recipe.audit or recipe.split.keep_copies
    # Parts that a manifest gives do not matter: every image is tested in its turn.
    manifest = replace(
        manifest, records=tuple(replace(record, part="") for record in manifest.records)
    )
    fingerprints = fingerprint_study(
        manifest, reader, progress, observing=observing, training=recipe
    )
    for name, message in fingerprints.unreadable:
        progress.say(f"left out: {name}: {message}")
    audited, thumbnails = None, fingerprints.thumbnails
    if thumbnails:
        # Once for all folds: copies are joined before any fold is made.
        fingerprints, audited = audit_before(
            fingerprints, recipe, None, progress, folds=partial(_folds, request, folds)
        )
        fingerprints = replace(fingerprints, observations=())
    work = _Work(
        request,
        folds,
        network,
        fingerprints,
        # Of all repeats: folds that cannot be made are refused before anything is written.
        tuple(_plan(request, folds, fingerprints.manifest)),
        audited,
        rules,
        reader,
        progress,
        FoldProgress(progress, folds * request.repeats + (request.deliver == "refit")),
        RunContext.now(request.command),
    )
    if request.resume:
        require_same_images(request.output, fingerprints.manifest)
    make_folder(request.output)
    write_recipe(recipe, request.output / RunFile.RECIPE)
    write_manifest(fingerprints.manifest, request.output / RunFile.MANIFEST)
    if thumbnails:
        write_thumbnails(request.output / RunFile.THUMBNAILS, thumbnails)
    write_json_atomic(request.output / RunFile.QUESTION, question)
    return work


def _validation_share(recipe: Recipe) -> float:
    """Of what a fold does not test, as the recipe divides train and validation."""
    return recipe.split.validation / (recipe.split.train + recipe.split.validation)


def _plan(
    request: TrainRequest, folds: int, manifest: Manifest
) -> Iterator[tuple[int, tuple[Split, ...]]]:
    """The splits of each repeat, from 1."""
    for repeat in range(1, request.repeats + 1):
        yield repeat, _folds(request, folds, manifest, repeat)


def _folds(
    request: TrainRequest, folds: int, manifest: Manifest, repeat: int = 1
) -> tuple[Split, ...]:
    share, seed = _validation_share(request.recipe), _seed_of(request, repeat)
    return grouped_folds(manifest, folds=folds, seed=seed, validation_fraction=share)


def _seed_of(request: TrainRequest, repeat: int) -> int:
    return request.recipe.seed + repeat - 1


def _run_fold(work: _Work, repeat: int, number: int, parts: Split) -> FoldResult:
    """Train and test one fold, or take what an earlier start has left."""
    request = work.request
    title = f"fold {number} of {work.folds}"
    work.within.begin(title)
    if request.repeats > 1:
        title = f"repeat {repeat}, {title}"
    folder = request.output / f"fold-{repeat}-{number}"
    recipe = change_recipe(request.recipe, {}, seed=_seed_of(request, repeat))
    left_out = ["audit", "figures"]  # made once, for all folds
    if not repeat == number == 1:
        left_out += ["controls", "explanation"]
    recipe = recipe.model_copy(update=dict.fromkeys(left_out, False))
    started = is_started(folder, recipe, parts.manifest)
    finished = is_finished(folder)
    if not finished:
        work.progress.say(f"{title}: training")
        train_on_parts(
            replace(request, recipe=recipe, output=folder, resume=started),
            work.network,
            work.fingerprints,
            parts,
            reader=work.reader,
            progress=work.within,
        )
    work.within.end(trained=not finished)
    fold = FoldResult(repeat, number, read_run(folder))
    accuracy = fold.test["accuracy"]
    work.progress.say(f"{title}: {accuracy.count} of {accuracy.n} test images correct")
    return fold


def _refit(work: _Work, metrics: dict[str, Any]) -> Path:
    """One more model by the same procedure, trained on all images."""
    request = work.request
    recipe = request.recipe
    work.within.begin("last model")
    parts = train_and_validation(
        work.manifest, seed=recipe.seed, validation_fraction=_validation_share(recipe)
    )
    work.progress.say("model to deliver: training on all images")
    notice = (
        f"The figures of this model were estimated by {work.folds}-fold cross-validation of its "
        "training, with models trained on fewer images; this very model was trained on all "
        "images and tested on none."
    )
    return refit(
        replace(request, output=request.output / "refit", notices=(notice,)),
        work.network,
        work.fingerprints,
        parts,
        metrics=metrics,
        reader=work.reader,
        progress=work.within,
        context=work.context,
    ).path
