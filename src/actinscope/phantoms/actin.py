"""Drawing the actin of one synthetic cell, before any optics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.phantoms.shapes import CellPlan, Floats, cell_frame

_PAD = 30  # pixels around a cell's bounding box: room for filopodia


@dataclass(frozen=True, eq=False)
class _Window:
    """A cell and its surroundings, all arrays (h, w)."""

    top: int
    left: int
    inside: Floats
    """1 in the cell, 0 outside."""
    depth: Floats
    """Distance to the outline in pixels, 0 outside."""
    contact: Floats
    """Near 1 where another cell lies against this one."""
    along: Floats
    across: Floats


def draw_cell(
    canvas: Floats,
    mask: NDArray[np.uint16],
    value: int,
    *,
    plan: CellPlan,
    level: float,
    rng: np.random.Generator,
) -> None:
    """Add the actin of cell ``value`` of ``mask`` to ``canvas`` (Y, X), in place.

    What is added sums to ``level`` times the cell's area, whatever its traits, so that
    neither the brightness of a cell nor that of a field depends on the phenotype.
    """
    window = _window(mask, value, plan)
    traits = plan.traits
    nucleus = np.exp(-(((window.along / 0.42) ** 2 + (window.across / 0.5) ** 2) ** 2))
    body = (1 - np.exp(-window.depth / 9)) * (1 - 0.4 * nucleus)
    picture = traits.haze * body * (1 + 0.45 * _cloud(body.shape, 7, rng))
    picture += traits.cortex * _cortex(window, rng)
    picture += traits.junction * _junction(window, rng)
    picture += traits.fibres * _fibres(window, plan, rng)
    picture += traits.puncta * _puncta(window, rng)
    picture += traits.lamella * _lamella(window, rng)
    picture = np.maximum(picture, 0) * window.inside
    picture += _filopodia(window, plan, rng)
    picture *= level * float(window.inside.sum()) / max(float(picture.sum()), 1e-6)
    height, width = picture.shape
    canvas[window.top : window.top + height, window.left : window.left + width] += picture


def _window(mask: NDArray[np.uint16], value: int, plan: CellPlan) -> _Window:
    import cv2

    rows, columns = np.nonzero(mask == value)
    top, left = max(rows.min() - _PAD, 0), max(columns.min() - _PAD, 0)
    part = mask[top : rows.max() + _PAD + 1, left : columns.max() + _PAD + 1]
    own = np.pad((part == value).astype(np.uint8), 1)  # the field's border is an outline too
    depth = cv2.distanceTransform(own, cv2.DIST_L2, 5)[1:-1, 1:-1]
    free = ((part == 0) | (part == value)).astype(np.uint8)
    contact = np.zeros(part.shape, np.float32)
    if not free.all():
        contact = np.exp(-((cv2.distanceTransform(free, cv2.DIST_L2, 5) / 5) ** 2))
    y = np.arange(top, top + part.shape[0], dtype=np.float32)
    x = np.arange(left, left + part.shape[1], dtype=np.float32)
    along, across = cell_frame(plan, *np.meshgrid(y, x, indexing="ij"))
    inside = own[1:-1, 1:-1].astype(np.float32)
    return _Window(int(top), int(left), inside, depth, contact, along, across)


def _cloud(shape: tuple[int, ...], grain: float, rng: np.random.Generator) -> Floats:
    """Smooth noise (h, w) with mean near 0 and standard deviation near 1."""
    import cv2

    noise = rng.standard_normal(shape, dtype=np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.asarray(smooth * (2 * np.sqrt(np.pi) * grain), dtype=np.float32)


def _cortex(window: _Window, rng: np.random.Generator) -> Floats:
    ring = np.exp(-0.5 * ((window.depth - 2.2) / 1.4) ** 2)
    inner = 0.25 * np.exp(-0.5 * ((window.depth - 6.5) / 2.5) ** 2)
    uneven = np.clip(1 + 0.3 * _cloud(ring.shape, 6, rng), 0.2, None)
    return np.asarray((ring + inner) * uneven, dtype=np.float32)


def _junction(window: _Window, rng: np.random.Generator) -> Floats:
    band = np.exp(-0.5 * ((window.depth - 1.5) / 1.7) ** 2) * window.contact
    beads = np.clip(1 + 0.35 * _cloud(band.shape, 2.5, rng), 0.1, None)
    return np.asarray(band * beads, dtype=np.float32)


def _lamella(window: _Window, rng: np.random.Generator) -> Floats:
    front = 1 / (1 + np.exp(-9 * (window.along - 0.5)))
    edge = np.exp(-0.5 * ((window.depth - 1.5) / 1.3) ** 2)
    veil = 0.35 * np.exp(-window.depth / 7)
    ruffles = np.clip(1 + 0.5 * _cloud(edge.shape, 2.5, rng), 0, None)
    return np.asarray(front * (1.5 * edge + veil) * ruffles, dtype=np.float32)


def _fibres(window: _Window, plan: CellPlan, rng: np.random.Generator) -> Floats:
    """Straight or slightly curved bundles across the cell, as long as the cell allows."""
    count = int(rng.integers(45, 70))
    spread = 0.10 + 1.1 * (1 - plan.traits.alignment)
    tilt = rng.normal(0, spread, count) + rng.normal(0, 0.08)
    half = rng.uniform(0.25, 1.05, count) * plan.half_length
    start_u = rng.uniform(-0.6, 0.6, count) * plan.half_length
    start_v = rng.uniform(-0.95, 0.95, count) * plan.half_width
    bow = rng.normal(0, 0.0012, count) + plan.bend / plan.half_length
    t = np.linspace(-1, 1, 2 * int(2 * plan.half_length) + 1)[None, :]
    reach = half[:, None] * t  # (fibres, points) pixels along each fibre
    u = start_u[:, None] + reach * np.cos(tilt)[:, None]
    v = start_v[:, None] + reach * np.sin(tilt)[:, None] + bow[:, None] * u**2
    strength = rng.gamma(0.9, 0.55, count)[:, None] * (1 - np.abs(t) ** 6)
    weight = strength * (2 * half[:, None] / t.shape[1])  # per pixel of length, not per point
    y, x = _to_pixels(plan, u, v)
    lines = _splat(window, y, x, weight)
    wide = rng.random(count) < 0.5
    lines += _splat(window, y[wide] + 0.8, x[wide] + 0.8, weight[wide])
    return lines * np.clip(window.depth / 3, 0, 1) * 1.6


def _puncta(window: _Window, rng: np.random.Generator) -> Floats:
    import cv2

    rows, columns = np.nonzero(window.depth > 2)
    if rows.size == 0:
        return np.zeros_like(window.inside)
    count = max(1, int(rows.size * rng.uniform(0.012, 0.022)))
    chosen = rng.integers(0, rows.size, count)
    y = rows[chosen] + window.top + rng.uniform(-0.5, 0.5, count)
    x = columns[chosen] + window.left + rng.uniform(-0.5, 0.5, count)
    spots = _splat(window, y, x, rng.gamma(1.2, 3.2, count))
    return np.asarray(cv2.GaussianBlur(spots, (0, 0), 0.9), dtype=np.float32)


def _filopodia(window: _Window, plan: CellPlan, rng: np.random.Generator) -> Floats:
    """Spikes from the free outline outwards, mostly at the two ends of a long cell."""
    rim = np.nonzero((window.depth > 0) & (window.depth < 1.5) & (window.contact < 0.1))
    count = int(rng.poisson(16 * plan.traits.filopodia))
    if count == 0 or rim[0].size == 0:
        return np.zeros_like(window.inside)
    ends = 0.15 + np.abs(window.along[rim]) ** 3
    chosen = rng.choice(rim[0].size, count, p=ends / ends.sum())
    y, x = rim[0][chosen] + window.top, rim[1][chosen] + window.left
    outward = np.arctan2(y - plan.y, x - plan.x) + rng.normal(0, 0.35, count)
    length = 5 + rng.gamma(2.0, 4.0, count).clip(0, 22)
    t = np.linspace(-0.2, 1, 60)[None, :]
    curl = rng.normal(0, 0.25, count)[:, None] * t**2
    path_y = y[:, None] + length[:, None] * t * np.sin(outward[:, None] + curl)
    path_x = x[:, None] + length[:, None] * t * np.cos(outward[:, None] + curl)
    fading = rng.uniform(0.25, 0.9, count)[:, None] * (1 - 0.6 * np.clip(t, 0, 1))
    return _splat(window, path_y, path_x, fading * length[:, None] * 1.2 / 60)


def _to_pixels(
    plan: CellPlan, u: NDArray[np.float64], v: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cosine, sine = np.cos(plan.angle), np.sin(plan.angle)
    return plan.y + u * sine + v * cosine, plan.x + u * cosine - v * sine


def _splat(
    window: _Window,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> Floats:
    """Spread points over their four nearest pixels (bilinear weights); points outside are lost."""
    height, width = window.inside.shape
    total = np.zeros(height * width)
    row, column = np.floor(y - window.top).astype(int), np.floor(x - window.left).astype(int)
    part_y, part_x = y - window.top - row, x - window.left - column
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - part_y) * np.abs(1 - right - part_x) * weight
            at_y, at_x = row + down, column + right
            ok = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
            flat = at_y[ok] * width + at_x[ok]
            total += np.bincount(flat, share[ok], minlength=height * width)
    return total.reshape(height, width).astype(np.float32)
