"""Images that stand for a class, and the training images nearest to another one.

Near is what the network takes for similar: the cosine distance, 1 - cos, of its features
before the classifier, 0 for the same direction and 2 for the opposite one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Images of a class that prototypes are chosen from at most: all pairs are compared.
MOST_OF_A_CLASS = 1000


@dataclass(frozen=True)
class Prototype:
    """An image that stands for others of its class.

    Attributes:
        index: which image.
        label: class index.
        stands_for: share of the class's images that are nearer to it than to its other
            prototypes, itself included.
        distance: mean cosine distance of those images to it.
    """

    index: int
    label: int
    stands_for: float
    distance: float


def directions(embedding: NDArray[np.floating]) -> Floats:
    """(N, D) rows of length 1; a row of zeros stays.

    Raises:
        ValueError: not (N, D), or values that are not finite.
    """
    rows = np.asarray(embedding, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"features must be (images, features), not {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("the features hold values that are not finite")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.where(lengths > 0, lengths, 1.0)
    return unit


def prototypes(
    embedding: NDArray[np.floating], labels: NDArray[np.integer], *, n: int, seed: int
) -> tuple[Prototype, ...]:
    """Up to n images of each class, the first in its middle, the others spread over it.

    The BUILD phase of k-medoids (Kaufman and Rousseeuw, Finding Groups in Data, 1990): the
    first is the image with the smallest mean distance to all others of the class, which
    with cosine distances is the one nearest to the class's centre; each further one
    lowers the mean distance to the nearest prototype the most. Of two equal ones the first.

    Args:
        embedding: (N, D) features.
        labels: (N,) class indices.
        n: how many of each class at most; fewer where a further one would change nothing.
        seed: of the lot where a class has over `MOST_OF_A_CLASS` images.
    """
    rows = directions(embedding)
    rng = np.random.default_rng([seed, 9])
    found: list[Prototype] = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        own = np.sort(rng.permutation(own)[:MOST_OF_A_CLASS])
        distances = np.clip(1 - rows[own] @ rows[own].T, 0, 2)  # (M, M)
        chosen = _build(distances, n)
        nearest = distances[:, chosen].argmin(axis=1)
        for place, index in enumerate(chosen):
            served = nearest == place
            distance = float(distances[served, index].mean()) if served.any() else 0.0
            share = float(served.mean())
            found.append(Prototype(int(own[index]), int(label), share, distance))
    return tuple(found)


def _build(distances: Floats, n: int) -> list[int]:
    chosen: list[int] = []
    nearest = np.full(len(distances), np.inf)
    for _ in range(min(n, len(distances))):
        if chosen:
            gains = np.maximum(nearest[:, None] - distances, 0).sum(axis=0)
            best = int(gains.argmax())
            if gains[best] <= 1e-12:
                break
        else:
            best = int(distances.sum(axis=0).argmin())
        chosen.append(best)
        nearest = np.minimum(nearest, distances[:, best])
    return chosen


def nearest_images(
    embedding: NDArray[np.floating], queries: NDArray[np.floating], *, n: int
) -> tuple[NDArray[np.int64], Floats]:
    """The n nearest images of each query.

    Args:
        embedding: (N, D) features to choose from.
        queries: (Q, D).
        n: how many; N at most.

    Returns:
        (Q, n) indices, the nearest first (of equal ones the first), and (Q, n) cosine
        distances.
    """
    distances = np.clip(1 - directions(queries) @ directions(embedding).T, 0, 2)
    # Rounding must not decide between copies of one image.
    order = np.argsort(np.round(distances, 12), axis=1, kind="stable")[:, :n]
    return order, np.take_along_axis(distances, order, axis=1)
