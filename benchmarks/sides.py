"""The two sides of a comparison as processes of their own, timed from outside."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from record import DATA_SETS, HERE, data_folder

_EPOCH = re.compile(r"(?:^last layer fitted|^epoch) .*validation accuracy ([0-9.]+)")
Result = dict[str, Any]


def train_plain(
    folder: Path, *, network: str, weights: str = "imagenet", epochs: int, seed: int
) -> Result:
    """Train and test with the plain script on the images that `plain_images.py` wrote."""
    output = folder / f"plain-{seed}.json"
    _, wall, user = run_timed(
        [
            *(sys.executable, str(HERE / "plain_keras.py"), str(folder / "images")),
            *("--network", network, "--weights", weights, "--seed", str(seed)),
            *("--epochs", str(epochs), "--output", str(output)),
        ]
    )
    result = json.loads(output.read_text("utf-8"))
    answers = np.array(result["test_probabilities"]).argmax(axis=1)
    return {
        **_scores(np.array(result["test_labels"]), answers),
        "training_images": result["training_images"],
        "epochs": [
            {"wall": round(row["wall"], 2), "validation_accuracy": round(row["val_accuracy"], 4)}
            for row in result["history"]
        ],
        "wall": round(wall, 2),
        "user": round(user, 2),
        "waits": round(result["waits"], 2),
    }


def train_actinscope(
    data: str, folder: Path, *, recipe: str, options: list[str], changes: list[str], seed: int
) -> Result:
    """`actinscope train` as a person calls it: reading, training, delivery, test, report."""
    output = folder / f"ours-{seed}"
    file = folder / "recipe.toml"
    file.write_text(_recipe_text(recipe, changes), encoding="utf-8")
    lines, wall, user = run_timed(
        [
            *(sys.executable, "-m", "actinscope.cli.main", "train", str(data_folder(data))),
            *("--manifest", str(folder / "manifest.csv"), "--group", DATA_SETS[data]),
            *("--recipe", str(file), "--seed", str(seed), "-o", str(output), *options),
            *("--folds", "1", "--debug"),  # --debug prints every epoch
        ]
    )
    epochs = [
        {"wall": round(when, 2), "validation_accuracy": float(found[1])}
        for when, line in lines
        if (found := _EPOCH.search(line))
    ]
    figures = json.loads((output / "metrics.json").read_text("utf-8"))
    if not epochs:  # a probe has none: what it is worth shows at the end
        right = round(figures["validation"]["accuracy"]["value"], 4)
        epochs = [{"wall": round(wall, 2), "validation_accuracy": right}]
    labels, answers = _test_answers(output / "predictions.csv")
    return {
        **_scores(labels, answers),
        "log_loss": round(figures["test"]["log_loss"]["value"], 4),
        "epochs": epochs,
        "wall": round(wall, 2),
        "user": round(user, 2),
    }


def _recipe_text(base: str, changes: list[str]) -> str:
    sections: dict[str, list[str]] = {}
    for change in changes:
        place, _, value = change.partition("=")
        section, _, key = place.partition(".")
        sections.setdefault(section, []).append(f"{key} = {value}")
    return f'base = "{base}"\n' + "".join(
        f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in sections.items()
    )


def run_timed(command: list[str]) -> tuple[list[tuple[float, str]], float, float]:
    """Lines of the standard error with their seconds, and wall and user seconds of it all."""
    before, started = os.times().children_user, time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = [(time.perf_counter() - started, line.rstrip()) for line in process.stderr]
    if process.returncode:
        sys.exit("\n".join(line for _, line in lines[-20:]))
    return lines, time.perf_counter() - started, os.times().children_user - before


def _test_answers(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["part"] == "test"]
    # The most probable class, as the script has it: unfamiliar images are not named in the table.
    chances = [
        {name.removeprefix("probability_"): float(value) for name, value in row.items()
         if name.startswith("probability_")}
        for row in rows
    ]  # fmt: skip
    answers = [max(one, key=one.__getitem__) for one in chances]
    return np.array([row["label"] for row in rows]), np.array(answers)


def _scores(labels: NDArray[Any], answers: NDArray[Any]) -> Result:
    return {
        "balanced_accuracy": round(float(balanced_accuracy_score(labels, answers)), 4),
        "accuracy": round(float((labels == answers).mean()), 4),
        "test_images": len(labels),
    }
