"""Balanced accuracy over grouped folds of a real data set: a recipe, or a variant of it.

    python benchmarks/grouped_folds.py mef_actin
    python benchmarks/grouped_folds.py mef_actin --set network.freeze_batch_norm=false
    python benchmarks/grouped_folds.py mitocheck_nuclei --folds 0 1 --seeds 0 1
    python benchmarks/grouped_folds.py mef_actin --frozen-embedding
    python benchmarks/grouped_folds.py mef_actin --split-seed 1 --set training.epochs=24

Each fold is a whole run of actinscope (training, bundle, prediction through the bundle) in
which no group is divided between parts. `--frozen-embedding` measures the reference
instead: logistic regression on the embedding of the untouched network. With `--split-seed`
the groups are divided otherwise, as for choosing settings: what is chosen on folds must not be
judged on the same ones. A line for each
measurement goes into benchmarks/results.jsonl; `write_results.py` makes the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.bundle import read_bundle_info
from actinscope.cells import CropReader
from actinscope.networks import build_network, embedding_of
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Silent
from actinscope.requests import StudySource, TrainRequest
from actinscope.runs import (
    choose_network,
    fingerprint_study,
    images_of,
    labels_of,
    network_input,
    read_study,
    records_of,
)
from actinscope.study import Fingerprints, Manifest, Split, grouped_folds
from actinscope.training import Recipe, change_recipe, load_recipe
from actinscope.workflows.train import train_on_parts
from record import DATA_SETS, command_line, data_folder, write_record


def main() -> int:
    arguments = _parse()
    recipe = _recipe(arguments)
    source = _source(arguments)
    manifest = read_study(source, recipe)
    reader = CropReader(recipe.images)
    fingerprints = fingerprint_study(manifest, reader, Silent())
    folds = grouped_folds(fingerprints.manifest, folds=arguments.of, seed=arguments.split_seed)
    chosen = [(number, folds[number]) for number in arguments.folds or range(arguments.of)]
    started, worked = time.perf_counter(), os.times().user
    scores: dict[str, list[float]] = {"balanced_accuracy": [], "accuracy": [], "log_loss": []}
    measure = _frozen_embedding if arguments.frozen_embedding else _train
    for seed in arguments.seeds:
        for number, parts in chosen:
            request = TrainRequest(source, recipe.model_copy(update={"seed": seed}), Path())
            result = measure(request, fingerprints, parts, reader)
            for name, values in scores.items():
                values.extend([result[name]] if name in result else [])
            print(f"seed {seed} fold {number}: {json.dumps(result)}", flush=True)
    write_record(
        {
            "benchmark": "grouped folds",
            "data": arguments.data,
            "group": manifest.group,
            "variant": _variant(arguments),
            "network": recipe.network.name,
            "folds": [number for number, _ in chosen],
            "split_seed": arguments.split_seed,
            "seeds": arguments.seeds,
            "mean_balanced_accuracy": round(float(np.mean(scores["balanced_accuracy"])), 4),
            "balanced_accuracy": [round(value, 4) for value in scores["balanced_accuracy"]],
            "mean_accuracy": round(float(np.mean(scores["accuracy"])), 4),
            "log_loss": [round(value, 4) for value in scores["log_loss"]],
            "seconds": round(time.perf_counter() - started),
            "user": round(os.times().user - worked),
            "command": command_line("grouped_folds.py"),
        }
    )
    return 0


def _train(
    request: TrainRequest, fingerprints: Fingerprints, parts: Split, reader: CropReader
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        outcome = train_on_parts(
            replace(request, output=Path(folder) / "run"),
            choose_network(request.recipe),
            fingerprints,
            parts,
            reader=reader,
            progress=Silent(),
        )
        assert outcome.bundle is not None
        views = read_bundle_info(outcome.bundle).answered
    metrics = outcome.evaluations["test"].metrics
    return {
        "balanced_accuracy": metrics["balanced_accuracy"].value,
        "accuracy": metrics["accuracy"].value,
        "log_loss": metrics["log_loss"].value,
        "validation_accuracy": outcome.evaluations["validation"].metrics["accuracy"].value,
        "views": views,
    }


def _frozen_embedding(
    request: TrainRequest, fingerprints: Fingerprints, parts: Split, reader: CropReader
) -> dict[str, float]:
    import keras
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, balanced_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    del fingerprints
    manifest: Manifest = parts.manifest
    network = choose_network(request.recipe)
    model = build_network(network.entry, classes=2, weights=network.weights, seed=0)
    embedding = keras.Model(model.input, embedding_of(model))
    training = records_of(manifest, "train") + records_of(manifest, "validation")
    testing = records_of(manifest, "test")
    preprocess = fit_preprocess(
        images_of(training, reader, Silent(), ""),
        request.recipe.preprocess,
        network_input(network.entry, request.recipe),
    )

    def embedded(records: list[Any]) -> Any:
        inputs = [preprocess.apply(image) for image in images_of(records, reader, Silent(), "")]
        return embedding.predict(np.stack(inputs), batch_size=32, verbose=0)

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )
    classifier.fit(embedded(training), labels_of(training, manifest.classes))
    truth = labels_of(testing, manifest.classes)
    answers = classifier.predict(embedded(testing))
    return {
        "balanced_accuracy": float(balanced_accuracy_score(truth, answers)),
        "accuracy": float(accuracy_score(truth, answers)),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(DATA_SETS))
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--of", type=int, default=5, help="number of folds")
    parser.add_argument("--folds", type=int, nargs="+", help="which of them (default all)")
    parser.add_argument("--split-seed", type=int, default=0, help="of the division into folds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--frozen-embedding", action="store_true")
    return parser.parse_args()


def _recipe(arguments: argparse.Namespace) -> Recipe:
    changes: dict[str, dict[str, Any]] = {"network": {"name": arguments.network}}
    for item in arguments.set:
        place, _, value = item.partition("=")
        section, _, key = place.partition(".")
        changes.setdefault(section, {})[key] = _parsed(value)
    recipe = change_recipe(load_recipe(arguments.recipe), changes)
    # Only the answers are asked for here: what else a report tells does not change them.
    idle = ("audit", "controls", "explanation", "figures")
    return recipe.model_copy(update=dict.fromkeys(idle, False))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _source(arguments: argparse.Namespace) -> StudySource:
    folder = data_folder(arguments.data)
    return StudySource(data=folder, manifest=folder / "groups.csv", group=DATA_SETS[arguments.data])


def _variant(arguments: argparse.Namespace) -> str:
    if arguments.frozen_embedding:
        return "frozen embedding, logistic regression"
    return ", ".join([f"recipe {arguments.recipe}", *arguments.set])


if __name__ == "__main__":
    sys.exit(main())
