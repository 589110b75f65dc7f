"""The whole job of ``actinscope scan``: a folder into a CSV that a person can edit."""

from __future__ import annotations

from dataclasses import dataclass

from actinscope.cells import CropReader
from actinscope.errors import SplitError, StudyError
from actinscope.images import ReadOptions
from actinscope.preprocess import PreprocessSettings, require_one_kind
from actinscope.progress import Progress
from actinscope.requests import ScanRequest
from actinscope.runs import fingerprint_study, read_study, require_new_file
from actinscope.study import Manifest, split, write_manifest
from actinscope.training import Recipe
from actinscope.wording import counted

_BY_IMAGE = (
    "images are split one by one, as no group is known: if several show one field, slide or donor, "
    "say so with --group, --group-level or --group-pattern, or the results will be too good"
)


@dataclass(frozen=True)
class ScanOutcome:
    """What was found, as lines to print, and the files that cannot be used."""

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
    use = f"To train with it: actinscope train {request.source.data} --manifest {output}. "
    require_new_file(output, use=use)
    manifest = read_study(request.source, Recipe(images=options))
    found = fingerprint_study(manifest, CropReader(options), progress)
    write_manifest(found.manifest, output)
    lines = [f"{output}: {len(found.manifest.records)} images", *_count_lines(found.manifest)]
    lines += [f"same pixels: {', '.join(names)}" for names in found.duplicates]
    try:
        names = [record.name for record in found.manifest.records]
        require_one_kind(names, found.kinds, PreprocessSettings())
    except StudyError as error:
        lines.append(f"not ready for training: {error}")
    try:
        parts = split(found.manifest, seed=request.seed)
    except SplitError as error:
        lines.append(f"not ready for training: {error}")
    else:
        lines += [f"note: {note}" for note in parts.notes]
        if parts.by_image:
            lines.append(f"note: {_BY_IMAGE}")
    return ScanOutcome(tuple(lines), found.unreadable)


def _count_lines(manifest: Manifest) -> list[str]:
    lines = []
    for label in manifest.classes:
        own = [record for record in manifest.records if record.label == label]
        groups = manifest.groups_of(own)
        number = counted(len(set(groups or ())), manifest.group or "group")
        grouped = "" if groups is None else f" in {number}"
        lines.append(f"  {label}: {len(own)} images{grouped}")
    return lines
