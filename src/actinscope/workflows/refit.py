"""A model to deliver that is trained on all images, after its procedure was cross-validated.

No image is left to test it: its figures are those of the procedure, and the bundle says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from actinscope.bundle import (
    Bundle,
    load_bundle,
    read_bundle_info,
    store_metrics,
    store_reliability,
)
from actinscope.cells import CropReader
from actinscope.files import make_folder, write_json_atomic
from actinscope.predict import DecisionRules, Predictor
from actinscope.progress import Progress
from actinscope.runs import (
    ChosenNetwork,
    RunContext,
    RunFile,
    TrainRequest,
    export_run_bundle,
    fit_reliability,
    is_started,
    predict_labelled,
    prepare,
    recipe_as_used,
    records_of,
)
from actinscope.study import Fingerprints, Split, write_manifest
from actinscope.training import write_recipe
from actinscope.workflows.train import announce, fit_network


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

    Goes on where an earlier start was interrupted, and leaves what is finished alone.

    Args:
        request: ``output`` becomes a folder like that of a run, without test figures.
        metrics: of the procedure, for bundle.json.
        context: the moment and the machine of the cross-validation that delivers the model.

    Raises:
        ResumeError: the folder was begun with other settings or images.
        ActinscopeError: what the rooms below say.
    """
    folder = request.output
    recipe = recipe_as_used(request.recipe, network.entry)
    started = is_started(folder, recipe, parts.manifest)
    request = replace(request, recipe=recipe, resume=started)
    if started and (finished := _finished(folder, metrics)) is not None:
        return finished
    prepared = prepare(
        fingerprints,
        network.entry,
        recipe,
        reader=reader,
        progress=progress,
        parts=parts,
        folder=folder.parent,
    )
    announce(prepared, progress)
    make_folder(folder)
    write_recipe(recipe, folder / RunFile.RECIPE)
    write_manifest(parts.manifest, folder / RunFile.MANIFEST)
    write_json_atomic(folder / RunFile.ENVIRONMENT, context.environment)
    fitted = fit_network(request, network, prepared, progress)
    bundle = export_run_bundle(request, network, prepared, fitted, reader=reader, context=context)
    predictor = Predictor(bundle)
    validation, training = (
        predict_labelled(
            predictor,
            records_of(parts.manifest, part),
            parts.manifest,
            reader=reader,
            progress=progress,
        )
        for part in ("validation", "train")
    )
    reliability, references = fit_reliability(
        predictor,
        recipe.probabilities,
        validation=validation,
        training=training,
        seed=recipe.seed,
    )
    bundle = store_reliability(bundle, reliability, references)
    for note in DecisionRules(reliability, references).notes:
        progress.say(f"note: {note}")
    return store_metrics(bundle, metrics)


def _finished(folder: Path, metrics: Mapping[str, Any]) -> Bundle | None:
    """The bundle of an earlier start; the figures are written into it last of all."""
    if (
        not (folder / RunFile.BUNDLE).is_dir()
        or not read_bundle_info(folder / RunFile.BUNDLE).metrics
    ):
        return None
    # More repeats may have come since.
    return store_metrics(load_bundle(folder / RunFile.BUNDLE), metrics)
