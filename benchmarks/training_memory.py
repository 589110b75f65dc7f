"""Peak memory of `actinscope train` on a generated set of images.

    python benchmarks/training_memory.py --images 2000 20000

Smooth random textures, 8-bit PNG of 224 x 224, two classes that differ in their grain; of the
recipe fine-tuned one epoch on one stored view, others whole; the run's report and bundle included.
The figure is the largest resident size of the process, as the system counts it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from record import command_line, write_record

_SIDE = 224


def main() -> int:
    arguments = _parse()
    rows = []
    for count in arguments.images:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder = Path(name)
            write_images(folder / "images", count)
            rows.append({"images": count, **_train(folder, arguments)})
            print(rows[-1], flush=True)
    write_record(
        {
            "benchmark": "training memory",
            "network": arguments.network,
            "recipe": arguments.recipe,
            "rows": rows,
            "command": command_line("training_memory.py"),
        }
    )
    return 0


def _train(folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    recipe = folder / "recipe.toml"
    short = "[training]\nepochs = 1\nviews = 1\nwarmup_epochs = 0.0\nrefresh = 0.0\n"
    settings = short if arguments.recipe == "fine-tuned" else ""
    recipe.write_text(f'base = "{arguments.recipe}"\n{settings}', encoding="utf-8")
    started = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "actinscope.cli.main", "train", str(folder / "images")),
            *("--group", "none", "--network", arguments.network, "--recipe", str(recipe)),
            *("--folds", "1", "-o", str(folder / "run"), "--quiet"),
        ],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"training ended with exit code {process.returncode}")
    return {
        "seconds": round(time.perf_counter() - started),
        "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 2),
    }


def write_images(folder: Path, count: int) -> None:
    """``count`` different images in two folders."""
    for label in ("coarse", "fine"):
        (folder / label).mkdir(parents=True)

    def write(number: int) -> None:
        rng = np.random.default_rng(number)
        label, grain = (("coarse", 14), ("fine", 28))[number % 2]
        coarse = rng.random((grain, grain), dtype=np.float32)
        smooth = cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        noisy = smooth * 200 + rng.normal(0, 4, smooth.shape)
        cv2.imwrite(str(folder / label / f"{number:06d}.png"), noisy.clip(0, 255).astype(np.uint8))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(count)))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--recipe", default="fine-tuned", help="fine-tuned, quick or default")
    parser.add_argument("--folder", type=Path, help="where the images are made (default temporary)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
