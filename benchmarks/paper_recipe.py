"""Seconds of the paper's whole recipe: `actinscope train --recipe paper` and the plain script.

    python benchmarks/paper_recipe.py
    python benchmarks/paper_recipe.py --epochs 10 --repeats 3

EfficientNetV2-B0 from random weights, which make no difference to the time, and so no
accuracy is recorded. One of ten folds is tested, one validates, eight train, as in the
paper: 249 images of mef_actin, whose fields stay whole. Both sides are whole processes, one
after the other, from images on the disk to test predictions; actinscope also delivers its
bundle and writes its report.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from plain_images import write_parts
from record import DATA_SETS, command_line, write_record
from sides import train_actinscope, train_plain

_NETWORK = "efficientnetv2-b0"
_FOLDS = 10


def main() -> int:
    arguments = _parse()
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parts(arguments.data, 0, folder, network=_NETWORK, folds=_FOLDS)
        for seed in range(arguments.repeats):
            plain = train_plain(
                folder, network=_NETWORK, weights="none", epochs=arguments.epochs, seed=seed
            )
            ours = train_actinscope(
                arguments.data,
                folder,
                recipe="paper",
                options=["--weights", "none", "--epochs", str(arguments.epochs)],
                changes=arguments.set,
                seed=seed,
            )
            runs.append({"plain": _times(plain), "ours": _times(ours)})
            print(runs[-1], flush=True)
    write_record(
        {
            "benchmark": "paper recipe",
            "data": arguments.data,
            "network": _NETWORK,
            "training_images": plain["training_images"],
            "epochs": arguments.epochs,
            "settings": arguments.set,
            "runs": runs,
            "command": command_line("paper_recipe.py"),
        }
    )
    return 0


def _times(result: dict[str, float]) -> dict[str, float]:
    return {name: result[name] for name in ("wall", "user", "waits") if name in result}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=sorted(DATA_SETS), default="mef_actin")
    parser.add_argument("--epochs", type=int, default=70)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
