"""Images for predictions, and what the tiny network says of them."""

from __future__ import annotations

from collections.abc import Sequence
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
