"""Against the plain Keras script on real images: time to its final accuracy, and the accuracy.

    python benchmarks/time_to_accuracy.py mef_actin --folds 0 1 --seeds 0
    python benchmarks/time_to_accuracy.py mef_actin --sides plain --untimed

For every fold (a group stays in one part) and seed, the plain script of the paper's recipe
(`plain_keras.py`, 70 epochs) and `actinscope train` with its default recipe run one after
the other as processes of their own, on the same network, weights and images. Each run adds
a line to benchmarks/results.jsonl; `write_results.py` pairs them. With `--untimed` the
figures of time are left out of the line: for runs on a machine that had other work to do.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from plain_images import FOLDS, write_parts
from record import DATA_SETS, HERE, command_line, data_folder, write_record

_EPOCH = re.compile(r"(?:^last layer fitted|^epoch) .*validation accuracy ([0-9.]+)")
Result = dict[str, Any]


def main() -> int:
    arguments = _parse()
    for seed in arguments.seeds:
        for fold in arguments.folds:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                manifest = write_parts(arguments.data, fold, folder, network=arguments.network)
                for side in arguments.sides:
                    run = _plain if side == "plain" else _actinscope
                    _record(arguments, side, fold, seed, run(arguments, folder, manifest, seed))
    return 0


def _record(arguments: argparse.Namespace, side: str, fold: int, seed: int, got: Result) -> None:
    if arguments.untimed:
        got = {key: value for key, value in got.items() if key not in {"wall", "user"}}
        for row in got["epochs"]:
            row.pop("wall", None)
    write_record(
        {
            "benchmark": "time to accuracy",
            "data": arguments.data,
            "network": arguments.network,
            "side": side,
            "fold": fold,
            "seed": seed,
            "settings": [] if side == "plain" else arguments.set,
            **got,
            "command": command_line("time_to_accuracy.py"),
        }
    )


def _plain(arguments: argparse.Namespace, folder: Path, manifest: Path, seed: int) -> Result:
    """Train and test with the plain script."""
    del manifest
    output = folder / f"plain-{seed}.json"
    _, wall, user = _run(
        [
            *(sys.executable, str(HERE / "plain_keras.py"), str(folder / "images")),
            *("--network", arguments.network, "--seed", str(seed)),
            *("--epochs", str(arguments.plain_epochs), "--output", str(output)),
        ]
    )
    result = json.loads(output.read_text("utf-8"))
    answers = np.array(result["test_probabilities"]).argmax(axis=1)
    return {
        **_scores(np.array(result["test_labels"]), answers),
        "epochs": [
            {"wall": round(row["wall"], 2), "validation_accuracy": round(row["val_accuracy"], 4)}
            for row in result["history"]
        ],
        "wall": round(wall, 2),
        "user": round(user, 2),
    }


def _actinscope(arguments: argparse.Namespace, folder: Path, manifest: Path, seed: int) -> Result:
    """`actinscope train` as a person calls it: reading, training, delivery, test, report."""
    output = folder / f"ours-{seed}"
    recipe = folder / "recipe.toml"
    recipe.write_text(_recipe_text(arguments.set), encoding="utf-8")
    lines, wall, user = _run(
        [
            *(sys.executable, "-m", "actinscope.cli.main", "train"),
            *(str(data_folder(arguments.data)), "--manifest", str(manifest)),
            *("--group", DATA_SETS[arguments.data], "--network", arguments.network),
            *("--recipe", str(recipe), "--seed", str(seed), "-o", str(output)),
        ]
    )
    epochs = [
        {"wall": round(when, 2), "validation_accuracy": float(found[1])}
        for when, line in lines
        if (found := _EPOCH.search(line))
    ]
    labels, answers = _test_answers(output / "predictions.csv")
    return {
        **_scores(labels, answers),
        "epochs": epochs,
        "wall": round(wall, 2),
        "user": round(user, 2),
    }


def _recipe_text(changes: list[str]) -> str:
    sections: dict[str, list[str]] = {}
    for change in changes:
        place, _, value = change.partition("=")
        section, _, key = place.partition(".")
        sections.setdefault(section, []).append(f"{key} = {value}")
    return "".join(f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in sections.items())


def _run(command: list[str]) -> tuple[list[tuple[float, str]], float, float]:
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
    return np.array([row["label"] for row in rows]), np.array([row["predicted"] for row in rows])


def _scores(labels: NDArray[Any], answers: NDArray[Any]) -> Result:
    return {
        "balanced_accuracy": round(float(balanced_accuracy_score(labels, answers)), 4),
        "accuracy": round(float((labels == answers).mean()), 4),
        "test_images": len(labels),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(DATA_SETS))
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--sides", nargs="+", choices=["plain", "ours"], default=["plain", "ours"])
    parser.add_argument("--plain-epochs", type=int, default=70)
    parser.add_argument("--untimed", action="store_true", help="record accuracies only")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
