"""From a folder of images to a manifest: labels and groups from folder and file names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from actinscope.errors import SettingsError, StudyError, UsageError
from actinscope.images import ReadOptions, files_of, list_images
from actinscope.study.channel_files import join_channel_files
from actinscope.study.manifest import read_manifest
from actinscope.study.records import (
    RESERVED_COLUMNS,
    Manifest,
    Record,
    absolute,
    forbidden_characters,
    tidy,
)
from actinscope.wording import enumerate_some

_LAYOUT = (
    "Put the images of each class into a folder of its own: DATA/wild_type/a.tif, "
    "DATA/knockout/b.tif; or give a CSV with the columns path and label"
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)?\}")
_NAMED_PLACEHOLDER = re.compile(r"\{[A-Za-z_]\w*\}")

# From the name of a record to its group values by column, None where nothing fits.
_Grouping = Callable[[str], Mapping[str, str] | None]


def scan_folder(
    data: Path,
    *,
    group_level: int | None = None,
    group_pattern: str | None = None,
    group_name: str = "group",
    labels_csv: Path | None = None,
    crop_size: int | None = None,
    options: ReadOptions | None = None,
    least_classes: int = 2,
) -> Manifest:
    """List the images below ``data`` with their labels and groups.

    Args:
        data: the folder; its first level of folders are the classes.
        group_level: take the folder at this level below ``data`` as the group. Level 1
            is the class, so the group is at level 2 or deeper:
            ``DATA/wild_type/plate1/a.tif`` has the group ``plate1`` at level 2.
        group_pattern: take the group from the file name, or from the path below
            ``data`` where the pattern holds a ``/``. Either a regular expression,
            whose named groups become columns (else its first group, else the whole
            match), or a template such as ``{field}_cell{}`` for the file name without
            suffix.
        group_name: the name of the group column.
        labels_csv: a manifest with the labels, instead of the folders.
        crop_size: see :func:`read_manifest`; only with ``labels_csv``.
        options: how images are read, and joined of several files; None for the defaults.
        least_classes: 2 to train, 1 to test a model.

    The same group name in two classes is taken as one group: a plate that holds two
    classes is the same plate. A note says so.

    Raises:
        StudyError: no class folders, images beside the class folders, fewer than
            ``least_classes``, or file names that give no group.
        ManifestError: ``labels_csv`` is broken.
        SettingsError: ``group_pattern``, ``group_level`` or ``group_name`` is unusable.
        UsageError: both ``group_level`` and ``group_pattern`` are given.
    """
    data = absolute(data)
    if not data.is_dir():
        raise StudyError("the data folder is not there", where=data, remedy=_LAYOUT)
    if group_level is not None and group_pattern is not None:
        raise UsageError(
            "the group is to come from a folder level and from a pattern",
            remedy="Give only one of the two",
        )
    group_name = _usable_column(group_name)
    options = options or ReadOptions()
    grouping, columns = _grouping(group_level, group_pattern, group_name)
    if labels_csv is None:
        manifest = _from_folders(data)
    else:
        manifest = _from_csv(Path(labels_csv), data, crop_size, options)
    if len(manifest.classes) < least_classes:
        raise StudyError(
            f"there is only one class, {manifest.classes[0]!r}",
            where=manifest.root,
            remedy=f"A classifier needs two. {_LAYOUT}",
        )
    if grouping is not None:
        chosen = group_name if group_name in columns else columns[0]
        manifest = _with_groups(manifest, grouping, columns, chosen)
    return join_channel_files(manifest, options.channel_pattern)


def _from_folders(data: Path) -> Manifest:
    paths = list_images([data])
    if not paths:
        raise StudyError("there is no image in this folder", where=data, remedy=_LAYOUT)
    names = [path.relative_to(data).as_posix() for path in paths]
    loose = [name for name in names if "/" not in name]
    if loose:
        raise StudyError(
            f"{len(loose)} of {len(names)} images lie directly in this folder, "
            f"outside any class folder: {enumerate_some(loose, most=3)}",
            where=data,
            remedy=_LAYOUT,
        )
    _require_usable_names(names, data)
    records = tuple(
        Record(path=path, name=name, label=tidy(name.partition("/")[0]))
        for path, name in zip(paths, names, strict=True)
    )
    with_images = {name.partition("/")[0] for name in names}
    empty = sorted(
        folder.name
        for folder in data.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in with_images
    )
    notes = (f"folders without an image: {enumerate_some(empty)}",) if empty else ()
    return Manifest(records, data, notes=notes)


def _require_usable_names(names: Sequence[str], data: Path) -> None:
    bad = [ascii(name) for name in names if forbidden_characters(name)]
    if bad:
        raise StudyError(
            f"{len(bad)} names hold control characters or broken letters: {enumerate_some(bad)}",
            where=data,
            remedy="Rename these files or folders",
        )
    if any(not name.partition("/")[0].strip() for name in names):
        raise StudyError("a class folder has an empty name", where=data, remedy="Rename it")


def _from_csv(
    labels_csv: Path, data: Path, crop_size: int | None, options: ReadOptions
) -> Manifest:
    manifest = read_manifest(labels_csv, data, crop_size=crop_size, options=options)
    if manifest.crop_size is not None:
        return manifest  # masks lie beside the fields and are images without a label
    listed = {file for record in manifest.records for file in files_of(record.path)}
    unlisted = [p.relative_to(data).as_posix() for p in list_images([data]) if p not in listed]
    if not unlisted:
        return manifest
    note = f"{len(unlisted)} images have no row in {labels_csv.name}: {enumerate_some(unlisted)}"
    return dataclasses.replace(manifest, notes=(*manifest.notes, note))


def _usable_column(name: str) -> str:
    name = tidy(name)
    if not name or forbidden_characters(name) or name.lower() in RESERVED_COLUMNS:
        raise SettingsError(
            f"{name!r} cannot be the name of a group column",
            remedy="Use a word such as field, slide, culture, plate, well or donor",
        )
    return name


def _grouping(
    level: int | None, pattern: str | None, name: str
) -> tuple[_Grouping | None, tuple[str, ...]]:
    if level is not None:
        return _by_level(level, name), (name,)
    if pattern is not None:
        return _by_pattern(pattern, name)
    return None, ()


def _by_level(level: int, column: str) -> _Grouping:
    if level < 2:
        raise SettingsError(
            f"the group's folder level is {level}",
            remedy="Level 1 is the class, so the group is at level 2 or deeper",
        )

    def group(name: str) -> Mapping[str, str] | None:
        folders = name.split("/")[:-1]
        return {column: tidy(folders[level - 1])} if len(folders) >= level else None

    return group


def _by_pattern(pattern: str, column: str) -> tuple[_Grouping, tuple[str, ...]]:
    template = _NAMED_PLACEHOLDER.search(pattern) is not None
    try:
        compiled = re.compile(_from_template(pattern) if template else pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingsError(
            f"the group pattern {pattern!r} is not a regular expression ({error})",
            remedy=r"Examples: '^(xy\d+)' or '(?P<field>.+)_cell' or '{field}_cell{}'",
        ) from error
    columns = tuple(_usable_column(found) for found in compiled.groupindex) or (column,)
    whole_path = "/" in pattern

    def group(name: str) -> Mapping[str, str] | None:
        text = name if whole_path else PurePosixPath(name).name
        if template:
            text = str(PurePosixPath(text).with_suffix(""))
        match = compiled.fullmatch(text) if template else compiled.search(text)
        if match is None:
            return None
        if compiled.groupindex:
            return {key: tidy(value or "") for key, value in match.groupdict().items()}
        return {column: tidy(match.group(1 if compiled.groups else 0) or "")}

    return group, columns


def _from_template(template: str) -> str:
    """The regular expression for a template: ``{field}`` is a column, ``{}`` anything."""
    pieces, end = [], 0
    for place in _PLACEHOLDER.finditer(template):
        pieces.append(re.escape(template[end : place.start()]))
        pieces.append(f"(?P<{place.group(1)}>.+?)" if place.group(1) else ".*")
        end = place.end()
    return "".join([*pieces, re.escape(template[end:])])


def _with_groups(
    manifest: Manifest, grouping: _Grouping, columns: tuple[str, ...], chosen: str
) -> Manifest:
    records: list[Record] = []
    unmatched: list[str] = []
    for record in manifest.records:
        values = grouping(files_of(Path(record.name))[0].as_posix())
        if values is None or not values[chosen]:
            unmatched.append(record.name)
        else:
            records.append(dataclasses.replace(record, groups={**record.groups, **values}))
    if unmatched:
        raise StudyError(
            f"{len(unmatched)} of {len(manifest.records)} images have no {chosen!r}: "
            f"{enumerate_some(unmatched, most=3)}",
            where=manifest.root,
            remedy="Change the group pattern or folder level so that it fits every image",
        )
    everything = tuple(dict.fromkeys((*manifest.group_columns, *columns)))
    return dataclasses.replace(
        manifest,
        records=tuple(records),
        group=chosen,
        group_columns=everything,
        notes=(*manifest.notes, *_shared_between_classes(records, chosen)),
    )


def _shared_between_classes(records: Sequence[Record], group: str) -> tuple[str, ...]:
    labels: dict[str, set[str]] = {}
    for record in records:
        labels.setdefault(record.groups[group], set()).add(record.label)
    shared = [name for name, found in labels.items() if len(found) > 1]
    if not shared:
        return ()
    return (
        f"{len(shared)} of {len(labels)} groups occur in more than one class and are taken as "
        f"one group each: {enumerate_some(shared)}",
    )
