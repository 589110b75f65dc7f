"""From a field to its cells: label masks, object tables, crops."""

from __future__ import annotations

from actinscope.cells.crops import CropReader
from actinscope.cells.masks import MaskReader
from actinscope.cells.objects import CellObject, objects_from_mask, objects_from_table

__all__ = [
    "CellObject",
    "CropReader",
    "MaskReader",
    "objects_from_mask",
    "objects_from_table",
]
