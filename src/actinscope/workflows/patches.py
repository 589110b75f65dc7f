"""The whole job of ``actinscope patches``: fields and masks into a manifest of two classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from actinscope.images import ReadOptions
from actinscope.runs import require_new_file
from actinscope.study import Manifest, PatchSettings, patches_of_fields, write_manifest

_SETTINGS = PatchSettings()
_READING = ReadOptions()


@dataclass(frozen=True)
class PatchRequest:
    """Which fields, and where the manifest goes.

    Attributes:
        fields: CSV with the columns path and mask.
        data: folder that its paths are relative to.
        output: the CSV to write.
        settings: what becomes a patch.
        options: how to read files with z, time or scenes.
    """

    fields: Path
    data: Path
    output: Path
    settings: PatchSettings = _SETTINGS
    options: ReadOptions = _READING


@dataclass(frozen=True, eq=False)
class PatchOutcome:
    """The manifest, and what it holds, as lines."""

    manifest: Manifest
    lines: tuple[str, ...]


def write_patches(request: PatchRequest) -> PatchOutcome:
    """Write a manifest with a row for each object and for as many patches of background.

    Raises:
        UsageError: ``output`` is there already.
        StudyError, SettingsError: as :func:`actinscope.study.patches_of_fields` does.
        OutputError: ``output`` cannot be written.
    """
    require_new_file(request.output)
    manifest = patches_of_fields(
        request.fields, request.data, request.settings, options=request.options
    )
    write_manifest(manifest, request.output)
    counts = Counter(record.label for record in manifest.records)
    fields = len({record.name for record in manifest.records})
    lines = [
        f"{request.output}: {len(manifest.records)} patches of {manifest.crop_size} pixels from "
        f"{fields} fields",
        *(f"  {label}: {count}" for label, count in counts.items()),
        *(f"note: {note}" for note in manifest.notes),
    ]
    return PatchOutcome(manifest, tuple(lines))
