"""The whole job of ``actinscope train``: from images to a tested, reported, delivered model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actinscope.audit import audit_before
from actinscope.bundle import Bundle, store_metrics, store_reliability
from actinscope.cells import CropReader
from actinscope.evaluation import Evaluation, LevelRule, level_words
from actinscope.explain import ControlResults, Explanation, SaliencySource, explain, run_controls
from actinscope.files import make_folder, write_json_atomic
from actinscope.networks import build_network, freeze, freeze_batch_norm, import_in_background
from actinscope.predict import DecisionRules, Predictor
from actinscope.progress import Progress
from actinscope.runs import (
    ChosenNetwork,
    EvaluatedPredictions,
    PreparedStudy,
    RunContext,
    TrainRequest,
    choose_network,
    evaluate_predictions,
    export_run_bundle,
    fingerprint_study,
    fit_reliability,
    head_of,
    level_rules,
    network_sentence,
    predict_labelled,
    prepare,
    read_study,
    recipe_as_used,
    records_of,
    require_output,
    require_same_images,
    require_same_settings,
    unreadable,
    with_network_of_run,
    write_evaluation,
    write_levels,
)
from actinscope.study import Fingerprints, Split, write_manifest
from actinscope.training import Fitted, Recipe, fit, fit_boosted_trees, write_recipe
from actinscope.workflows.train_report import file_problems, write_run_report
from actinscope.writeup import RunResult


@dataclass(frozen=True, eq=False)
class TrainOutcome:
    """What a run gave: its folder, its evaluations and the sentence that sums it up.

    ``problems`` are the (name, message) of images that were left out, ``levels`` what is
    to be said of each level that was asked for.
    """

    folder: Path
    evaluations: dict[str, Evaluation]
    verdict: str
    fitted: Fitted
    problems: tuple[tuple[str, str], ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()


def train_study(request: TrainRequest, progress: Progress) -> TrainOutcome:
    """Read, split, train, deliver, test and report. Writes the run's folder.

    Raises:
        ActinscopeError: what any room says; what was finished stays in the folder.
    """
    started = time.perf_counter()
    require_output(
        request.output, request.source, resume=request.resume, mark="recipe.toml", what="run"
    )
    automatic = request.recipe.network.name == "auto"
    if request.resume:
        recipe = with_network_of_run(request.recipe, request.output)
        request = replace(request, recipe=recipe)
    network = choose_network(request.recipe, automatic=automatic)
    if request.resume:
        require_same_settings(request.output, recipe_as_used(request.recipe, network.entry))
    for notice in network.notices:
        progress.say(notice)
    manifest = read_study(request.source, request.recipe)
    import_in_background()
    reader = CropReader(request.recipe.images)
    observing = request.recipe.audit or request.recipe.split.keep_copies
    fingerprints = fingerprint_study(manifest, reader, progress, observing=observing)
    return train_on_parts(
        request, network, fingerprints, None, reader=reader, progress=progress, started=started
    )


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
    entry = network.entry
    recipe = recipe_as_used(request.recipe, entry)
    request = replace(request, recipe=recipe)
    rules = level_rules(recipe.levels, fingerprints.manifest)  # a wrong column shows at once
    make_folder(request.output.parent)  # large studies put temporary files there
    audited = None
    if fingerprints.observations:
        fingerprints, audited = audit_before(fingerprints, recipe, parts, progress)
    prepared = prepare(
        fingerprints,
        entry,
        recipe,
        reader=reader,
        progress=progress,
        parts=parts,
        folder=request.output.parent,
    )
    announce(prepared, progress)
    if request.resume:
        require_same_images(request.output, prepared.split.manifest)
    make_folder(request.output)
    write_recipe(recipe, request.output / "recipe.toml")
    write_manifest(prepared.split.manifest, request.output / "manifest.csv")
    write_json_atomic(request.output / "environment.json", context.environment)
    fitted = fit_network(request, network, prepared, progress)
    bundle = export_run_bundle(request, network, prepared, fitted, reader=reader, context=context)
    predictor = Predictor(bundle)
    assessments = _judge_parts(
        request, bundle, predictor, prepared, rules=rules, reader=reader, progress=progress
    )
    controls, looks, explanation = _look_closer(
        request.recipe, predictor, assessments, prepared, reader=reader, progress=progress
    )
    story = RunResult(
        recipe=recipe,
        synthetic=request.synthetic,
        random_weights=network.weights.random,
        context=context,
        notices=network.notices,
        entry=network.entry,
        weights=network.weights,
        prepared=prepared,
        audited=audited if recipe.audit else None,
        fitted=fitted,
        network=network_sentence(network, fitted),
        seconds=time.perf_counter() - started,
        controls=controls,
        looks=looks,
        explanation=explanation,
    )
    verdict = write_run_report(story, assessments, reader, request.output)
    evaluations = {part: assessment.evaluation for part, assessment in assessments.items()}
    problems = file_problems(fingerprints, assessments)
    levels = tuple(map(level_words, assessments["test"].levels))
    return TrainOutcome(request.output, evaluations, verdict, fitted, problems, levels)


def _judge_parts(
    request: TrainRequest,
    bundle: Bundle,
    predictor: Predictor,
    prepared: PreparedStudy,
    *,
    rules: Sequence[LevelRule],
    reader: CropReader,
    progress: Progress,
) -> dict[str, EvaluatedPredictions]:
    """Predict all parts, calibrate on the validation part, judge; writes the figures."""
    recipe, manifest = request.recipe, prepared.split.manifest
    answers = {
        part: predict_labelled(
            predictor, records_of(manifest, part), manifest, reader=reader, progress=progress
        )
        for part in ("test", "validation", "train")
    }
    reliability, references = fit_reliability(
        predictor,
        recipe.probabilities,
        validation=answers["validation"],
        training=answers["train"],
        seed=recipe.seed,
    )
    bundle = store_reliability(bundle, reliability, references)
    judge = DecisionRules(reliability, references)
    for note in judge.notes:
        progress.say(f"note: {note}")
    assessments = {
        part: evaluate_predictions(
            one,
            judge,
            predictor.classes,
            manifest,
            rules=rules,
            seed=recipe.seed,
            trained=part == "train",
        )
        for part, one in answers.items()
    }
    write_evaluation(request.output, assessments, manifest)
    write_levels(request.output, {part: one.levels for part, one in assessments.items()})
    store_metrics(bundle, assessments["test"].to_json())
    return assessments


def _look_closer(
    recipe: Recipe,
    predictor: Predictor,
    assessments: Mapping[str, EvaluatedPredictions],
    prepared: PreparedStudy,
    *,
    reader: CropReader,
    progress: Progress,
) -> tuple[ControlResults | None, SaliencySource | None, Explanation | None]:
    """Controls and explanation, as far as the recipe wants them."""
    test, training = assessments["test"], assessments["train"]
    controls = None
    if recipe.controls:
        controls = run_controls(
            predictor,
            training,
            test,
            prepared.split.manifest,
            reader=reader,
            seed=recipe.seed,
            progress=progress,
        )
    if not recipe.explanation:
        return controls, None, None
    looks = SaliencySource(predictor, test, training)
    return controls, looks, explain(looks, reader=reader, seed=recipe.seed, progress=progress)


def announce(prepared: PreparedStudy, progress: Progress) -> None:
    """Say what was left out, and what was decided on splitting and reading."""
    for name, message in unreadable(prepared.fingerprints):
        progress.say(f"left out: {name}: {message}")
    for note in (*prepared.split.manifest.notes, *prepared.split.notes, *prepared.reading):
        progress.say(f"note: {note}")
    progress.say(prepared.preprocess.description)


def fit_network(
    request: TrainRequest, network: ChosenNetwork, prepared: PreparedStudy, progress: Progress
) -> Fitted:
    """Build the network that a recipe (as used) asks for, and train it."""
    settings, entry = request.recipe.network, network.entry
    model = build_network(
        entry,
        classes=len(prepared.data.classes),
        weights=network.weights,
        input_size=prepared.preprocess.size,
        input_channels=prepared.preprocess.network_channels,
        seed=request.recipe.seed,
        precision=request.recipe.training.precision,
        head=head_of(request.recipe, entry),
    )
    if request.recipe.training.head_model == "boosted_trees":
        return fit_boosted_trees(
            model,
            prepared.data,
            request.recipe,
            preprocess=prepared.preprocess,
            folder=request.output,
            progress=progress,
        )
    frozen = settings.frozen_layers
    assert frozen is not None  # settled by recipe_as_used
    freeze(model, frozen)
    if settings.freeze_batch_norm:
        freeze_batch_norm(model)
    return fit(
        model,
        prepared.data,
        request.recipe,
        frozen_layers=frozen,
        preprocess=prepared.preprocess,
        folder=request.output,
        resume=request.resume,
        progress=progress,
    )
