"""Joining the records of files that are channels or z planes of one image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from actinscope.errors import StudyError
from actinscope.images import join_files
from actinscope.study.expand_fields import ManifestRow
from actinscope.study.records import RESERVED_COLUMNS, Manifest, Record
from actinscope.wording import enumerate_some

# What files of one image have in common in a table.
_APART = sorted(RESERVED_COLUMNS - {"path", "label", "sha256"})


def join_channel_files(manifest: Manifest, pattern: str | None) -> Manifest:
    """The images of a folder; files that make one image are one record.

    Raises:
        UsageError, StudyError: as :func:`join_records`.
    """
    group = manifest.group or ""
    apart = [(record.label, record.groups.get(group)) for record in manifest.records]
    joined, notes = join_records(manifest.records, apart, pattern)
    records = tuple(record for _, record in joined)
    return replace(manifest, records=records, notes=(*manifest.notes, *notes))


def join_rows(
    rows: Sequence[ManifestRow], group: str, pattern: str | None
) -> tuple[tuple[ManifestRow, ...], tuple[str, ...]]:
    """The images, or cells, of a table; ``group`` is the column of the group, if any.

    Raises:
        UsageError, StudyError: as :func:`join_records`.
    """
    apart = [
        (*(one.row.get(name) for name in _APART), one.image.label, one.image.groups.get(group))
        for one in rows
    ]
    joined, notes = join_records([one.image for one in rows], apart, pattern)
    return tuple(rows[place]._replace(image=image) for place, image in joined), notes


def join_records(
    records: Sequence[Record], apart: Sequence[Hashable], pattern: str | None
) -> tuple[list[tuple[int, Record]], tuple[str, ...]]:
    """Records of images, each with the place of its first among ``records``, and notes.

    Args:
        records: one for each file, or each cell in a file.
        apart: for each record what those of one image, or cell, have in common.
        pattern: see ``ReadOptions.channel_pattern``.

    Raises:
        UsageError: the names fit a pattern, but can mean something else.
        StudyError: files of one image differ in what they should have in common.
    """
    of_file: dict[Path, list[Hashable]] = defaultdict(list)
    for record, own in zip(records, apart, strict=True):
        of_file[record.path].append(own)
    found = join_files({path: frozenset(own) for path, own in of_file.items()}, pattern)
    together: dict[tuple[Path, Hashable, int], list[int]] = defaultdict(list)
    seen: Counter[tuple[Path, Hashable]] = Counter()  # what is listed twice stays so
    files: dict[Path, set[Path]] = defaultdict(set)
    for place, (record, own) in enumerate(zip(records, apart, strict=True)):
        if image := found.image_of.get(record.path):
            together[image, own, seen[record.path, own]].append(place)
            seen[record.path, own] += 1
            files[image].add(record.path)
    torn = [
        image.name
        for image, paths in files.items()
        if len({frozenset(of_file[path]) for path in paths}) > 1
    ]
    if torn:
        raise StudyError(
            f"the files of {len(torn)} images differ in label, group or part: "
            f"{enumerate_some(torn, most=3)}",
            remedy="Give all files of an image the same, or another --channel-pattern",
        )
    joined = [
        (places[0], _one(image, [records[place] for place in places]))
        for (image, *_), places in together.items()
    ]
    return joined, found.notes


def _one(image: Path, records: Sequence[Record]) -> Record:
    first = records[0]
    if image == first.path:
        return first
    lead = first.path.as_posix().removesuffix(first.name)
    whole = image.as_posix()
    groups = {
        name: "|".join(dict.fromkeys(record.groups[name] for record in records))
        for name in first.groups
    }
    name = whole.removeprefix(lead) if lead != first.path.as_posix() else whole
    return replace(first, path=image, name=name, groups=groups, pixel_hash="")
