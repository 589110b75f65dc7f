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
from actinscope.study import RESERVED_COLUMNS, Row, read_table

# Not copied: the predictions have their own, or they describe the file, not the sample.
_NOT_COPIED = RESERVED_COLUMNS - {"label", "part"}


@dataclass(frozen=True)
class GroupColumns:
    """The columns to copy, and their cells by file and object."""

    columns: tuple[str, ...]
    _cells: Mapping[tuple[str, str], Mapping[str, str]]

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


def read_group_columns(manifest: Path, folders: Sequence[Path] = ()) -> GroupColumns:
    """Read a CSV with a column ``path`` and whatever columns are to be copied.

    Paths are relative to the CSV's folder, to one of ``folders`` (as `scan` writes them) or
    to the working folder, whichever exists. A column ``object`` tells the cells of one field apart.

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
    return GroupColumns(columns, cells)


def _find(row: Row, folders: Sequence[Path]) -> Path:
    written = row.get("path")
    texts = dict.fromkeys((written, written.replace("\\", "/")))
    paths = (folder / text for text in texts for folder in folders)
    there = (path for path in paths if any(map(os.path.lexists, files_of(path))))
    return next(there, Path(written))


def _place(path: Path) -> str:
    # Links are not followed: two links to one file are two images with rows of their own.
    return os.path.normcase(os.path.normpath(path.absolute()))
