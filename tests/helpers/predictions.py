"""Images for predictions, and what the tiny network says of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from actinscope.bundle import Bundle
from actinscope.images import read_image
from actinscope.predict import PredictOptions
from helpers.bundles import by_hand, grey_image


def write_image(path: Path, seed: int, *, side: int = 12) -> np.ndarray:
    pixels = grey_image(seed, side=side).pixels[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels)
    return pixels


def expected(bundle: Bundle, paths: Sequence[Path]) -> np.ndarray:
    return by_hand(np.stack([bundle.info.preprocess.apply(read_image(path)) for path in paths]))


def plain(**changes: object) -> PredictOptions:
    return PredictOptions(**({"backend": "onnxruntime", "batch_size": 4} | changes))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class WrittenPredictions:
    """What ``predict`` wrote, column by column; NaN and empty where there is no prediction."""

    classes: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def paths(self) -> tuple[str, ...]:
        return self.columns["path"]

    @property
    def objects(self) -> tuple[str, ...]:
        return self.columns["object"]

    @property
    def predicted(self) -> tuple[str, ...]:
        return self.columns["predicted"]

    @property
    def errors(self) -> tuple[str, ...]:
        return self.columns["error"]

    @property
    def centres(self) -> np.ndarray:
        return self._numbers("y", "x")

    @property
    def probabilities(self) -> np.ndarray:
        return self._numbers(*(f"probability_{name}" for name in self.classes))

    def _numbers(self, *names: str) -> np.ndarray:
        cells = [[cell or "nan" for cell in self.columns[name]] for name in names]
        return np.array(cells).astype(np.float64).T


def read_written(path: Path) -> WrittenPredictions:
    with path.open(encoding="utf-8", newline="") as stream:
        names, *rows = csv.reader(stream, strict=True)
    assert names[:4] == ["path", "object", "y", "x"] and names[-1] == "error"
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return WrittenPredictions(
        classes=tuple(n.removeprefix("probability_") for n in names if n.startswith("probability")),
        columns=columns,
        groups={name: columns[name] for name in names[4 : names.index("predicted")]},
    )


def set_members(text: str) -> tuple[str, ...]:
    """The names in a cell of the column ``prediction_set``."""
    if not text:
        return ()
    names = [""]
    escaped = False
    for sign in text:
        if not escaped and sign == "\\":
            escaped = True
        elif not escaped and sign == "|":
            names.append("")
        else:
            names[-1] += sign
            escaped = False
    return tuple(names)
