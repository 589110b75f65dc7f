"""From a CSV or folders to a manifest: labels, parts and groups of all images."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from actinscope.errors import SettingsError, StudyError, UsageError
from actinscope.images import FoundImages, ReadOptions, files_of, find_images
from actinscope.requests import StudySource
from actinscope.study.channel_files import join_channel_files
from actinscope.study.guess import GROUP, Guess, guess_groups
from actinscope.study.layout import LAYOUT, Layout, find_layout
from actinscope.study.manifest import NO_GROUP, read_manifest
from actinscope.study.patterns import by_pattern, columns_of_names
from actinscope.study.records import (
    Manifest,
    Record,
    absolute,
    forbidden_characters,
    is_missing,
    tidy,
)
from actinscope.study.spelling import join_spellings
from actinscope.wording import counted, enumerate_some, plural, spoken


def list_study(
    source: StudySource, options: ReadOptions | None = None, *, least_classes: int = 2
) -> Manifest:
    """List the images of a study with their labels and groups, from a CSV or from folders.

    Without a CSV the label is the name of the folder at ``source.label_level`` (see
    :func:`actinscope.study.layout.find_layout` where that is None) or what
    ``source.label_pattern`` finds, and folders called train, val and test are the parts of the
    split. ``source.group_level`` takes the folder at a level below ``data`` as the group,
    ``source.group_pattern`` a piece of the file name, or of the path below ``data`` where the
    pattern holds a ``/``: either a regular expression, whose named groups become columns (else
    its first group, else the whole match), or a template such as ``{field}_cell{}`` for the file
    name without suffix. ``source.group`` then names the column.

    The same group name in two classes is taken as one group: a plate that holds two
    classes is the same plate. A note says so.

    Args:
        source: where images, labels and groups come from.
        options: how fields with masks are read; None for the defaults.
        least_classes: 2 to train, 1 to test a model.

    Raises:
        StudyError: no class folders, images beside the class folders, fewer than
            ``least_classes``, or file names that give no label or no group.
        ManifestError: the CSV is broken.
        SettingsError: a pattern, a level or the name of the group is unusable.
        UsageError: options contradict each other, or exclude nothing.
    """
    options = options or ReadOptions()
    scanning = source.group_level is not None or source.group_pattern is not None
    others: tuple[int, ...] = ()
    if source.manifest is None:
        manifest, others = _from_folders(source)
    else:
        manifest = _from_csv(source, options, scanning=scanning)
    if len(manifest.classes) < least_classes:
        raise StudyError(
            f"there is only one class, {manifest.classes[0]!r}",
            where=manifest.root,
            remedy=f"A classifier needs two. {LAYOUT}",
        )
    if scanning:
        manifest = _with_groups(manifest, source)
    if source.manifest is None or scanning:
        manifest = join_channel_files(manifest, options.channel_pattern)
    if source.manifest is None and not scanning:
        manifest = _with_guesses(manifest, source, others)
    return manifest


def _from_folders(source: StudySource) -> tuple[Manifest, tuple[int, ...]]:
    """The images with labels and parts, and the folder levels that are neither."""
    data = absolute(source.data)
    if not data.is_dir():
        raise StudyError("the data folder is not there", where=data, remedy=LAYOUT)
    found = find_images([data])
    if not found.paths:
        raise StudyError("there is no image in this folder", where=data, remedy=LAYOUT)
    every = {path.relative_to(data).as_posix(): path for path in found.paths}
    left = _left_out(source, {name: name.split("/") for name in every})
    paths = {name: path for name, path in every.items() if name not in left}
    _require_usable_names(paths, data)
    layout = find_layout(
        list(paths),
        data,
        label_level=source.label_level,
        label_pattern=source.label_pattern is not None,
    )
    label_of = _label_of(source, layout)
    records = tuple(
        Record(path=path, name=name, label=label_of(name), part=layout.part_of(name))
        for name, path in paths.items()
    )
    if unnamed := [record.name for record in records if not record.label]:
        raise StudyError(
            f"{len(unnamed)} of {len(records)} images have no label: "
            f"{enumerate_some(unnamed, most=3)}",
            where=data,
            remedy="Change --label-pattern so that it fits every image, or leave images out with "
            "--exclude",
        )
    joined: tuple[str, ...] = ()
    if not source.as_written:
        _refuse_missing(records, data)
        records, joined = join_spellings(records, ())
    notes = (*layout.notes, *joined, *_said_of_exclusion(left), *found.notes())
    notes = (*notes, *_empty_folders(data, every, found))
    return Manifest(records, data, notes=notes), layout.others


def _label_of(source: StudySource, layout: Layout) -> Callable[[str], str]:
    if source.label_pattern is not None:
        find, columns = by_pattern(source.label_pattern, "label")
        wanted = "label" if "label" in columns else columns[0]
        return lambda name: (find(name) or {}).get(wanted, "")
    level = layout.label
    assert level is not None
    return lambda name: tidy(name.split("/")[level - 1])


def _refuse_missing(records: Sequence[Record], data: Path) -> None:
    if missing := sorted({record.label for record in records if is_missing(record.label)}):
        raise StudyError(
            f"the class {missing[0]!r} is a word for a missing value",
            where=data,
            remedy=f"Leave it out with --exclude {missing[0]}, rename it, or give --as-written "
            "where it is a class",
        )


def _left_out(source: StudySource, words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Name of an image that ``--exclude`` leaves out -> the word for which; ``words`` of each.

    Raises:
        UsageError: a word leaves out nothing, or all.
    """
    left: dict[str, str] = {}
    for wanted in source.exclude:
        pattern = tidy(wanted).casefold()
        hits = [
            name
            for name, own in words.items()
            if any(fnmatchcase(tidy(word).casefold(), pattern) for word in own)
        ]
        if not hits or len(left | dict.fromkeys(hits)) == len(words):
            raise UsageError(
                f"--exclude {wanted} leaves out {'every image' if hits else 'nothing'}",
                where=source.manifest or source.data,
                remedy="Give the name of a class, a folder or a file; * stands for any letters",
            )
        left |= dict.fromkeys(hits, wanted)
    return left


def _said_of_exclusion(left: Mapping[str, str]) -> tuple[str, ...]:
    counts = Counter(left.values())
    return tuple(
        f"{counted(count, 'image')} left out by --exclude {word}" for word, count in counts.items()
    )


def _empty_folders(data: Path, names: Iterable[str], found: FoundImages) -> tuple[str, ...]:
    results = {path.relative_to(data).parts[0] for path in found.results}
    used = {name.partition("/")[0] for name in names} | results
    empty = sorted(
        folder.name
        for folder in data.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in used
    )
    return (f"folders without an image: {enumerate_some(empty)}",) if empty else ()


def _require_usable_names(names: Iterable[str], data: Path) -> None:
    bad = [ascii(name) for name in names if forbidden_characters(name)]
    if bad:
        raise StudyError(
            f"{len(bad)} names hold control characters or broken letters: {enumerate_some(bad)}",
            where=data,
            remedy="Rename these files or folders",
        )
    if any(not tidy(folder) for name in names for folder in name.split("/")):
        raise StudyError("a folder has an empty name", where=data, remedy="Rename it")


def _from_csv(source: StudySource, options: ReadOptions, *, scanning: bool) -> Manifest:
    assert source.manifest is not None
    data = absolute(source.data)
    manifest = read_manifest(
        source.manifest,
        data,
        group=None if scanning else source.group,
        crop_size=source.crop_size,
        options=options,
        as_written=source.as_written,
    )
    left = _left_out(
        source, {one.title: [*one.name.split("/"), one.label] for one in manifest.records}
    )
    notes = (*manifest.notes, *_said_of_exclusion(left))
    if scanning and manifest.crop_size is None:  # else masks lie beside the fields
        listed = {file for record in manifest.records for file in files_of(record.path)}
        others = [path for path in find_images([data]).paths if path not in listed]
        if others:
            names = enumerate_some(path.relative_to(data).as_posix() for path in others)
            missing = f"{len(others)} images have no row in {source.manifest.name}: {names}"
            notes = (*notes, missing)
    records = tuple(record for record in manifest.records if record.title not in left)
    return dataclasses.replace(manifest, records=records, notes=notes)


def _with_groups(manifest: Manifest, source: StudySource) -> Manifest:
    """With the columns that a folder level or a pattern gives."""
    find, columns = columns_of_names(
        level=source.group_level, pattern=source.group_pattern, column=source.group
    )
    chosen = next((name for name in columns if name == tidy(source.group or GROUP)), columns[0])
    records: list[Record] = []
    unmatched: list[str] = []
    for record in manifest.records:
        values = find(_first_file(record))
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
    joined, notes = (records, ()) if source.as_written else join_spellings(records, columns)
    if all(record.groups[chosen] == record.label for record in joined):
        raise SettingsError(
            f"the group {chosen!r} is the class itself",
            where=manifest.root,
            remedy="Give the folder level or the pattern of what must stay together",
        )
    return dataclasses.replace(
        manifest,
        records=tuple(joined),
        group=chosen,
        group_columns=tuple(dict.fromkeys((*manifest.group_columns, *columns))),
        notes=(*manifest.notes, *notes, *_shared_between_classes(joined, chosen)),
    )


def _first_file(record: Record) -> str:
    """The name of a record, or of the first of its files."""
    return files_of(Path(record.name))[0].as_posix()


def _with_guesses(manifest: Manifest, source: StudySource, others: Sequence[int]) -> Manifest:
    """With columns guessed from folders and file names, and one of them, or none, as the group."""
    names = list(map(_first_file, manifest.records))
    guesses, group = guess_groups(names, [record.label for record in manifest.records], others)
    columns = {guess.column: guess for guess in guesses}
    if source.group is not None:
        group = None if source.group == NO_GROUP else tidy(source.group)
        if group is not None and group not in columns:
            raise StudyError(
                f"nothing in folders and file names looks like a {group!r}",
                where=manifest.root,
                remedy=f"Found: {', '.join(columns) or 'nothing'}. Say where it stands with "
                "--group-level or --group-pattern, or give --manifest CSV with such a column",
            )
        # The others go, so that the CSV that `scan` writes leaves no doubt.
        columns = {} if group is None else {group: columns[group]}
    records: Sequence[Record] = [
        dataclasses.replace(
            record, groups={name: tidy(guess.values[place]) for name, guess in columns.items()}
        )
        for place, record in enumerate(manifest.records)
    ]
    joined, notes = (records, ()) if source.as_written else join_spellings(records, list(columns))
    if group is not None:
        apart = columns[group].apart if source.label_pattern is None else ""
        notes = (*notes, *_shared_between_classes(joined, group, apart))
    said = (_said_of_guesses(columns, group),) if columns and source.group is None else ()
    return dataclasses.replace(
        manifest,
        records=tuple(joined),
        group=group,
        group_columns=tuple(columns),
        notes=(*manifest.notes, *said, *notes),
    )


def _said_of_guesses(columns: Mapping[str, Guess], group: str | None) -> str:
    if group is None:
        return (
            f"images may belong together by {', '.join(columns)}, but some class has fewer than "
            "three of each to split by: image more of them, or accept a split by image with "
            "--group none"
        )
    others = " or ".join(f"--group {name}" for name in columns if name != group)
    guess = columns[group]
    return (
        f"images of one {group} are kept together, as guessed from {guess.origin} "
        f"({guess.examples}). If that is wrong: --group none{' or ' + others if others else ''}"
    )


def _shared_between_classes(
    records: Sequence[Record], group: str, apart: str = ""
) -> tuple[str, ...]:
    """A note on groups of several classes; the pattern ``apart`` would tell them apart."""
    labels: dict[str, set[str]] = {}
    for record in records:
        labels.setdefault(record.groups[group], set()).add(record.label)
    shared = [name for name, found in labels.items() if len(found) > 1]
    if not shared:
        return ()
    remedy = (
        f'. If each class has {plural(group)} of its own: --group-pattern "{apart}"'
        if apart
        else ""
    )
    return (
        f"{len(shared)} of {len(labels)} {plural(group)} occur in more than one class and are "
        f"taken as one {spoken(group)} each: {enumerate_some(shared, most=3)}{remedy}",
    )
