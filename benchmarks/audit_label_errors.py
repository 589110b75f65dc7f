"""Planted label errors: how many stand in the first part of the review queue.

    python benchmarks/audit_label_errors.py mitocheck_nuclei

5 % of the labels are exchanged for another class at random; the queue is made as `actinscope audit`
makes it. The data set's own label errors, if any, count as right labels here.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np

from actinscope.audit.labels import review_study
from actinscope.cells import CropReader
from actinscope.networks import network_entry, resolve_weights
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import fingerprint_study, read_study
from actinscope.training import Recipe
from record import DATA_SETS, command_line, data_folder, write_record


def main() -> int:
    arguments = _parse()
    folder = data_folder(arguments.data)
    source = StudySource(folder, folder / "groups.csv", DATA_SETS[arguments.data])
    reader = CropReader()
    found = fingerprint_study(read_study(source, Recipe()), reader, Silent())
    manifest = found.manifest
    rng = np.random.default_rng(arguments.seed)
    count = round(arguments.share * len(manifest.records))
    wrong = set(rng.permutation(len(manifest.records))[:count].tolist())
    records = tuple(
        replace(r, label=str(rng.choice([c for c in manifest.classes if c != r.label])))
        if number in wrong
        else r
        for number, r in enumerate(manifest.records)
    )
    entry = network_entry(arguments.network)
    reviewed = review_study(
        replace(manifest, records=records),
        entry,
        resolve_weights(entry, "imagenet"),
        Recipe(),
        reader=reader,
        progress=Silent(),
    )
    hit = np.array([number in wrong for number in reviewed.review.order])
    doubted = reviewed.review.doubted[reviewed.review.order]
    write_record(
        {
            "benchmark": "audit label errors",
            "data": arguments.data,
            "network": arguments.network,
            "images": len(records),
            "planted": count,
            "agreement": round(reviewed.accuracy, 4),
            "found_in_first": {
                f"{share:.0%}": round(float(hit[: round(share * len(hit))].sum()) / count, 4)
                for share in (0.05, 0.1, 0.2, 0.3)
            },
            "doubted": int(doubted.sum()),
            "planted_among_doubted": int(hit[doubted].sum()),
            "seed": arguments.seed,
            "command": command_line("audit_label_errors.py"),
        }
    )
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(DATA_SETS))
    parser.add_argument("--network", default="efficientnet-lite0")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
