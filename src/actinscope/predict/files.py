"""Predicting files into a CSV: bad ones named, cut runs resumed, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from actinscope import __version__
from actinscope.bundle import Bundle
from actinscope.cells import CropReader
from actinscope.errors import ImageError, UsageError
from actinscope.files import csv_text, plain_file, require_table_name, require_table_size
from actinscope.images import Image, ReadOptions, file_state, files_of
from actinscope.predict.groups import read_group_columns
from actinscope.predict.partial import PartialOutput, check_writable
from actinscope.predict.pipeline import in_batches, predict_batches
from actinscope.predict.predictor import NetworkInputs, Predictor
from actinscope.predict.table import (
    identity,
    require_free_columns,
    require_replaceable,
    task_header,
    task_rows,
)
from actinscope.predict.tasks import Task, find_sources, tasks_from_masks, tasks_from_table
from actinscope.preprocess import AppearanceCounter, matched
from actinscope.study import columns_of_names, hash_of_pixels
from actinscope.wording import enumerate_some


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes:
        masks: label masks of the fields: a folder, or the file of the only field.
        objects: table of the objects in the fields (CellProfiler, or x and y columns).
        manifest: CSV whose columns are copied beside the predictions, matched by path.
        group: name of the column that ``group_level`` or ``group_pattern`` fills.
        group_level: folder level, below the folders given, that becomes a column.
        group_pattern: pattern of paths below the folders given, whose pieces become columns.
        as_written: do not join spellings of one value in the columns of the manifest.
        crop_size: side of the crops in pixels, instead of the bundle's.
        batch_size: rows that are written together; an interrupted run resumes at the start of
            such a batch. Neither memory nor speed depend on it.
        backend: ``auto``, ``openvino`` or ``onnxruntime``.
        precision: as of :class:`Predictor`.
        views: average over so many views; None for as many as the bundle says.
        match_pixel_size: bring images to the pixel size of the training.
        read_options: how to read files with z, time or scenes; what is not set is as in training.
        trained_on: SHA-256 of the pixels of images that trained the model, to say how many of
            them are predicted.
        progress: called with (rows done, rows in all) after each batch.
    """

    masks: Path | None = None
    objects: Path | None = None
    manifest: Path | None = None
    group: str | None = None
    group_level: int | None = None
    group_pattern: str | None = None
    as_written: bool = False
    crop_size: int | None = None
    batch_size: int = 32
    backend: str = "auto"
    precision: str = "auto"
    views: int | None = None
    match_pixel_size: bool = False
    read_options: ReadOptions | None = None
    trained_on: Collection[str] = ()
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class PredictSummary:
    """What came of it."""

    output: Path
    done: int  # rows with a prediction
    failed: int  # rows with an error
    problems: tuple[tuple[str, str], ...]  # (name, message) of each failed row, in order
    counts: Mapping[str, int]  # rows of each class, in the order of the bundle; "" is unfamiliar
    resumed: int  # rows that an earlier, interrupted run had already written
    notes: tuple[str, ...]  # the bundle's notices, and what was decided on the way
    backend: str  # the runtime that computed it


@dataclass(frozen=True)
class Plan:
    """The rows to be, before any image is read."""

    tasks: Sequence[Task]
    groups: tuple[str, ...]
    notes: tuple[str, ...]


def predict_files(
    bundle: Bundle,
    paths: Sequence[Path],
    output: Path,
    *,
    options: PredictOptions | None = None,
) -> PredictSummary:
    """Predict the images in ``paths`` (files and folders) and write one row for each.

    ``output`` is a CSV file or, by its name, a workbook (.xlsx). A file that cannot be used gets
    a row with the message, and the others are predicted. With masks or an objects table there is
    one row per cell. A run that was cut off is resumed when it is started again with the same
    bundle, files and options; the result has the same bytes as that of an unbroken run.

    Raises:
        UsageError: no images, none of the paths is there, options that contradict each
            other, or an output that is another file's name.
        OutputError: the output cannot be written; known before anything is computed.
        BundleError: no runtime can load the network.
        ManifestError: the manifest is broken.
    """
    options = options or PredictOptions()
    require_table_name(output)
    real = plain_file(output)
    check_writable(real, expected_bytes=1 << 16)
    require_replaceable(output)
    # A slip of the pen must not put a row of errors in the place of an earlier result.
    if paths and not any(file.exists() for path in paths for file in files_of(Path(path))):
        raise UsageError(
            "there is no such file or folder",
            where=paths[0],
            remedy="Check how the path is written; put names with spaces in quotes",
        )
    plan = plan_rows(bundle, paths, options)
    columns = len(task_header(plan.groups, bundle.info.classes, decisions=True))
    expected_bytes = sum(len(task.name.encode()) + 16 * columns for task in plan.tasks)
    check_writable(real, expected_bytes=expected_bytes)
    require_table_size(output, len(plan.tasks), columns)
    predictor = Predictor(
        bundle, backend=options.backend, precision=options.precision, views=options.views
    )
    seen = AppearanceCounter()
    met: list[str] = []
    partial, problems, counts = _write(predictor, plan, output, options, seen=seen, met=met)
    unlike = seen.unlike(
        bundle.info.appearance, unfamiliar=counts.get("", 0), total=sum(counts.values())
    )
    trained = (
        f"{len(met)} of these {len(plan.tasks)} images trained the model: that it names them right "
        "says nothing about new images"
    )
    notes = (*bundle.info.notices, *predictor.rules.notes, predictor.cost, *plan.notes, *unlike)
    notes = (*notes, trained if met else "")
    return PredictSummary(
        output=output,
        done=len(plan.tasks) - len(problems),
        failed=len(problems),
        problems=tuple(problems),
        counts=counts,
        resumed=len(partial.kept),
        notes=tuple(note for note in (*notes, predictor.fallback, partial.note) if note),
        backend=predictor.backend,
    )


def _write(
    predictor: Predictor,
    plan: Plan,
    output: Path,
    options: PredictOptions,
    *,
    seen: AppearanceCounter,
    met: list[str],
) -> tuple[PartialOutput, list[tuple[str, str]], Mapping[str, int]]:
    """Write all rows; the finished output, the failed rows, and how many rows have each class.

    ``met`` takes the names of images that trained the model.
    """
    classes, total, rules = predictor.classes, len(plan.tasks), predictor.rules
    columns = task_header(plan.groups, classes, decisions=rules.has_rules)
    report = options.progress or (lambda done, total: None)

    def row_fits(place: int, row: list[str]) -> bool:
        if place >= total or len(row) != len(columns):
            return False
        expected = identity(plan.tasks[place], plan.groups)
        return row[: len(expected)] == expected

    reading = predictor.bundle.info.reading(options.read_options)
    with PartialOutput(
        output,
        csv_text([columns]).encode(),
        fingerprint=_fingerprint(predictor, plan, options, reading),
        batch_size=options.batch_size,
        total=total,
        row_fits=row_fits,
    ) as partial:
        problems, done = _problems(partial.kept), len(partial.kept)
        named = Counter(_classes(partial.kept, columns))
        report(done, total)
        batches = in_batches(plan.tasks, options.batch_size, start=done)
        read = TaskReader(CropReader(reading))
        trained = predictor.bundle.info.appearance if options.match_pixel_size else None

        def prepare(task: Task) -> NetworkInputs:
            image = read(task)
            if options.trained_on and hash_of_pixels(image.pixels) in options.trained_on:
                met.append(task.name)
            return predictor.prepare(seen(matched(image, trained) if trained else image))

        work = predict_batches(predictor, batches, prepare, probabilities_only=True)
        with closing(work) as results:
            for batch in results:
                rows = task_rows(batch, plan.groups, classes, rules)
                partial.append(csv_text(rows).encode())
                problems += _problems(rows)
                named.update(_classes(rows, columns))
                done += len(rows)
                report(done, total)
        partial.finish()
    counts = {name: named[name] for name in classes}
    return partial, problems, counts | ({"": named[""]} if rules.has_rules else {})


class TaskReader:
    """Reads a task's image, or its crop out of the field; raises what stands in its row."""

    def __init__(self, reader: CropReader) -> None:
        self._reader = reader
        self._shapes: dict[Path, tuple[int, ...]] = {}

    def __call__(self, task: Task) -> Image:
        """The pixels of one task.

        Raises:
            ImageError: they cannot be had, or do not fit the task's mask.
        """
        if task.problem:
            raise ImageError(task.problem, where=task.path)
        expected, path = task.field_shape, task.path
        if task.region is not None and expected is not None:
            if path not in self._shapes:
                self._shapes[path] = self._reader.shape_of(path)
            shape = self._shapes[path]
            if shape != expected:
                raise ImageError(
                    f"the field has {shape[0]} x {shape[1]} pixels, its mask "
                    f"{expected[0]} x {expected[1]} (rows x columns)",
                    where=path,
                    remedy="Give the mask that was made from this field",
                )
        return self._reader.read(path, task.region)


def _crop_size_of(bundle: Bundle, options: PredictOptions) -> int | None:
    """Side of the crops in pixels; None where whole images are predicted."""
    if options.batch_size < 1:
        raise UsageError(f"the batch size is {options.batch_size}", remedy="Give 1 or more")
    if options.masks is not None and options.objects is not None:
        raise UsageError(
            "masks and an objects table were given",
            remedy="Give one of them, both say where cells are",
        )
    if options.masks is None and options.objects is None:
        if options.crop_size is not None:
            raise UsageError(
                "a crop size was given, but nothing that says where the cells are",
                remedy="Give masks or an objects table too, or leave the crop size out",
            )
        return None
    size = options.crop_size or bundle.info.crop_size
    if size is None:
        raise UsageError(
            "the model was trained on ready crops and does not know how large a crop must be",
            where=bundle.path,
            remedy="Give crop_size (--crop-size), the side of the training crops in field pixels",
        )
    if size < 1:
        raise UsageError(f"the crop size is {size}", remedy="Give a positive number of pixels")
    return size


def _require_pixel_size(bundle: Bundle, options: PredictOptions, crop_size: int | None) -> None:
    if not options.match_pixel_size:
        return
    if crop_size is not None:
        raise UsageError(
            "--match-pixel-size is for ready crops, and cells are to be cut out of fields",
            remedy="Give the --crop-size that covers as many micrometres as in training",
        )
    if bundle.info.appearance is None or bundle.info.appearance.pixel_size_um is None:
        raise UsageError(
            "the files that trained this model did not say how large a pixel is",
            where=bundle.path,
            remedy="Leave out --match-pixel-size, and bring the images to their scale yourself",
        )


def plan_rows(bundle: Bundle, paths: Sequence[Path], options: PredictOptions) -> Plan:
    """One task for each image, or each cell of it, before any image is read.

    Raises:
        UsageError: no images, masks that are not there, options that contradict each other, or
            the size of the crops is not known.
        ManifestError: the manifest is broken.
    """
    crop_size = _crop_size_of(bundle, options)
    _require_pixel_size(bundle, options, crop_size)
    pattern = bundle.info.reading(options.read_options).channel_pattern
    sources, notes = find_sources(paths, pattern)
    trained = bundle.info.crop_size
    if options.masks is not None and crop_size is not None:
        tasks, said = tasks_from_masks(sources, options.masks, crop_size=crop_size)
        notes += said
    elif options.objects is not None and crop_size is not None:
        tasks = tasks_from_table(sources, options.objects, crop_size=crop_size)
    else:
        tasks = [Task(source.path, source.name) for source in sources]
        if trained is not None:
            notes.append(
                f"the model was trained on crops of {trained} pixels around cells; without masks "
                "or an objects table each image is taken for one such crop"
            )
    if crop_size is not None and trained is not None and crop_size != trained:
        notes.append(f"crops have {crop_size} pixels a side, those of the training {trained}")
    columns: tuple[str, ...] = ()
    if options.manifest is not None:
        found = read_group_columns(options.manifest, paths, as_written=options.as_written)
        tasks, missing = found.add_to(tasks)
        if missing:
            notes.append(f"{missing} of {len(tasks)} rows are not named in {options.manifest.name}")
        notes += found.notes
        columns = found.columns
    if options.group_level is not None or options.group_pattern is not None:
        find, named = columns_of_names(
            level=options.group_level, pattern=options.group_pattern, column=options.group
        )
        require_free_columns(named, paths[0])
        values = {source.path: find(source.relative.as_posix()) for source in sources}
        tasks = [
            replace(task, groups={**task.groups, **(values[task.path] or {})}) for task in tasks
        ]
        if others := [path.name for path, own in values.items() if own is None]:
            notes.append(f"{len(others)} images have no {named[0]}: {enumerate_some(others)}")
        columns = tuple(dict.fromkeys((*columns, *named)))
    return Plan(tasks, columns, tuple(notes))


def _fingerprint(
    predictor: Predictor, plan: Plan, options: PredictOptions, reading: ReadOptions
) -> str:
    """Changes with everything that the rows depend on, the files' size and time included."""
    bundle = [predictor.bundle.digest, predictor.backend, predictor.precision, predictor.views]
    asked = [options.batch_size, options.match_pixel_size]
    head = [__version__, *bundle, *asked, plan.groups, reading.model_dump()]
    digest = hashlib.sha256(json.dumps(head).encode())
    stamp: tuple[Path | None, list[int]] = (None, [])
    for task in plan.tasks:
        if stamp[0] != task.path:
            stamp = (task.path, _stamp(task.path))
        region = task.region
        place = region and [region.y, region.x, region.height, region.width]
        groups = [task.groups.get(name, "") for name in plan.groups]
        line = [task.name, task.object_id, place, task.field_shape, groups, task.problem, stamp[1]]
        digest.update(json.dumps(line).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    try:
        return list(file_state(path))
    except OSError:
        return []


def _classes(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> Iterator[str]:
    place = columns.index("predicted")
    return (row[place] for row in rows if not row[-1])


def _problems(rows: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    return [(f"{row[0]} object {row[1]}" if row[1] else row[0], row[-1]) for row in rows if row[-1]]
