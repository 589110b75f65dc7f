"""The whole job of ``actinscope train``: from images to a tested, reported, delivered model."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope import __version__
from actinscope.bundle import Bundle, BundleInfo, NetworkSummary, save_bundle, store_metrics
from actinscope.errors import SettingsError, UsageError
from actinscope.evidence import Evaluation, evaluation_to_json
from actinscope.experiment.assess import assess, write_assessment
from actinscope.experiment.environment import describe_environment, now_utc
from actinscope.experiment.output import require_new_folder
from actinscope.experiment.prepare import (
    Prepared,
    StudySource,
    fingerprint_study,
    prepare,
    read_study,
    records_of,
    unreadable,
)
from actinscope.experiment.resume import (
    recipe_as_used,
    require_same_images,
    require_same_settings,
    with_network_of_run,
)
from actinscope.experiment.story import RunStory, file_problems, write_run_report
from actinscope.files import make_folder, write_json_atomic
from actinscope.images import CropReader
from actinscope.networks import (
    EMBEDDING,
    PAPER_NETWORK,
    PROBABILITIES,
    NetworkEntry,
    ResolvedWeights,
    as_float32,
    build_network,
    default_network,
    embedding_model,
    export_onnx,
    freeze,
    freeze_batch_norm,
    import_in_background,
    network_entry,
    resolve_weights,
)
from actinscope.predict import Predictor
from actinscope.progress import Progress
from actinscope.study import Fingerprints, Record, Split, write_manifest
from actinscope.training import (
    Fitted,
    Recipe,
    fit,
    fit_trees,
    forest_sentence,
    forest_to_onnx,
    require_xgboost,
    write_recipe,
)

_GOLDEN_IMAGES = 6


@dataclass(frozen=True)
class TrainRequest:
    """What one training run shall do.

    Attributes:
        source: where images, labels and groups come from.
        recipe: all settings.
        output: the run's folder.
        resume: go on after the last finished epoch found in ``output``.
        synthetic: the images are phantoms; said wherever a result is shown.
        command: the command line, for the report.
    """

    source: StudySource
    recipe: Recipe
    output: Path
    resume: bool = False
    synthetic: bool = False
    command: str = ""


@dataclass(frozen=True, eq=False)
class TrainOutcome:
    """What a run gave: its folder, its evaluations and the sentence that sums it up.

    ``problems`` are the (name, message) of images that were left out.
    """

    folder: Path
    evaluations: dict[str, Evaluation]
    verdict: str
    fitted: Fitted
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ChosenNetwork:
    """Which network is trained, from which weights, and what to say about the choice."""

    entry: NetworkEntry
    weights: ResolvedWeights
    notices: tuple[str, ...]


def choose_network(recipe: Recipe) -> ChosenNetwork:
    """Settle the network and its weights before any work is done.

    Raises:
        SettingsError: no network of that name, or ``auto`` with a weights file.
        WeightsError: the weights are not to be had.
    """
    settings = recipe.network
    notices: list[str] = []
    if recipe.training.head_model == "boosted_trees":
        require_xgboost()
    if settings.name != "auto":
        entry = network_entry(settings.name)
    elif settings.weights == "none":
        entry = network_entry(PAPER_NETWORK)
    elif settings.weights == "imagenet":
        entry, sentence = default_network()
        notices.append(sentence)
    else:
        raise SettingsError(
            "a weights file belongs to one network, and none is named",
            where="network.name",
            remedy="Name the network of the weights with --network",
        )
    weights = resolve_weights(entry, settings.weights)
    if weights.kind == "none":
        notices.append(
            f"{entry.title} starts from RANDOM weights, as asked for: "
            "no accuracy of this run says anything about the method."
        )
    return ChosenNetwork(entry, weights, tuple(notices))


def train_study(request: TrainRequest, progress: Progress) -> TrainOutcome:
    """Read, split, train, deliver, test and report. Writes the run's folder.

    Raises:
        ActinscopeError: what any room says; what was finished stays in the folder.
    """
    started = time.perf_counter()
    _check_output(request)
    if request.resume:
        recipe = with_network_of_run(request.recipe, request.output)
        request = replace(request, recipe=recipe)
    network = choose_network(request.recipe)
    if request.resume:
        require_same_settings(request.output, recipe_as_used(request.recipe, network.entry))
    for notice in network.notices:
        progress.say(notice)
    manifest = read_study(request.source, request.recipe)
    import_in_background()
    reader = CropReader(request.recipe.images)
    fingerprints = fingerprint_study(manifest, reader, progress)
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
    entry = network.entry
    recipe = recipe_as_used(request.recipe, entry)
    request = replace(request, recipe=recipe)
    make_folder(request.output.parent)  # large studies put temporary files there
    prepared = prepare(
        fingerprints,
        entry,
        recipe,
        reader=reader,
        progress=progress,
        parts=parts,
        folder=request.output.parent,
    )
    _announce(prepared, progress)
    if request.resume:
        require_same_images(request.output, prepared.split.manifest)
    make_folder(request.output)
    write_recipe(recipe, request.output / "recipe.toml")
    write_manifest(prepared.split.manifest, request.output / "manifest.csv")
    write_json_atomic(request.output / "environment.json", describe_environment())
    fitted = _fit(request, network, prepared, progress)
    bundle = _deliver(request, network, prepared, fitted, reader)
    predictor = Predictor(bundle)
    assessments = {
        part: assess(
            predictor,
            records_of(prepared.split.manifest, part),
            prepared.split.manifest,
            reader=reader,
            seed=recipe.seed,
            progress=progress,
        )
        for part in ("test", "validation", "train")
    }
    write_assessment(request.output, assessments, prepared.split.manifest)
    store_metrics(bundle, evaluation_to_json(assessments["test"].evaluation))
    story = RunStory(
        recipe=recipe,
        synthetic=request.synthetic,
        random_weights=network.weights.random,
        command=request.command,
        notices=network.notices,
        prepared=prepared,
        fitted=fitted,
        network=_network_sentence(network, fitted),
        seconds=time.perf_counter() - started,
    )
    verdict = write_run_report(story, assessments, reader, request.output)
    evaluations = {part: assessment.evaluation for part, assessment in assessments.items()}
    problems = file_problems(fingerprints, assessments)
    return TrainOutcome(request.output, evaluations, verdict, fitted, problems)


def _check_output(request: TrainRequest) -> None:
    if not request.resume:
        require_new_folder(request.output, request.source)
    elif not (request.output / "recipe.toml").exists():
        raise UsageError(
            "holds no run to go on with",
            where=request.output,
            remedy="Leave out --resume to start one",
        )


def _announce(prepared: Prepared, progress: Progress) -> None:
    for name, message in unreadable(prepared.fingerprints):
        progress.say(f"left out: {name}: {message}")
    for note in (*prepared.split.manifest.notes, *prepared.split.notes, *prepared.reading):
        progress.say(f"note: {note}")
    progress.say(prepared.preprocess.description)


def _fit(
    request: TrainRequest, network: ChosenNetwork, prepared: Prepared, progress: Progress
) -> Fitted:
    settings, entry = request.recipe.network, network.entry
    model = build_network(
        entry,
        classes=len(prepared.data.classes),
        weights=network.weights,
        input_size=prepared.preprocess.size,
        input_channels=prepared.preprocess.network_channels,
        seed=request.recipe.seed,
        precision=request.recipe.training.precision,
    )
    if request.recipe.training.head_model == "boosted_trees":
        return fit_trees(
            model,
            entry.embedding_layer,
            prepared.data,
            request.recipe,
            preprocess=prepared.preprocess,
            folder=request.output,
            progress=progress,
        )
    frozen = settings.frozen_layers or entry.frozen_layers
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


def _deliver(
    request: TrainRequest,
    network: ChosenNetwork,
    prepared: Prepared,
    fitted: Fitted,
    reader: CropReader,
) -> Bundle:
    manifest = prepared.split.manifest
    golden = _golden_records(records_of(manifest, "test"))
    images = [reader.read(record.path, record.region) for record in golden]
    inputs = np.stack([prepared.preprocess.apply(image) for image in images])
    entry = network.entry
    info = BundleInfo(
        actinscope_version=__version__,
        created=now_utc(),
        classes=prepared.data.classes,
        network=NetworkSummary(
            name=entry.name,
            title=entry.title if fitted.forest is None else f"{entry.title} and boosted trees",
            licence=entry.licence,
            weights=network.weights.description,
        ),
        preprocess=prepared.preprocess,
        read_options=request.recipe.images,
        crop_size=manifest.crop_size,
        group=manifest.group,
        synthetic=request.synthetic,
        random_weights=network.weights.random,
        notices=_notices_for_users(request, network),
        head=request.recipe.training.head_model,
        training=_training_facts(request.recipe, prepared, fitted),
    )
    with tempfile.TemporaryDirectory(prefix="actinscope-") as folder:
        onnx_path = Path(folder) / "model.onnx"
        model = as_float32(fitted.model)
        export_onnx(model, entry, onnx_path, embedding_only=fitted.forest is not None)
        return save_bundle(
            request.output / "bundle",
            onnx_path=onnx_path,
            info=info,
            golden_images=images,
            golden_inputs=inputs,
            golden_probabilities=_probabilities(model, entry, fitted, inputs),
            trees=None
            if fitted.forest is None
            else forest_to_onnx(fitted.forest, input_name=EMBEDDING, output_name=PROBABILITIES),
        )


def _probabilities(
    model: Any, entry: NetworkEntry, fitted: Fitted, inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What the training framework makes of network inputs: (N, K)."""
    if fitted.forest is None:
        return np.asarray(model.predict_on_batch(inputs))
    embedding = embedding_model(model, entry).predict_on_batch(inputs)[EMBEDDING]
    return fitted.forest.probabilities(np.asarray(embedding)).astype(np.float32)


def _notices_for_users(request: TrainRequest, network: ChosenNetwork) -> tuple[str, ...]:
    """What whoever is given the bundle must know; nothing about this computer."""
    notices = []
    if request.synthetic:
        notices.append(
            "This model was trained on SYNTHETIC images: what it says of real cells means nothing."
        )
    if network.weights.random:
        notices.append("This model was trained from random weights, not from pretrained ones.")
    return tuple(notices)


def _golden_records(records: list[Record]) -> list[Record]:
    """A few test images, every class in turn."""
    by_class: dict[str, list[Record]] = {}
    for record in records:
        by_class.setdefault(record.label, []).append(record)
    turns = zip_longest(*by_class.values())
    in_turn = [record for turn in turns for record in turn if record is not None]
    return in_turn[:_GOLDEN_IMAGES]


def _training_facts(
    recipe: Recipe, prepared: Prepared, fitted: Fitted
) -> dict[str, str | int | float | None]:
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "epochs": len(fitted.history),
        "kept_epoch": fitted.kept_epoch,
        "frozen_layers": fitted.frozen_layers,
        "trained_layers": fitted.trained_layers,
        "training_images": len(prepared.data.train.labels),
    }


def _network_sentence(network: ChosenNetwork, fitted: Fitted) -> str:
    if fitted.forest is not None:
        return (
            f"{network.entry.title} as it was pretrained, no layer trained; classifier: "
            f"{forest_sentence(fitted.forest, fitted.kept_epoch)}. A round counts as an epoch. "
            f"{network.weights.description}"
        )
    layers = fitted.frozen_layers + fitted.trained_layers
    return (
        f"{network.entry.title}, {layers} layers: the first {fitted.frozen_layers} frozen, the "
        f"last {fitted.trained_layers} trained, softmax over the classes. "
        f"{network.weights.description}"
    )
