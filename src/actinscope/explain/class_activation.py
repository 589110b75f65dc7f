"""Class activation maps: where in the image the evidence for a class lies.

A network that ends in global average pooling and one dense layer gives, for each
class, a map whose mean (plus the bias) is the class's logit (Zhou et al., CVPR 2016).
Softmax depends on differences of logits only: a map added to all classes alike changes
no probability. So the map shown here is the *contrast*, the class's own map minus the
mean of the maps of the other classes. With two classes its mean is the log odds of
the class, up to the bias.

A map says what the network used, not why, and no finer than the cells of its last
layer: the smooth look is interpolation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


def contrast_map(class_maps: NDArray[np.floating], k: int) -> Map:
    """Signed evidence for class k against the other classes.

    Args:
        class_maps: (h, w, K) of one image, logit units.
        k: class index, 0..K-1.

    Returns:
        (h, w) float32: positive speaks for the class, negative against it.

    Raises:
        ValueError: the shape or the index is wrong, or a value is not finite.
    """
    maps = np.asarray(class_maps, dtype=np.float64)
    if maps.ndim != 3 or 0 in maps.shape or maps.shape[2] < 2:
        raise ValueError(
            f"class maps must be (height, width, classes) with two classes or more, "
            f"not {maps.shape}"
        )
    if not 0 <= k < maps.shape[2]:
        raise ValueError(f"class index {k} is not one of 0 to {maps.shape[2] - 1}")
    if not np.isfinite(maps).all():
        raise ValueError("the class maps hold values that are not finite")
    others = np.delete(maps, k, axis=2)
    contrast: Map = (maps[:, :, k] - others.mean(axis=2)).astype(np.float32)
    return contrast


def heat_map(class_maps: NDArray[np.floating], k: int, *, size: tuple[int, int]) -> Map:
    """What speaks for class k at the size (H, W) of the image, 0..1: where, not how much.

    1 is the largest absolute contrast of this image and class. Interpolated linearly between the
    centres of the map's cells, flat outside the outer centres, so that no value appears that was
    not there.
    """
    contrast = contrast_map(class_maps, k)
    if size[0] < 1 or size[1] < 1:
        raise ValueError(f"a map of {size[0]} x {size[1]} pixels cannot be made")
    largest = float(np.abs(contrast).max()) or 1.0
    heat: Map = np.clip(enlarged(contrast / largest, size), 0, 1).astype(np.float32)
    return heat


def enlarged(values: NDArray[np.floating], size: tuple[int, int]) -> Map:
    """A map (h, w) at the size (H, W), interpolated linearly; cells keep their places."""
    from scipy.ndimage import zoom

    factors = (size[0] / values.shape[0], size[1] / values.shape[1])
    # grid_mode: the cells tile the image, their outer edges and not their centres coincide.
    whole: Map = zoom(values.astype(np.float32), factors, order=1, mode="nearest", grid_mode=True)
    return whole
