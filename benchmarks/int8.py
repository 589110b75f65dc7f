"""What INT8 costs and gains: `actinscope bundle quantize` on runs over grouped folds of real cells.

    python benchmarks/int8.py mef_actin
    python benchmarks/int8.py mef_actin --folds 0 1 --untimed

Each fold is a whole run of actinscope, in which no group is divided between parts, and then
`quantize` on it with its default settings, forced so that a costly fold is recorded too. One
line with all folds goes into benchmarks/results.jsonl; `write_results.py` makes the table.
The test parts of the folds together are all images of the data set, each once. With
`--untimed` the speed is left out: for runs on a machine that had other work to do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from actinscope.cells import CropReader
from actinscope.progress import Silent
from actinscope.requests import QuantizeRequest, StudySource, TrainRequest
from actinscope.runs import choose_network, fingerprint_study, read_study
from actinscope.study import Fingerprints, Split, grouped_folds
from actinscope.training import change_recipe, load_recipe
from actinscope.workflows.quantize import quantize_run
from actinscope.workflows.train import train_on_parts
from record import DATA_SETS, command_line, data_folder, write_record


def main() -> int:
    arguments = _parse()
    folder = data_folder(arguments.data)
    source = StudySource(folder, folder / "groups.csv", group=DATA_SETS[arguments.data])
    changes = {"network": {"name": arguments.network}}
    recipe = change_recipe(load_recipe("fine-tuned"), changes, seed=arguments.seed)
    reader = CropReader(recipe.images)
    found = fingerprint_study(read_study(source, recipe), reader, Silent())
    folds = grouped_folds(found.manifest, folds=arguments.of, seed=0)
    numbers = list(range(arguments.of)) if arguments.folds is None else arguments.folds
    rows = []
    for number in numbers:
        row = _fold(TrainRequest(source, recipe, Path()), found, folds[number], reader)
        if arguments.untimed:
            row.pop("speed_ratio")
        rows.append({"fold": number, **row})
        print(json.dumps(rows[-1]), flush=True)
    write_record(
        {
            "benchmark": "int8",
            "data": arguments.data,
            "group": source.group,
            "network": arguments.network,
            "seed": arguments.seed,
            "rows": rows,
            "command": command_line("int8.py"),
        }
    )
    return 0


def _fold(
    request: TrainRequest, found: Fingerprints, parts: Split, reader: CropReader
) -> dict[str, Any]:
    """Train, quantise, and give the figures of the test part."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train_on_parts(
            TrainRequest(request.source, request.recipe, run),
            choose_network(request.recipe),
            found,
            parts,
            reader=reader,
            progress=Silent(),
        )
        outcome = quantize_run(QuantizeRequest(run, request.source.data, force=True), Silent())
    test, summary = outcome.summary.parts["test"], outcome.summary
    return {
        "images": test.images,
        "accuracy_float32": _rounded(test.accuracy_float32.value),
        "accuracy_int8": _rounded(test.accuracy_int8.value),
        "balanced_accuracy_float32": _rounded(test.balanced_accuracy_float32.value),
        "balanced_accuracy_int8": _rounded(test.balanced_accuracy_int8.value),
        "changed": test.changed,
        "only_float32_right": test.only_float32_right,
        "only_int8_right": test.only_int8_right,
        "largest_probability_difference": _rounded(test.largest_probability_difference),
        "calibration_images": summary.calibration_images,
        "warning": summary.warning,
        "backend": summary.backend,
        "speed_ratio": round(summary.speed_ratio, 2),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(DATA_SETS))
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--of", type=int, default=5, help="number of folds")
    parser.add_argument("--folds", type=int, nargs="+", help="which of them (default all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--untimed", action="store_true", help="leave the speed out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
