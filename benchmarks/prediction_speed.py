"""From image files to a CSV, against the plain Keras script: images a second, whole processes.

    python benchmarks/prediction_speed.py
    python benchmarks/prediction_speed.py --network efficientnet-lite0 --kinds png
    python benchmarks/prediction_speed.py --precision int8

Both sides have the same network, weights and images, and run in turn; the ratio is taken
pair by pair, so that what else the machine does falls on both. That both write the same
probabilities is checked, but for INT8: how far the two are apart with random weights says
nothing of its accuracy, which `int8.py` measures. Where Keras waits for nothing
(`plain_waits.py`) counts for the script, and is given apart, too.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prediction_setup import NETWORKS, Model, make_model, ours, plain, run, spread, write_images
from record import write_record

_SAME = 1e-4


def main() -> int:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as name:
        for kind in arguments.kinds:
            folder = Path(name) / kind
            cells = write_images(folder / "images", arguments.images, kind)
            model = make_model(folder / "model", arguments.network, cells)
            result = _measure(arguments, folder, model)
            write_record(
                {
                    "benchmark": "prediction speed",
                    "network": arguments.network,
                    "precision": arguments.precision,
                    "files": "8-bit PNG" if kind == "png" else "16-bit TIFF",
                    "images": arguments.images,
                    **result,
                    "command": _command(arguments, kind),
                }
            )
    return 0


def _command(arguments: argparse.Namespace, kind: str) -> str:
    """The command that makes one row again."""
    return (
        f"python benchmarks/prediction_speed.py --network {arguments.network} --kinds {kind} "
        f"--images {arguments.images} --pairs {arguments.pairs} "
        f"--precision {arguments.precision}"
    )


def _measure(arguments: argparse.Namespace, folder: Path, model: Model) -> dict[str, Any]:
    images, our_csv, plain_csv = folder / "images", folder / "ours.csv", folder / "plain.csv"
    our_runs, plain_runs, waits = [], [], []
    for _ in range(arguments.pairs):
        command = ours(model.bundle, [images / "cells"], our_csv, precision=arguments.precision)
        our_runs.append(run(command))
        command = plain(model.keras, arguments.network, images, plain_csv)
        plain_runs.append(run([*command, "--waits", str(folder / "waits")]))
        waits.append(float((folder / "waits").read_text("utf-8")))
    difference = np.abs(_probabilities(our_csv, 5) - _probabilities(plain_csv, 2)).max()
    if arguments.precision == "float32" and difference > _SAME:
        sys.exit(f"the two sides do not predict the same: {difference:g} apart")
    pairs = list(zip(our_runs, plain_runs, strict=True))
    awake = [
        (other.wall - wait) / our.wall for (our, other), wait in zip(pairs, waits, strict=True)
    ]
    return {
        "ours_wall": spread([one.wall for one in our_runs]),
        "ours_user": spread([one.user for one in our_runs]),
        "plain_wall": spread([one.wall for one in plain_runs]),
        "plain_user": spread([one.user for one in plain_runs]),
        "plain_waits": spread(waits),
        "ratio": spread([other.wall / our.wall for our, other in pairs]),
        "ratio_without_waits": spread(awake),
        "ours_peak_mb": round(max(one.peak_mb for one in our_runs)),
        "plain_peak_mb": round(max(one.peak_mb for one in plain_runs)),
        "largest_difference": round(float(difference), 7),
    }


def _probabilities(path: Path, first: int) -> NDArray[np.float64]:
    """The three probabilities of each row, (N, 3), sorted by the file name."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = sorted(list(csv.reader(stream))[1:], key=lambda row: Path(row[0]).name)
    return np.array([[float(cell) for cell in row[first : first + 3]] for row in rows])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="efficientnetv2-b0")
    parser.add_argument("--kinds", nargs="+", choices=["png", "tif"], default=["png", "tif"])
    parser.add_argument("--precision", choices=["float32", "int8"], default="float32")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
