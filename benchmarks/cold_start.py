"""From nothing to one prediction: the whole process, against the plain Keras script.

python benchmarks/cold_start.py
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from prediction_setup import NETWORKS, make_model, ours, plain, run, spread, write_images
from record import command_line, write_record


def main() -> int:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = write_images(folder / "images", 4, arguments.kind)
        model = make_model(folder / "model", arguments.network, cells)
        alone = folder / "one" / "cells"
        alone.mkdir(parents=True)
        image = min(cells.iterdir())
        os.link(image, alone / image.name)
        our_runs, plain_runs = [], []
        for _ in range(arguments.pairs):
            our_runs.append(run(ours(model.bundle, [image], folder / "ours.csv")))
            command = plain(model.keras, arguments.network, folder / "one", folder / "plain.csv")
            plain_runs.append(run(command))
    pairs = zip(our_runs, plain_runs, strict=True)
    write_record(
        {
            "benchmark": "cold start",
            "network": arguments.network,
            "files": "8-bit PNG" if arguments.kind == "png" else "16-bit TIFF",
            "ours_wall": spread([one.wall for one in our_runs]),
            "ours_user": spread([one.user for one in our_runs]),
            "plain_wall": spread([one.wall for one in plain_runs]),
            "plain_user": spread([one.user for one in plain_runs]),
            "ratio": spread([other.wall / our.wall for our, other in pairs]),
            "command": command_line("cold_start.py"),
        }
    )
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="efficientnetv2-b0")
    parser.add_argument("--kind", choices=["png", "tif"], default="png")
    parser.add_argument("--pairs", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
