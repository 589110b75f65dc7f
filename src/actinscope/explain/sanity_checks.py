"""Do maps change when the weights do? The randomisation test of Adebayo et al. (2018).

A map that stays the same when the network's weights are shuffled shows edges and bright
places of the image, not what was learned (Adebayo et al., "Sanity checks for saliency
maps", NeurIPS 2018). Maps of a network are compared with those of the same network with
shuffled weights, image by image and for the same class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Mean rank correlation from which maps are said to hardly change.
ALIKE = 0.5
_FLAT = 1e-12


@dataclass(frozen=True)
class MapSimilarity:
    """How alike the maps of two networks are, means over images.

    Attributes:
        rank: Spearman's rank correlation of the maps, sign and all; -1..1.
        strength: the same of their absolute values: are the same places strong?
        images: that could be compared: neither map is flat.
    """

    rank: float
    strength: float
    images: int


@dataclass(frozen=True)
class SanityStep:
    """One degree of randomisation: what was shuffled, and how alike the maps still are."""

    shuffled: str
    similarity: MapSimilarity

    @property
    def hardly_changes(self) -> bool:
        """The maps are still alike, in sign and place."""
        return self.similarity.images > 0 and self.similarity.rank >= ALIKE


def map_similarity(
    first: Sequence[NDArray[np.floating]], second: Sequence[NDArray[np.floating]]
) -> MapSimilarity:
    """Compare maps pair by pair.

    Args:
        first, second: signed maps (h, w) of the same images and classes.

    Raises:
        ValueError: the numbers or shapes differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} maps cannot be compared with {len(second)}")
    rows = [_pair(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True)]
    good = [row for row in rows if row is not None]
    if not good:
        return MapSimilarity(math.nan, math.nan, 0)
    rank, strength = (float(value) for value in np.mean(good, axis=0))
    return MapSimilarity(rank, strength, len(good))


def _pair(first: Floats, second: Floats) -> tuple[float, float] | None:
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"maps {first.shape} and {second.shape} cannot be compared")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    if np.ptp(first) <= _FLAT or np.ptp(second) <= _FLAT:
        return None
    return _spearman(first, second), _spearman(np.abs(first), np.abs(second))


def _spearman(first: Floats, second: Floats) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(values.ravel()) for values in (first, second)]
    if min(float(np.ptp(one)) for one in ranks) == 0:
        return 0.0  # all of one strength: they have no order to share
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def sanity_sentence(steps: Sequence[SanityStep]) -> str:
    """What the test says of the maps."""
    compared = [step for step in steps if step.similarity.images]
    if not compared:
        return "The maps could not be compared: those of the shuffled networks are flat."
    alike = [step for step in compared if step.hardly_changes]
    if alike:
        names = ", ".join(step.shuffled for step in alike)
        return (
            f"The maps hardly change when weights are shuffled ({names}): they show where the "
            f"image has edges and bright places rather than what was learned. Do not read more "
            f"into them."
        )
    sentence = (
        "The maps change when weights are shuffled: they depend on what was learned. Whether "
        "they show all that the answer rests on is another question."
    )
    first = compared[0]
    if first.similarity.strength >= ALIKE:
        sentence += (
            f" With {first.shuffled} alone shuffled the same places stay strong (rank "
            f"correlation {first.similarity.strength:.2f}), but no longer for the same class: the "
            f"layers before it decide where there is something to see."
        )
    return sentence
