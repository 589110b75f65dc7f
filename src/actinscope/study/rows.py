"""One row of a manifest, checked, before fields of view become cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actinscope.study.table import Row


@dataclass(frozen=True)
class ManifestRow:
    """A row whose files exist and whose label is usable.

    ``attached`` is the mask or the table of objects; ``table_row`` has the raw cells.
    """

    line: int
    path: Path
    name: str
    label: str
    groups: Mapping[str, str]
    part: str
    pixel_hash: str
    attached: Path | None
    table_row: Row
