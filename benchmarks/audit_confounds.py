"""Planted confounds: are they found, and how often is one reported where there is none?

    python benchmarks/audit_confounds.py mitocheck_nuclei
    python benchmarks/audit_confounds.py mef_actin

The images get two made-up classes, drawn at random for whole groups, so that nothing in them can
tell the class. Then one thing at a time is made to go with the class: a column (day of imaging),
the brightness, the size of the file, a small mark in a corner. A shuffle without any of them in
which anything is reported counts as a false alarm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from actinscope.audit import LEVEL, Confound
from actinscope.audit.confounds import run_checks
from actinscope.cells import CropReader
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import fingerprint_study, read_study
from actinscope.study import MEASURES, ImageStatistics, Manifest
from actinscope.training import Recipe
from record import DATA_SETS, command_line, data_folder, write_record

#: What is planted -> the check that must find it.
PLANTED = {
    "column": "column day",
    "brightness": "brightness",
    "file size": "file size",
    "corner mark": "corners of the picture",
}
_BRIGHTER = 1.3
_LARGER = 1.2
_MARK = 3  # of the 8 pixels that a corner is kept as


def main() -> int:
    arguments = _parse()
    folder = data_folder(arguments.data)
    source = StudySource(folder, folder / "groups.csv", DATA_SETS[arguments.data])
    manifest = read_study(source, Recipe())
    found = fingerprint_study(manifest, CropReader(), Silent(), observing=True)
    alarms, hits = 0, dict.fromkeys(PLANTED, 0)
    for shuffle in range(arguments.shuffles):
        clean = _shuffled(found.manifest, shuffle)
        told = _told(run_checks(clean, found.observations, seed=shuffle))
        alarms += bool(told)
        print(f"shuffle {shuffle}: {sorted(told) or 'nothing reported'}", flush=True)
        if shuffle >= arguments.planted:
            continue
        for kind, check in PLANTED.items():
            planted = _planted(kind, clean, found.observations, shuffle)
            hits[kind] += check in _told(run_checks(*planted, seed=shuffle))
    write_record(
        {
            "benchmark": "audit confounds",
            "data": arguments.data,
            "group": manifest.group,
            "groups": len({manifest.group_of(record) for record in manifest.records}),
            "shuffles": arguments.shuffles,
            "false_alarms": alarms,
            "planted_times": min(arguments.planted, arguments.shuffles),
            "found": hits,
            "command": command_line("audit_confounds.py"),
        }
    )
    return 0


def _told(confounds: Sequence[Confound]) -> set[str]:
    return {one.name for one in confounds if one.p <= LEVEL and one.strength > 0}


def _shuffled(manifest: Manifest, seed: int) -> Manifest:
    """Two classes at random for whole groups; the columns that hold the phenotype stay out."""
    groups = sorted({manifest.group_of(record) for record in manifest.records})
    lot = np.random.default_rng([seed, 5]).permutation(len(groups)) % 2
    label = {group: "ab"[side] for group, side in zip(groups, lot, strict=True)}
    records = tuple(replace(r, label=label[manifest.group_of(r)]) for r in manifest.records)
    return replace(manifest, records=records)


def _planted(
    kind: str, manifest: Manifest, observations: Sequence[ImageStatistics], seed: int
) -> tuple[Manifest, Sequence[ImageStatistics]]:
    rng = np.random.default_rng([seed, 6])
    second = [record.label == "b" for record in manifest.records]
    if kind == "column":
        # Three days of each class, as many groups on each as it comes.
        days = {
            group: int(rng.integers(3))
            for group in sorted({manifest.group_of(record) for record in manifest.records})
        }
        records = tuple(
            replace(r, groups={**r.groups, "day": f"{r.label} {days[manifest.group_of(r)]}"})
            for r in manifest.records
        )
        columns = (*manifest.group_columns, "day")
        return replace(manifest, records=records, group_columns=columns), observations
    changed = [
        _changed(one, kind) if other else one
        for one, other in zip(observations, second, strict=True)
    ]
    return manifest, changed


def _changed(one: ImageStatistics, kind: str) -> ImageStatistics:
    if kind == "corner mark":
        corners = one.corners.copy()
        corners[3, -_MARK:, -_MARK:] = 1.0
        return replace(one, corners=corners)
    names = ("mean", "bright", "background") if kind == "brightness" else ("bytes",)
    measures = one.measures.copy()
    for name in names:
        measures[MEASURES.index(name)] *= _BRIGHTER if kind == "brightness" else _LARGER
    return replace(one, measures=measures)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(DATA_SETS))
    parser.add_argument("--shuffles", type=int, default=100)
    parser.add_argument("--planted", type=int, default=20, help="shuffles that get confounds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
