"""Many features drawn as two: principal components, or UMAP where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import UsageError

Floats = NDArray[np.float64]
Method = Literal["pca", "umap"]

_NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Places of images on a plane.

    Attributes:
        fitted: (N, 2) float64, the images that the map was made from.
        others: (M, 2), images that were laid onto it afterwards.
        method: ``pca`` or ``umap``.
        explained: share of the fitted images' variance along each axis; only with ``pca``.
    """

    fitted: Floats
    others: Floats
    method: Method
    explained: tuple[float, float] | None


def principal_map(
    embedding: NDArray[np.floating], others: NDArray[np.floating] | None = None
) -> EmbeddingMap:
    """The plane in which the images differ most (principal component analysis).

    The plane is that of ``embedding`` alone: test images laid onto it do not shape it. Each
    axis points to where the feature that weighs most in it grows, so that it does not
    turn around from one computer to the next. An axis without variance is 0.

    Args:
        embedding: (N, D) features, N >= 1.
        others: (M, D).

    Raises:
        ValueError: not (N, D), or values that are not finite.
    """
    rows = _checked(embedding)
    more = _others(others, rows)
    if not len(rows):
        raise ValueError("there are no images to make a map from")
    centre = rows.mean(axis=0)
    _, singular, axes = np.linalg.svd(rows - centre, full_matrices=False)
    variances = singular**2
    total = float(variances.sum())
    chosen = np.zeros((2, rows.shape[1]))
    shares = [0.0, 0.0]
    for place in range(min(2, len(singular))):
        if total <= 0 or variances[place] <= 1e-12 * total:
            continue
        axis = axes[place]
        chosen[place] = axis * np.sign(axis[np.abs(axis).argmax()])
        shares[place] = float(variances[place]) / total
    return EmbeddingMap(
        (rows - centre) @ chosen.T, (more - centre) @ chosen.T, "pca", (shares[0], shares[1])
    )


def has_umap() -> bool:
    """Whether the optional package umap-learn is installed."""
    return find_spec("umap") is not None


def umap_map(
    embedding: NDArray[np.floating],
    others: NDArray[np.floating] | None = None,
    *,
    seed: int,
) -> EmbeddingMap:
    """Neighbours kept together (UMAP, McInnes et al., arXiv:1802.03426), cosine distance.

    Distances between clusters, and their sizes, mean nothing in such a map.

    Args:
        embedding: (N, D) features, N >= 4.
        others: (M, D).
        seed: the same seed gives the same map with the same version.

    Raises:
        UsageError: umap-learn is not installed.
        ValueError: too few images, or values that are not finite.
    """
    if not has_umap():
        raise UsageError(
            "the package umap-learn is not installed", remedy="Install actinscope[umap]"
        )
    import umap

    rows = _checked(embedding)
    more = _others(others, rows)
    if len(rows) < 4:
        raise ValueError(f"{len(rows)} images are too few for UMAP")
    reducer = umap.UMAP(
        n_components=2,
        n_neighbors=min(_NEIGHBOURS, len(rows) - 1),
        metric="cosine",
        random_state=seed,
        n_jobs=1,
    )
    fitted = np.asarray(reducer.fit_transform(rows), dtype=np.float64)
    laid = np.asarray(reducer.transform(more), dtype=np.float64) if len(more) else np.zeros((0, 2))
    return EmbeddingMap(fitted, laid, "umap", None)


def _checked(embedding: NDArray[np.floating]) -> Floats:
    rows = np.asarray(embedding, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"features must be (images, features), not {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("the features hold values that are not finite")
    return rows


def _others(others: NDArray[np.floating] | None, rows: Floats) -> Floats:
    return np.zeros((0, rows.shape[1])) if others is None else _checked(others)
