"""How far the figure of one test split lies from the truth, in simulated studies.

    python benchmarks/small_test_split.py

From this `train` takes its rule for when one split is too small and every image is tested by
folds instead. The true accuracy is 0.9; groups differ in how well their images are recognised
(beta-binomial, correlation 0.1 within groups). One split tests a tenth of the study, folds test
all of it; the networks are taken to be equally good.
"""

from __future__ import annotations

import sys

import numpy as np

from actinscope.evaluation import evaluate
from record import command_line, write_record

_STUDIES = 500
_ACCURACY = 0.9
_CORRELATION = 0.1
# Test images and test groups of one split; as many groups as images: every image its own.
_SPLITS = ((30, 30), (50, 50), (100, 100), (200, 200), (100, 5), (100, 10), (200, 10))
_SPLITS = (*_SPLITS, (100, 20), (200, 20), (1000, 20), (400, 40))
_TIMES_LARGER = 10  # a study is so many times as large as its test split


def main() -> int:
    rng = np.random.default_rng(0)
    rows = []
    for images, groups in _SPLITS:
        row: dict[str, object] = {"test_images": images, "test_groups": groups}
        for name, times in (("one_split", 1), ("folds", _TIMES_LARGER)):
            row[name] = _simulate(images * times, groups * times, rng)
        rows.append(row)
        print(row, flush=True)
    write_record(
        {
            "benchmark": "small test split",
            "studies": _STUDIES,
            "accuracy": _ACCURACY,
            "correlation": _CORRELATION,
            "rows": rows,
            "command": command_line("small_test_split.py"),
        }
    )
    return 0


def _simulate(images: int, groups: int, rng: np.random.Generator) -> dict[str, float]:
    """Error of the accuracy that nine of ten studies stay within; width and coverage at 95 %."""
    spread = (1 - _CORRELATION) / _CORRELATION
    errors, widths, held = [], [], []
    for study in range(_STUDIES):
        rates = rng.beta(_ACCURACY * spread, (1 - _ACCURACY) * spread, groups)
        group_of = np.arange(images) % groups
        labels = rng.integers(0, 2, images)
        correct = rng.random(images) < rates[group_of]
        answers = np.where(correct, labels, 1 - labels)
        errors.append(abs(correct.mean() - _ACCURACY))
        if study % 5:  # the intervals take most of the time
            continue
        found = evaluate(
            labels,
            np.where(np.eye(2, dtype=bool)[answers], 0.9, 0.1),
            classes=("a", "b"),
            groups=[f"g{one}" for one in group_of] if groups < images else None,
            seed=0,
            resamples=500,
        ).metrics["accuracy"]
        if found.has_interval:
            widths.append(found.high - found.low)
            held.append(found.low <= _ACCURACY <= found.high)
    return {
        "error_90": round(float(np.quantile(errors, 0.9)), 3),
        "width": round(float(np.median(widths)), 3) if widths else float("nan"),
        "coverage": round(float(np.mean(held)), 3) if held else float("nan"),
    }


if __name__ == "__main__":
    sys.exit(main())
