"""How often the intervals of `evaluate` hold the truth, in simulated studies with groups.

    python benchmarks/interval_coverage.py
    python benchmarks/interval_coverage.py --classes-apart

Groups differ in how well their images are recognised (beta-binomial, with a given
correlation within groups). A 95 % interval should hold the true value in 95 % of studies.
With `--classes-apart` every group has images of one class, as fields of differently treated
wells do: half of the groups tell of each class, and some resamples lack one.
"""

from __future__ import annotations

import argparse
import itertools
import sys

import numpy as np

from actinscope.evaluation import evaluate
from record import command_line, write_record

_STUDIES = 500
_GROUPS = (6, 10, 20, 50)
_TRUTHS = (0.8, 0.9, 0.97)
_CORRELATIONS = (0.02, 0.1, 0.3)
_IMAGES = 10
_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "mcc")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes-apart", action="store_true", help="one class in a group")
    apart = parser.parse_args().classes_apart
    rng = np.random.default_rng(0)
    rows = []
    for groups, truth, correlation in itertools.product(_GROUPS, _TRUTHS, _CORRELATIONS):
        held, given = _coverage(groups, truth, correlation, rng, apart=apart)
        rows.append(
            {
                "groups": groups,
                "accuracy": truth,
                "correlation": correlation,
                "coverage": held,
                "share_with_interval": given,
            }
        )
        print(rows[-1], flush=True)
    write_record(
        {
            "benchmark": "interval coverage",
            "studies": _STUDIES,
            "images_per_group": _IMAGES,
            "classes_apart": apart,
            "rows": rows,
            "command": command_line("interval_coverage.py"),
        }
    )
    return 0


def _coverage(
    groups: int, truth: float, correlation: float, rng: np.random.Generator, *, apart: bool
) -> tuple[dict[str, float], dict[str, float]]:
    """Share of the intervals that hold the true value, and share of studies with one.

    Both classes are recognised equally well and equally common, so the true accuracy,
    balanced accuracy and macro F1 are ``truth``, and the true Matthews correlation is
    2 * truth - 1.
    """
    targets = dict.fromkeys(_METRICS, truth) | {"mcc": 2 * truth - 1}
    held: dict[str, list[bool]] = {name: [] for name in _METRICS}
    for _ in range(_STUDIES):
        labels, probabilities, names = _study(groups, truth, correlation, rng, apart=apart)
        result = evaluate(
            labels, probabilities, classes=("a", "b"), groups=names, seed=0, resamples=500
        )
        for name, target in targets.items():
            estimate = result.metrics[name]
            if estimate.has_interval:
                held[name].append(estimate.low <= target <= estimate.high)
    return (
        {name: round(float(np.mean(values)), 3) for name, values in held.items() if values},
        {name: round(len(values) / _STUDIES, 3) for name, values in held.items()},
    )


def _study(
    groups: int, truth: float, correlation: float, rng: np.random.Generator, *, apart: bool
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    spread = (1 - correlation) / correlation
    rates = rng.beta(truth * spread, (1 - truth) * spread, groups)
    group_of = np.repeat(np.arange(groups), _IMAGES)
    labels = group_of % 2 if apart else rng.integers(0, 2, len(group_of))
    right = rng.random(len(group_of)) < rates[group_of]
    answers = np.where(right, labels, 1 - labels)
    probabilities = np.where(np.eye(2, dtype=bool)[answers], 0.9, 0.1)
    return labels, probabilities, [f"g{number}" for number in group_of]


if __name__ == "__main__":
    sys.exit(main())
