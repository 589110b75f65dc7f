"""Reading every image once: what cannot be read, and what is there twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.cells import CropReader
from actinscope.errors import ImageError, StudyError
from actinscope.images import ImageKind
from actinscope.study.image_statistics import ImageStatistics, measure_statistics
from actinscope.study.records import Manifest, Record
from actinscope.study.thumbnails import Thumbnail
from actinscope.wording import enumerate_some

# Reading waits for the disk and then decodes with the lock released: two are enough
# to keep the disk busy, and few enough to share a small machine.
_READERS = 2


@dataclass(frozen=True)
class FileProblem:
    """One image that cannot be used, and why."""

    path: Path
    name: str
    message: str


@dataclass(frozen=True)
class Fingerprints:
    """What reading every image once has shown.

    Attributes:
        manifest: the readable records, each with its ``pixel_hash``.
        problems: the others, in the order of the manifest.
        duplicates: names of records with the same pixels, one tuple for each set.
        kinds: channels and bit depth of each readable record, in the order of ``manifest``.
        changed: names of records whose pixels are not those that the manifest recorded.
        observations: what the audit needs of each readable record, in the order of
            ``manifest``; empty where it was not asked for.
    """

    manifest: Manifest
    problems: tuple[FileProblem, ...]
    duplicates: tuple[tuple[str, ...], ...]
    kinds: tuple[ImageKind, ...] = ()
    changed: tuple[str, ...] = ()
    observations: tuple[ImageStatistics, ...] = ()

    @property
    def thumbnails(self) -> dict[str, Thumbnail]:
        """Of different pixels by their hash; none where nothing was kept for the audit."""
        return {
            record.pixel_hash: one.sketch
            for record, one in zip(self.manifest.records, self.observations, strict=False)
        }

    @property
    def unreadable(self) -> tuple[tuple[str, str], ...]:
        """(name, message) of the images that could not be read; the message names no folder."""
        return tuple(
            (problem.name, problem.message.removeprefix(f"{problem.path}: "))
            for problem in self.problems
        )


def fingerprint(
    manifest: Manifest,
    *,
    reader: CropReader,
    progress: Callable[[int, int], None] | None = None,
    observing: bool = False,
) -> Fingerprints:
    """Hash the pixels of every record (the crop, where it is a cell of a field).

    The hash is SHA-256 over dtype, shape and bytes (little endian) of the pixels as
    read, so that one picture stored in two formats has one hash.

    Args:
        manifest: the study.
        reader: reads the images; with the same options as later in training.
        progress: called with (done, total) after each record.
        observing: keep what the audit needs, so that it need not read them again.

    Raises:
        StudyError: no image, or no image of one of the classes, could be read.
    """
    kept: list[Record] = []
    problems: list[FileProblem] = []
    kinds: list[ImageKind] = []
    changed: list[str] = []
    observations: list[ImageStatistics] = []
    total = len(manifest.records)
    pool = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="fingerprint")
    try:
        results = pool.map(lambda record: _look(record, reader, observing), manifest.records)
        for done, (record, result) in enumerate(
            zip(manifest.records, results, strict=True), start=1
        ):
            if isinstance(result, FileProblem):
                problems.append(result)
            else:
                pixel_hash, kind, observation = result
                kinds.append(kind)
                kept.append(replace(record, pixel_hash=pixel_hash))
                if record.pixel_hash not in ("", pixel_hash):
                    changed.append(record.title)
                if observation is not None:
                    observations.append(observation)
            if progress is not None:
                progress(done, total)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    _require_every_class(manifest, kept, problems)
    return Fingerprints(
        manifest=replace(manifest, records=tuple(kept)),
        problems=tuple(problems),
        duplicates=_duplicates(kept),
        kinds=tuple(kinds),
        changed=tuple(changed),
        observations=tuple(observations),
    )


def _look(
    record: Record, reader: CropReader, observing: bool
) -> tuple[str, ImageKind, ImageStatistics | None] | FileProblem:
    try:
        image = reader.read(record.path, record.region)
    except ImageError as error:
        return FileProblem(record.path, record.title, str(error))
    statistics = measure_statistics(record, image) if observing else None
    return hash_of_pixels(image.pixels), image.kind, statistics


def hash_of_pixels(pixels: NDArray[Any]) -> str:
    """Hexadecimal SHA-256 of the pixels of an image or crop, as :func:`fingerprint` takes it."""
    little = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False))
    digest = hashlib.sha256(f"{little.dtype.str} {little.shape} ".encode())
    digest.update(little.data)
    return digest.hexdigest()


def _require_every_class(
    manifest: Manifest, kept: Sequence[Record], problems: Sequence[FileProblem]
) -> None:
    lost = sorted(set(manifest.classes) - {record.label for record in kept})
    if not lost:
        return
    first = f"the first problem: {problems[0].message}" if problems else "the manifest is empty"
    what = "no image could be read"
    if kept:
        what = f"no image of {enumerate_some(map(repr, lost))} could be read"
    raise StudyError(f"{what}; {first.rstrip('.')}", where=manifest.root)


def _duplicates(records: Sequence[Record]) -> tuple[tuple[str, ...], ...]:
    by_hash: dict[str, list[str]] = {}
    for record in records:
        by_hash.setdefault(record.pixel_hash, []).append(record.title)
    return tuple(tuple(names) for names in by_hash.values() if len(names) > 1)
