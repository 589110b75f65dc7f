"""One cell of a label mask, cut out like the image that goes with it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.cells.crops import crop
from actinscope.images import Image, Region, read_label_mask

#: Fields whose masks are kept: the cells of one field come one after the other.
_KEPT = 2


class MaskReader:
    """Cuts single cells out of label masks; reads each mask once for many of them."""

    def __init__(self) -> None:
        self._read = lru_cache(maxsize=_KEPT)(_as_image)

    def read(self, path: Path, object_id: str, region: Region) -> NDArray[np.bool_]:
        """(height, width) of ``region``: where the object ``object_id`` is.

        Beyond the border of the mask it is continued as :func:`crop` continues images.

        Raises:
            ImageError: the mask cannot be read, or the region lies outside.
        """
        cut = crop(self._read(Path(path)), region)
        # Labels are whole numbers and written as such; another name is not an object of a mask.
        if not object_id.isdecimal():
            return np.zeros(cut.pixels.shape[1:], np.bool_)
        found: NDArray[np.bool_] = cut.pixels[0] == int(object_id)
        return found


def _as_image(path: Path) -> Image:
    mask = read_label_mask(path)
    if mask.dtype == np.bool_:
        mask = mask.astype(np.uint8)
    return replace(_BLANK, path=path, pixels=mask[np.newaxis])


_BLANK = Image(Path(), np.zeros((1, 1, 1), np.uint8), ("mask",), None, False, (0.0, 1.0))
