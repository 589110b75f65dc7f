"""Out-of-distribution score: how far an image is from the training images.

It is the distance of an image's early features (means of a map of an early layer, see
``networks.export``) to those of the k-th nearest training image, every feature in units of its
standard deviation among the training images. The k-th nearest neighbour is that of Sun, Ming, Zhu
and Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022; they take the last
embedding. That one has been trained to ignore what does not tell the classes apart: of nuclei and
white blood cells it makes the same, while early features tell them apart
(benchmarks/unfamiliar.py measures both).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.archive import read_arrays, reading

#: Most training images that are stored: of 240 features each they take less than 1 MB.
MOST_REFERENCES = 2000
# A feature that hardly varies among the training images would outweigh all others.
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, eq=False)
class ReferenceFeatures:
    """Features of training images in units of their standard deviation."""

    centre: NDArray[np.float32]  # (E,) mean of each feature over the training images
    spread: NDArray[np.float32]  # (E,) its standard deviation, at least a tenth of the median one
    rows: NDArray[np.float32]  # (M, E), (feature - centre) / spread of M training images

    def scaled(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """(N, E) features of other images in the same units."""
        return np.asarray((np.asarray(features, np.float32) - self.centre) / self.spread)


def reference_features(
    features: NDArray[np.floating], *, seed: int, most: int = MOST_REFERENCES
) -> tuple[ReferenceFeatures, NDArray[np.int64]]:
    """References from the (N, E) features of the training images, and which of them were kept.

    Of more than ``most`` images some are drawn at random. The rows are rounded as in the file.
    """
    values = np.asarray(features, dtype=np.float64)
    kept = np.arange(len(values))
    if len(values) > most:
        kept = np.sort(np.random.default_rng(seed).choice(len(values), most, replace=False))
    spread = values.std(axis=0)
    floor = _LEAST_SPREAD * float(np.median(spread))
    spread = np.maximum(spread, floor if floor > 0 else 1.0).astype(np.float32)
    centre = values.mean(axis=0).astype(np.float32)
    rows = (values[kept].astype(np.float32) - centre) / spread
    return ReferenceFeatures(centre, spread, rows.astype(np.float16).astype(np.float32)), kept


def neighbour_distances(
    rows: NDArray[np.float32],
    references: ReferenceFeatures,
    neighbours: int,
    *,
    apart: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """(N,) distance of each image to its k-th nearest reference, as a root mean square.

    Args:
        rows: (N, E), scaled features.
        references: M of them.
        neighbours: k, from 1; where fewer references count, the farthest of them.
        apart: (N, M) which references count for which image; None for all. Infinite where
            none counts.
    """
    distances = np.full(len(rows), np.inf)
    for place, row in enumerate(rows):
        # Row by row, so that the result does not depend on the other images of a batch.
        counting = references.rows if apart is None else references.rows[apart[place]]
        if len(counting):
            squares = np.square(counting - row).mean(axis=1)
            nth = min(neighbours, len(squares)) - 1
            distances[place] = np.sqrt(np.partition(squares, nth)[nth])
    return distances


def pack_reference_features(references: ReferenceFeatures) -> bytes:
    """The bytes of familiar.npz; the rows are kept as float16."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        allow_pickle=False,
        centre=references.centre,
        spread=references.spread,
        rows=references.rows.astype(np.float16),
    )
    return stream.getvalue()


def unpack_reference_features(data: bytes, count: int, *, where: Path) -> ReferenceFeatures:
    """Read familiar.npz with ``count`` rows; nothing in it is ever executed.

    Raises:
        BundleError: damaged, oversized, or not what bundle.json announces.
    """
    with reading("the features of training images cannot be used", where):
        arrays = read_arrays(data, where=where, most_bytes=64 << 20)
        centre, spread, rows = (arrays[name] for name in ("centre", "spread", "rows"))
        kinds = [array.dtype.kind for array in (centre, spread, rows)]
        if kinds != ["f"] * 3 or rows.ndim != 2 or len(rows) != count:
            raise ValueError(f"it holds {rows.dtype} {rows.shape}, not {count} images")
        if centre.shape != rows.shape[1:] or spread.shape != rows.shape[1:]:
            raise ValueError("its arrays do not fit each other")
        finite = all(np.isfinite(array).all() for array in (centre, spread, rows))
        if not finite or not (spread > 0).all():
            raise ValueError("it holds values that are no numbers, or no spread")
        return ReferenceFeatures(*(array.astype(np.float32) for array in (centre, spread, rows)))
