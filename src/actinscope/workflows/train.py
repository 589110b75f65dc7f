"""The whole job of ``actinscope train`` on one split; the steps are those of folds, too."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actinscope.audit import audit_before
from actinscope.bundle import (
    Bundle,
    load_bundle,
    read_bundle_info,
    store_answered_views,
    store_bf16,
    store_metrics,
    store_reliability,
)
from actinscope.cells import CropReader
from actinscope.evaluation import Evaluation, LevelRule, level_words
from actinscope.explain import ControlResults, Explanation, SaliencySource, explain, run_controls
from actinscope.files import make_folder, write_json_atomic
from actinscope.names import RunFile
from actinscope.networks import build_network, freeze, freeze_batch_norm, import_in_background
from actinscope.predict import DecisionRules, Predictor
from actinscope.progress import Progress
from actinscope.requests import TrainRequest
from actinscope.runs import (
    ChosenNetwork,
    EvaluatedPredictions,
    LabelledPredictions,
    PreparedStudy,
    RunContext,
    check_bf16,
    choose_answered_views,
    choose_network,
    evaluate_predictions,
    export_run_bundle,
    fingerprint_study,
    fit_reliability,
    head_of,
    is_started,
    level_rules,
    network_sentence,
    predict_labelled,
    prepare,
    read_study,
    recipe_as_used,
    records_of,
    require_same_images,
    require_same_settings,
    resumable,
    with_network_of_run,
    write_evaluation,
    write_levels,
)
from actinscope.runtimes import has_native_bf16
from actinscope.study import (
    TEST,
    TRAIN,
    VALIDATION,
    Fingerprints,
    Manifest,
    Split,
    independent_images,
    write_manifest,
    write_thumbnails,
)
from actinscope.training import (
    Fitted,
    Recipe,
    fit,
    fit_boosted_trees,
    fit_stage_probe,
    write_history,
    write_recipe,
)
from actinscope.workflows.report import write_study_report
from actinscope.writeup import SplitResult, StudyResult


@dataclass(frozen=True, eq=False)
class TrainOutcome:
    """What training gave.

    Attributes:
        folder: of all results.
        verdict: the sentence that sums the result up.
        evaluations: of each part; of a cross-validation ``out_of_fold``, in its first repeat.
        bundle: the model to use, or None where none was asked for.
        folds: their number, or None for one split.
        problems: (name, message) of images that were left out.
        levels: what is to be said of each level that was asked for.
    """

    folder: Path
    verdict: str
    evaluations: dict[str, Evaluation]
    bundle: Path | None
    folds: int | None = None
    problems: tuple[tuple[str, str], ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Begun:
    """What was settled to decide between folds and one split: the study, and its network."""

    listed: Manifest
    network: ChosenNetwork


@dataclass(frozen=True, eq=False)
class _Trained:
    """A network that was trained, and the bundle that it was exported to."""

    recipe: Recipe
    prepared: PreparedStudy
    fitted: Fitted
    bundle: Bundle
    predictor: Predictor


@resumable(mark=RunFile.RECIPE, what="run")
def train_study(
    request: TrainRequest, progress: Progress, begun: Begun | None = None
) -> TrainOutcome:
    """Read, split, train, deliver, test and report. Writes the run's folder.

    Raises:
        ActinscopeError: what any room says; what was finished stays in the folder.
    """
    started = time.perf_counter()
    request, network = settle_network(request, progress, begun)
    manifest = begun.listed if begun else read_study(request.source, request.recipe)
    if request.recipe.training.head_model != "linear_probe":
        import_in_background()
    reader = CropReader(request.recipe.images, keep_in=request.output.parent)
    observing = request.recipe.audit or request.recipe.split.keep_copies
    fingerprints = fingerprint_study(
        manifest, reader, progress, observing=observing, training=request.recipe
    )
    return train_on_parts(
        request, network, fingerprints, None, reader=reader, progress=progress, started=started
    )


def settle_network(
    request: TrainRequest, progress: Progress, begun: Begun | None = None
) -> tuple[TrainRequest, ChosenNetwork]:
    """Settle which network is trained, before any work.

    Raises:
        ResumeError: the run that is gone on with was started with other settings.
        SettingsError, WeightsError: as :func:`actinscope.runs.choose_network` does.
    """
    output = request.output
    automatic = request.recipe.network.name == "auto"
    if request.resume:
        request = replace(request, recipe=with_network_of_run(request.recipe, output))
    network = begun.network if begun else choose_network(request.recipe, automatic=automatic)
    if request.resume:
        require_same_settings(output, recipe_as_used(request.recipe, network.entry))
    for notice in network.notices:
        progress.say(notice)
    return request, network


def train_on_parts(
    request: TrainRequest,
    network: ChosenNetwork,
    fingerprints: Fingerprints,
    parts: Split | None,
    *,
    reader: CropReader,
    progress: Progress,
    started: float | None = None,
) -> TrainOutcome:
    """As :func:`train_study`, for images already read; ``parts`` fixes the split."""
    started = time.perf_counter() if started is None else started
    context = RunContext.now(request.command)
    recipe = recipe_as_used(request.recipe, network.entry)
    request = replace(request, recipe=recipe)
    rules = level_rules(recipe.levels, fingerprints.manifest)  # a wrong column shows at once
    make_folder(request.output.parent)  # large studies put temporary files there
    audited = None
    if fingerprints.observations:
        fingerprints, audited = audit_before(fingerprints, recipe, parts, progress)
    trained = _train_and_export(
        request, network, fingerprints, parts, reader=reader, progress=progress, context=context
    )
    prepared = trained.prepared
    assessments = _judge_parts(request, trained, rules=rules, progress=progress)
    controls, saliency, explanation = _look_closer(
        recipe, trained.predictor, assessments, prepared, progress=progress
    )
    problems = (
        *prepared.fingerprints.unreadable,
        *(problem for one in assessments.values() for problem in one.problems),
    )
    result = StudyResult(
        folder=request.output,
        recipe=recipe,
        network=network,
        context=context,
        synthetic=request.synthetic,
        manifest=prepared.split.manifest,
        fingerprints=prepared.fingerprints,
        audited=audited,
        by_image=prepared.split.by_image,
        notes=prepared.split.notes,
        problems=problems,
        levels=assessments[TEST].levels,
        seconds=time.perf_counter() - started,
        outcome=SplitResult(
            prepared,
            trained.fitted,
            assessments,
            network_sentence(network, trained.fitted),
            controls,
            saliency,
            explanation,
        ),
    )
    verdict = write_study_report(result, reader)
    return TrainOutcome(
        request.output,
        verdict,
        {part: one.evaluation for part, one in assessments.items()},
        trained.bundle.path,
        problems=problems,
        levels=tuple(map(level_words, assessments[TEST].levels)),
    )


def refit(
    request: TrainRequest,
    network: ChosenNetwork,
    fingerprints: Fingerprints,
    parts: Split,
    *,
    metrics: Mapping[str, Any],
    reader: CropReader,
    progress: Progress,
    context: RunContext,
) -> Bundle:
    """Train on ``parts``, which has no test part, and deliver.

    No image is left to test this model: ``metrics`` are those of the procedure, which was
    cross-validated, and the bundle says so; they are written last of all. Goes on where an
    earlier start was interrupted, and leaves what is finished alone.

    Raises:
        ResumeError: the folder was started with other settings or images.
        ActinscopeError: what the rooms below say.
    """
    recipe = recipe_as_used(request.recipe, network.entry)
    started = is_started(request.output, recipe, parts.manifest)
    bundle = request.output / RunFile.BUNDLE
    if started and bundle.is_dir() and read_bundle_info(bundle).metrics:
        return store_metrics(load_bundle(bundle), metrics)  # more repeats may have come since
    trained = _train_and_export(
        replace(request, recipe=recipe, resume=started),
        network,
        fingerprints,
        parts,
        reader=reader,
        progress=progress,
        context=context,
    )
    _, delivered, _ = _calibrate(trained, progress, parts=(VALIDATION, TRAIN))
    return store_metrics(delivered, metrics)


def _train_and_export(
    request: TrainRequest,
    network: ChosenNetwork,
    fingerprints: Fingerprints,
    parts: Split | None,
    *,
    reader: CropReader,
    progress: Progress,
    context: RunContext,
) -> _Trained:
    """Prepare the images, train as the recipe (as used) says, and write all up to the bundle."""
    folder, recipe = request.output, request.recipe
    prepared = prepare(
        fingerprints,
        network.entry,
        recipe,
        reader=reader,
        progress=progress,
        parts=parts,
        folder=folder.parent,
    )
    _announce(prepared, progress)
    if request.resume:
        require_same_images(folder, prepared.split.manifest)
    make_folder(folder)
    write_recipe(recipe, folder / RunFile.RECIPE)
    write_manifest(prepared.split.manifest, folder / RunFile.MANIFEST)
    if kept := fingerprints.thumbnails:  # those of folds lie beside the folds
        write_thumbnails(folder / RunFile.THUMBNAILS, kept)
    write_json_atomic(folder / RunFile.ENVIRONMENT, context.environment)
    fitted = _fit_network(request, network, prepared, progress)
    bundle = export_run_bundle(request, network, prepared, fitted, context)
    manifest = prepared.split.manifest
    validation = records_of(manifest, VALIDATION)
    answered = choose_answered_views(
        Predictor(bundle),
        validation,
        manifest,
        images=prepared.images,
        progress=progress,
        most=recipe.training.views,
    )
    bundle = store_answered_views(bundle, answered)
    if has_native_bf16():
        check = check_bf16(
            Predictor(bundle),
            validation,
            manifest,
            images=prepared.images,
            progress=progress,
        )
        bundle = bundle if check is None else store_bf16(bundle, check)
    return _Trained(recipe, prepared, fitted, bundle, Predictor(bundle))


def _calibrate(
    trained: _Trained, progress: Progress, *, parts: Sequence[str]
) -> tuple[dict[str, LabelledPredictions], Bundle, DecisionRules]:
    """Predict ``parts``, fit temperature, thresholds and the limit of unfamiliarity, store them."""
    manifest, recipe = trained.prepared.split.manifest, trained.recipe
    answers = {
        part: predict_labelled(
            trained.predictor,
            records_of(manifest, part),
            manifest,
            images=trained.prepared.images,
            progress=progress,
        )
        for part in parts
    }
    reliability, references = fit_reliability(
        trained.predictor,
        recipe.probabilities,
        validation=answers[VALIDATION],
        training=answers[TRAIN],
        seed=recipe.seed,
    )
    bundle = store_reliability(trained.bundle, reliability, references)
    rules = DecisionRules(reliability, references)
    for note in rules.notes:
        progress.detail(f"note: {note}")
    return answers, bundle, rules


def _judge_parts(
    request: TrainRequest,
    trained: _Trained,
    *,
    rules: Sequence[LevelRule],
    progress: Progress,
) -> dict[str, EvaluatedPredictions]:
    """Predict all parts, calibrate on the validation part, evaluate; writes the results."""
    manifest = trained.prepared.split.manifest
    answers, bundle, decisions = _calibrate(trained, progress, parts=(TEST, VALIDATION, TRAIN))
    assessments = {
        part: evaluate_predictions(
            one,
            decisions,
            trained.predictor.classes,
            manifest,
            rules=rules,
            seed=trained.recipe.seed,
            trained=part == TRAIN,
        )
        for part, one in answers.items()
    }
    write_evaluation(request.output, assessments, manifest)
    write_levels(request.output, {part: one.levels for part, one in assessments.items()})
    store_metrics(bundle, assessments[TEST].to_json())
    return assessments


def _look_closer(
    recipe: Recipe,
    predictor: Predictor,
    assessments: Mapping[str, EvaluatedPredictions],
    prepared: PreparedStudy,
    *,
    progress: Progress,
) -> tuple[ControlResults | None, SaliencySource | None, Explanation | None]:
    """Controls and explanation, as far as the recipe wants them."""
    test, training = assessments[TEST], assessments[TRAIN]
    controls = None
    if recipe.controls:
        controls = run_controls(
            training,
            test,
            prepared.split.manifest,
            images=prepared.images,
            seed=recipe.seed,
            progress=progress,
        )
    if not recipe.explanation:
        return controls, None, None
    saliency = SaliencySource(predictor, test, training, prepared.images)
    return controls, saliency, explain(saliency, seed=recipe.seed, progress=progress)


def _announce(prepared: PreparedStudy, progress: Progress) -> None:
    """Say what was left out, and what was decided on splitting and reading."""
    for name, message in prepared.fingerprints.unreadable:
        progress.say(f"left out: {name}: {message}")
    for note in (*prepared.split.notes, *prepared.reading):
        progress.say(f"note: {note}")
    progress.detail(prepared.preprocess.description)


def _fit_network(
    request: TrainRequest, network: ChosenNetwork, prepared: PreparedStudy, progress: Progress
) -> Fitted:
    """Build the network that a recipe (as used) asks for, and train it."""
    recipe = request.recipe
    if recipe.training.head_model == "linear_probe":
        return _fit_probe(request, network, prepared, progress)
    model = build_network(
        network.entry,
        classes=len(prepared.data.classes),
        weights=network.weights,
        input_size=prepared.preprocess.size,
        input_channels=prepared.preprocess.network_channels,
        seed=recipe.seed,
        precision=recipe.training.precision,
        head=head_of(recipe, network.entry),
    )
    if recipe.training.head_model == "boosted_trees":
        return fit_boosted_trees(
            model,
            prepared.data,
            recipe,
            preprocess=prepared.preprocess,
            folder=request.output,
            progress=progress,
        )
    frozen = recipe.network.frozen_layers
    assert frozen is not None  # settled by recipe_as_used
    freeze(model, frozen)
    if recipe.network.freeze_batch_norm:
        freeze_batch_norm(model)
    return fit(
        model,
        prepared.data,
        recipe,
        frozen_layers=frozen,
        preprocess=prepared.preprocess,
        folder=request.output,
        resume=request.resume,
        progress=progress,
    )


def _fit_probe(
    request: TrainRequest, network: ChosenNetwork, prepared: PreparedStudy, progress: Progress
) -> Fitted:
    """A linear probe on the network as it is."""
    manifest = prepared.split.manifest
    _, clusters = independent_images(records_of(manifest, TRAIN), manifest.group)
    probe = fit_stage_probe(
        network.entry,
        network.weights,
        prepared.data.train,
        clusters,
        request.recipe,
        classes=len(prepared.data.classes),
        preprocess=prepared.preprocess,
        progress=progress,
    )
    row = {"epoch": 1, "loss": probe.loss, "accuracy": probe.accuracy, "seconds": probe.seconds}
    write_history(request.output / RunFile.HISTORY, [row])
    return Fitted(None, (row,), 1, 0, network.entry.layer_count, probe=probe)
