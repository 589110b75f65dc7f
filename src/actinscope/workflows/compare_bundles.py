"""Letting several bundles predict the same labelled images, which none of them has learnt from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import Bundle, load_bundle
from actinscope.cells import CropReader
from actinscope.errors import StudyError
from actinscope.images import ReadOptions
from actinscope.predict import Predictor, predict_records
from actinscope.progress import Progress, StepCounter
from actinscope.runs import (
    AlignedRuns,
    ImageKey,
    StudySource,
    check_labels,
    familiar_groups,
    fingerprint_study,
    keep_test_part,
    labels_of,
    read_labelled,
    training_provenance,
    unreadable,
)
from actinscope.study import Fingerprints, Manifest, Record


@dataclass(frozen=True, eq=False)
class PredictedAnew:
    """Predictions of all bundles, and what pictures of the images are made from.

    Attributes:
        aligned: the runs on the images that all could predict.
        bundles: name -> bundle.
        records: image -> record, as the first bundle reads it.
        problems: (name, message) of the images that could not be used.
    """

    aligned: AlignedRuns
    bundles: Mapping[str, Bundle]
    records: Mapping[ImageKey, Record]
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class _Predicted:
    """Calibrated probabilities (N, K), NaN where there is a message in ``errors``."""

    probabilities: NDArray[np.float64]
    errors: tuple[str, ...]


def predict_anew(
    runs: Mapping[str, Path],
    source: StudySource,
    *,
    options: ReadOptions | None,
    progress: Progress,
) -> PredictedAnew:
    """Predict the labelled images of ``source`` with the bundle of each run.

    Args:
        runs: name -> folder of a run, or its bundle (folder or zip).
        source: the images, labels and groups.
        options: how to read files; None as each bundle was trained.
        progress: is told what is done.

    Raises:
        BundleError, StudyError: what the rooms below say, or no image is left.
    """
    bundles = {name: load_bundle(bundle_of(path)) for name, path in runs.items()}
    classes = _common_classes(bundles)
    studies = _Studies(source, classes, progress)
    manifests = {
        name: studies.read(options or bundle.info.read_options, bundle.info.crop_size)
        for name, bundle in bundles.items()
    }
    keys, lost = _unseen_by_all(bundles, manifests)
    first = next(iter(manifests.values()))
    problems = dict(studies.problems)
    outputs = {
        name: _predict(name, bundle, manifests[name], keys, options=options, progress=progress)
        for name, bundle in bundles.items()
    }
    failed: set[ImageKey] = set()
    for name, output in outputs.items():
        titles = {record.key: record.title for record in manifests[name].records}
        for key, error in zip(keys, output.errors, strict=True):
            if error:
                failed.add(key)
                problems.setdefault(titles[key], error)
    good = np.array([key not in failed for key in keys])
    if not good.any():
        raise StudyError("none of the images could be predicted", where=source.data)
    if failed:
        lost = (*lost, ("could not be predicted", len(failed)))
    records_by_key = {record.key: record for record in first.records}
    kept = [records_by_key[key] for key, ok in zip(keys, good, strict=True) if ok]
    return PredictedAnew(
        aligned=AlignedRuns(
            names=tuple(runs),
            classes=classes,
            keys=tuple(record.key for record in kept),
            labels=labels_of(kept, classes),
            probabilities=np.stack(
                [
                    outputs[name].probabilities[good][
                        :, [bundle.info.classes.index(one) for one in classes]
                    ]
                    for name, bundle in bundles.items()
                ]
            ),
            groups=tuple(map(first.group_of, kept)) if first.group else None,
            group=first.group,
            lost=lost,
            notes=(
                *first.notes,
                *studies.notes,
                *_pasts(bundles, replace(first, records=tuple(kept))),
            ),
        ),
        bundles=bundles,
        records=records_by_key,
        problems=tuple(problems.items()),
    )


def _predict(
    name: str,
    bundle: Bundle,
    manifest: Manifest,
    keys: Sequence[ImageKey],
    *,
    options: ReadOptions | None,
    progress: Progress,
) -> _Predicted:
    """What one bundle says of the images ``keys``, in their order."""
    of_key = {record.key: record for record in manifest.records}
    counter = StepCounter(progress, f"Predicting with {name}")
    reader = CropReader(options or bundle.info.read_options)
    predictor = Predictor(bundle)
    found = predict_records(predictor, [of_key[key] for key in keys], reader, progress=counter)
    # As all other figures are: calibrated, of an ensemble and of a single network alike.
    return _Predicted(predictor.judge.probabilities(found.output), found.errors)


def bundle_of(path: Path) -> Path:
    """The bundle of a run's folder, or ``path`` itself where that is the bundle."""
    return path / "bundle" if (path / "bundle").exists() else path


class _Studies:
    """Reads the images once for each way in which bundles want them."""

    def __init__(self, source: StudySource, classes: tuple[str, ...], progress: Progress) -> None:
        self._source = source
        self._classes = classes
        self._progress = progress
        self._read: dict[tuple[ReadOptions, int | None], Fingerprints] = {}
        self.notes: tuple[str, ...] = ()

    def read(self, options: ReadOptions, crop_size: int | None) -> Manifest:
        """The readable images with their hashes; the test part where parts are named."""
        wanted = (options, crop_size)
        if wanted not in self._read:
            listed, self.notes = keep_test_part(read_labelled(self._source, options, crop_size))
            check_labels(listed.records, self._classes, listed.root)
            self._read[wanted] = fingerprint_study(listed, CropReader(options), self._progress)
        return self._read[wanted].manifest

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """(name, message) of what could not be read."""
        return tuple(problem for one in self._read.values() for problem in unreadable(one))


def _common_classes(bundles: Mapping[str, Bundle]) -> tuple[str, ...]:
    first, *others = bundles.items()
    classes = first[1].info.classes
    for name, bundle in others:
        if set(bundle.info.classes) != set(classes):
            raise StudyError(
                f"{name} tells {', '.join(bundle.info.classes)} apart, and {first[0]} "
                f"{', '.join(classes)}",
                where=bundle.path,
                remedy="Compare runs with the same classes",
            )
    return classes


def _unseen_by_all(
    bundles: Mapping[str, Bundle], manifests: Mapping[str, Manifest]
) -> tuple[list[ImageKey], tuple[tuple[str, int], ...]]:
    """The images that all can read and none has learnt from, and why others are left out."""
    seen: dict[ImageKey, str] = {}
    for name, bundle in bundles.items():
        known = training_provenance(bundle).images
        for record in manifests[name].records:
            if record.pixel_hash in known:
                seen.setdefault(record.key, name)
    readable = [{record.key for record in manifest.records} for manifest in manifests.values()]
    everything = dict.fromkeys(
        record.key for manifest in manifests.values() for record in manifest.records
    )
    lost: Counter[str] = Counter()
    keys = []
    for key in everything:
        if key in seen:
            lost[f"{seen[key]} was trained on it"] += 1
        elif not all(key in one for one in readable):
            lost["could not be read for every bundle"] += 1
        else:
            keys.append(key)
    if not keys:
        raise StudyError(
            "no image is left that all bundles can predict and none was trained on "
            f"({'; '.join(f'{count}: {why}' for why, count in lost.items())})",
            where=next(iter(manifests.values())).root,
            remedy="Give images that none of them has seen",
        )
    return keys, tuple(lost.items())


def _pasts(bundles: Mapping[str, Bundle], compared: Manifest) -> tuple[str, ...]:
    """What is known of the images that the bundles have learnt from."""
    pasts = {name: training_provenance(bundle) for name, bundle in bundles.items()}
    told = [
        f"{name}: {note}"
        for name, known in pasts.items()
        for note in familiar_groups(compared, known)
    ]
    unknown = [name for name, known in pasts.items() if not known.complete]
    if unknown:
        told.append(
            f"what {' and '.join(unknown)} learnt from is not known here: that its model never "
            "saw these images is for you to make sure"
        )
    return tuple(told)
