"""Augmented copies of every image, written as files before anything is divided.

The paper multiplies its images first and divides them afterwards. So that both orders can be
trained on by the ordinary pipeline, the copies are made once, each from its own seed, and every
protocol takes those that it may have: which copy looks how depends on nothing but the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.cells import CropReader
from actinscope.errors import SettingsError, StudyError
from actinscope.files import atomic_path, make_folder, remove_partial_files
from actinscope.images import Image, ReadOptions
from actinscope.preprocess import AugmentSettings, augment
from actinscope.progress import Progress, StepCounter
from actinscope.study import Fingerprints, Manifest, Record, fingerprint

COPY_OF = "copy_of"
"""Column of the image that a copy was made of: its name, and its object where it has one."""

COPY = "copy"
"""Column of the number of a copy; 0 is the image as it is."""

READ_COPIES = ReadOptions(allow_constant=True)
"""How copies are read: they are plain TIFF files, whatever the originals were."""

_STREAM = 0xC0B1  # keeps these draws apart from those of the training


def write_copies(
    fingerprints: Fingerprints,
    settings: AugmentSettings,
    *,
    copies: int,
    seed: int,
    reader: CropReader,
    folder: Path,
    progress: Progress,
) -> Manifest:
    """Write ``copies`` files of every readable image into ``folder``; return their manifest.

    Copy 0 is the image itself, the others are augmented, with the values, type and channel
    names of the image. Files that are there already are kept. Records have the groups of
    their image, its set of near copies, and the columns :data:`COPY_OF` and :data:`COPY`; the
    pixels' hashes are set. Parts that the study gives are left out: each protocol divides anew.

    Raises:
        SettingsError: the settings change intensities, or ``copies`` is below 1.
        StudyError: the study has a column of one of these names.
        OutputError: the disk cannot be written.
    """
    _check_settings(settings)
    manifest = list_copies(fingerprints.manifest, copies=copies, folder=folder)
    make_folder(folder)
    remove_partial_files(folder)
    originals = _in_order(fingerprints.manifest)
    progress.phase("Writing augmented copies", len(originals))
    for number, record in enumerate(originals):
        wanted = {copy: _path(folder, number, copy) for copy in range(copies)}
        _write_missing(record, wanted, settings, seed=(seed, number), reader=reader)
        progress.advance()
    counter = StepCounter(progress, "Reading copies")
    found = fingerprint(manifest, reader=CropReader(READ_COPIES), progress=counter)
    if found.problems:
        raise StudyError(
            f"a copy that was just written cannot be read: {found.problems[0].message}",
            where=found.problems[0].path,
            remedy="Check the disk, delete the folder of copies and start again",
        )
    return found.manifest


def list_copies(study: Manifest, *, copies: int, folder: Path) -> Manifest:
    """The manifest of all copies before any is written; only unchanged images have a hash.

    Raises:
        SettingsError: ``copies`` is below 1.
        StudyError: the study has a column of one of the names that copies need.
    """
    _check_study(study, copies)
    records = [
        Record(
            path=_path(folder, number, copy),
            name=_path(folder, number, copy).name,
            label=record.label,
            groups={**record.groups, COPY_OF: record.title, COPY: str(copy)},
            pixel_hash="" if copy else record.pixel_hash,
            copy_set=record.copy_set,
        )
        for number, record in enumerate(_in_order(study))
        for copy in range(copies)
    ]
    return replace(
        study,
        records=tuple(records),
        root=folder,
        group_columns=(*study.group_columns, COPY_OF, COPY),
        crop_size=None,
    )


def originals_of(manifest: Manifest) -> Manifest:
    """The study without its augmented copies."""
    records = tuple(record for record in manifest.records if record.groups[COPY] == "0")
    return replace(manifest, records=records)


def vary(image: Image, settings: AugmentSettings, rng: np.random.Generator) -> NDArray[Any]:
    """One variant of an image in its own type: (C, Y, X), values within those of the image."""
    pixels = image.pixels
    values = pixels.astype(np.float64)
    low, high = min(0.0, float(values.min())), float(values.max())
    if not high > low:
        return pixels.copy()
    unit = np.moveaxis((values - low) / (high - low), 0, -1).astype(np.float32)
    varied = np.moveaxis(augment(unit, settings, rng), -1, 0).astype(np.float64)
    back = varied * (high - low) + low
    if pixels.dtype.kind in "iu":
        back = np.rint(back)
    result: NDArray[Any] = np.ascontiguousarray(back.astype(pixels.dtype))
    return result


def _in_order(study: Manifest) -> list[Record]:
    # By name, so that which copy looks how does not depend on the order of the rows.
    return sorted(study.records, key=lambda record: record.key)


def _path(folder: Path, number: int, copy: int) -> Path:
    return folder / f"{number:06d}_{copy:02d}.tif"


def _check_settings(settings: AugmentSettings) -> None:
    changed = [
        name for name in ("intensity_gain", "gamma", "noise", "blur") if getattr(settings, name)
    ]
    if changed:
        raise SettingsError(
            f"{', '.join(changed)} cannot be given to copies that are written before the "
            "intensities are scaled",
            where="augmentation",
            remedy="Set it to 0: the paper's augmentation moves pixels only",
        )


def _check_study(study: Manifest, copies: int) -> None:
    if copies < 1:
        raise SettingsError(f"copies is {copies}", remedy="Make at least 1 image of each")
    taken = sorted({COPY_OF, COPY} & set(study.group_columns))
    if taken:
        raise StudyError(
            f"the study has a column {taken[0]!r}, which copies need for themselves",
            where=study.root,
            remedy="Rename the column",
        )


def _write_missing(
    record: Record,
    wanted: Mapping[int, Path],
    settings: AugmentSettings,
    *,
    seed: tuple[int, int],
    reader: CropReader,
) -> None:
    missing = {copy: path for copy, path in wanted.items() if not path.exists()}
    if not missing:
        return
    image = reader.read(record.path, record.region)
    for copy, path in missing.items():
        rng = np.random.default_rng([_STREAM, *seed, copy])
        _write(path, image, vary(image, settings, rng) if copy else image.pixels)


def _write(path: Path, image: Image, pixels: NDArray[Any]) -> None:
    import tifffile

    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
    with atomic_path(path) as temporary:
        if image.is_colour:
            tifffile.imwrite(temporary, np.moveaxis(pixels, 0, -1), photometric="rgb")
            return
        metadata: dict[str, Any] = {"axes": "CYX", "Channel": {"Name": list(image.channel_names)}}
        if pixels.dtype.kind == "u" and np.log2(image.value_range[1] + 1).is_integer():
            metadata["SignificantBits"] = int(np.log2(image.value_range[1] + 1))
        # The suffix .tif alone does not make tifffile write the names of the channels.
        tifffile.imwrite(temporary, pixels, ome=True, photometric="minisblack", metadata=metadata)
