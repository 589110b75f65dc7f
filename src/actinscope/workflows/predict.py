"""The whole job of ``actinscope predict``: new images into a CSV, and their levels into others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actinscope.bundle import Bundle, load_bundle
from actinscope.predict import PredictOptions, PredictSummary, predict_files, read_group_columns
from actinscope.progress import Progress, StepCounter
from actinscope.requests import PredictRequest, SummariseRequest
from actinscope.runs import (
    level_file,
    level_rule,
    require_new_file,
    training_provenance,
    unit_header,
)
from actinscope.study import columns_of_names
from actinscope.training import LevelSettings
from actinscope.workflows.summarise import summarise_predictions


@dataclass(frozen=True)
class PredictOutcome:
    """What came of the images, and lines on the levels that they were summed up to."""

    summary: PredictSummary
    lines: tuple[str, ...] = ()


def predict(request: PredictRequest, progress: Progress) -> PredictOutcome:
    """Write a row for each image or cell, and a CSV for each level.

    Raises:
        UsageError, OutputError, BundleError, ManifestError: as
            :func:`actinscope.predict.predict_files` does.
        StudyError: a level that is no column of the predictions.
    """
    levels = request.levels or LevelSettings()
    bundle = load_bundle(request.bundle)
    tables = _level_tables(request, levels, bundle)
    summary = predict_files(
        bundle,
        request.images,
        request.output,
        options=PredictOptions(
            masks=request.masks,
            objects=request.objects,
            manifest=request.manifest,
            group=request.group,
            group_level=request.group_level,
            group_pattern=request.group_pattern,
            as_written=request.as_written,
            crop_size=request.crop_size,
            match_pixel_size=request.match_pixel_size,
            batch_size=request.batch_size,
            precision=request.precision,
            views=request.views,
            read_options=request.options,
            trained_on=training_provenance(bundle).images,
            progress=StepCounter(progress, "Predicting"),
        ),
    )
    lines: list[str] = []
    for level, table in tables.items():
        one = levels.model_copy(update={"by": (level,)})
        lines += summarise_predictions(SummariseRequest(request.output, one, table))
    return PredictOutcome(summary, tuple(lines))


def _level_tables(
    request: PredictRequest, levels: LevelSettings, bundle: Bundle
) -> dict[str, Path]:
    """Level -> its CSV, beside that of the cells; what cannot be shows before any image is read."""
    columns: tuple[str, ...] = ()
    if request.manifest is not None and levels.by:
        columns = read_group_columns(request.manifest, request.images).columns
    if request.group_level is not None or request.group_pattern is not None:
        columns += columns_of_names(
            level=request.group_level, pattern=request.group_pattern, column=request.group
        )[1]
    tables: dict[str, Path] = {}
    taken: set[str] = set()
    for level in levels.by:
        rule = level_rule(
            level,
            levels,
            columns=("path", *columns),
            header=lambda rule: unit_header(rule, bundle.info.classes, labelled=False),
            where=request.manifest or request.images[0],
        )
        name = f"{request.output.stem}_{level_file(rule.name, taken)}"
        tables[level] = request.output.with_name(name).with_suffix(request.output.suffix)
        require_new_file(tables[level])
    return tables
