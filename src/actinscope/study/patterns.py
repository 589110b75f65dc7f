"""Columns from folders and names of files: a folder level, a regular expression or a template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from actinscope.errors import SettingsError, UsageError
from actinscope.study.guess import GROUP
from actinscope.study.records import RESERVED_COLUMNS, forbidden_characters, tidy

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)?\}")
_NAMED_PLACEHOLDER = re.compile(r"\{[A-Za-z_]\w*\}")

#: From the path of an image below the data folder to values by column, None where nothing fits.
FromName = Callable[[str], Mapping[str, str] | None]


def _usable_column(name: str) -> str:
    name = tidy(name)
    if not name or forbidden_characters(name) or name.lower() in RESERVED_COLUMNS:
        raise SettingsError(
            f"{name!r} cannot be the name of a group column",
            remedy="Use a word such as field, slide, culture, plate, well or donor",
        )
    return name


def columns_of_names(
    *, level: int | None, pattern: str | None, column: str | None
) -> tuple[FromName, tuple[str, ...]]:
    """What a folder level or a pattern finds in the path of an image, and in which columns.

    Args:
        level: of the folder below the data folder, from 1.
        pattern: as for :func:`list_study`; one of the two is given.
        column: its name, where the pattern names none; ``group`` where None.

    Returns:
        a function from the path below the data folder to values by column, or to None where the
        path does not fit; and the columns, of which the first, or the one called ``column``, is
        the group.

    Raises:
        SettingsError: a pattern, a level or the name of a column is unusable.
        UsageError: both are given.
    """
    if level is not None and pattern is not None:
        raise UsageError(
            "the group is to come from a folder level and from a pattern",
            remedy="Give only one of the two",
        )
    name = _usable_column(column or GROUP)
    if pattern is not None:
        return by_pattern(pattern, name)
    assert level is not None
    if level < 1:
        raise SettingsError(
            f"the group's folder level is {level}", remedy="The first level below DATA is 1"
        )

    def group(path: str) -> Mapping[str, str] | None:
        folders = path.split("/")[:-1]
        return {name: tidy(folders[level - 1])} if len(folders) >= level else None

    return group, (name,)


def by_pattern(pattern: str, column: str) -> tuple[FromName, tuple[str, ...]]:
    """The same for a pattern."""
    template = _NAMED_PLACEHOLDER.search(pattern) is not None
    try:
        compiled = re.compile(_from_template(pattern) if template else pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingsError(
            f"the pattern {pattern!r} is not a regular expression ({error})",
            remedy=r"Examples: '^(xy\d+)' or '(?P<field>.+)_cell' or '{field}_cell{}'",
        ) from error
    columns = tuple(
        found if found == column else _usable_column(found) for found in compiled.groupindex
    ) or (column,)
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
