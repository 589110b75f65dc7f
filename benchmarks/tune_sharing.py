"""Seconds of a few trials of a search, with shared activations and without.

    python benchmarks/tune_sharing.py
    python benchmarks/tune_sharing.py --trials 6 --folds 3

The same trials are trained on the same folds of real images by `TrialRunner`, which shares
what the frozen layers put out, and by `fit`, as a run of `train` does, each anew. The
trials differ in learning rate and batch size; every second one has another freeze point.
Building networks and tracing graphs is counted on both sides, reading images on neither.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.cells import CropReader
from actinscope.networks import (
    build_network,
    freeze,
    freeze_batch_norm,
    freeze_points,
    network_entry,
    resolve_weights,
)
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import (
    fingerprint_study,
    images_of,
    labels_of,
    network_input,
    read_study,
    scaled_array,
)
from actinscope.study import TEST, grouped_folds
from actinscope.training import (
    ActivationCache,
    Fold,
    LabelledImages,
    Recipe,
    SearchImages,
    TrainingData,
    TrialRunner,
    change_recipe,
    fit,
    load_recipe,
)
from record import DATA_SETS, command_line, data_folder, write_record

_RATES = (2e-4, 5e-4, 1e-4, 1e-3)
_BATCHES = (16, 8, 32)


def main() -> int:
    arguments = _parse()
    entry = network_entry("efficientnet-lite0")
    base = change_recipe(
        load_recipe("fine-tuned"),
        {"network": {"name": entry.name}, "training": {"epochs": arguments.epochs}},
    )
    given, folds, classes = _images(arguments, base)

    def build(recipe: Recipe) -> Any:
        return build_network(
            entry, classes=classes, weights=resolve_weights(entry, "imagenet"), seed=recipe.seed
        )

    points = freeze_points(build(base), entry.frozen_layers)
    places = (entry.frozen_layers, points[points.index(entry.frozen_layers) + 1])
    recipes = [
        change_recipe(
            base,
            {
                "network": {"frozen_layers": places[number % 2]},
                "training": {
                    "learning_rate": _RATES[number // 2 % len(_RATES)],
                    "batch_size": _BATCHES[number // 2 % len(_BATCHES)],
                },
            },
        )
        for number in range(arguments.trials)
    ]
    with tempfile.TemporaryDirectory() as name:
        shared, losses = _shared(recipes, given, folds, build, folder=Path(name), classes=classes)
    anew, other_losses = _anew(recipes, given, folds, build, classes)
    write_record(
        {
            "benchmark": "shared activations of a search",
            "data": arguments.data,
            "network": entry.name,
            "trials": arguments.trials,
            "folds": arguments.folds,
            "epochs": arguments.epochs,
            "images": len(given.images.labels),
            "shared_seconds": [round(seconds, 1) for seconds in shared],
            "anew_seconds": [round(seconds, 1) for seconds in anew],
            "times_faster": round(sum(anew) / sum(shared), 2),
            "shared_loss": round(float(np.mean(losses)), 4),
            "anew_loss": round(float(np.mean(other_losses)), 4),
            "command": command_line("tune_sharing.py"),
        }
    )
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=sorted(DATA_SETS), default="mef_actin")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    return parser.parse_args()


def _images(arguments: argparse.Namespace, base: Recipe) -> tuple[SearchImages, list[Fold], int]:
    folder = data_folder(arguments.data)
    source = StudySource(folder, folder / "groups.csv", DATA_SETS[arguments.data])
    reader = CropReader(base.images)
    manifest = fingerprint_study(read_study(source, base), reader, Silent()).manifest
    network = network_input(network_entry(base.network.name), base)
    images = images_of(manifest.records, reader, Silent(), "")
    preprocess = fit_preprocess(images, base.preprocess, network)
    images = images_of(manifest.records, reader, Silent(), "")
    labels = labels_of(manifest.records, manifest.classes)
    loaded = LabelledImages(scaled_array(images, len(labels), preprocess, None), labels)
    folds = []
    for one in grouped_folds(manifest, folds=arguments.folds, seed=0):
        held = np.array([record.part == TEST for record in one.manifest.records])
        folds.append(Fold(np.flatnonzero(~held), np.flatnonzero(held)))
    return SearchImages(loaded, preprocess, "benchmark"), folds, len(manifest.classes)


def _shared(
    recipes: list[Recipe],
    given: SearchImages,
    folds: list[Fold],
    build: Any,
    *,
    folder: Path,
    classes: int,
) -> tuple[list[float], list[float]]:
    settings = recipes[0].training
    runner = TrialRunner(
        build,
        folds,
        cache=ActivationCache(folder / "stored", settings.storage_gb),
        most_views=int((settings.epochs - 1) * settings.refresh) + settings.views,
        classes=classes,
        folder=folder,
    )
    seconds, losses = [], []
    for recipe in recipes:
        outcome = runner.run(recipe, given, lambda *_: "", Silent())
        seconds.append(outcome.seconds)
        losses += [fold.log_loss for fold in outcome.folds]
        print(f"shared: {outcome.seconds:.1f} s", flush=True)
    return seconds, losses


def _anew(
    recipes: list[Recipe], given: SearchImages, folds: list[Fold], build: Any, classes: int
) -> tuple[list[float], list[float]]:
    seconds, losses = [], []
    scaled, labels = given.images.scaled, given.images.labels
    for recipe in recipes:
        started = time.perf_counter()
        for fold in folds:
            model = build(recipe)
            frozen = recipe.network.frozen_layers
            assert frozen is not None
            freeze(model, frozen)
            freeze_batch_norm(model)
            parts = [
                LabelledImages(scaled[rows], labels[rows]) for rows in (fold.train, fold.held_out)
            ]
            with tempfile.TemporaryDirectory() as folder:
                fitted = fit(
                    model,
                    TrainingData(*parts, classes=tuple(map(str, range(classes)))),
                    recipe,
                    frozen_layers=frozen,
                    preprocess=given.preprocess,
                    folder=Path(folder),
                    resume=False,
                    progress=Silent(),
                )
            answers = model.predict_on_batch(given.preprocess.to_network(parts[1].scaled))
            own = answers[np.arange(len(answers)), parts[1].labels]
            losses.append(float(-np.log(np.clip(own, 1e-7, 1)).mean()))
            del model, fitted
        seconds.append(time.perf_counter() - started)
        print(f"anew: {seconds[-1]:.1f} s", flush=True)
    return seconds, losses


if __name__ == "__main__":
    sys.exit(main())
