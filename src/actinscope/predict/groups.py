"""Copying the columns of a manifest beside the predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actinscope.errors import ManifestError
from actinscope.images import also_called, files_of
from actinscope.predict.table import require_free_columns
from actinscope.predict.tasks import Task
from actinscope.study import (
    RESERVED_COLUMNS,
    Row,
    is_missing,
    one_spelling,
    read_table,
    told_spellings,
)

# Not copied: the predictions have their own, or they describe the file, not the sample.
_NOT_COPIED = RESERVED_COLUMNS - {"label", "part"}


@dataclass(frozen=True)
class GroupColumns:
    """The columns to copy, their cells by file and object, and what was joined in them."""

    columns: tuple[str, ...]
    _cells: Mapping[tuple[str, str], Mapping[str, str]]
    notes: tuple[str, ...] = ()

    def add_to(self, tasks: Sequence[Task]) -> tuple[list[Task], int]:
        """The tasks with their cells, and how many found no row."""
        cells = [self._of(task) for task in tasks]
        empty = dict.fromkeys(self.columns, "")
        filled = [empty if own is None else own for own in cells]
        both = zip(tasks, filled, strict=True)
        return [replace(task, groups=own) for task, own in both], cells.count(None)

    def _of(self, task: Task) -> Mapping[str, str] | None:
        places = [_place(path) for path in also_called(task.path)]
        keys = [(place, name) for place in places for name in (task.object_id, "")]
        return next((self._cells[key] for key in keys if key in self._cells), None)


def read_group_columns(
    manifest: Path, folders: Sequence[Path] = (), *, as_written: bool = False
) -> GroupColumns:
    """Read a CSV with a column ``path`` and whatever columns are to be copied.

    Paths are relative to the CSV's folder, to one of ``folders`` (as `scan` writes them) or
    to the working folder, whichever exists. A column ``object`` tells the cells of one field apart.
    Unless ``as_written``, spellings of one value are joined and words such as NA are no value.

    Raises:
        ManifestError: broken, without a path column, with a column that predictions
            have themselves, or with contradicting rows for one image.
    """
    manifest = Path(manifest)
    table = read_table(manifest, ("path",))
    require_free_columns(table.columns, manifest)
    columns = tuple(name for name in table.columns if name and name not in _NOT_COPIED)
    cells: dict[tuple[str, str], Mapping[str, str]] = {}
    for row in table.rows:
        key = (_place(_find(row, (manifest.parent, *folders))), row.get("object"))
        values = {name: row.get(name) for name in columns}
        if cells.setdefault(key, values) != values:
            raise ManifestError(
                f"line {row.line} contradicts an earlier row for {row.get('path')!r}",
                where=manifest,
                remedy="Keep one row for each image, or add a column object",
            )
    if as_written:
        return GroupColumns(columns, cells)
    cells = {
        key: {name: "" if is_missing(value) else value for name, value in own.items()}
        for key, own in cells.items()
    }
    spellings = {
        name: one_spelling((own[name] for own in cells.values()), name) for name in columns
    }
    notes = [
        told_spellings(found, f"{name}: {{}} are taken as one") for name, found in spellings.items()
    ]
    joined = {
        key: {name: spellings[name].get(value, value) for name, value in own.items()}
        for key, own in cells.items()
    }
    return GroupColumns(columns, joined, tuple(filter(None, notes)))


def _find(row: Row, folders: Sequence[Path]) -> Path:
    written = row.get("path")
    texts = dict.fromkeys((written, written.replace("\\", "/")))
    paths = (folder / text for text in texts for folder in folders)
    there = (path for path in paths if any(map(os.path.lexists, files_of(path))))
    return next(there, Path(written))


def _place(path: Path) -> str:
    # Links are not followed: two links to one file are two images with rows of their own.
    return os.path.normcase(os.path.normpath(path.absolute()))
