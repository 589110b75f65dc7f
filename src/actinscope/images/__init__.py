"""Pixels: the only room that reads image files, with the values that they hold.

:func:`read_image` gives (C, Y, X) in the file's own type, never scaled. Label masks,
object tables and regions of fields are read here too.
"""

from __future__ import annotations

from actinscope.images.image_sets import also_called, file_state, files_of, pattern_of_names
from actinscope.images.join_files import join_files
from actinscope.images.kinds import FoundImages, find_images, list_images
from actinscope.images.model import Image, ImageKind, ReadOptions, Region
from actinscope.images.read import image_shape, read_image, read_label_mask
from actinscope.images.tiff_metadata import file_facts

__all__ = [
    "FoundImages",
    "Image",
    "ImageKind",
    "ReadOptions",
    "Region",
    "also_called",
    "file_facts",
    "file_state",
    "files_of",
    "find_images",
    "image_shape",
    "join_files",
    "list_images",
    "pattern_of_names",
    "read_image",
    "read_label_mask",
]
