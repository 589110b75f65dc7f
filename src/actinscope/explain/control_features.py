"""What can be seen in a cell without a network: brightness, texture, outline, surroundings.

A linear model on such features is a *control*: where it does as well as the network,
the network need not have learned more than they hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scaled = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Sides above this are halved first: texture at the scale of a few pixels of a network's
#: input stays, and a thousand images take seconds.
_SIDE = 128
_LEVELS = 32
_DISTANCES = (1, 2, 4)
_ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_HARALICK = ("contrast", "homogeneity", "energy", "correlation")
_RINGS = ((8, 1), (16, 2))
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_THUMBNAIL = 8
#: Surroundings of fewer pixels than this share are no basis for a control.
LEAST_BACKGROUND = 0.05
_CLEARANCE = 0.03

CONTROL_FEATURES = ("brightness", "texture", "outline", "background", "thumbnail")


def control_features(scaled: Scaled) -> dict[str, Floats]:
    """Features of one image, by the control that uses them.

    ``brightness``: mean, spread, skewness, kurtosis and percentiles of each plane, no
    place. ``texture``: local binary patterns (Ojala et al., IEEE TPAMI 24: 971, 2002) and
    Haralick's measures of the grey-level co-occurrence (IEEE SMC 3: 610, 1973) of each
    plane after stretching it, so that brightness is not in them. ``outline``: area, axes,
    eccentricity, solidity and the number of bright regions. ``background``: brightness
    and local binary patterns of the pixels outside the cell; NaN where the cell leaves
    under 5 % of the image. ``thumbnail``: the image at 8 x 8 pixels.

    Args:
        scaled: (S, S, K) float32 in 0..1.

    Returns:
        {name in CONTROL_FEATURES: (F,) float64}, of the same length for every image.
    """
    planes = reduced_planes(scaled)
    cell = cell_mask(planes)
    patterns = [_patterns(_stretched(plane)) for plane in planes]
    around = _outside(cell)
    return {
        "brightness": np.concatenate([_statistics(plane.ravel()) for plane in planes]),
        "texture": np.concatenate(
            [
                np.concatenate([_histograms(codes, None), _haralick(_stretched(plane))])
                for plane, codes in zip(planes, patterns, strict=True)
            ]
        ),
        "outline": _outline(cell),
        "background": np.concatenate(
            [
                _background(plane, codes, around)
                for plane, codes in zip(planes, patterns, strict=True)
            ]
        ),
        "thumbnail": np.concatenate([_thumbnail(plane) for plane in planes]),
    }


def cell_mask(planes: Floats) -> NDArray[np.bool_]:
    """(H, W) where the cell is: Otsu's threshold on the smoothed sum of the planes (K, H, W).

    An image of one value has no cell.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter
    from skimage.filters import threshold_otsu

    smooth = gaussian_filter(planes.sum(axis=0), 1.5)
    if np.ptp(smooth) <= 1e-9:
        return np.zeros(smooth.shape, np.bool_)
    filled: NDArray[np.bool_] = binary_fill_holes(smooth > threshold_otsu(smooth))
    return filled


def reduced_planes(scaled: Scaled) -> Floats:
    """Planes (K, h, w) float64 of a scaled image (S, S, K), each side about 128 pixels at most."""
    step = max(1, round(scaled.shape[0] / _SIDE))
    side = scaled.shape[0] // step * step
    cut = scaled[:side, :side].astype(np.float64)
    rows = cut.reshape(side // step, step, side // step, step, -1)  # (h, step, w, step, K)
    planes: Floats = np.moveaxis(rows.mean(axis=(1, 3)), -1, 0)
    return planes


def _stretched(plane: Floats) -> Floats:
    low, high = np.percentile(plane, (1, 99))
    if high - low <= 1e-9:
        return np.zeros_like(plane)
    stretched: Floats = np.clip((plane - low) / (high - low), 0, 1)
    return stretched


def _statistics(values: Floats) -> Floats:
    mean, spread = values.mean(), values.std()
    standard = (values - mean) / (spread + 1e-9)
    moments = [mean, spread, (standard**3).mean(), (standard**4).mean()]
    return np.concatenate([moments, np.percentile(values, _PERCENTILES)])


def _patterns(stretched: Floats) -> list[NDArray[np.int64]]:
    """Uniform local binary pattern of every pixel, at two radii."""
    from skimage.feature import local_binary_pattern

    grey = np.round(stretched * 255).astype(np.uint8)
    return [
        local_binary_pattern(grey, points, radius, "uniform").astype(np.int64)
        for points, radius in _RINGS
    ]


def _histograms(codes: list[NDArray[np.int64]], where: NDArray[np.bool_] | None) -> Floats:
    """Shares of the patterns among the pixels of ``where``."""
    found = []
    for (points, _), code in zip(_RINGS, codes, strict=True):
        values = code.ravel() if where is None else code[where]
        found.append(np.bincount(values, minlength=points + 2) / max(1, len(values)))
    return np.concatenate(found)


def _haralick(stretched: Floats) -> Floats:
    """Measures of the co-occurrence at three distances, mean over four directions."""
    from skimage.feature import graycomatrix, graycoprops

    grey = np.minimum((stretched * _LEVELS).astype(np.uint8), _LEVELS - 1)
    matrix = graycomatrix(
        grey, list(_DISTANCES), list(_ANGLES), levels=_LEVELS, symmetric=True, normed=True
    )
    return np.concatenate([graycoprops(matrix, name).mean(axis=1) for name in _HARALICK])


def _outline(cell: NDArray[np.bool_]) -> Floats:
    """Of the largest bright region, but for the first two: share of the image, regions."""
    from skimage.measure import label, regionprops

    regions = regionprops(label(cell))
    if not regions:
        return np.zeros(9)
    largest = max(regions, key=lambda region: region.area)
    side = float(cell.shape[0])
    return np.array(
        [
            cell.mean(),
            np.log1p(len(regions)),
            largest.area / cell.size,
            largest.axis_major_length / side,
            largest.axis_minor_length / side,
            largest.eccentricity,
            largest.solidity,
            largest.extent,
            largest.perimeter**2 / (4 * np.pi * largest.area),
        ]
    )


def _outside(cell: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels clear of the cell and of its blurred edge."""
    from scipy.ndimage import binary_dilation

    margin = max(2, round(_CLEARANCE * cell.shape[0]))
    outside: NDArray[np.bool_] = ~binary_dilation(cell, iterations=margin)
    return outside


def _background(plane: Floats, codes: list[NDArray[np.int64]], around: NDArray[np.bool_]) -> Floats:
    patterns = _histograms(codes, around)
    if around.mean() < LEAST_BACKGROUND:
        return np.full(4 + len(_PERCENTILES) + len(patterns), np.nan)
    return np.concatenate([_statistics(plane[around]), patterns])


def _thumbnail(plane: Floats) -> Floats:
    """Means of 8 x 8 fields of the plane, row by row."""
    rows = [piece.mean(axis=0) for piece in np.array_split(plane, _THUMBNAIL, axis=0)]
    fields = [[part.mean() for part in np.array_split(row, _THUMBNAIL)] for row in rows]
    return np.array(fields).ravel()
