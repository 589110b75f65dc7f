"""Occlusion maps: how much does the answer suffer when a place of the image is covered?

A patch of background is put on one place after the other, and the fall of the predicted
class's score is written down for each place (Zeiler and Fergus, "Visualizing and
understanding convolutional networks", ECCV 2014). It asks the network nothing but
predictions, so it serves every model: dense heads, ensembles, boosted trees.

Zeiler and Fergus plot the class's probability. Here the score is its log odds: near 0 and
1 the probability hardly moves although the evidence does.

A covered place is an image that no microscope made: a map shows what the answer depends
on, not what is normal. And an answer that rests on two places alike may lose neither.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from actinscope.explain.control_features import cell_mask, reduced_planes

Scaled = NDArray[np.float32]
Floats = NDArray[np.float64]
#: Takes (N, S, S, K) float32 scaled images in 0..1, gives (N, C) probabilities of all classes.
Probabilities = Callable[[NDArray[np.float32]], Floats]

#: Patches along a side, and so predictions an image: 12 x 12 + 1.
POSITIONS = 12
#: Sides of the grid's cells that a patch covers: neighbours overlap by half.
_COVERS = 2.0
_LEAST = 1e-6


def background_level(scaled: Scaled) -> NDArray[np.float32]:
    """(K,) median of each plane (S, S, K) outside the cell; of the whole where none is found."""
    cell = cell_mask(reduced_planes(scaled))
    step = scaled.shape[0] // cell.shape[0]
    outside = np.repeat(np.repeat(~cell, step, axis=0), step, axis=1)
    side = outside.shape[0]
    pixels = scaled[:side, :side][outside] if outside.any() else scaled.reshape(-1, scaled.shape[2])
    level: NDArray[np.float32] = np.median(pixels, axis=0).astype(np.float32)
    return level


def log_odds(probabilities: Floats, k: int) -> Floats:
    """(N,) log odds of class k, from (N, C) probabilities; finite also at 0 and 1."""
    share = np.clip(np.asarray(probabilities, dtype=np.float64)[:, k], _LEAST, 1 - _LEAST)
    odds: Floats = np.log(share) - np.log1p(-share)
    return odds


def occlude(
    scaled: Scaled, probabilities: Probabilities, *, predicted: int, positions: int = POSITIONS
) -> Floats:
    """Cover every place of a grid in turn.

    Args:
        scaled: (S, S, K) float32 in 0..1, as the preprocessing makes it.
        probabilities: the model; called twice, with 1 and with ``positions`` squared images.
        predicted: class index to follow.
        positions: P, places along a side, at least 2 and at most S.

    Returns:
        (P, P) float64, the fall of the class's log odds (natural logarithm) when the patch
        around this cell of the grid was covered; negative where covering helped.

    Raises:
        ValueError: the image is not square, or the grid does not fit it.
    """
    if scaled.ndim != 3 or scaled.shape[0] != scaled.shape[1]:
        raise ValueError(f"a scaled image must be (S, S, planes), not {scaled.shape}")
    side = scaled.shape[0]
    if not 2 <= positions <= side:
        raise ValueError(f"{positions} x {positions} patches do not fit {side} pixels")
    odds = log_odds(probabilities(scaled[np.newaxis]), predicted)[0]
    level = background_level(scaled)
    patch = max(1, round(_COVERS * side / positions))
    variants = np.repeat(scaled[np.newaxis], positions**2, axis=0)
    for place in range(positions**2):
        rows, columns = (
            _covered(index, side, positions, patch) for index in divmod(place, positions)
        )
        variants[place, rows, columns] = level
    drop: Floats = odds - log_odds(probabilities(variants), predicted)
    return drop.reshape(positions, positions)


def _covered(index: int, side: int, positions: int, patch: int) -> slice:
    """The pixels along one axis of the patch around the centre of cell ``index``."""
    centre = (index + 0.5) * side / positions
    first = round(centre - patch / 2)
    return slice(max(0, first), min(side, first + patch))
