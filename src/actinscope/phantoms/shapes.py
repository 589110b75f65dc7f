"""Where synthetic cells lie and what outline they have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError
from actinscope.phantoms.traits import MEDIAN_DIAMETER_PX, FieldTraits, Traits

Floats = NDArray[np.float32]

_DIAMETER_SPREAD = 0.13  # standard deviation of the logarithm
_DIAMETER_BOUNDS = (60.0, 98.0)
_LARGEST_COVER = 0.5  # share of the usable field that median cells may cover
_RIM = 32  # pixels along the border where few cells reach
_MARGIN = 1.65  # distance of centres from the border, in radii of the largest cell
_COARSE = 4  # outlines are fitted to their area on a grid this much coarser
_ROUNDS = 6
_HARMONICS = np.arange(2, 9)
_REACH = 2.6  # half side of the window of a cell, in radii; holds the longest spindle


@dataclass(frozen=True, eq=False)
class CellPlan:
    """One synthetic cell before it is drawn: place, pose, size and traits (pixels, radians)."""

    y: float
    x: float
    angle: float
    radius: float
    """Radius of the circle with the cell's area."""
    bend: float
    lobes: NDArray[np.float64]
    """(2, harmonics) amplitude and phase of the outline's undulation."""
    traits: Traits

    @property
    def half_length(self) -> float:
        """Half the long axis of the ellipse of this area."""
        return float(self.radius * np.exp(self.traits.elongation / 2))

    @property
    def half_width(self) -> float:
        """Half the short axis of the ellipse of this area."""
        return float(self.radius * np.exp(-self.traits.elongation / 2))


def check_room(shape: tuple[int, int], cells: int) -> None:
    """Raise ``SettingsError`` unless ``cells`` cells can lie in a field of ``shape`` (Y, X)."""
    if cells < 1:
        raise SettingsError(
            f"{cells} cells a field is too few", where="cells", remedy="Ask for at least 1"
        )
    side = int(2 * _DIAMETER_BOUNDS[1])
    if min(shape) < side:
        raise SettingsError(
            f"a field of {shape[0]} x {shape[1]} pixels is too small for the synthetic cells",
            where="shape",
            remedy=f"Use at least {side} x {side}",
        )
    usable = (shape[0] - 2 * _RIM) * (shape[1] - 2 * _RIM)
    most = int(_LARGEST_COVER * usable / (np.pi * MEDIAN_DIAMETER_PX**2 / 4))
    if cells > most:
        raise SettingsError(
            f"{cells} synthetic cells do not fit in {shape[0]} x {shape[1]} pixels",
            where="cells",
            remedy=f"Use a larger field or at most {most} cells",
        )


def plan_cells(
    traits: FieldTraits, *, shape: tuple[int, int], cells: int, rng: np.random.Generator
) -> tuple[CellPlan, ...]:
    """Draw size, pose and place of ``cells`` cells; sizes do not depend on the traits."""
    logs = rng.normal(np.log(MEDIAN_DIAMETER_PX), _DIAMETER_SPREAD, cells)
    radii = np.clip(np.exp(logs), *_DIAMETER_BOUNDS) / 2
    places = _places(traits.mean, radii, shape, rng)
    common_angle = rng.uniform(0, 2 * np.pi)
    return tuple(
        _plan(traits.draw_cell(rng), place, float(radius), common_angle, rng)
        for place, radius in zip(places, radii, strict=True)
    )


def _plan(
    traits: Traits,
    place: tuple[float, float],
    radius: float,
    common_angle: float,
    rng: np.random.Generator,
) -> CellPlan:
    amplitude = traits.roughness * rng.standard_normal(_HARMONICS.size) * (2 / _HARMONICS) ** 0.5
    phase = rng.uniform(0, 2 * np.pi, _HARMONICS.size)
    return CellPlan(
        y=place[0],
        x=place[1],
        angle=common_angle + rng.normal(0, 0.9),
        radius=radius,
        bend=float(rng.normal(0, 0.22)) * traits.elongation,
        lobes=np.stack([amplitude, phase]),
        traits=traits,
    )


def _places(
    mean: Traits, radii: NDArray[np.float64], shape: tuple[int, int], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Centres (y, x): each cell against an earlier one with the probability ``gathering``."""
    # Wide enough for a spindle, and the same for all, so that the border tells nothing.
    margin = _MARGIN * _DIAMETER_BOUNDS[1] / 2
    low, high = np.array([margin, margin]), np.array(shape) - margin
    centres = np.empty((0, 2))
    for index, radius in enumerate(radii):
        touching = index > 0 and rng.random() < mean.gathering
        candidates = rng.uniform(low, high, (80, 2))
        if touching:
            hosts = rng.integers(0, index, 80)
            turn = rng.uniform(0, 2 * np.pi, 80)
            step = mean.spacing * (radius + radii[hosts])
            beside = centres[hosts] + step[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1)
            inside = np.all((beside > low) & (beside < high), axis=1)
            candidates = beside[inside] if inside.any() else candidates
        centres = np.vstack([centres, _best(candidates, centres, radii[:index], radius, mean)])
    return [(float(y), float(x)) for y, x in centres]


def _best(
    candidates: NDArray[np.float64],
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    radius: float,
    mean: Traits,
) -> NDArray[np.float64]:
    """First candidate that keeps its distance, else the one that is least crowded."""
    if len(centres) == 0:
        return np.asarray(candidates[0], dtype=np.float64)
    gaps = np.linalg.norm(candidates[:, None] - centres[None], axis=2) / (radii + radius)
    nearest = gaps.min(axis=1)  # (candidates,)
    good = np.flatnonzero(nearest >= mean.spacing - 1e-6)
    chosen = good[0] if good.size else int(nearest.argmax())
    return np.asarray(candidates[chosen], dtype=np.float64)


def cell_frame(plan: CellPlan, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Pixel coordinates -> (along, across) in units of the half axes, bend removed."""
    cosine, sine = math.cos(plan.angle), math.sin(plan.angle)  # Python floats keep float32
    along = ((x - plan.x) * cosine + (y - plan.y) * sine) / plan.half_length
    across = (-(x - plan.x) * sine + (y - plan.y) * cosine) / plan.half_width
    across = across - plan.bend * along**2 * (plan.half_length / plan.half_width)
    return along.astype(np.float32), across.astype(np.float32)


def _depth(plan: CellPlan, y: Floats, x: Floats, scale: float) -> Floats:
    """1 at the centre, 0 on the outline, negative outside."""
    along, across = cell_frame(plan, y, x)
    # A front (lamella) widens one end into a fan.
    fan = 1 + 0.9 * plan.traits.lamella / (1 + np.exp(-8 * (along - 0.45)))
    across = across / fan
    turn = np.arctan2(across, along)
    wave = np.ones_like(turn)
    for order, amplitude, phase in zip(_HARMONICS.tolist(), *plan.lobes.tolist(), strict=True):
        wave += amplitude * np.cos(order * turn + phase)
    power = plan.traits.roundness
    size = (np.abs(along) ** power + np.abs(across) ** power) ** (1 / power)
    return np.asarray(1 - size / (np.maximum(wave, 0.35) * scale), dtype=np.float32)


def draw_mask(plans: Sequence[CellPlan], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Label mask (Y, X): cell n of ``plans`` has the value n + 1, background 0.

    Where outlines overlap, the deeper cell wins, which flattens contacts; the outlines
    are then scaled until each cell has about the area it was planned with, so that
    crowding does not make cells smaller.
    """
    scales = np.ones(len(plans))
    planned = np.array([np.pi * plan.radius**2 for plan in plans])
    for _ in range(_ROUNDS):
        labels = _label(plans, shape, scales, _COARSE)
        area = np.bincount(labels.ravel(), minlength=len(plans) + 1)[1:] * _COARSE**2
        scales = np.clip(scales * (planned / np.maximum(area, 1)) ** 0.5, 0.6, 1.7)
    return _one_piece_each(_label(plans, shape, scales, 1), len(plans))


def _label(
    plans: Sequence[CellPlan], shape: tuple[int, int], scales: NDArray[np.float64], step: int
) -> NDArray[np.uint16]:
    rows = np.arange(0, shape[0], step, dtype=np.float32)
    columns = np.arange(0, shape[1], step, dtype=np.float32)
    deepest = np.zeros((rows.size, columns.size), np.float32)
    labels = np.zeros(deepest.shape, np.uint16)
    for index, plan in enumerate(plans):
        reach = _REACH * plan.radius
        near_y = slice(*np.searchsorted(rows, [plan.y - reach, plan.y + reach]))
        near_x = slice(*np.searchsorted(columns, [plan.x - reach, plan.x + reach]))
        grid_y, grid_x = np.meshgrid(rows[near_y], columns[near_x], indexing="ij")
        depth = _depth(plan, grid_y, grid_x, float(scales[index]))
        wins = depth > deepest[near_y, near_x]
        deepest[near_y, near_x][wins] = depth[wins]
        labels[near_y, near_x][wins] = index + 1
    return labels


def _one_piece_each(labels: NDArray[np.uint16], cells: int) -> NDArray[np.uint16]:
    """Keep the largest 4-connected piece of each label."""
    import cv2

    kept = np.zeros_like(labels)
    for value in range(1, cells + 1):
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(
            (labels == value).astype(np.uint8), connectivity=4
        )
        if count < 2:
            raise SettingsError(
                "the synthetic cells crowd one another out",
                where="cells",
                remedy="Use fewer cells or a larger field",
            )
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        kept[pieces == largest] = value
    return kept
