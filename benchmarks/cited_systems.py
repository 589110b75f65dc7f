"""The systems that the paper cites, each once, on one grouped fold of a real data set.

    python benchmarks/cited_systems.py softmax small-cnn
    python benchmarks/cited_systems.py boosted-trees class-structure ensemble
    python benchmarks/cited_systems.py patches

All but `patches` train on the same fold of mef_actin, in which no field is divided between
parts; `ensemble` averages the first two. `patches` tells cells from background in the whole
fields. One fold of some sixty images, and for `patches` one field, prove very little: this
shows that the ways work, not which is better. A line for each measurement goes into
benchmarks/results.jsonl; `write_results.py` makes the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from actinscope.bundle import load_bundle
from actinscope.cells import CropReader
from actinscope.evaluation import Evaluation
from actinscope.predict import Predictor
from actinscope.progress import Silent
from actinscope.requests import JoinRequest, PatchRequest, StudySource, TrainRequest
from actinscope.runs import (
    choose_network,
    fingerprint_study,
    predict_and_evaluate,
    read_study,
    records_of,
)
from actinscope.study import Split, grouped_folds
from actinscope.training import Recipe, change_recipe, load_recipe
from actinscope.workflows.ensemble import make_ensemble
from actinscope.workflows.patches import write_patches
from actinscope.workflows.train import train_on_parts, train_study
from record import DATA_SETS, command_line, data_folder, write_record

_DATA = "mef_actin"
_FOLDS = 5
_NETWORK = "efficientnet-lite0"
_ENSEMBLE = ("softmax", "boosted-trees")
_WHAT = {
    "softmax": "the recipe fine-tuned, for comparison",
    "small-cnn": "[5] a small CNN from scratch, recipe scratch",
    "boosted-trees": "[6] CNN features and XGBoost",
    "class-structure": "[10] class-structure-aware loss",
    "ensemble": f"[7] ensemble of {' and '.join(_ENSEMBLE)}",
    "patches": "[9] cell or background, from fields and masks",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", default=[*_WHAT], choices=[*_WHAT, []])
    parser.add_argument("--fold", type=int, default=0, help="which of the five (default 0)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), arguments.fold, arguments.seed)
        for system in arguments.systems or [*_WHAT]:
            started = time.perf_counter()
            evaluation = bench.measure(system)
            _record(system, evaluation, time.perf_counter() - started, arguments)
    return 0


class _Bench:
    """One fold, and the runs that were made on it so far."""

    def __init__(self, folder: Path, fold: int, seed: int) -> None:
        self._folder, self._seed = folder, seed
        data = data_folder(_DATA)
        self._source = StudySource(data=data, manifest=data / "groups.csv", group=DATA_SETS[_DATA])
        self._reader = CropReader()
        manifest = read_study(self._source, Recipe())
        self._fingerprints = fingerprint_study(manifest, self._reader, Silent())
        folds = grouped_folds(self._fingerprints.manifest, folds=_FOLDS, seed=0)
        self._parts: Split = folds[fold]

    def measure(self, system: str) -> Evaluation:
        """The test part's figures."""
        if system == "ensemble":
            return self._ensemble()
        if system == "patches":
            return self._patches()
        return self._trained(system)

    def _recipe(self, system: str) -> Recipe:
        name = {"boosted-trees": "boosted-trees", "small-cnn": "scratch"}.get(system, "fine-tuned")
        changes: dict[str, dict[str, Any]] = {"network": {"name": _network(system)}}
        if system == "class-structure":
            changes["training"] = {"loss": "class_structure"}
        return change_recipe(load_recipe(name), changes, seed=self._seed)

    def _trained(self, system: str) -> Evaluation:
        recipe = self._recipe(system)
        outcome = train_on_parts(
            TrainRequest(self._source, recipe, self._folder / system),
            choose_network(recipe),
            self._fingerprints,
            self._parts,
            reader=self._reader,
            progress=Silent(),
        )
        return outcome.evaluations["test"]

    def _ensemble(self) -> Evaluation:
        for member in _ENSEMBLE:
            if not (self._folder / member).exists():
                self._trained(member)
        target = self._folder / "ensemble"
        make_ensemble(JoinRequest(tuple(self._folder / one for one in _ENSEMBLE), target))
        manifest = self._parts.manifest
        return predict_and_evaluate(
            Predictor(load_bundle(target)),
            records_of(manifest, "test"),
            manifest,
            images=self._reader,
            seed=self._seed,
            progress=Silent(),
        ).evaluation

    def _patches(self) -> Evaluation:
        data = self._source.data
        listed = self._folder / "patches.csv"
        write_patches(
            PatchRequest(data, fields=data / "fields.csv", output=listed, seed=self._seed)
        )
        source = StudySource(data=data, manifest=listed, group="field")
        request = TrainRequest(source, self._recipe("patches"), self._folder / "patches")
        return train_study(request, Silent()).evaluations["test"]


def _network(system: str) -> str:
    return "small-cnn" if system == "small-cnn" else _NETWORK


def _record(
    system: str, evaluation: Evaluation, seconds: float, arguments: argparse.Namespace
) -> None:
    accuracy = evaluation.metrics["accuracy"]
    write_record(
        {
            "benchmark": "cited systems",
            "data": _DATA,
            "side": system,
            "what": _WHAT[system],
            "network": _network(system),
            "fold": None if system == "patches" else arguments.fold,
            "seed": arguments.seed,
            "test_images": accuracy.n,
            "right": accuracy.count,
            "accuracy": round(accuracy.value, 4),
            # No interval for a single group: NaN is no JSON.
            "low": round(accuracy.low, 4) if accuracy.has_interval else None,
            "high": round(accuracy.high, 4) if accuracy.has_interval else None,
            "balanced_accuracy": round(evaluation.metrics["balanced_accuracy"].value, 4),
            "seconds": round(seconds),
            "command": command_line("cited_systems.py"),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
