"""Patches around the objects of fields, and as many of their background: a study of two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from actinscope.cells import CellObject, MaskTally
from actinscope.errors import ImageError, ManifestError, SettingsError, StudyError
from actinscope.images import ReadOptions, Region, image_shape
from actinscope.study.channel_files import join_rows
from actinscope.study.expand_fields import (
    FIELD_COLUMN,
    ManifestRow,
    automatic_crop_size,
    field_name,
    mask_of_field,
    refuse_repeats,
)
from actinscope.study.manifest import read_rows
from actinscope.study.records import Manifest, Record, absolute, forbidden_characters
from actinscope.study.table import read_table
from actinscope.wording import enumerate_some

FIELD_LABEL = "field_label"


BACKGROUND = "background"


class _Field(NamedTuple):
    image: Record
    covered: NDArray[np.bool_]  # (Y, X) whether a pixel belongs to an object
    objects: tuple[CellObject, ...]


def patches_of_fields(
    csv_path: Path,
    data: Path | None,
    *,
    crop_size: int | None = None,
    object_label: str = "cell",
    seed: int = 0,
    options: ReadOptions | None = None,
) -> Manifest:
    """One record for each object of each field, and as many of its background.

    Background patches lie within the field, hold no pixel of an object, are drawn by seed, and lie
    at least half a side apart in rows or columns. Where a field has no room for all of them, a
    note says so.

    Args:
        csv_path: CSV with the columns ``path`` (the field) and ``mask`` (its label image);
            all others are carried on, ``label`` under the name ``field_label``.
        data: the folder that paths are relative to; the CSV's folder where None.
        crop_size: side of the patches in pixels; None chooses it from the objects as for
            single-cell crops.
        object_label: class of the patches around objects.
        seed: of the choice of background patches.
        options: how the fields are read, and joined of several files.

    Raises:
        ManifestError: the CSV, a field or a mask is missing, broken or does not fit.
        SettingsError: a label that cannot be.
        StudyError: there is no object, or no room for any background patch.
    """
    if object_label in ("", BACKGROUND) or forbidden_characters(object_label):
        raise SettingsError(
            f"objects cannot be called {object_label!r}", remedy="Give a word such as nucleus"
        )
    root = absolute(csv_path.parent if data is None else data)
    table = read_table(csv_path, ("path", "mask"))
    rows = read_rows(table, root, labelled=False)
    options = options or ReadOptions()
    rows, joined = join_rows(rows, "", options.channel_pattern)
    refuse_repeats([(one.image, one.row.line) for one in rows], csv_path)
    has_label = "label" in table.columns
    tally = MaskTally()
    fields = [_read(one, options, tally, has_label=has_label) for one in rows]
    sides = [max(one.height, one.width) for field in fields for one in field.objects]
    if not sides:
        raise StudyError("none of the masks has an object", where=csv_path)
    side = crop_size or automatic_crop_size(sides)
    columns = tuple(fields[0].image.groups)
    records, lacking = _patches(fields, object_label, side=side, seed=seed)
    if all(record.label == object_label for record in records):
        raise StudyError(
            f"no field has room for a background patch of {side} pixels",
            where=csv_path,
            remedy="Choose smaller patches",
        )
    few = f"not enough background in {len(lacking)} fields: {enumerate_some(lacking)}"
    return Manifest(
        records=tuple(records),
        root=root,
        group=FIELD_COLUMN,
        group_columns=columns,
        crop_size=side,
        notes=(*joined, *tally.notes(), *((few,) if lacking else ())),
    )


def _read(one: ManifestRow, options: ReadOptions, tally: MaskTally, *, has_label: bool) -> _Field:
    image = one.image
    try:
        mask = mask_of_field(one, image_shape(image.path, options))
    except (ImageError, ManifestError) as error:
        where = error.where or one.row.table
        raise ManifestError(f"line {one.row.line}: {error.what}", where=where) from error
    tally.add(mask)
    groups = dict(image.groups)
    groups[FIELD_COLUMN] = groups.get(FIELD_COLUMN) or field_name(image.name)
    if has_label:
        groups[FIELD_LABEL] = groups.get(FIELD_LABEL) or image.label
    image = replace(image, label="", groups=groups, part="", pixel_hash="")
    return _Field(image, mask.labels > 0, mask.objects)


def _patches(
    fields: Sequence[_Field], object_label: str, *, side: int, seed: int
) -> tuple[list[Record], list[str]]:
    """All patches, and the fields that lack room for as many as they have objects."""
    records: list[Record] = []
    lacking: list[str] = []
    for number, field in enumerate(fields):
        wanted = len(field.objects)
        rng = np.random.default_rng([seed, 5, number])
        centres = background_centres(field.covered, side=side, count=wanted, rng=rng)
        if len(centres) < wanted:
            lacking.append(f"{field.image.name} {len(centres)} of {wanted}")
        regions = [
            (object_label, one.object_id, Region(one.y, one.x, side, side)) for one in field.objects
        ]
        regions += [
            (BACKGROUND, f"background-{place + 1}", Region(y, x, side, side))
            for place, (y, x) in enumerate(centres)
        ]
        records += [
            replace(field.image, label=label, object_id=name, region=region)
            for label, name, region in regions
        ]
    return records, lacking


def background_centres(
    covered: NDArray[Any],
    *,
    side: int,
    count: int,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Centres (y, x) of at most ``count`` square patches with no object in them.

    Args:
        covered: (Y, X) boolean, true where a pixel belongs to an object.
        side: of the patches in pixels; they lie wholly within the field.
        count: how many are wanted.
        rng: draws them.
    """
    height, width = covered.shape
    if side > min(height, width):
        return []
    # Sums over all windows from a table of sums over all corners (Crow 1984).
    table = np.zeros((height + 1, width + 1), np.int64)
    table[1:, 1:] = covered.astype(np.int64).cumsum(axis=0).cumsum(axis=1)
    inside = table[side:, side:] - table[:-side, side:] - table[side:, :-side]
    free = inside + table[:-side, :-side] == 0
    apart = max(1, side // 2)
    centres: list[tuple[int, int]] = []
    while len(centres) < count and free.any():
        place = int(rng.choice(np.flatnonzero(free)))
        top, left = divmod(place, free.shape[1])
        rows = slice(max(0, top - apart + 1), top + apart)
        free[rows, max(0, left - apart + 1) : left + apart] = False
        centres.append((top + side // 2, left + side // 2))
    return centres
