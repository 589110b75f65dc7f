"""Cells within fields: from label masks and from tables such as CellProfiler's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import ImageUnreadable, ManifestError
from actinscope.images import also_called
from actinscope.tables import number_reader, read_cells


@dataclass(frozen=True)
class CellObject:
    """One cell of a field.

    Attributes:
        object_id: the label value or object number, as text.
        y, x: centroid in pixels; the first pixel is (0, 0).
        height, width: bounding box in pixels; 0 where a table does not give it.
    """

    object_id: str
    y: float
    x: float
    height: int
    width: int


def objects_from_mask(mask: NDArray[Any]) -> tuple[CellObject, ...]:
    """All objects of a label mask, sorted by label; pieces of one label are one object.

    Args:
        mask: (Y, X) integers >= 0 or booleans, 0 for background.

    Raises:
        ImageUnreadable: another shape or type, or negative labels.
    """
    if mask.ndim != 2 or mask.dtype.kind not in "bui":
        raise ImageUnreadable(
            f"a label mask is (Y, X) whole numbers, this array is {mask.shape} {mask.dtype}"
        )
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return ()
    labels, which = np.unique(mask[rows, columns], return_inverse=True)
    if labels[0] < 0:
        raise ImageUnreadable("the label mask holds negative labels")
    boxes = _boxes(mask, labels, rows, columns, which)
    count = np.bincount(which)
    ys = np.bincount(which, weights=rows) / count
    xs = np.bincount(which, weights=columns) / count
    return tuple(
        CellObject(str(int(label)), float(y), float(x), height, width)
        for label, y, x, (height, width) in zip(labels, ys, xs, boxes, strict=True)
    )


def _boxes(
    mask: NDArray[Any],
    labels: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    which: NDArray[Any],
) -> list[tuple[int, int]]:
    """Height and width of the box around each label."""
    from scipy import ndimage

    # find_objects wants small consecutive labels; masks may hold 1 and 4,000,000,000.
    dense = np.zeros(mask.shape, dtype=np.int32)
    dense[rows, columns] = which + 1
    found = ndimage.find_objects(dense, max_label=len(labels))
    return [(box[0].stop - box[0].start, box[1].stop - box[1].start) for box in found]


_NAME_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_name", "name")
# Not "label": in this project that is the class of an image.
_ID_COLUMNS = ("object", "object_id", "objectnumber", "label_id", "cell", "cell_id", "id")
_Y_COLUMNS = ("y", "centroid_y", "center_y", "centre_y", "centroid-0")
_X_COLUMNS = ("x", "centroid_x", "center_x", "centre_x", "centroid-1")
_CENTRES = ("AreaShape_Center", "Location_Center")
_SIZES = ("height", "width")
_KNOWN = {*_NAME_COLUMNS, *_ID_COLUMNS, *_Y_COLUMNS, *_X_COLUMNS, *_SIZES, "imagenumber"}
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")


def objects_from_table(path: Path) -> dict[str, tuple[CellObject, ...]]:
    """Read the objects of each image from a table (CSV or .xlsx).

    Two kinds are understood. CellProfiler: ``FileName_*`` (every such column names a
    file with the same objects; where the object table has only ``ImageNumber``, the
    file names come from the ``*Image.csv`` beside it) with the folder of ``PathName_*``
    where that is there, ``ObjectNumber``, ``AreaShape_Center_X/Y`` or else
    ``Location_Center_X/Y``, and ``AreaShape_BoundingBoxMinimum/Maximum_X/Y`` (maximum
    exclusive); names may carry prefixes (``Image_``, ``Cells_``) or a row of object names
    above them. Plain: ``path`` (or file, filename, image), ``y``, ``x`` and optionally
    ``object``, ``height`` and ``width``.

    Returns:
        objects in the order of the rows, under the file as written in the table, with
        forward slashes; :func:`name_in_table` finds the name of a file.

    Raises:
        ManifestError: not a readable table, no columns for file, y or x, a value that is
            no number, or two images or two objects of an image with one name.
    """
    path = Path(path)
    header, rows, delimiter = _read_rows(path)
    columns = _find_columns(path, header)
    places = (columns.y, columns.x, *columns.size.values())
    numeric = ((line, row[place]) for line, row in rows for place in places)
    number = number_reader(numeric, where=path, delimiter=delimiter)
    images = _image_table(path) if not columns.names else {}
    found: dict[str, dict[str, CellObject]] = {}
    numbers: dict[str, str] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        image = row[columns.image_number].strip() if columns.image_number is not None else ""
        names = _names(row, columns.names) if columns.names else images.get(image, ())
        if not names:
            raise ManifestError("no file name for this object", where=where)
        for name in names:
            if numbers.setdefault(name, image) != image:
                raise ManifestError(
                    f"the images {numbers[name]} and {image} are both called {name}",
                    where=where,
                    remedy="Export PathName_* with the objects, or give each image a table",
                )
            of_file = found.setdefault(name, {})
            cell = _cell(where, row, columns, str(len(of_file) + 1), number)
            if cell is None:
                continue
            if cell.object_id in of_file:
                raise ManifestError(
                    f"object {cell.object_id} of {name} comes twice",
                    where=where,
                    remedy="Give each object of an image its own number",
                )
            of_file[cell.object_id] = cell
    return {name: tuple(objects.values()) for name, objects in found.items()}


def name_in_table(table: Mapping[str, object], path: Path, written: Sequence[Path]) -> str | None:
    """Under which name a table of objects has a file; None where it does not name it.

    Args:
        table: what :func:`objects_from_table` gave.
        path: the file, or the name of one that is joined from several.
        written: how it may be written, the best first.

    Raises:
        ManifestError: several names could be this file.
    """
    called = [one for way in written for one in also_called(way)]
    names = (*(one.as_posix() for one in called), *(one.name for one in called))
    exact = (name for name in names if name in table)
    by_folders = filter(None, (_by_folders(table, one) for one in also_called(path)))
    return next(exact, None) or next(by_folders, None)


def _by_folders(table: Mapping[str, object], path: Path) -> str | None:
    parts = path.absolute().as_posix().split("/")[::-1]
    # A folder of another computer ends like ours; a path that somebody wrote is our path's end.
    shared: dict[str, int] = {}
    for name in (name for name in table if name.endswith(parts[0])):
        own = name.split("/")[::-1]
        same = next((i for i, (a, b) in enumerate(zip(own, parts, strict=False)) if a != b), None)
        same = min(len(own), len(parts)) if same is None else same
        if same == len(own) > 1 or (same and _ABSOLUTE.match(name)):
            shared[name] = same
    best = [name for name, same in shared.items() if same == max(shared.values())]
    if len(best) > 1:
        raise ManifestError(
            f"the table has several images called {parts[0]}, and no folder of them tells which "
            f"is meant: {', '.join(best[:3])}",
            where=path,
            remedy="Keep the images in folders of the same names as in the table",
        )
    return best[0] if best else None


@dataclass(frozen=True)
class _Columns:
    """Positions of the columns in use; empty or None where the table lacks them."""

    names: tuple[tuple[int, int | None], ...]  # of a file and of its folder
    image_number: int | None
    object_id: int | None
    y: int
    x: int
    size: Mapping[str, int]  # height and width, or y0 y1 x0 x1


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]], str]:
    """Header, (line number, cells) of every filled row, and the sign between cells."""
    read = read_cells(path, _KNOWN)
    if not read.rows:
        raise ManifestError("the object table is empty", where=path)
    header, rows = [cell.strip() for cell in read.rows[0][1]], list(read.rows[1:])
    if rows and _centre(header) is None:
        second = [cell.strip() for cell in rows[0][1]]
        if _centre(second) is not None:
            # CellProfiler can put a row of object names above the columns' names.
            header, rows = second, rows[1:]
    if read.delimiter == "":  # a workbook does not store the empty cells at the end of a row
        rows = [(line, [*row, *[""] * (len(header) - len(row))]) for line, row in rows]
    for line, row in rows:
        if len(row) < len(header):
            raise ManifestError(
                f"the row has {len(row)} cells, the header {len(header)}",
                where=f"{path}, line {line}",
            )
    return header, rows, read.delimiter


def _centre(header: Sequence[str]) -> tuple[int, int] | None:
    for stem in _CENTRES:
        y, x = _ending(header, f"{stem}_Y"), _ending(header, f"{stem}_X")
        if y is not None and x is not None:
            return y, x
    y, x = _named(header, _Y_COLUMNS), _named(header, _X_COLUMNS)
    return None if y is None or x is None else (y, x)


def _find_columns(path: Path, header: Sequence[str]) -> _Columns:
    centre = _centre(header)
    plain_name = _named(header, _NAME_COLUMNS)
    names = _file_names(header) or (((plain_name, None),) if plain_name is not None else ())
    number = _ending(header, "ImageNumber")
    if centre is None or (not names and number is None):
        lacking = "x and y" if centre is None else "the image file"
        raise ManifestError(
            f"the object table has no columns for {lacking} (it has: {', '.join(header)})",
            where=path,
            remedy="Name them path, y and x, or export the columns FileName_*, "
            "AreaShape_Center_X and AreaShape_Center_Y from CellProfiler",
        )
    ids = (
        _ending(header, "ObjectNumber"),
        _ending(header, "Number_Object_Number"),
        _named(header, _ID_COLUMNS),
    )
    return _Columns(
        names=names,
        image_number=number,
        object_id=next((at for at in ids if at is not None), None),
        y=centre[0],
        x=centre[1],
        size=_size_columns(header),
    )


def _file_names(header: Sequence[str]) -> tuple[tuple[int, int | None], ...]:
    """CellProfiler's columns of file names, each with that of its folder."""
    places = {name: place for place, name in enumerate(header)}
    return tuple(
        (place, places.get(re.sub(r"(^|_)FileName_", r"\1PathName_", name)))
        for name, place in places.items()
        if re.search(r"(^|_)FileName_", name)
    )


def _names(row: Sequence[str], columns: Sequence[tuple[int, int | None]]) -> tuple[str, ...]:
    """The files of a row, each once, with their folder where the table has it."""
    found: dict[str, None] = {}
    for place, folder_place in columns:
        name = row[place].strip().replace("\\", "/")
        folder = row[folder_place].strip().replace("\\", "/") if folder_place is not None else ""
        if name:
            found[str(PurePosixPath(folder, name)) if folder else name] = None
    return tuple(found)


def _size_columns(header: Sequence[str]) -> dict[str, int]:
    box = {
        f"{axis}{end}": _ending(header, f"AreaShape_BoundingBox{bound}_{axis.upper()}")
        for axis in "yx"
        for end, bound in enumerate(("Minimum", "Maximum"))
    }
    plain = {side: _named(header, (side,)) for side in _SIZES}
    for group in (box, plain):
        complete = {name: at for name, at in group.items() if at is not None}
        if len(complete) == len(group):
            return complete
    return {}


def _named(header: Sequence[str], names: Sequence[str]) -> int | None:
    lowered = [name.lower() for name in header]
    return next((lowered.index(name) for name in names if name in lowered), None)


def _ending(header: Sequence[str], name: str) -> int | None:
    """First column called ``name``, or ``Something_name``."""
    for index, column in enumerate(header):
        if column == name or column.endswith(f"_{name}"):
            return index
    return None


def _cell(
    where: str,
    row: Sequence[str],
    columns: _Columns,
    unnamed: str,
    number: Callable[[str], float],
) -> CellObject | None:
    """One object; None for CellProfiler's rows of objects that were lost (nan)."""
    y, x = (_number(where, row[at], number) for at in (columns.y, columns.x))
    if math.isnan(y) or math.isnan(x):
        return None
    size = {name: _number(where, row[at], number) for name, at in columns.size.items()}
    if "y0" in size:
        size = {"height": size["y1"] - size["y0"], "width": size["x1"] - size["x0"]}
    height, width = (size.get(side, 0.0) for side in _SIZES)
    if not all(math.isfinite(value) for value in (y, x, height, width)) or min(height, width) < 0:
        raise ManifestError("the object's place or size is impossible", where=where)
    given = row[columns.object_id].strip() if columns.object_id is not None else ""
    return CellObject(given or unnamed, y, x, round(height), round(width))


def _number(where: str, text: str, number: Callable[[str], float]) -> float:
    try:
        return number(text)
    except ValueError as error:
        raise ManifestError(f"'{text}' is not a number", where=where) from error


def _image_table(path: Path) -> dict[str, tuple[str, ...]]:
    """File names by image number, from the one image table beside an object table."""
    beside = sorted(other for other in path.parent.glob("*Image.csv") if other.name != path.name)
    if len(beside) != 1:
        raise ManifestError(
            f"the object table has image numbers but no file names, and {len(beside)} files "
            "*Image.csv lie beside it",
            where=path,
            remedy="Export FileName_* with the objects, or put one Image.csv beside the table",
        )
    header, rows, _ = _read_rows(beside[0])
    number = _ending(header, "ImageNumber")
    names = _file_names(header)
    if number is None or not names:
        raise ManifestError("the columns ImageNumber and FileName_* are missing", where=beside[0])
    return {row[number].strip(): _names(row, names) for _, row in rows}
