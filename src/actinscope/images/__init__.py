"""Pixels: the only room that reads image files, with the values that they hold.

:func:`read_image` gives (C, Y, X) in the file's own type, never scaled. Label masks,
object tables and regions of fields are read here too.
"""

from __future__ import annotations

from actinscope.images.crops import CropReader, crop
from actinscope.images.listing import list_images
from actinscope.images.masks import MaskReader
from actinscope.images.model import Image, ReadOptions, Region
from actinscope.images.objects import CellObject, objects_from_mask, objects_from_table
from actinscope.images.origin import file_facts
from actinscope.images.read import image_shape, read_image, read_label_mask
from actinscope.images.sniff import IMAGE_SUFFIXES

__all__ = [
    "IMAGE_SUFFIXES",
    "CellObject",
    "CropReader",
    "Image",
    "MaskReader",
    "ReadOptions",
    "Region",
    "crop",
    "file_facts",
    "image_shape",
    "list_images",
    "objects_from_mask",
    "objects_from_table",
    "read_image",
    "read_label_mask",
]
