"""Does the network look at the cell? The share of a map's evidence inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.evaluation import Clusters, Estimate
from actinscope.wording import whole_percent

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Attention:
    """How much of the maps' evidence lies inside the cells, mean over the images.

    Attributes:
        inside: share of the positive evidence for the predicted class within the cell.
        area: share of the image that the cell takes: what even attention would give.
        ahead: mean of inside minus area, image by image; -1..1.
        images: that had a cell and a map that is not empty.
        left_out: that had not.
        cells_from: in words, what was taken for the cell.
    """

    inside: Estimate
    area: Estimate
    ahead: Estimate
    images: int
    left_out: int
    cells_from: str

    @property
    def mostly_outside(self) -> bool:
        """Under half of the evidence lies in the cell, as far as that can be told."""
        inside = self.inside
        return (inside.high if inside.has_interval else inside.value) < 0.5

    @property
    def is_doubtful(self) -> bool:
        """Less than even attention gives, or under half and not shown to be more."""
        shown_more = self.ahead.has_interval and self.ahead.low > 0
        shown_less = self.ahead.has_interval and self.ahead.high < 0
        return shown_less or (self.inside.value < 0.5 and not shown_more)


def attention_inside(heat: NDArray[np.floating], inside: Mask) -> float:
    """Share of a map that lies inside the cell, 0..1; NaN for an empty map or no cell.

    Args:
        heat: (H, W) evidence, at least 0.
        inside: (H, W) where the cell is.

    Raises:
        ValueError: the shapes differ.
    """
    if heat.shape != inside.shape:
        raise ValueError(f"a map {heat.shape} does not fit a mask {inside.shape}")
    total = float(np.sum(heat, dtype=np.float64))
    if not total > 0 or not inside.any():
        return float("nan")
    # Sums in another order may exceed the whole by a rounding error.
    return min(1.0, float(np.sum(heat[inside], dtype=np.float64)) / total)


def judge_attention(
    shares: Floats,
    areas: Floats,
    groups: Sequence[str] | None,
    *,
    cells_from: str,
    seed: int,
) -> Attention | None:
    """Means over the images with 95 % intervals over groups.

    The interval is the expanded percentile interval of resamples of whole groups (see
    `intervals`); without groups each image counts by itself. Wilson's would be far too wide:
    the share of one image varies much less than a yes or no.

    Args:
        shares: (N,) of each image's map inside its cell; NaN where there is none.
        areas: (N,) share of the image that is cell.
        groups: group of each image, or None.
        cells_from: what was taken for the cell.
        seed: of the resamples.

    Returns:
        None where no image has a share.
    """
    good = np.isfinite(shares) & np.isfinite(areas)
    if not good.any():
        return None
    clusters = Clusters.of(groups, len(shares)).some(good)

    def mean(values: Floats) -> Estimate:
        return clusters.mean(values[good], rng=np.random.default_rng([seed, 8]))

    return Attention(
        inside=mean(shares),
        area=mean(areas),
        ahead=mean(shares - areas),
        images=int(good.sum()),
        left_out=int((~good).sum()),
        cells_from=cells_from,
    )


def attention_sentence(attention: Attention) -> str:
    """The finding in a sentence, whatever it is."""
    inside, ahead = attention.inside, attention.ahead
    interval = (
        f" (95 % interval {whole_percent(inside.low)} to {whole_percent(inside.high)} %)"
        if inside.has_interval
        else ""
    )
    if ahead.has_interval and ahead.low > 0:
        compared = "more than that is shown"
    elif ahead.has_interval and ahead.high < 0:
        compared = "less than that is shown"
    elif ahead.has_interval:
        compared = "no difference from that is shown"
    else:
        compared = "whether that differs cannot be told from so few groups or images"
    return (
        f"{whole_percent(inside.value)} % of the evidence lies inside the cell{interval}, by "
        f"{attention.cells_from}; evidence spread evenly over the image would give "
        f"{whole_percent(attention.area.value)} %: {compared}."
    )
