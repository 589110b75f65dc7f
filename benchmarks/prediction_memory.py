"""Memory and time of `actinscope predict` for more and more images.

    python benchmarks/prediction_memory.py
    python benchmarks/prediction_memory.py --counts 1000 5000

A thousand files are written once, and linked into as many folders as are wanted. Peak
memory is that of the process; seconds per image are given with and without the start-up,
which is the time for one image.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from prediction_setup import NETWORKS, make_model, ours, run, spread, write_images
from record import command_line, write_record

_FILES = 1000
_STARTS = 5


def main() -> int:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = write_images(folder / "images", _FILES, arguments.kind)
        model = make_model(folder / "model", arguments.network, cells, size=arguments.input_size)
        one = [next(cells.iterdir())]
        output = folder / "out.csv"
        starts = [run(ours(model.bundle, one, output)).wall for _ in range(_STARTS)]
        rows = []
        for count in sorted(arguments.counts):
            links = _link(cells, folder / f"links{count}", count)
            # A short run is repeated: its start-up, which is taken off, is a large part of it.
            runs = [
                run(ours(model.bundle, links, output)) for _ in range(min(5, -(-5000 // count)))
            ]
            wall = float(np.median([done.wall for done in runs]))
            user = float(np.median([done.user for done in runs]))
            net = (wall - float(np.median(starts))) / (count - 1)
            rows.append(
                {
                    "images": count,
                    "runs": len(runs),
                    "wall": round(wall, 2),
                    "user": round(user, 2),
                    "peak_mb": round(max(done.peak_mb for done in runs)),
                    "ms_per_image": round(wall / count * 1e3, 3),
                    "ms_per_image_net": round(net * 1e3, 3),
                    "user_ms_per_image": round(user / count * 1e3, 3),
                }
            )
            print(rows[-1], flush=True)
    write_record(
        {
            "benchmark": "prediction memory",
            "network": arguments.network,
            "input_size": arguments.input_size,
            "files": f"224 x 224, {'8-bit PNG' if arguments.kind == 'png' else '16-bit TIFF'}",
            "start_up": spread(starts),
            "rows": rows,
            "command": command_line("prediction_memory.py"),
        }
    )
    return 0


def _link(cells: Path, folder: Path, count: int) -> list[Path]:
    """``count`` hard links to the files of ``cells``, a thousand in each of the folders."""
    files = sorted(cells.iterdir())
    folders = []
    for first in range(0, count, _FILES):
        folders.append(folder / f"plate{first // _FILES:04d}")
        folders[-1].mkdir(parents=True)
        for file in files[: count - first]:
            os.link(file, folders[-1] / file.name)
    return folders


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="efficientnet-lite0")
    parser.add_argument("--input-size", type=int, default=96)
    parser.add_argument("--kind", choices=["png", "tif"], default="png")
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
