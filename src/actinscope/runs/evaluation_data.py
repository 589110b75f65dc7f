"""Labelled images for a delivered bundle: of the right kind, and the test part where parts are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actinscope.errors import SettingsError, StudyError
from actinscope.images import ReadOptions
from actinscope.runs.prepare import StudySource, read_study, records_of
from actinscope.study import TEST, Manifest
from actinscope.training import Recipe


def read_labelled(source: StudySource, options: ReadOptions, trained_on: int | None) -> Manifest:
    """The manifest, with crops as large as in training unless the user chose otherwise.

    Raises:
        StudyError: the images are of another kind than those that trained the bundle, or
            as `read_study` says.
    """
    cells = replace(source, crop_size=source.crop_size or trained_on)
    try:
        manifest = read_study(cells, Recipe(images=options))
    except SettingsError as error:
        if trained_on is None or source.crop_size is not None:
            raise
        raise _other_kind(source.data, trained_on) from error  # there is nothing to crop
    if (manifest.crop_size is None) != (trained_on is None):
        raise _other_kind(source.data, trained_on)
    return manifest


def keep_test_part(manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """The test part where the manifest names parts, and a note: what trained tests nothing.

    Raises:
        StudyError: the manifest names parts, and no image is marked as test.
    """
    tested = tuple(records_of(manifest, TEST))
    others = len(manifest.records) - len(tested)
    if not any(record.part for record in manifest.records) or not others:
        return manifest, ()
    if not tested:
        raise StudyError(
            "the manifest marks all images as train or validation, none as test",
            where=manifest.root,
            remedy="Empty the column part to evaluate all of them",
        )
    note = (
        f"the manifest marks {others} of {len(manifest.records)} images as train or validation; "
        "they are left out here, as they test nothing"
    )
    return replace(manifest, records=tested), (note,)


def _other_kind(where: Path, trained_on: int | None) -> StudyError:
    if trained_on is None:
        return StudyError(
            "the bundle was trained on images of one cell each, and these are fields with cells",
            where=where,
            remedy="Crop the cells in the same way as for training, or leave out the columns "
            "that say where cells are",
        )
    return StudyError(
        f"the bundle was trained on crops of {trained_on} pixels around cells in fields, and "
        "nothing says where the cells are",
        where=where,
        remedy="Give --manifest CSV with a column mask, objects, or y and x",
    )
