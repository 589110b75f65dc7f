"""The whole job of ``actinscope scan``: a folder into a CSV that a person can edit."""

from __future__ import annotations

from dataclasses import dataclass

from actinscope.cells import CropReader
from actinscope.errors import SplitError
from actinscope.images import ReadOptions
from actinscope.progress import Progress
from actinscope.requests import ScanRequest
from actinscope.runs import fingerprint_study, read_study, require_new_file, unreadable
from actinscope.study import Manifest, split, summarise, write_manifest
from actinscope.training import Recipe


@dataclass(frozen=True)
class ScanOutcome:
    """What was found, as lines to print, and the files that cannot be used."""

    manifest: Manifest
    lines: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


def scan_study(request: ScanRequest, progress: Progress) -> ScanOutcome:
    """Read every image, try the split, write the manifest.

    The parts of the split are shown but not written: `train` splits with its own seed,
    and a person who edits the CSV should not meet parts that no longer fit.

    Raises:
        StudyError: labels, groups or folders are not usable.
        UsageError: the output is there already.
        OutputError: it cannot be written.
    """
    output, options = request.output, request.options or ReadOptions()
    require_new_file(output)
    manifest = read_study(request.source, Recipe(images=options))
    found = fingerprint_study(manifest, CropReader(options), progress)
    write_manifest(found.manifest, output)
    lines = [f"{output}: {len(found.manifest.records)} images", *_count_lines(found.manifest)]
    lines += [f"note: {note}" for note in found.manifest.notes]
    lines += [f"same pixels: {', '.join(names)}" for names in found.duplicates]
    try:
        parts = split(found.manifest, seed=request.seed)
    except SplitError as error:
        lines.append(f"not ready for training: {error}")
    else:
        lines += [f"note: {note}" for note in parts.notes]
    return ScanOutcome(found.manifest, tuple(lines), unreadable(found))


def _count_lines(manifest: Manifest) -> list[str]:
    summary = summarise(manifest)
    lines = []
    for label in summary.classes:
        images = sum(counts[label] for counts in summary.images.values())
        groups = {manifest.group_of(record) for record in manifest.records if record.label == label}
        grouped = f" in {len(groups)} of {manifest.group}" if manifest.group else ""
        lines.append(f"  {label}: {images} images{grouped}")
    return lines
