"""From fields of view to cells: one record per object of a mask, a table or the manifest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from actinscope.cells import (
    CellMask,
    CellObject,
    MaskTally,
    name_in_table,
    objects_from_table,
    read_cell_mask,
)
from actinscope.errors import ImageError, ManifestError, SettingsError, StudyError
from actinscope.images import ReadOptions, Region, image_shape
from actinscope.study.records import Record, forbidden_characters, tidy
from actinscope.study.table import Row, Table
from actinscope.wording import enumerate_some

FIELD_COLUMN = "field"
_MARGIN = 1.25
_STEP = 8
_SMALLEST = 16
_CROPS_NEEDED = "give the size of the crops in pixels (crop_size)"


class ManifestRow(NamedTuple):
    """A checked row, before a field of view becomes cells.

    Attributes:
        row: its cells as written.
        image: the image, or the field, whose file exists.
        attached: the label mask or the table of objects that belongs to it.
    """

    row: Row
    image: Record
    attached: Path | None


@dataclass(frozen=True)
class Expanded:
    """The records of a manifest, and what was found on the way."""

    records: tuple[Record, ...]
    crop_size: int | None
    made_field: bool
    notes: tuple[str, ...]


_Cells = list[tuple[ManifestRow, CellObject]]


def automatic_crop_size(sides: Sequence[int]) -> int:
    """Side of a square that holds most cells, from the longer sides of their bounding boxes.

    The 95th percentile (linear interpolation) times 1.25, rounded up to a multiple of
    8 pixels, and at least 16. One merged clump thus does not set the size for all.
    """
    wanted = float(np.percentile(np.asarray(sides, dtype=np.float64), 95)) * _MARGIN
    return max(_SMALLEST, _STEP * math.ceil(wanted / _STEP - 1e-9))


def expand_fields(
    table: Table, rows: Sequence[ManifestRow], *, crop_size: int | None, options: ReadOptions
) -> Expanded:
    """Turn rows into records, one for each cell where the columns say where cells are.

    Raises:
        ManifestError: masks, tables or coordinates are missing, broken or contradict,
            or the same image (or the same object of it) is listed twice.
        SettingsError: a crop size was given and there is nothing to crop.
    """
    if "mask" in table.columns or "objects" in table.columns:
        refuse_repeats([(one.image, one.row.line) for one in rows], table.path)
        tally, has_mask = MaskTally(), "mask" in table.columns
        find = _mask_objects(options, tally) if has_mask else _table_objects(crop_size)
        cells, notes = _cells_of_fields(rows, find, table.path)
        notes += tally.notes()
        side = crop_size or automatic_crop_size([max(cell.height, cell.width) for _, cell in cells])
        if crop_size is None and 0 < tally.longest < side:
            notes += (_out_of_proportion(tally, side, table.path),)
        return _crops(table, cells, side=side, notes=notes)
    if "y" in table.columns or "x" in table.columns:
        cells = _cells_of_rows(table, rows, crop_size)
        if not all(cell.height and cell.width for _, cell in cells):
            raise ManifestError(
                "the cells have positions but no height and width",
                where=table.path,
                remedy=_CROPS_NEEDED.capitalize(),
            )
        return _crops(table, cells, side=crop_size, notes=())
    return _whole_images(table, rows, crop_size)


def _whole_images(table: Table, rows: Sequence[ManifestRow], crop_size: int | None) -> Expanded:
    if "object" in table.columns:
        raise ManifestError(
            "there is a column object but no columns y and x",
            where=table.path,
            remedy="Add where each object lies, or rename the column",
        )
    if crop_size is not None:
        raise SettingsError(
            f"crop_size is {crop_size}, but the manifest does not say where cells are",
            where=table.path,
            remedy="Add a column mask, objects, or y and x, or leave crop_size out",
        )
    refuse_repeats([(one.image, one.row.line) for one in rows], table.path)
    return Expanded(tuple(one.image for one in rows), None, False, ())


def _crops(table: Table, cells: _Cells, *, side: int | None, notes: tuple[str, ...]) -> Expanded:
    for source, cell in cells:
        if forbidden := forbidden_characters(cell.object_id):
            raise source.row.error(
                f": an object's name holds characters that cannot be used ({forbidden})"
            )
    made_field = FIELD_COLUMN not in table.columns
    has_mask = "mask" in table.columns
    records = tuple(
        _crop_record(source, cell, side, made_field=made_field, has_mask=has_mask)
        for source, cell in cells
    )
    lines = [source.row.line for source, _ in cells]
    refuse_repeats(list(zip(records, lines, strict=True)), table.path)
    largest = side or max(max(cell.height, cell.width) for _, cell in cells)
    if side is None and any((cell.height, cell.width) != (largest, largest) for _, cell in cells):
        notes = (*notes, f"the crops differ in size; the largest side is {largest} pixels")
    return Expanded(records, largest, made_field, notes)


def _crop_record(
    source: ManifestRow, cell: CellObject, side: int | None, *, made_field: bool, has_mask: bool
) -> Record:
    field = source.image
    made = {FIELD_COLUMN: field_name(field.name)} if made_field else {}
    # A hash from the file belongs to the region in the file, not to one of another size.
    same = side is None or (cell.height, cell.width) == (side, side)
    return replace(
        field,
        groups={**field.groups, **made},
        object_id=cell.object_id,
        region=Region(cell.y, cell.x, side or cell.height, side or cell.width),
        pixel_hash=field.pixel_hash if same and source.attached is None else "",
        mask=source.attached if has_mask else None,
    )


def field_name(name: str) -> str:
    """The group of all cells of a field: the name of its file without the suffix."""
    return str(PurePosixPath(name).with_suffix(""))


def _cells_of_fields(
    rows: Sequence[ManifestRow],
    find: Callable[[ManifestRow], tuple[CellObject, ...]],
    where: Path,
) -> tuple[_Cells, tuple[str, ...]]:
    cells: _Cells = []
    empty: list[str] = []
    for one in rows:
        try:
            found = find(one)
        except (ImageError, StudyError) as error:
            raise ManifestError(
                f"line {one.row.line}: {error.what}", where=error.where or where
            ) from error
        if not found:
            empty.append(one.image.name)
        cells += [(one, replace(cell, object_id=tidy(cell.object_id))) for cell in found]
    if not cells:
        raise ManifestError(
            "none of the fields has an object", where=where, remedy="Check the masks or tables"
        )
    notes = (f"{len(empty)} fields have no object: {enumerate_some(empty)}",) if empty else ()
    return cells, notes


def _out_of_proportion(tally: MaskTally, side: int, where: Path) -> str:
    """What to say of crops that are larger than the fields, where each field is one cell."""
    what = (
        f"cells of these masks need crops of {side} pixels, the largest field has {tally.longest}"
    )
    if tally.cells > tally.masks:
        raise ManifestError(
            what,
            where=where,
            remedy="Look at the masks, in which cells may hang together, or give --crop-size",
        )
    return f"{what}; --crop-size sets it"


def _mask_objects(
    options: ReadOptions, tally: MaskTally
) -> Callable[[ManifestRow], tuple[CellObject, ...]]:
    def find(one: ManifestRow) -> tuple[CellObject, ...]:
        try:
            size = image_shape(one.image.path, options)
        except ImageError:
            size = None  # an unreadable field is reported with the fingerprints
        mask = mask_of_field(one, size)
        tally.add(mask)
        return mask.objects

    return find


def mask_of_field(one: ManifestRow, size: tuple[int, int] | None) -> CellMask:
    """The label mask of a field and its cells.

    Raises:
        ImageError: it cannot be read.
        ManifestError: it does not have the ``size`` of the field.
    """
    assert one.attached is not None
    mask = read_cell_mask(one.attached)
    rows, columns = mask.labels.shape
    if size is not None and (rows, columns) != size:
        raise ManifestError(
            f"the mask is {rows} x {columns} pixels, "
            f"but the image {one.image.name} is {size[0]} x {size[1]}",
            where=one.attached,
        )
    return mask


def _table_objects(crop_size: int | None) -> Callable[[ManifestRow], tuple[CellObject, ...]]:
    tables: dict[Path, dict[str, tuple[CellObject, ...]]] = {}
    used: dict[tuple[Path, str], Record] = {}

    def find(one: ManifestRow) -> tuple[CellObject, ...]:
        image, listed = one.image, one.attached
        assert listed is not None
        if listed not in tables:
            tables[listed] = objects_from_table(listed)
        by_file = tables[listed]
        name = name_in_table(by_file, image.path, (Path(image.name), image.path))
        if name is None:
            raise ManifestError(
                f"the table has no objects of {image.path.name}; "
                f"it has those of {enumerate_some(by_file) or 'no file'}",
                where=listed,
            )
        # File names repeat across folders: one field's cells must not be cut from another.
        other = used.setdefault((listed, name), image)
        if other is not image:
            raise ManifestError(
                f"the objects of {name} are wanted for {image.name} and for {other.name}",
                where=listed,
                remedy="Write the paths of the images into the table, or give each its own table",
            )
        found = by_file[name]
        if crop_size is None and any(o.height < 1 or o.width < 1 for o in found):
            raise ManifestError(f"the table has no bounding boxes; {_CROPS_NEEDED}", where=listed)
        return found

    return find


def _cells_of_rows(table: Table, rows: Sequence[ManifestRow], crop_size: int | None) -> _Cells:
    for name, other in (("y", "x"), ("x", "y"), ("height", "width"), ("width", "height")):
        if name in table.columns and other not in table.columns:
            raise ManifestError(f"there is a column {name} but no column {other}", where=table.path)
    has_size = "height" in table.columns
    number = table.number_reader(["y", "x", *(("height", "width") if has_size else ())])
    cells: _Cells = []
    for one in rows:
        y, x = (_coordinate(number, one.row, name) for name in ("y", "x"))
        height, width = (
            [_pixels(number, one.row, name) for name in ("height", "width")]
            if has_size
            else [crop_size or 0] * 2
        )
        named = tidy(one.row.get("object"))
        cells.append((one, CellObject(named or f"y{y:g}-x{x:g}", y, x, height, width)))
    return cells


def _coordinate(number: Callable[[str], float], row: Row, column: str) -> float:
    text = row.get(column)
    try:
        value = number(text)
    except ValueError:
        value = math.nan
    # Beyond this a centre cannot lie in any image, and could not be rounded to a pixel.
    if not abs(value) < 1e9:
        raise row.error(f": {column} is {text[:40]!r}", "Each row needs a position in pixels")
    return value


def _pixels(number: Callable[[str], float], row: Row, column: str) -> int:
    value = _coordinate(number, row, column)
    if value != int(value) or not 1 <= value <= 100_000:
        raise row.error(
            f": {column} is {value:g}", "It must be a whole number of pixels from 1 to 100000"
        )
    return int(value)


def refuse_repeats(lines: Sequence[tuple[Record, int]], where: Path) -> None:
    """Refuse an image, or an object of it, that several lines of a table name.

    Raises:
        ManifestError: names all of them.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for record, line in lines:
        found.setdefault(record.key, []).append(line)
    described = [
        f"{name}{' object ' + object_id if object_id else ''} (lines {', '.join(map(str, places))})"
        for (name, object_id), places in found.items()
        if len(places) > 1
    ]
    if described:
        raise ManifestError(
            f"listed more than once: {enumerate_some(described)}",
            where=where,
            remedy="Keep one row for each",
        )
