"""Labelled images for a delivered bundle: of the right kind, and none that trained it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actinscope.errors import SettingsError, StudyError
from actinscope.experiment.prepare import StudySource, read_study, records_of
from actinscope.images import ReadOptions
from actinscope.study import TEST, TRAIN, VALIDATION, Manifest
from actinscope.study.table import read_table
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


def unseen(manifest: Manifest, bundle: Path) -> tuple[Manifest, tuple[str, ...]]:
    """Without the images that trained the bundle, where its run is still around it, and a note.

    Raises:
        StudyError: no image is left.
    """
    known = known_to(bundle)
    unseen = tuple(record for record in manifest.records if record.pixel_hash not in known)
    others = len(manifest.records) - len(unseen)
    if not others:
        return manifest, ()
    if not unseen:
        raise StudyError(
            "the model was trained on all of these images, so they test nothing",
            where=manifest.root,
            remedy="Give images that it never saw; how it does on its own is in the metrics.json "
            "of its run",
        )
    note = (
        f"the model was trained on {others} of the {len(manifest.records)} images; they are left "
        "out here, as they test nothing"
    )
    return replace(manifest, records=unseen), (note,)


def known_to(bundle: Path, column: str = "sha256") -> frozenset[str]:
    """Values of ``column`` among the images that trained the bundle; by default their hashes.

    Empty where the bundle does not lie in its run any more.
    """
    return frozenset(value for (value,) in units_known_to(bundle, (column,)))


def units_known_to(bundle: Path, columns: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """Values of several columns together, without those of which one is empty."""
    run = bundle.absolute().parent
    if not all((run / name).is_file() for name in ("recipe.toml", "manifest.csv")):
        return frozenset()  # a manifest.csv alone may be of any study
    rows = read_table(run / "manifest.csv").rows
    known = (
        tuple(row.get(column) for column in columns)
        for row in rows
        if row.get("part") in {TRAIN, VALIDATION}
    )
    return frozenset(values for values in known if all(values))


def familiar_groups(manifest: Manifest, bundle: Path) -> tuple[str, ...]:
    """A note where images come from groups of which others trained the bundle."""
    if manifest.group is None:
        return ()
    known = known_to(bundle, manifest.group)
    familiar = sum(manifest.group_of(record) in known for record in manifest.records)
    if not familiar:
        return ()
    return (
        f"{familiar} of the {len(manifest.records)} images come from a {manifest.group} of which "
        "other images trained the model: the result is an upper bound for a new one",
    )


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
