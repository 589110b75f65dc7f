"""From fields of view to cells: one record per object of a mask, a table or the manifest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from actinscope.cells import CellObject, objects_from_mask, objects_from_table
from actinscope.errors import ImageError, ManifestError, SettingsError, StudyError
from actinscope.images import ReadOptions, Region, image_shape, read_label_mask
from actinscope.study.records import Record, forbidden_characters, tidy
from actinscope.study.rows import ManifestRow
from actinscope.study.table import Table
from actinscope.wording import enumerate_some

FIELD_COLUMN = "field"
_MARGIN = 1.25
_STEP = 8
_SMALLEST = 16
_CROPS_NEEDED = "give the size of the crops in pixels (crop_size)"


@dataclass(frozen=True)
class Expanded:
    """The records of a manifest, and what was found on the way."""

    records: tuple[Record, ...]
    crop_size: int | None
    made_field: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Cell:
    row: ManifestRow
    object_id: str
    y: float
    x: float
    height: int
    width: int


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
        _refuse_repeats([(row.name, "", row.line) for row in rows], table.path)
        find = _mask_objects(options) if "mask" in table.columns else _table_objects(crop_size)
        cells, notes = _cells_of_fields(rows, find, table.path)
        side = crop_size or automatic_crop_size([max(cell.height, cell.width) for cell in cells])
        return _crops(table, cells, side=side, notes=notes)
    if "y" in table.columns or "x" in table.columns:
        cells = _cells_of_rows(table, rows, crop_size)
        if not all(cell.height and cell.width for cell in cells):
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
    _refuse_repeats([(row.name, "", row.line) for row in rows], table.path)
    records = tuple(
        Record(
            path=row.path,
            name=row.name,
            label=row.label,
            groups=row.groups,
            part=row.part,
            pixel_hash=row.pixel_hash,
        )
        for row in rows
    )
    return Expanded(records, None, False, ())


def _crops(
    table: Table, cells: Sequence[_Cell], *, side: int | None, notes: tuple[str, ...]
) -> Expanded:
    for cell in cells:
        if forbidden := forbidden_characters(cell.object_id):
            raise ManifestError(
                f"line {cell.row.line}: an object's name holds characters that cannot be used "
                f"({forbidden})",
                where=table.path,
            )
    _refuse_repeats([(cell.row.name, cell.object_id, cell.row.line) for cell in cells], table.path)
    made_field = FIELD_COLUMN not in table.columns
    has_mask = "mask" in table.columns
    records = tuple(
        replace(record, mask=cell.row.attached) if has_mask else record
        for cell in cells
        for record in (_crop_record(cell, side, made_field),)
    )
    largest = side or max(max(cell.height, cell.width) for cell in cells)
    if side is None and any((cell.height, cell.width) != (largest, largest) for cell in cells):
        notes = (*notes, f"the crops differ in size; the largest side is {largest} pixels")
    return Expanded(records, largest, made_field, notes)


def _crop_record(cell: _Cell, side: int | None, made_field: bool) -> Record:
    row = cell.row
    made = {FIELD_COLUMN: str(PurePosixPath(row.name).with_suffix(""))} if made_field else {}
    # A hash from the file belongs to the region in the file, not to one of another size.
    same = side is None or (cell.height, cell.width) == (side, side)
    return Record(
        path=row.path,
        name=row.name,
        label=row.label,
        groups={**row.groups, **made},
        part=row.part,
        object_id=cell.object_id,
        region=Region(cell.y, cell.x, side or cell.height, side or cell.width),
        pixel_hash=row.pixel_hash if same and row.attached is None else "",
    )


def _cells_of_fields(
    rows: Sequence[ManifestRow],
    find: Callable[[ManifestRow], tuple[CellObject, ...]],
    where: Path,
) -> tuple[list[_Cell], tuple[str, ...]]:
    cells: list[_Cell] = []
    empty: list[str] = []
    for row in rows:
        try:
            found = find(row)
        except (ImageError, StudyError) as error:
            raise ManifestError(
                f"line {row.line}: {error.what}", where=error.where or where
            ) from error
        if not found:
            empty.append(row.name)
        cells += [_Cell(row, tidy(o.object_id), o.y, o.x, o.height, o.width) for o in found]
    if not cells:
        raise ManifestError(
            "none of the fields has an object", where=where, remedy="Check the masks or tables"
        )
    notes = (f"{len(empty)} fields have no object: {enumerate_some(empty)}",) if empty else ()
    return cells, notes


def _mask_objects(options: ReadOptions) -> Callable[[ManifestRow], tuple[CellObject, ...]]:
    def find(row: ManifestRow) -> tuple[CellObject, ...]:
        assert row.attached is not None
        mask = read_label_mask(row.attached)
        try:
            size: tuple[int, ...] = image_shape(row.path, options)
        except ImageError:
            size = mask.shape  # an unreadable field is reported with the fingerprints
        if mask.shape != size:
            raise ManifestError(
                f"the mask is {mask.shape[0]} x {mask.shape[1]} pixels, "
                f"but the image {row.name} is {size[0]} x {size[1]}",
                where=row.attached,
            )
        return objects_from_mask(mask)

    return find


def _table_objects(crop_size: int | None) -> Callable[[ManifestRow], tuple[CellObject, ...]]:
    tables: dict[Path, dict[str, tuple[CellObject, ...]]] = {}
    used: dict[tuple[Path, str], ManifestRow] = {}

    def find(row: ManifestRow) -> tuple[CellObject, ...]:
        assert row.attached is not None
        if row.attached not in tables:
            tables[row.attached] = objects_from_table(row.attached)
        by_file = tables[row.attached]
        names = (row.name, row.path.as_posix(), row.path.name)
        name = next((name for name in names if name in by_file), None)
        if name is None:
            raise ManifestError(
                f"the table has no objects of {row.path.name}; "
                f"it has those of {enumerate_some(by_file) or 'no file'}",
                where=row.attached,
            )
        # File names repeat across folders: one field's cells must not be cut from another.
        other = used.setdefault((row.attached, name), row)
        if other is not row:
            raise ManifestError(
                f"the objects of {name} are wanted for {row.name} and for {other.name}",
                where=row.attached,
                remedy="Write the paths of the images into the table, or give each its own table",
            )
        found = by_file[name]
        if crop_size is None and any(o.height < 1 or o.width < 1 for o in found):
            raise ManifestError(
                f"the table has no bounding boxes; {_CROPS_NEEDED}", where=row.attached
            )
        return found

    return find


def _cells_of_rows(table: Table, rows: Sequence[ManifestRow], crop_size: int | None) -> list[_Cell]:
    for name, other in (("y", "x"), ("x", "y"), ("height", "width"), ("width", "height")):
        if name in table.columns and other not in table.columns:
            raise ManifestError(f"there is a column {name} but no column {other}", where=table.path)
    has_size = "height" in table.columns
    cells = []
    for row in rows:
        y, x = (_coordinate(table, row, name) for name in ("y", "x"))
        height, width = (
            [_pixels(table, row, name) for name in ("height", "width")]
            if has_size
            else [crop_size or 0] * 2
        )
        named = tidy(row.table_row.get("object"))
        cells.append(_Cell(row, named or f"y{y:g}-x{x:g}", y, x, height, width))
    return cells


def _coordinate(table: Table, row: ManifestRow, column: str) -> float:
    text = row.table_row.get(column)
    try:
        value = float(text.replace(",", ".") if table.decimal_comma else text)
    except ValueError:
        value = math.nan
    # Beyond this a centre cannot lie in any image, and could not be rounded to a pixel.
    if not abs(value) < 1e9:
        raise ManifestError(
            f"line {row.line}: {column} is {text[:40]!r}",
            where=table.path,
            remedy="Each row needs a position in pixels",
        )
    return value


def _pixels(table: Table, row: ManifestRow, column: str) -> int:
    value = _coordinate(table, row, column)
    if value != int(value) or not 1 <= value <= 100_000:
        raise ManifestError(
            f"line {row.line}: {column} is {value:g}",
            where=table.path,
            remedy="It must be a whole number of pixels from 1 to 100000",
        )
    return int(value)


def _refuse_repeats(keys: Sequence[tuple[str, str, int]], where: Path) -> None:
    counts = Counter((name, object_id) for name, object_id, _ in keys)
    if len(counts) == len(keys):
        return
    lines: dict[tuple[str, str], list[int]] = {}
    for name, object_id, line in keys:
        if counts[name, object_id] > 1:
            lines.setdefault((name, object_id), []).append(line)
    described = [
        f"{name}{' object ' + object_id if object_id else ''} (lines {', '.join(map(str, found))})"
        for (name, object_id), found in lines.items()
    ]
    raise ManifestError(
        f"listed more than once: {enumerate_some(described)}",
        where=where,
        remedy="Keep one row for each",
    )
