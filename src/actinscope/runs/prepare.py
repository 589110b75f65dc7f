"""From a folder or manifest to what training needs: split, preprocessing, pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actinscope.cells import CropReader
from actinscope.images import Image
from actinscope.networks import NetworkEntry
from actinscope.predict import ScaledImages, require_free_columns
from actinscope.preprocess import NetworkInput, Preprocess, fit_preprocess, require_one_kind
from actinscope.progress import Progress, StepCounter
from actinscope.requests import StudySource
from actinscope.study import (
    Fingerprints,
    Manifest,
    Record,
    Split,
    fingerprint,
    list_study,
    split,
)
from actinscope.temporary import Releaser, temporary_array
from actinscope.training import LabelledImages, Recipe, TrainingData
from actinscope.wording import counted

_READERS = 2


@dataclass(frozen=True, eq=False)
class PreparedStudy:
    """All that is decided before the first training step.

    ``images`` holds the scaled images of all parts, ``data`` those that are trained on.
    ``reading`` says what was done on reading the training images, such as a projection;
    ``split_origin`` whether the parts were drawn with the seed, or given.
    """

    split: Split
    fingerprints: Fingerprints
    images: ScaledImages
    data: TrainingData
    reading: tuple[str, ...] = ()
    split_origin: Literal["seed", "manifest", "caller"] = "seed"

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing, fitted on the training part."""
        return self.images.preprocess


def read_study(source: StudySource, recipe: Recipe, *, least_classes: int = 2) -> Manifest:
    """The manifest of a study, from its CSV or its folders; one class is enough to test a model.

    Raises:
        StudyError: as :func:`list_study` does, or a column has a name that predictions.csv
            uses itself.
    """
    manifest = list_study(source, recipe.images, least_classes=least_classes)
    require_free_columns(manifest.group_columns, source.manifest or source.data)
    return manifest


def fingerprint_study(
    manifest: Manifest,
    reader: CropReader,
    progress: Progress,
    *,
    observing: bool = False,
    training: Recipe | None = None,
) -> Fingerprints:
    """Read every image once: who is broken, who is a duplicate, and what the audit needs.

    The notes of the manifest are said first, while it costs nothing to stop and change something.

    Raises:
        StudyError: nothing could be read, or images cannot be trained together as ``training``
            asks for.
    """
    for note in manifest.notes:
        progress.say(f"note: {note}")
    counter = StepCounter(progress, "Reading images")
    found = fingerprint(manifest, reader=reader, progress=counter, observing=observing)
    if training is not None:
        names = [record.name for record in found.manifest.records]
        require_one_kind(names, found.kinds, training.preprocess)
    return found


def prepare(
    fingerprints: Fingerprints,
    entry: NetworkEntry,
    recipe: Recipe,
    *,
    reader: CropReader,
    progress: Progress,
    parts: Split | None = None,
    folder: Path | None = None,
) -> PreparedStudy:
    """Split (unless ``parts`` is given), fit the preprocessing on the training part, load.

    Images that together are too large for the memory go into a temporary file in ``folder``.

    Raises:
        StudyError, SettingsError, ImageError: what the rooms below say.
    """
    shares = (recipe.split.train, recipe.split.validation, recipe.split.test)
    chosen = parts or split(fingerprints.manifest, seed=recipe.seed, fractions=shares)
    manifest = chosen.manifest
    training, validation, test = (
        records_of(manifest, part) for part in ("train", "validation", "test")
    )
    network = network_input(entry, recipe)
    noted: dict[str, list[str]] = {}
    images = images_of(training, reader, progress, "Measuring intensities")
    preprocess = fit_preprocess(_noting(images, noted), recipe.preprocess, network)
    # The test part too, although it is used after hours of training: what does not fit must
    # show now.
    records = [*training, *validation, *test]
    images = images_of(records, reader, progress, "Loading images")
    array = scaled_array(images, len(records), preprocess, folder)
    rows = {(record.path, record.region): row for row, record in enumerate(records)}
    labels, trained = labels_of(records, manifest.classes), len(training)
    used = trained + len(validation)
    data = TrainingData(
        train=LabelledImages(array[:trained], labels[:trained]),
        validation=LabelledImages(array[trained:used], labels[trained:used]),
        classes=manifest.classes,
    )
    given = all(record.part for record in fingerprints.manifest.records)
    return PreparedStudy(
        split=chosen,
        fingerprints=fingerprints,
        images=ScaledImages(preprocess, reader, array, rows),
        data=data,
        reading=_summed_up(noted),
        split_origin="caller" if parts is not None else "manifest" if given else "seed",
    )


def network_input(entry: NetworkEntry, recipe: Recipe) -> NetworkInput:
    """The network's input contract, with the recipe's input size if it names one."""
    size = recipe.network.input_size
    return entry.input if size is None else replace(entry.input, size=size)


def records_of(manifest: Manifest, part: str) -> list[Record]:
    """The records of one part, in the manifest's order."""
    return [record for record in manifest.records if record.part == part]


def images_of(
    records: Sequence[Record], reader: CropReader, progress: Progress, phase: str
) -> Iterator[Image]:
    """Images of records in order, read ahead by a few threads, never all at once."""
    progress.phase(phase, len(records))
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(records), 32):
            some = records[start : start + 32]
            yield from pool.map(lambda record: reader.read(record.path, record.region), some)
            progress.advance(len(some))


def _noting(images: Iterator[Image], noted: dict[str, list[str]]) -> Iterator[Image]:
    """Pass ``images`` on, and gather their notes; notes that differ in numbers are one kind."""
    for image in images:
        for note in image.notes:
            noted.setdefault(re.sub(r"[0-9]+", "N", note), []).append(note)
        yield image


def _summed_up(noted: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(
        f"{counted(len(notes), 'training image')}"
        f"{', for example' if len(set(notes)) > 1 else ''}: {notes[0]}"
        for notes in noted.values()
    )


def labels_of(records: Sequence[Record], classes: Sequence[str]) -> NDArray[np.int64]:
    """(N,) class index of every record."""
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index[record.label] for record in records], dtype=np.int64)


def scaled_array(
    images: Iterator[Image], count: int, preprocess: Preprocess, folder: Path | None
) -> NDArray[np.float32]:
    """``count`` images as the preprocessing scales them, (N, S, S, K) float32 in 0..1.

    Raises:
        ImageError: one does not fit the preprocessing.
    """
    shape = (count, preprocess.size, preprocess.size, len(preprocess.planes))
    array = temporary_array(shape, np.float32, folder)
    releaser = Releaser([array])
    for place, image in enumerate(images):
        array[place] = preprocess.to_scaled(image)
        releaser.touched(array[place].nbytes)
    return array
