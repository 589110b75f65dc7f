"""Labelled images for a delivered bundle: of the kind that trained it, and its test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actinscope.bundle import BundleInfo
from actinscope.errors import SettingsError, StudyError
from actinscope.images import ReadOptions
from actinscope.requests import StudySource
from actinscope.runs.prepare import read_study, records_of
from actinscope.study import TEST, Manifest, Record
from actinscope.training import Recipe


def read_labelled(
    source: StudySource, info: BundleInfo, options: ReadOptions
) -> tuple[Manifest, tuple[str, ...]]:
    """The images that test a bundle, and notes: the test part, where the manifest names parts.

    Crops are as large as in training unless the user chose otherwise.

    Raises:
        StudyError: the images are of another kind than those that trained the bundle, a label
            is none of its classes, none is marked as test, or as `read_study` says.
    """
    trained_on = info.crop_size
    cells = replace(source, crop_size=source.crop_size or trained_on)
    try:
        manifest = read_study(cells, Recipe(images=options), least_classes=1)
    except SettingsError as error:
        if trained_on is None or source.crop_size is not None:
            raise
        raise _other_kind(source.data, trained_on) from error  # there is nothing to crop
    if (manifest.crop_size is None) != (trained_on is None):
        raise _other_kind(source.data, trained_on)
    manifest, notes = _test_part(manifest)
    check_labels(manifest.records, info.classes, manifest.root)
    return manifest, notes


def check_labels(records: Sequence[Record], classes: Sequence[str], where: Path) -> None:
    """Refuse labels that are none of the bundle's classes.

    Raises:
        StudyError: names the first of them.
    """
    unknown = sorted({record.label for record in records} - set(classes))
    if unknown:
        raise StudyError(
            f"the bundle does not know the label {unknown[0]!r}",
            where=where,
            remedy=f"Its classes are {', '.join(classes)}: rename the folder or the label",
        )


def _test_part(manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """The test part where the manifest names parts, and a note on what is left out."""
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
        "they are left out, as they cannot test it"
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
