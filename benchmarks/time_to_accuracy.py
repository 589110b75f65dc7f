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
import sys
import tempfile
from pathlib import Path

from plain_images import FOLDS, write_parts
from record import DATA_SETS, command_line, write_record
from sides import Result, train_actinscope, train_plain


def main() -> int:
    arguments = _parse()
    for seed in arguments.seeds:
        for fold in arguments.folds:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                write_parts(arguments.data, fold, folder, network=arguments.network)
                for side in arguments.sides:
                    _record(arguments, side, fold, seed, _run(arguments, side, folder, seed))
    return 0


def _record(arguments: argparse.Namespace, side: str, fold: int, seed: int, got: Result) -> None:
    if arguments.untimed:
        got = {key: value for key, value in got.items() if key not in {"wall", "user", "waits"}}
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


def _run(arguments: argparse.Namespace, side: str, folder: Path, seed: int) -> Result:
    if side == "plain":
        return train_plain(
            folder, network=arguments.network, epochs=arguments.plain_epochs, seed=seed
        )
    return train_actinscope(
        arguments.data,
        folder,
        recipe="default",
        options=["--network", arguments.network],
        changes=arguments.set,
        seed=seed,
    )


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
