"""The whole job of ``actinscope cells patches``: fields, masks into a manifest of two classes."""

from __future__ import annotations

from collections import Counter

from actinscope.requests import PatchRequest
from actinscope.runs import require_new_file
from actinscope.study import patches_of_fields, write_manifest


def write_patches(request: PatchRequest) -> list[str]:
    """Write a manifest with a row for each object and for as many patches of background.

    Returns:
        What it holds, as lines.

    Raises:
        UsageError: ``output`` is there already.
        StudyError, SettingsError: as :func:`actinscope.study.patches_of_fields` does.
        OutputError: ``output`` cannot be written.
    """
    require_new_file(request.output)
    manifest = patches_of_fields(
        request.fields,
        request.data,
        crop_size=request.crop_size,
        object_label=request.object_label,
        seed=request.seed,
        options=request.options,
    )
    write_manifest(manifest, request.output)
    counts = Counter(record.label for record in manifest.records)
    fields = len({record.name for record in manifest.records})
    return [
        f"{request.output}: {len(manifest.records)} patches of {manifest.crop_size} pixels from "
        f"{fields} fields",
        *(f"  {label}: {count}" for label, count in counts.items()),
        *(f"note: {note}" for note in manifest.notes),
    ]
