"""From a field to its cells: label masks, object tables, crops."""

from __future__ import annotations

from actinscope.cells.crops import CropReader
from actinscope.cells.masks import CellMask, MaskReader, MaskTally, read_cell_mask
from actinscope.cells.objects import (
    CellObject,
    name_in_table,
    objects_from_table,
)

__all__ = [
    "CellMask",
    "CellObject",
    "CropReader",
    "MaskReader",
    "MaskTally",
    "name_in_table",
    "objects_from_table",
    "read_cell_mask",
]
