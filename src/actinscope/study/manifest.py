"""The manifest CSV: which image has which label, which group and which part."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import ManifestError, SettingsError
from actinscope.files import csv_text, write_table
from actinscope.images import ReadOptions, files_of
from actinscope.study.channel_files import join_rows
from actinscope.study.expand_fields import FIELD_COLUMN, ManifestRow, expand_fields
from actinscope.study.guess import GROUP, choose_group
from actinscope.study.layout import SAMPLE_WORDS
from actinscope.study.records import (
    RESERVED_COLUMNS,
    Manifest,
    Record,
    absolute,
    is_missing,
    tidy,
)
from actinscope.study.spelling import join_spellings
from actinscope.study.table import Row, Table, read_table
from actinscope.wording import enumerate_some

NO_GROUP = "none"


def read_manifest(
    csv_path: Path,
    data: Path | None,
    *,
    group: str | None = None,
    crop_size: int | None = None,
    options: ReadOptions | None = None,
    as_written: bool = False,
) -> Manifest:
    """Read a manifest that a person can edit in a spreadsheet.

    The columns ``path`` and ``label`` are needed. ``path`` is looked for below
    ``data``, then beside the CSV. One of these makes every row a field of view with
    one record per cell: ``mask`` (a label image), ``objects`` (a table of objects), or
    ``y`` and ``x`` (one cell per row, in pixels, with ``object`` for its name and
    ``height`` and ``width`` for the region). ``part`` (train, validation, test) fixes
    the split and ``sha256`` is what :func:`write_manifest` wrote. Every other column
    can be the group.

    Args:
        csv_path: the manifest.
        data: the folder that paths are relative to; the CSV's folder where None.
        group: the column whose values must stay in one part. Where None, the column
            ``group`` is taken if there is one, else of those that are named like a sample
            (donor, plate, ...) the one that :func:`choose_group` takes, else ``field``; for
            cells of fields, ``field`` is made from the path. ``"none"`` means no group at all.
        crop_size: side of the square cut around each cell in pixels. Where None, it is
            the 95th percentile over all cells of the longer side of the bounding box,
            times 1.25, rounded up to a multiple of 8, and at least 16.
        options: how images are read, and joined of several files.
        as_written: take labels and groups as they are; otherwise spellings of one value are
            joined, with a note, and words such as NA count as missing.

    Raises:
        ManifestError: the CSV is broken, or names columns or files that are not there.
        SettingsError: ``crop_size`` is not positive, or nothing could be cropped.
    """
    csv_path = Path(csv_path)
    root = absolute(csv_path.parent if data is None else data)
    if not root.is_dir():
        raise ManifestError("the data folder is not there", where=root)
    if crop_size is not None and crop_size < 1:
        raise SettingsError(f"crop_size is {crop_size}", remedy="Give a positive number of pixels")
    table = read_table(csv_path, ("path", "label"))
    group_columns = tuple(name for name in table.columns if name not in RESERVED_COLUMNS)
    rows = read_rows(table, root, as_written=as_written)
    spelled: tuple[str, ...] = ()
    if not as_written:
        images, spelled = join_spellings([one.image for one in rows], group_columns)
        rows = tuple(one._replace(image=image) for one, image in zip(rows, images, strict=True))
    _require_all_or_no_parts(rows, csv_path)
    options = options or ReadOptions()
    together = next((name for name in (group, GROUP, FIELD_COLUMN) if name in table.columns), "")
    rows, joined = join_rows(rows, together, options.channel_pattern)
    expanded = expand_fields(table, rows, crop_size=crop_size, options=options)
    if expanded.made_field:
        group_columns = (*group_columns, FIELD_COLUMN)
    if group is None:
        chosen, notes = _default_group(expanded.records, group_columns)
    else:
        chosen, notes = _named_group(tidy(group), group_columns, csv_path), ()
    if chosen is not None:
        _require_group_values(rows, chosen, expanded.made_field, csv_path)
    return Manifest(
        records=expanded.records,
        root=root,
        group=chosen,
        group_columns=group_columns,
        crop_size=expanded.crop_size,
        notes=(*spelled, *joined, *expanded.notes, *notes),
    )


@dataclass(frozen=True)
class _Places:
    """Where the files of a manifest are looked for, in this order."""

    root: Path
    beside: Path

    def find(self, written: str) -> tuple[Path, str] | None:
        """The absolute path and the name of what ``written`` points to."""
        stripped = written.strip()
        for text in dict.fromkeys((stripped, written, stripped.replace("\\", "/"))):
            for folder in (self.root, self.beside):
                candidate = absolute(folder / text)
                if _is_image_like(candidate):
                    return candidate, self._name(candidate, text, folder)
        return None

    def _name(self, path: Path, text: str, folder: Path) -> str:
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        if folder == self.root and not Path(text).is_absolute():
            return Path(os.path.normpath(text)).as_posix()
        return path.as_posix()


def _is_image_like(candidate: Path) -> bool:
    # os.path, unlike pathlib, never raises for a name that the file system cannot hold.
    if any(map(os.path.isfile, files_of(candidate))):
        return True
    return candidate.suffix.lower() == ".zarr" and os.path.isdir(candidate)  # noqa: PTH112


def read_rows(
    table: Table, root: Path, *, labelled: bool = True, as_written: bool = False
) -> tuple[ManifestRow, ...]:
    """Check every row of a table of images.

    Args:
        table: with the column ``path``; what it has besides is checked too.
        root: the folder that paths are relative to; they are looked for beside the CSV too.
        labelled: every row must have a label.
        as_written: words such as NA are labels and groups, not missing ones.

    Raises:
        ManifestError: a file is not there, or a cell cannot be used.
    """
    places = _Places(root, absolute(table.path.parent))
    groups = [name for name in table.columns if name not in RESERVED_COLUMNS]
    attached = _attached_column(table)
    rows: list[ManifestRow] = []
    unknown: list[str] = []
    _require_labels(table, needed=labelled, as_written=as_written)
    for row in table.rows:
        found = _find(row, "path", places)
        other = _find(row, attached, places) if attached else None
        if found is None:
            unknown.append(f"line {row.line} {row.get('path')!r}")
        if attached and other is None:
            unknown.append(f"line {row.line} {row.get(attached)!r}")
        if found is None or (attached and other is None):
            continue
        image = Record(
            path=found[0],
            name=found[1],
            label=row.word("label"),
            groups={name: _group(row, name, as_written=as_written) for name in groups},
            part=row.part(),
            pixel_hash=row.pixel_hash(),
        )
        rows.append(ManifestRow(row, image, other[0] if other else None))
    if unknown:
        raise ManifestError(
            f"{len(unknown)} of the files named are not there: {enumerate_some(unknown)}",
            where=table.path,
            remedy=f"Paths are looked for below {places.root} and beside the CSV",
        )
    return tuple(rows)


def _require_labels(table: Table, *, needed: bool, as_written: bool) -> None:
    without = [row for row in table.rows if is_missing(row.get("label"))]
    if as_written:
        without = [row for row in without if not tidy(row.get("label"))]
    if without and needed:
        told = "; --as-written takes words such as NA as they are"
        words = told if any(row.get("label") for row in without) else ""
        raise ManifestError(
            f"{len(without)} of {len(table.rows)} rows have no label: "
            f"{enumerate_some(_line_of(row, 'label') for row in without)}",
            where=table.path,
            remedy=f"Fill the cells or delete the rows{words}",
        )


def _line_of(row: Row, column: str) -> str:
    """``line 7``, with what stands for a missing value."""
    return f"line {row.line} {row.get(column)}".strip()


def _attached_column(table: Table) -> str | None:
    """The column that names a file with the objects of each field, if there is one."""
    given: list[str] = [name for name in ("mask", "objects") if name in table.columns]
    if "y" in table.columns and "x" in table.columns:
        given.append("y and x")
    if len(given) > 1:
        raise ManifestError(
            f"the columns {' and '.join(given)} contradict each other",
            where=table.path,
            remedy="Keep the one that says where the cells are",
        )
    return given[0] if given and given[0] != "y and x" else None


def _find(row: Row, column: str, places: _Places) -> tuple[Path, str] | None:
    written = row.cells.get(column, "")
    if not written.strip():
        raise row.error(f" has no {column}")
    row.require_usable(column, written)
    return places.find(written)


def _group(row: Row, column: str, *, as_written: bool) -> str:
    text = " ".join(tidy(row.get(column)).split())  # comments may run over several lines
    row.require_usable(column, text)
    return "" if is_missing(text) and not as_written else text


def _require_all_or_no_parts(rows: Sequence[ManifestRow], where: Path) -> None:
    empty = [f"line {one.row.line}" for one in rows if not one.image.part]
    if empty and len(empty) < len(rows):
        raise ManifestError(
            f"{len(empty)} of {len(rows)} rows have no part: {enumerate_some(empty)}",
            where=where,
            remedy="Fill the column part everywhere, or empty it everywhere to have it split",
        )


def _default_group(
    records: Sequence[Record], columns: Sequence[str]
) -> tuple[str | None, tuple[str, ...]]:
    """The column ``group``, else what its name and its values make one, else ``field``."""
    named = {
        name: [record.groups[name] for record in records]
        for name in columns
        if name.casefold() in SAMPLE_WORDS
    }
    name = GROUP if GROUP in columns else choose_group(named, [one.label for one in records])
    if name is None and FIELD_COLUMN in columns:
        name = FIELD_COLUMN
    if name is not None:
        others = " or ".join(f"--group {other}" for other in (*named, NO_GROUP) if other != name)
        return name, (f"images of one {name} are kept together. If that is wrong: {others}",)
    if columns:
        return None, (f"no group was chosen; columns that could be it: {', '.join(columns)}",)
    return None, ()


def _named_group(group: str, columns: Sequence[str], where: Path) -> str | None:
    if group in columns:
        return group
    if group == NO_GROUP:
        return None
    nearest = difflib.get_close_matches(group, columns, n=1)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    raise ManifestError(
        f"there is no column {group!r} to group by",
        where=where,
        remedy=f"{hint}Columns that can be the group: {', '.join(columns) or 'none'}",
    )


def _require_group_values(
    rows: Sequence[ManifestRow], group: str, made_field: bool, where: Path
) -> None:
    if made_field and group == FIELD_COLUMN:
        return
    empty = [_line_of(one.row, group) for one in rows if not one.image.groups[group]]
    if empty:
        raise ManifestError(
            f"{len(empty)} rows have no value in the group column {group!r}: "
            f"{enumerate_some(empty)}",
            where=where,
            remedy="Fill them, or choose another group column",
        )


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write ``manifest`` as CSV or, by its name, .xlsx; :func:`read_manifest` reads it back.

    Columns: path, label, the group columns, and of object, y, x, height, width, part
    and sha256 those that are in use.

    Raises:
        OutputError: the file cannot be written.
    """
    write_table(Path(path), _table(manifest))


def manifest_csv(manifest: Manifest) -> str:
    """The text of the CSV that :func:`write_manifest` writes."""
    return csv_text(_table(manifest))


def _table(manifest: Manifest) -> list[list[str]]:
    lines = [_written(record, manifest.group_columns) for record in manifest.records]
    in_use = {name for line in lines for name, cell in line.items() if cell}
    tail = ("object", "y", "x", "height", "width", "part", "sha256")
    columns = ["path", "label", *manifest.group_columns, *(name for name in tail if name in in_use)]
    return [columns, *([line.get(name, "") for name in columns] for line in lines)]


def _written(record: Record, group_columns: Sequence[str]) -> Mapping[str, str]:
    line = {"path": record.name, "label": record.label}
    line |= {name: record.groups.get(name, "") for name in group_columns}
    line |= {"part": record.part, "sha256": record.pixel_hash}
    if record.region is not None:
        line |= {
            "object": record.object_id,
            "y": _number(record.region.y),
            "x": _number(record.region.x),
            "height": str(record.region.height),
            "width": str(record.region.width),
        }
    return line


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
