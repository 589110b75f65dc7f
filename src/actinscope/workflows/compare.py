"""The whole job of ``actinscope compare``: several models on the same images or folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import BundleInfo
from actinscope.cells import CropReader
from actinscope.errors import ImageError, SettingsError, UsageError
from actinscope.evaluation import (
    Comparison,
    compare_classifiers,
    comparison_verdict,
    images_for_half_width,
    pair_sentence,
)
from actinscope.names import RunFile
from actinscope.progress import Progress
from actinscope.report import (
    ComparedRun,
    ComparisonContent,
    ContestedImage,
    Page,
    RunAnswer,
    displayed,
    flatten,
    write_comparison,
)
from actinscope.requests import CompareRequest
from actinscope.runs import (
    AlignedRuns,
    Candidate,
    ImageKey,
    RunContext,
    RunFolder,
    align,
    read_run,
    whole,
)
from actinscope.study import Record, hash_of_pixels, read_manifest
from actinscope.training import Recipe
from actinscope.workflows.compare_folds import FOLD_TABLES, compare_folds, is_crossvalidation

_POINT = 0.01
_PICTURES = 36  # of one kind
_TABLES = ("report.html", "comparison.csv", "pairs.csv", "disagreements.csv")


@dataclass(frozen=True)
class CompareOutcome:
    """What came out.

    Attributes:
        folder: where ``files`` lie.
        files: the page, where there is one, and the tables.
        lines: to be shown, the verdict first.
    """

    folder: Path
    files: tuple[str, ...]
    lines: tuple[str, ...]


@whole
def compare_runs(request: CompareRequest, progress: Progress) -> CompareOutcome:
    """Compare models and write tables, and of single runs also figures and a report.

    Raises:
        UsageError: fewer than two runs, one of them twice, or the output folder is in use.
        StudyError: a run is broken, or no image is left that all can be compared on, or
            cross-validations do not have the same folds.
        BundleError: a bundle is broken.
    """
    named = name_runs(request.runs)
    if any(map(is_crossvalidation, request.runs)):
        return _fold_by_fold(request)
    runs = {name: read_run(path) for name, path in named.items()}
    candidates = [Candidate.of_run(name, run) for name, run in runs.items()]
    aligned = align(candidates, group=request.group)
    for note in (*(f"{count} left out: {why}" for why, count in aligned.lost), *aligned.notes):
        progress.say(f"note: {note}")
    compared = compare_classifiers(
        aligned.names,
        aligned.labels,
        aligned.probabilities,
        classes=aligned.classes,
        groups=aligned.groups,
        seed=request.seed,
    )
    gallery = _gallery_of(runs, request.images)
    content = _content(
        request, runs, aligned=aligned, compared=compared, gallery=gallery, progress=progress
    )
    write_comparison(content, request.output)
    return CompareOutcome(
        folder=request.output,
        files=_TABLES,
        lines=(content.verdict.sentence, *(f"- {sentence}" for sentence in content.sentences)),
    )


def name_runs(paths: Sequence[Path]) -> dict[str, Path]:
    """Name each run by the shortest end of its path that tells it from the others.

    Raises:
        UsageError: fewer than two paths, or one folder twice.
    """
    places = [path.resolve() for path in paths]
    if len(places) < 2:
        raise UsageError("one run alone cannot be compared", remedy="Give two runs or more")
    for place in places:
        if places.count(place) > 1:
            raise UsageError("is given twice", where=place, remedy="Give each run once")
    longest = max(len(place.parts) for place in places)
    ends = ["/".join(place.parts[-1:]) for place in places]
    for length in range(2, longest + 1):
        if len(set(ends)) == len(ends):
            break
        ends = [
            "/".join(place.parts[-length:]) if ends.count(end) > 1 else end
            for place, end in zip(places, ends, strict=True)
        ]
    return dict(zip(ends, paths, strict=True))


def _fold_by_fold(request: CompareRequest) -> CompareOutcome:
    given = {"images": request.images, "group": request.group}
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"--{name} does nothing with folders of `train --folds`", remedy="Leave it out"
            )
    return CompareOutcome(request.output, FOLD_TABLES, compare_folds(request.runs, request.output))


@dataclass(frozen=True, eq=False)
class _Gallery:
    """Pictures of the images that runs disagree on, as the network of one run sees them.

    Attributes:
        run: name of that run.
        info: of its bundle; None makes no pictures.
        reader: reads the images.
        records: image -> record.
        hashes: image -> SHA-256 that its pixels must have; one that differs is not shown.
    """

    run: str = ""
    info: BundleInfo | None = None
    reader: CropReader = field(default_factory=CropReader)
    records: Mapping[ImageKey, Record] = field(default_factory=dict)
    hashes: Mapping[ImageKey, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """How the pictures were made, or why there are none."""
        if self.info is None:
            return "For pictures of them, give the folder of the images with --images."
        return f"The pictures show the cells as the network of {self.run} gets them."

    def pictures(
        self, keys: Sequence[ImageKey], progress: Progress
    ) -> dict[ImageKey, NDArray[np.uint8]]:
        """Image -> uint8 (H, W) or (H, W, 3), of those that can be shown.

        What is missing, broken or not the image that was predicted is said and left out.
        """
        if self.info is None:
            return {}
        found: dict[ImageKey, NDArray[np.uint8]] = {}
        progress.phase("Making pictures", len(keys))
        for key in keys:
            record = self.records.get(key)
            if record is None:
                progress.say(f"no picture: {key[0]}: not among the images")
                continue
            try:
                image = self.reader.read(record.path, record.region)
                scaled = self.info.preprocess.to_scaled(image)
            except (ImageError, SettingsError) as error:
                progress.say(f"no picture: {record.title}: {error}")
                continue
            if self.hashes.get(key, "") in ("", hash_of_pixels(image.pixels)):
                found[key] = displayed(scaled)
            else:
                progress.say(f"no picture: {record.title}: the file has changed since the run")
            progress.advance(1)
        return found


def _gallery_of(runs: Mapping[str, RunFolder], images: Path | None) -> _Gallery:
    """Pictures from the folder ``images``, which the manifest of the first run names files in."""
    if images is None:
        return _Gallery()
    for name, run in runs.items():
        if run.info is not None and run.images:
            options = run.info.read_options
            listed = read_manifest(
                run.path / RunFile.MANIFEST,
                images,
                group="none",
                options=options,
                as_written=True,
            )
            return _Gallery(
                run=name,
                info=run.info,
                reader=CropReader(options),
                records={record.key: record for record in listed.records},
                hashes={image.key: image.pixel_hash for image in run.images},
            )
    raise UsageError(
        "no run has a manifest and a bundle, so there is nothing to make pictures with",
        remedy="Leave out --images, or give a folder that `actinscope train` wrote",
    )


def _content(
    request: CompareRequest,
    runs: Mapping[str, RunFolder],
    *,
    aligned: AlignedRuns,
    compared: Comparison,
    gallery: _Gallery,
    progress: Progress,
) -> ComparisonContent:
    infos = [run.info for run in runs.values() if run.info is not None]
    synthetic = any(info.synthetic for info in infos)
    contested, wrong = (
        _images(aligned, places.tolist(), gallery, progress)
        for places in (compared.contested, compared.all_wrong)
    )
    return ComparisonContent(
        page=Page(
            title=f"{' or '.join(aligned.classes[:3])}: {len(aligned.names)} runs compared",
            question=(
                f"Which of the runs {', '.join(aligned.names)} tells "
                f"{', '.join(aligned.classes)} apart best? All are evaluated on the same "
                f"{len(aligned.keys)} images: the test images that they have in common and that "
                "none of them was trained on."
            ),
            synthetic=synthetic,
            notices=_notices(runs),
            **vars(RunContext.now(request.command)),
        ),
        verdict=comparison_verdict(
            compared,
            synthetic=synthetic,
            random_weights=any(info.random_weights for info in infos),
            group=aligned.group,
        ),
        comparison=compared,
        runs=tuple(
            ComparedRun(
                name=name,
                network=run.info.network.title if run.info is not None else "",
                images_for_one_point=images_for_half_width(one.metrics["accuracy"].value, _POINT),
            )
            for (name, run), one in zip(runs.items(), compared.evaluations, strict=True)
        ),
        sentences=tuple(pair_sentence(compared, pair) for pair in compared.pairs),
        contested=contested,
        all_wrong=wrong,
        differing=differing_settings([run.recipe for run in runs.values()]),
        group=aligned.group,
        pictures=gallery.sentence,
        lost=aligned.lost,
        notes=aligned.notes,
    )


def _notices(runs: Mapping[str, RunFolder]) -> tuple[str, ...]:
    """What users of each bundle must know; said once where several say the same."""
    said: dict[str, list[str]] = {}
    for name, run in runs.items():
        for notice in run.info.notices if run.info is not None else ():
            said.setdefault(notice, []).append(name)
    return tuple(f"{', '.join(names)}: {notice}" for notice, names in said.items())


def _images(
    aligned: AlignedRuns, places: Sequence[int], gallery: _Gallery, progress: Progress
) -> tuple[ContestedImage, ...]:
    """The images at ``places`` with every run's answer; the first of them with pictures."""
    keys = [aligned.keys[place] for place in places]
    pixels = gallery.pictures(keys[:_PICTURES], progress)
    return tuple(
        ContestedImage(
            *key,
            label=aligned.classes[int(aligned.labels[place])],
            group=aligned.groups[place] if aligned.groups is not None else "",
            answers=tuple(_answer(aligned, run, place) for run in range(len(aligned.names))),
            pixels=pixels.get(key),
        )
        for key, place in zip(keys, places, strict=True)
    )


def _answer(aligned: AlignedRuns, run: int, place: int) -> RunAnswer:
    chances = aligned.probabilities[run, place]
    best = int(np.argmax(chances))
    return RunAnswer(
        run=aligned.names[run],
        predicted=aligned.classes[best],
        probability=float(chances[best]),
        probability_of_label=float(chances[aligned.labels[place]]),
    )


def differing_settings(
    recipes: Sequence[Recipe | None],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(setting, one value a run) of the settings that are not the same in all recipes.

    A run without a recipe has the value "not known", which by itself is no difference.
    """
    flat = [dict(flatten(one.model_dump(mode="json"))) if one else None for one in recipes]
    known = [one for one in flat if one is not None]
    names = dict.fromkeys(name for one in known for name in one)
    return tuple(
        (name, tuple("not known" if one is None else one.get(name, "not set") for one in flat))
        for name in names
        if len({one.get(name) for one in known}) > 1
    )
