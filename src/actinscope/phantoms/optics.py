"""From actin to camera counts: illumination, blur, photon and read noise, offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.phantoms.shapes import Floats
from actinscope.phantoms.traits import between, check_difficulty

_CELL_LEVEL = 700.0  # camera counts above background, mean over a cell, before slide and field
_FULL_SCALE = 65535


@dataclass(frozen=True)
class SlideConditions:
    """What the synthetic fields of one slide share."""

    staining: float
    """Factor on the brightness of all cells."""
    background: float
    """Camera counts of unbound stain and stray light."""
    offset: float
    """Camera counts without light."""


def draw_slide(difficulty: float, *, rng: np.random.Generator) -> SlideConditions:
    """Draw the conditions of one slide; slides differ more as ``difficulty`` (0 to 1) grows."""
    difficulty = check_difficulty(difficulty)
    return SlideConditions(
        staining=float(np.exp(rng.normal(0, between(0.05, 0.30, difficulty)))),
        background=float(rng.uniform(30, between(60, 240, difficulty))),
        offset=float(rng.uniform(210, 280)),
    )


def draw_levels(cells: int, difficulty: float, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw mean brightness (cells,) in camera counts; no phenotype enters."""
    spread = between(0.12, 0.35, difficulty)
    return _CELL_LEVEL * np.exp(rng.normal(-(spread**2) / 2, spread, cells))


def expose(
    actin: Floats, *, slide: SlideConditions, difficulty: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Photograph ``actin`` (Y, X), in camera counts, with a synthetic widefield microscope.

    Steps: uneven illumination, blur by a narrow and a wide Gaussian (focus and glare),
    Poisson noise of the photons, Gaussian read noise, offset, rounding to uint16. The
    light that the cells give in total is not changed by where they lie in the field.
    """
    import cv2

    light = _illumination((actin.shape[0], actin.shape[1]), difficulty, rng)
    lit = actin * light
    lit *= float(actin.sum()) / max(float(lit.sum()), 1e-6)
    gain = slide.staining * np.exp(rng.normal(0, between(0.05, 0.25, difficulty)))
    focus = rng.uniform(0.9, between(1.15, 2.3, difficulty))
    glare = rng.uniform(0.10, between(0.16, 0.32, difficulty))
    sharp = cv2.GaussianBlur(lit, (0, 0), focus, borderType=cv2.BORDER_REFLECT)
    wide = cv2.GaussianBlur(lit, (0, 0), 9.0, borderType=cv2.BORDER_REFLECT)
    signal = gain * ((1 - glare) * sharp + glare * wide)
    signal += slide.background * rng.uniform(0.8, 1.25) * light / light.mean()
    counts_per_photon = between(1.5, 9.0, difficulty) * rng.uniform(0.8, 1.25)
    read_noise = between(4.0, 10.0, difficulty)
    counts = counts_per_photon * rng.poisson(signal / counts_per_photon)
    counts = counts + rng.normal(slide.offset, read_noise, actin.shape)
    return np.asarray(np.clip(np.rint(counts), 0, _FULL_SCALE), dtype=np.uint16)


def _illumination(shape: tuple[int, int], difficulty: float, rng: np.random.Generator) -> Floats:
    """Relative illumination (Y, X), at most 1: a shallow dome around a point near the middle."""
    y, x = np.indices(shape, dtype=np.float32)
    centre_y, centre_x = rng.normal(0, 0.15, 2)
    off = (2 * y / shape[0] - 1 - centre_y) ** 2 + (2 * x / shape[1] - 1 - centre_x) ** 2
    strength = rng.uniform(0.05, between(0.15, 0.35, difficulty))
    return np.asarray(np.exp(-strength * off), dtype=np.float32)
