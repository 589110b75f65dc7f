"""Label masks of fields: which cells they hold, and single cells cut out like their images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.cells.crops import crop
from actinscope.cells.objects import CellObject, objects_from_mask
from actinscope.errors import ImageUnreadable
from actinscope.images import Image, Region, read_label_mask
from actinscope.wording import counted

#: Fields whose masks are kept: the cells of one field come one after the other.
_KEPT = 2
#: Parts smaller than this share of a usual one are dirt, not cells.
_SPECK = 0.01
#: A value whose second largest piece has this share of its largest lies in pieces of like size.
_LIKE_SIZE = 0.2
_SPANS = 0.95
_NET = 0.1


@dataclass(frozen=True, eq=False)
class CellMask:
    """The cells of one field.

    Attributes:
        labels: (Y, X) whole numbers, 0 for background, n for cell n.
        objects: the cells, sorted by label.
        by_parts: the file holds one value only, and its connected parts are the cells.
        specks: parts that are too small for a cell and were left out.
        torn: cells in several pieces of like size.
    """

    labels: NDArray[Any]
    objects: tuple[CellObject, ...]
    by_parts: bool
    specks: int
    torn: int


def read_cell_mask(path: Path) -> CellMask:
    """Read the mask of a field.

    Where it holds one value only, in several pieces, as a threshold gives it, the pieces are
    numbered from 1 in rows from the top; pixels that touch at a corner are connected.

    Raises:
        ImageError: as :func:`read_label_mask`.
        ImageUnreadable: the sizes of its objects are out of any proportion: one spans the field,
            or most of them lie in several places of it.
    """
    from skimage.measure import label

    path = Path(path)
    labels = read_label_mask(path)
    # Values may be larger than what skimage takes: places in the sorted list are not.
    dense = np.unique(np.append(labels.dtype.type(0), labels), return_inverse=True)[1]
    dense = dense[1:].reshape(labels.shape)
    pieces: NDArray[np.int64] = label(dense, connectivity=2)
    count = int(pieces.max())
    by_parts, specks = dense.max() == 1 and count > 1, 0
    if by_parts:
        labels, specks = _without_specks(pieces)
    objects = objects_from_mask(labels)
    torn = 0 if by_parts else _torn(dense, pieces)
    if len(objects) > 1 and 2 * torn > len(objects):
        raise ImageUnreadable(
            f"the numbers of the mask are no cells: {torn} of its {len(objects)} values lie in "
            f"several places of the field, in {count} pieces",
            where=path,
            remedy="Give each cell a number of its own, or all cells one and the same",
        )
    for one in objects:
        _refuse_background(one, labels, alone=len(objects) == 1, where=path)
    return CellMask(labels, objects, bool(by_parts), specks, torn)


def _without_specks(pieces: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """The pieces numbered anew without the smallest, and how many were left out.

    A usual piece is the one that the middle pixel lies in when all are sorted by size: dirt has
    many pieces and few pixels.
    """
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    ordered = np.sort(areas)
    usual = ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]
    kept = areas >= _SPECK * usual
    return (np.cumsum(kept) * kept)[pieces], len(kept) - 1 - int(kept.sum())


def _torn(dense: NDArray[np.int64], pieces: NDArray[np.int64]) -> int:
    """How many values lie in several pieces of like size."""
    sizes = np.bincount(pieces.ravel())
    owners = np.zeros_like(sizes)
    owners[pieces] = dense
    order = np.lexsort((-sizes, owners))  # the pieces of a value together, the largest first
    owners, sizes = owners[order], sizes[order]
    is_first = np.append(True, owners[1:] != owners[:-1])
    seconds = np.flatnonzero(is_first[:-1] & ~is_first[1:]) + 1
    return int(np.sum(sizes[seconds] >= _LIKE_SIZE * sizes[seconds - 1]))


def _refuse_background(one: CellObject, labels: NDArray[Any], *, alone: bool, where: Path) -> None:
    """Refuse an object that is the background, a frame, or lines between cells."""
    rows, columns = labels.shape
    if one.height < _SPANS * rows or one.width < _SPANS * columns:
        return
    inside = labels == int(one.object_id)
    border = np.concatenate([inside[[0, -1]].ravel(), inside[:, [0, -1]].ravel()])
    share = float(inside.mean())
    # A cell may fill the crop that was cut around it, but not its border.
    if border.mean() > 0.5 or (not alone and not _NET < share < 0.5):
        raise ImageUnreadable(
            f"object {one.object_id} of the mask spans the whole field of {rows} x {columns} "
            "pixels: it is the background, a frame or the lines between cells",
            where=where,
            remedy="Make a mask that is 0 wherever there is no cell; is it inverted?",
        )


@dataclass
class MaskTally:
    """What is to be said of all the masks of a study or a prediction.

    Attributes:
        longest: longest side of a field in pixels.
    """

    masks: int = 0
    cells: int = 0
    longest: int = 0
    _by_parts: int = 0
    _parts: int = 0
    _specks: int = 0
    _torn: int = 0

    def add(self, mask: CellMask) -> None:
        """Count one more mask."""
        self.masks += 1
        self.cells += len(mask.objects)
        self.longest = max(self.longest, *mask.labels.shape)
        self._by_parts += mask.by_parts
        self._parts += len(mask.objects) if mask.by_parts else 0
        self._specks += mask.specks
        self._torn += mask.torn

    def notes(self) -> tuple[str, ...]:
        """One sentence each, without a full stop."""
        notes = []
        if self._by_parts:
            specks = f"; {counted(self._specks, 'speck')} left out" if self._specks else ""
            notes.append(
                f"{self._by_parts} of {counted(self.masks, 'mask')} give all cells one value: "
                f"their {self._parts} connected parts are taken as cells, and cells that touch as "
                f"one{specks}"
            )
        if self._torn:
            notes.append(
                f"{counted(self._torn, 'cell')} of the masks in several pieces of like size, of "
                "which a crop shows the middle: look at these masks"
            )
        return tuple(notes)


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
    return replace(_BLANK, path=path, pixels=read_cell_mask(path).labels[np.newaxis])


_BLANK = Image(Path(), np.zeros((1, 1, 1), np.uint8), ("mask",), None, False, (0.0, 1.0))
