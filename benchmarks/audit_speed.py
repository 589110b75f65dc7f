"""Time of a whole `actinscope audit --no-network`, from files to page.

    python benchmarks/audit_speed.py --images 10000

The images are 224 x 224 pixels, 8-bit PNG: real nuclei of mitocheck_nuclei, enlarged, turned
by any angle and with fresh noise, 40 to a group.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from record import command_line, data_folder, write_record

_SIDE = 224
_GROUP = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--remark", default="", help="such as what else ran on the machine")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_images(folder / "images", arguments.images)
        command = [sys.executable, "-m", "actinscope.cli.main", "audit", str(folder / "images")]
        command += ["--manifest", str(folder / "images" / "study.csv"), "--group", "slide"]
        started = time.perf_counter()
        subprocess.run(
            [*command, "--no-network", "--quiet", "-o", str(folder / "audit")],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    record = {
        "benchmark": "audit speed",
        "images": arguments.images,
        "wall": round(wall, 1),
        "user": round(used.ru_utime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "load": round(os.getloadavg()[0], 1),
        "command": command_line("audit_speed.py"),
    }
    write_record(record | ({"remark": arguments.remark} if arguments.remark else {}))
    return 0


def _write_images(folder: Path, count: int) -> None:
    sources = sorted(data_folder("mitocheck_nuclei").rglob("*.png"))
    rng = np.random.default_rng(0)
    lines = ["path,label,slide"]
    for number in range(count):
        small = cv2.imread(str(sources[number % len(sources)]), cv2.IMREAD_GRAYSCALE)
        turn = cv2.getRotationMatrix2D((31.5, 31.5), rng.uniform(0, 360), 1)
        turned = cv2.warpAffine(small, turn, (64, 64), borderMode=cv2.BORDER_REFLECT_101)
        large = cv2.resize(turned, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(large + rng.normal(0, 3, large.shape), 0, 255).astype(np.uint8)
        group = number // _GROUP
        name = f"{'ab'[group % 2]}/{number:06d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), noisy)
        lines.append(f"{name},{'ab'[group % 2]},s{group}")
    (folder / "study.csv").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
