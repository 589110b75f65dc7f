"""What the paper's order of augmenting and dividing adds to a test result, on three data sets.

    python benchmarks/cost_of_the_leak.py mef_actin --repeats 3
    python benchmarks/cost_of_the_leak.py mitocheck_nuclei --repeats 2
    python benchmarks/cost_of_the_leak.py phantoms --repeats 2

Runs `actinscope paper` with EfficientNet-Lite0 and a fast recipe (the default one at 128 pixels,
four epochs). Each protocol is asked about its own test part and about groups that it never
saw; the difference is its optimism. Of mitocheck_nuclei four classes of every second movie are
taken, so that it ends within minutes. `phantoms` are SYNTHETIC cells, drawn anew each time.
A line for each data set goes into benchmarks/results.jsonl; `write_results.py` makes the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from actinscope.paper.runs import run_paper
from actinscope.progress import Silent
from actinscope.requests import PaperRequest, StudySource
from actinscope.training import change_recipe, load_recipe
from record import DATA_SETS, HERE, command_line, data_folder, write_record

_NETWORK = "efficientnet-lite0"
_NUCLEI = ("Apoptosis", "Binuclear", "Interphase", "Polylobed")
_DIFFICULTY = 0.6


def main() -> int:
    arguments = _parse()
    recipe = change_recipe(
        load_recipe("fine-tuned"),
        {"network": {"input_size": 128}, "training": {"epochs": arguments.epochs}},
        seed=arguments.seed,
    )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source, what = _source(arguments.data, Path(folder))
        output = Path(folder) / "paper"
        run_paper(
            PaperRequest(
                source=source,
                recipe=recipe,
                output=output,
                networks=(_NETWORK,),
                repeats=arguments.repeats,
                copies=arguments.copies,
            ),
            Silent(),
        )
        results = json.loads((output / "results.json").read_text("utf-8"))
    write_record(
        {
            "benchmark": "cost of the leak",
            "data": arguments.data,
            "what": what,
            "group": source.group,
            "network": _NETWORK,
            "epochs": arguments.epochs,
            "repeats": arguments.repeats,
            "copies": arguments.copies,
            "protocols": {
                name: _protocol(found)
                for name, found in results["networks"][_NETWORK]["protocols"].items()
            },
            "steps": [{"what": step["what"], **_rounded(step)} for step in results["steps"]],
            "seconds": round(time.perf_counter() - started),
            "command": command_line("cost_of_the_leak.py"),
        }
    )
    return 0


def _protocol(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "own": _rounded(found["test"]["accuracy"]),
        "unseen": _rounded(found["unseen"]["accuracy"]),
        "optimism": _rounded(found["optimism"]),
        "by_repeat": [
            [round(value, 4) for value in pair]
            for pair in found["own_and_unseen_accuracy_by_repeat"]
        ],
    }


def _rounded(one: dict[str, Any]) -> dict[str, float | None]:
    return {
        name: None if one[name] is None else round(one[name], 4)
        for name in ("value", "low", "high")
    }


def _source(data: str, folder: Path) -> tuple[StudySource, str]:
    """Where the images are, and in words which of them are taken."""
    if data == "phantoms":
        sys.path.append(str(HERE.parent / "tests"))
        from helpers.phantom_crops import write_phantom_crops

        table = write_phantom_crops(
            folder / "phantoms",
            fields_per_class=16,
            cells_per_field=4,
            difficulty=_DIFFICULTY,
            seed=1,
            crop_size=128,
        )
        words = f"SYNTHETIC cells of 48 fields, difficulty {_DIFFICULTY:g}"
        return StudySource(table.parent, manifest=table, group="field"), words
    images = data_folder(data)
    table = images / "groups.csv"
    if data == "mitocheck_nuclei":
        table = _some_nuclei(table, folder / "some.csv")
    count = len(table.read_text("utf-8").splitlines()) - 1
    words = f"{count} images"
    if data == "mitocheck_nuclei":
        words += f" of {', '.join(_NUCLEI)} in every second movie"
    return StudySource(images, manifest=table, group=DATA_SETS[data]), words


def _some_nuclei(table: Path, target: Path) -> Path:
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    movies = set(sorted({row["movie"] for row in rows if row["label"] in _NUCLEI})[::2])
    chosen = [row for row in rows if row["label"] in _NUCLEI and row["movie"] in movies]
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return target


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=["mef_actin", "mitocheck_nuclei", "phantoms"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the runs are put meanwhile")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
