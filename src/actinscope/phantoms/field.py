"""One synthetic field of view: cells, their actin, and the photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.phantoms.actin import draw_cell
from actinscope.phantoms.optics import SlideConditions, draw_levels, draw_slide, expose
from actinscope.phantoms.shapes import check_room, draw_mask, plan_cells
from actinscope.phantoms.traits import PIXEL_SIZE_UM, draw_field_traits


@dataclass(frozen=True, eq=False)
class PhantomField:
    """A synthetic field of view with its exact segmentation."""

    pixels: NDArray[np.uint16]
    """(Y, X) camera counts: offset 210 to 280, signal mostly up to a few thousand."""
    mask: NDArray[np.uint16]
    """(Y, X) 0 background, n cell n; filopodia reach out of their cell's label."""
    phenotype: str
    pixel_size_um: float


def render_field(
    phenotype: str,
    *,
    shape: tuple[int, int] = (512, 512),
    cells: int = 6,
    difficulty: float,
    rng: np.random.Generator,
    slide: SlideConditions | None = None,
) -> PhantomField:
    """Draw one synthetic field.

    Args:
        phenotype: one of ``PHENOTYPES``.
        shape: height and width in pixels of ``PIXEL_SIZE_UM``.
        cells: how many cells lie in the field.
        difficulty: 0 (clearly different phenotypes) to 1 (no difference is left).
        rng: source of all randomness.
        slide: conditions shared with other fields; drawn for this field alone if not given.

    Raises:
        SettingsError: unknown phenotype, difficulty outside 0 to 1, cells that do not fit.
    """
    check_room(shape, cells)
    traits = draw_field_traits(phenotype, difficulty, rng=rng)
    slide = draw_slide(difficulty, rng=rng) if slide is None else slide
    plans = plan_cells(traits, shape=shape, cells=cells, rng=rng)
    mask = draw_mask(plans, shape)
    actin = np.zeros(shape, np.float32)
    levels = draw_levels(cells, difficulty, rng=rng)
    for index, (plan, level) in enumerate(zip(plans, levels, strict=True)):
        draw_cell(actin, mask, index + 1, plan=plan, level=float(level), rng=rng)
    pixels = expose(actin, slide=slide, difficulty=difficulty, rng=rng)
    return PhantomField(pixels, mask, phenotype, PIXEL_SIZE_UM)
