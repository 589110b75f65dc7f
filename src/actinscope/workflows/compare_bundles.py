"""Predicting with several bundles the labelled images that none of them was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from actinscope.audit import with_changed_copies
from actinscope.bundle import BundleInfo, load_bundle
from actinscope.cells import CropReader
from actinscope.images import ReadOptions
from actinscope.predict import Predictor, predict_records
from actinscope.progress import Progress, StepCounter
from actinscope.requests import StudySource
from actinscope.runs import (
    AlignedRuns,
    Candidate,
    ImageKey,
    ListedImage,
    TrainingProvenance,
    align,
    common_images,
    fingerprint_study,
    read_labelled,
    require_same_classes,
    training_provenance,
)
from actinscope.study import TEST, Fingerprints, Manifest, Record


@dataclass(frozen=True, eq=False)
class PredictedAnew:
    """Predictions of all bundles, and what pictures of the images are made from.

    Attributes:
        aligned: the runs on the images that all could predict.
        infos: name -> what the bundle says of itself.
        records: image -> record, as the first bundle reads it.
        problems: (name, message) of the images that could not be used.
    """

    aligned: AlignedRuns
    infos: Mapping[str, BundleInfo]
    records: Mapping[ImageKey, Record]
    problems: tuple[tuple[str, str], ...]


def predict_anew(
    runs: Mapping[str, Path],
    source: StudySource,
    *,
    options: ReadOptions | None,
    progress: Progress,
) -> PredictedAnew:
    """Predict the labelled images of ``source`` with the bundle of each run.

    ``runs`` are folders of runs or bundles (folder or zip) by name; without ``options`` files are
    read as each bundle was trained.

    Raises:
        BundleError, StudyError: what the rooms below say, or no image is left.
    """
    bundles = {name: load_bundle(path) for name, path in runs.items()}
    require_same_classes({name: bundle.info.classes for name, bundle in bundles.items()})
    known = {name: training_provenance(bundle) for name, bundle in bundles.items()}
    looking = any(one.thumbnails is not None for one in known.values())
    studies = _Studies(source, progress, observing=looking)
    found = {
        name: studies.read(one.info, one.info.reading(options)) for name, one in bundles.items()
    }
    manifests = {name: one.manifest for name, one in found.items()}
    everything = {one.key: one for manifest in manifests.values() for one in manifest.records}
    candidates = [
        _candidate(
            name,
            bundle.info.classes,
            manifests[name],
            everything,
            training=with_changed_copies(known[name], found[name], progress),
        )
        for name, bundle in bundles.items()
    ]
    keys, _ = common_images(candidates)
    problems = dict(studies.problems)
    for number, (name, bundle) in enumerate(bundles.items()):
        records = {record.key: record for record in manifests[name].records}
        counter = StepCounter(progress, f"Predicting with {name}")
        reader = CropReader(bundle.info.reading(options))
        predictor = Predictor(bundle)
        said = predict_records(predictor, [records[key] for key in keys], reader, progress=counter)
        errors = {key: error for key, error in zip(keys, said.errors, strict=True) if error}
        for key, error in errors.items():
            problems.setdefault(records[key].title, error)
        tested = candidates[number].tested
        # Calibrated, as in all other results; NaN for the images that nobody was asked about.
        probabilities = np.full((len(tested), len(bundle.info.classes)), np.nan)
        rows = [tested[key] for key in keys]
        probabilities[rows] = predictor.rules.probabilities(said.output)
        candidates[number] = replace(
            candidates[number],
            tested={key: row for key, row in tested.items() if key not in errors},
            probabilities=probabilities,
        )
    first = next(iter(manifests.values()))
    aligned = align(candidates, group=first.group or "none")
    return PredictedAnew(
        aligned=replace(aligned, notes=(*first.notes, *studies.notes, *aligned.notes)),
        infos={name: bundle.info for name, bundle in bundles.items()},
        records={record.key: record for record in first.records},
        problems=tuple(problems.items()),
    )


def _candidate(
    name: str,
    classes: tuple[str, ...],
    manifest: Manifest,
    everything: Mapping[ImageKey, Record],
    *,
    training: TrainingProvenance,
) -> Candidate:
    """A bundle before it predicts."""
    own = {record.key: record for record in manifest.records}
    listed = {key: _listed(own.get(key, record), training) for key, record in everything.items()}
    return Candidate(
        name=name,
        classes=classes,
        tested={key: row for row, key in enumerate(own)},
        listed=listed,
        training=training,
        group=manifest.group,
        hashes={key: record.pixel_hash for key, record in own.items()},
    )


def _listed(record: Record, training: TrainingProvenance) -> ListedImage:
    """An image of which one bundle is asked.

    Its pixels have been looked up in what trained this bundle. No others are compared with
    them: bundles that read fields in other ways see other pixels of the same cell.
    """
    part = training.images.get(record.pixel_hash, TEST)
    return ListedImage(record.name, record.object_id, record.label, part, "", record.groups)


class _Studies:
    """Reads the images once for each way in which bundles want them."""

    def __init__(self, source: StudySource, progress: Progress, *, observing: bool) -> None:
        self._source = source
        self._progress = progress
        self._observing = observing
        self._read: dict[tuple[ReadOptions, int | None], Fingerprints] = {}
        self.notes: tuple[str, ...] = ()

    def read(self, info: BundleInfo, options: ReadOptions) -> Fingerprints:
        """The readable images with their hashes; the test part where parts are named."""
        wanted = (options, info.crop_size)
        if wanted not in self._read:
            listed, self.notes = read_labelled(self._source, info, options)
            self._read[wanted] = fingerprint_study(
                listed, CropReader(options), self._progress, observing=self._observing
            )
        return self._read[wanted]

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """(name, message) of what could not be read."""
        return tuple(problem for one in self._read.values() for problem in one.unreadable)
