"""What a synthetic phenotype is: a table of traits, and how difficulty blends them."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import SettingsError

PIXEL_SIZE_UM = 0.35
"""Side of a pixel in the sample, in micrometres (about that of a 20x objective)."""

MEDIAN_DIAMETER_PX = 78.0
"""Median diameter of the circle with a cell's area: 27 um, the same for all phenotypes."""


@dataclass(frozen=True)
class Traits:
    """Shape and actin of one synthetic cell.

    Amplitudes are relative to each other: the brightness of a cell is set afterwards
    and is the same, in distribution, for all phenotypes.
    """

    elongation: float
    """Natural logarithm of length over width."""
    roundness: float
    """Exponent of the superellipse: 2 is an ellipse, below it pointed, above it boxy."""
    roughness: float
    """Relative amplitude of the undulation of the outline."""
    gathering: float
    """Probability that a cell lies against another one."""
    spacing: float
    """Distance of touching cells, in sums of their radii; below 1 they flatten each other."""
    cortex: float
    """Actin ring under the whole membrane."""
    junction: float
    """Actin along contacts with other cells."""
    haze: float
    """Diffuse actin of the cell body."""
    fibres: float
    """Stress fibres."""
    alignment: float
    """0 fibres in all directions .. 1 all along the axis."""
    puncta: float
    """Spots: microvilli and small aggregates."""
    filopodia: float
    """Thin spikes that leave the outline."""
    lamella: float
    """Broad flat front with a ruffled edge at one end."""


PROTOTYPES = MappingProxyType(
    {
        # After MCF-10A: cobblestones with an even cortical ring and little inside.
        "epithelial": Traits(
            elongation=0.18,
            roundness=2.3,
            roughness=0.035,
            gathering=0.85,
            spacing=0.88,
            cortex=1.5,
            junction=0.5,
            haze=0.35,
            fibres=0.15,
            alignment=0.35,
            puncta=0.15,
            filopodia=0.05,
            lamella=0.05,
        ),
        # After MCF-7: tight clumps, bright junctions, spotted surface, weak free edges.
        "clustered": Traits(
            elongation=0.14,
            roundness=2.0,
            roughness=0.07,
            gathering=1.0,
            spacing=0.74,
            cortex=0.45,
            junction=1.9,
            haze=0.6,
            fibres=0.08,
            alignment=0.2,
            puncta=0.9,
            filopodia=0.25,
            lamella=0.08,
        ),
        # After MDA-MB-231: scattered spindles with stress fibres, spikes and a front.
        "elongated": Traits(
            elongation=1.05,
            roundness=1.45,
            roughness=0.07,
            gathering=0.15,
            spacing=0.95,
            cortex=0.35,
            junction=0.15,
            haze=0.6,
            fibres=1.2,
            alignment=0.95,
            puncta=0.25,
            filopodia=1.0,
            lamella=1.0,
        ),
    }
)

PHENOTYPES: tuple[str, ...] = tuple(PROTOTYPES)
"""Names of the synthetic phenotypes, which are also the labels written to disk."""

_LOWEST = Traits(0.0, 1.25, 0.01, 0.0, 0.7, 0.05, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0)
_HIGHEST = Traits(1.15, 2.8, 0.16, 1.0, 1.1, 2.5, 3.0, 1.0, 2.0, 1.0, 1.5, 1.5, 1.2)

# Scatter of fields and of cells in a field, in units of the distance between phenotypes,
# at difficulty 0 and at difficulty 1.
_FIELD_SCATTER = (0.05, 0.45)
_CELL_SCATTER = (0.12, 0.65)


def check_difficulty(difficulty: float) -> float:
    """Give back ``difficulty``; raise ``SettingsError`` unless it lies in 0 to 1."""
    if not 0.0 <= difficulty <= 1.0:
        raise SettingsError(
            f"difficulty {difficulty} is not in 0 to 1",
            where="difficulty",
            remedy="Use 0 for clearly different phenotypes, 1 for none at all",
        )
    return float(difficulty)


def between(at_easy: float, at_hard: float, difficulty: float) -> float:
    """Value on the straight line from difficulty 0 to difficulty 1."""
    return at_easy + (at_hard - at_easy) * difficulty


@dataclass(frozen=True, eq=False)
class FieldTraits:
    """Where the cells of one synthetic field scatter around in the space of traits."""

    centre: NDArray[np.float64]
    cell_scatter: NDArray[np.float64]

    @property
    def mean(self) -> Traits:
        """Traits of the field as a whole: its gathering and spacing are used."""
        return _clipped(self.centre)

    def draw_cell(self, rng: np.random.Generator) -> Traits:
        """Draw the traits of one cell of this field."""
        return _clipped(self.centre + self.cell_scatter * rng.standard_normal(self.centre.size))


def draw_field_traits(
    phenotype: str, difficulty: float, *, rng: np.random.Generator
) -> FieldTraits:
    """Draw the traits of one field.

    With growing difficulty the three prototypes move towards their mean and the scatter
    of fields and cells grows; at difficulty 1 the phenotypes are one and the same, so
    that no classifier can do better than chance.

    Raises:
        SettingsError: unknown phenotype or a difficulty outside 0 to 1.
    """
    if phenotype not in PROTOTYPES:
        raise SettingsError(
            f"there is no synthetic phenotype {phenotype!r}",
            where="phenotype",
            remedy=f"Use one of {', '.join(PHENOTYPES)}",
        )
    difficulty = check_difficulty(difficulty)
    table = np.array([astuple(traits) for traits in PROTOTYPES.values()])  # (phenotypes, traits)
    own = table[PHENOTYPES.index(phenotype)]
    centre = own + difficulty * (table.mean(axis=0) - own)
    distance = table.std(axis=0)
    shift = between(*_FIELD_SCATTER, difficulty) * distance * rng.standard_normal(distance.size)
    return FieldTraits(centre + shift, between(*_CELL_SCATTER, difficulty) * distance)


def _clipped(values: NDArray[np.float64]) -> Traits:
    inside = np.clip(values, astuple(_LOWEST), astuple(_HIGHEST))
    names = (field.name for field in fields(Traits))
    return Traits(**{name: float(value) for name, value in zip(names, inside, strict=True)})
