"""What is to be predicted: one task per image, or per object of a field of view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from actinscope.cells import (
    CellObject,
    MaskTally,
    name_in_table,
    objects_from_table,
    read_cell_mask,
)
from actinscope.errors import ActinscopeError, ImageError, ManifestError, UsageError
from actinscope.images import Region, also_called, find_images, join_files, list_images


@dataclass(frozen=True)
class Task:
    """One row of the predictions.

    Attributes:
        path: the file to read.
        name: the path as it was given, with forward slashes.
        object_id: which cell of the field, empty for a whole image.
        region: where the cell lies, None for a whole image.
        field_shape: (rows, columns) that the field must have because its mask has them.
        groups: cells of the group columns.
        problem: why it cannot be predicted, known before the image is read.
        mask: the label mask that the cell was found in, None where there was none.
    """

    path: Path
    name: str
    object_id: str = ""
    region: Region | None = None
    field_shape: tuple[int, int] | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    mask: Path | None = None


@dataclass(frozen=True)
class Source:
    """One file to read: its path, its name as given, and its place below the folder given."""

    path: Path
    name: str
    relative: Path


def find_sources(
    paths: Sequence[Path], channel_pattern: str | None
) -> tuple[tuple[Source, ...], list[str]]:
    """The images that ``paths`` (files and folders) stand for, each once, in order; and notes.

    Files are joined by ``channel_pattern``; without one, each is an image.

    Raises:
        UsageError: there is none.
    """
    found: dict[str, Source] = {}
    listed = {Path(path): find_images([Path(path)]) for path in paths}
    files = dict.fromkeys(file for some in listed.values() for file in some.paths)
    joined = join_files(files, channel_pattern or "none")
    for given, some in listed.items():
        images = dict.fromkeys(
            joined.image_of[file] for file in some.paths if file in joined.image_of
        )
        for path in images:
            inside = path != given and path.is_relative_to(given)
            relative = path.relative_to(given) if inside else Path(path.name)
            found.setdefault(str(path.absolute()), Source(path, written_name(path), relative))
    if not found:
        raise UsageError(
            "there are no images to predict",
            where=", ".join(str(path) for path in paths) or None,
            remedy="Give image files, or folders that hold some",
        )
    notes = [note for some in listed.values() for note in some.notes()]
    return tuple(found.values()), [*joined.notes, *notes]


def written_name(path: Path) -> str:
    """``path`` with forward slashes; bytes that are no valid UTF-8 as escapes."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def message_of(error: BaseException) -> str:
    """What an error says, without the path, on one line."""
    if isinstance(error, ActinscopeError):
        text = f"{error.what}. {error.remedy}" if error.remedy else error.what
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())


def tasks_from_masks(
    sources: Sequence[Source], masks: Path, *, crop_size: int
) -> tuple[list[Task], tuple[str, ...]]:
    """One task per object of each field's mask, and notes; a field without one gets a problem.

    ``masks`` is a folder in which a mask has the relative path of its field (any image
    suffix) or the same file name, or it is the mask file of the only field.

    Raises:
        UsageError: ``masks`` is not there, or one file for several fields.
    """
    masks, tally = Path(masks), MaskTally()
    if not masks.exists():
        raise UsageError("there is no such mask file or folder", where=masks)
    if masks.is_file():
        if len(sources) != 1:
            raise UsageError(
                f"one mask cannot belong to {len(sources)} fields",
                where=masks,
                remedy="Give a folder with one mask for each field",
            )
        return _tasks_from_mask(sources[0], masks, crop_size, tally), tally.notes()
    finder = _MaskFinder(masks, sources)
    tasks: list[Task] = []
    for source in sources:
        try:
            tasks += _tasks_from_mask(source, finder.find(source), crop_size, tally)
        except ImageError as error:
            tasks.append(Task(source.path, source.name, problem=message_of(error)))
    return tasks, tally.notes()


class _MaskFinder:
    """Finds the mask of a field by its relative path, or by its name where that is unique."""

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        self._folder = folder
        self._by_relative: dict[str, list[Path]] = defaultdict(list)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in list_images([folder]):
            relative = path.relative_to(folder).with_suffix("")
            self._by_relative[relative.as_posix()].append(path)
            self._by_name[relative.name].append(path)
        self._stems = [source.relative.stem for source in sources]

    def find(self, source: Source) -> Path:
        names = [name.with_suffix("") for name in also_called(source.relative)]
        same_place = [mask for name in names for mask in self._by_relative[name.as_posix()]]
        exact = [path for path in same_place if path.suffix == source.relative.suffix]
        same_name = [mask for name in names for mask in self._by_name[name.name]]
        candidates = exact or same_place or same_name
        if len(candidates) > 1:
            raise ImageError(
                f"{len(candidates)} masks could belong to it "
                f"({', '.join(path.name for path in candidates[:3])})",
                where=source.path,
                remedy="Give each mask the relative path of its field",
            )
        if not candidates:
            raise ImageError(
                "there is no mask for this field",
                where=source.path,
                remedy=f"Put a mask of the same name into {self._folder.name}",
            )
        if not same_place and self._stems.count(source.relative.stem) > 1:
            raise ImageError(
                f"several fields are called {source.relative.stem}, but there is one mask",
                where=source.path,
                remedy="Give each mask the relative path of its field",
            )
        return candidates[0]


def _tasks_from_mask(
    source: Source, mask_path: Path, crop_size: int, tally: MaskTally
) -> list[Task]:
    try:
        mask = read_cell_mask(mask_path)
    except ImageError as error:
        return [Task(source.path, source.name, problem=f"its mask: {message_of(error)}")]
    tally.add(mask)
    rows, columns = mask.labels.shape
    missing = "there are no objects in its mask"
    tasks = _object_tasks(source, mask.objects, crop_size, (rows, columns), missing)
    return [replace(task, mask=mask_path) for task in tasks]


def tasks_from_table(sources: Sequence[Source], table: Path, *, crop_size: int) -> list[Task]:
    """One task per row of an objects table; a field that it does not name gets a problem.

    Raises:
        ActinscopeError: the table cannot be read.
    """
    by_name = objects_from_table(Path(table))
    found: list[str | ActinscopeError | None] = []
    for source in sources:
        written = (Path(source.name), source.relative)
        try:
            found.append(name_in_table(by_name, source.path, written))
        except ManifestError as error:
            found.append(error)
    tasks: list[Task] = []
    for source, key in zip(sources, found, strict=True):
        objects: Sequence[CellObject] = ()
        if key is None:
            problem = f"the objects table {Path(table).name} does not name this file"
        elif isinstance(key, ActinscopeError):
            problem = message_of(key)
        elif found.count(key) > 1:
            problem = f"several files are called {key}, the objects table cannot tell them apart"
        else:
            problem, objects = "the objects table has no object of it", by_name[key]
        tasks += _object_tasks(source, objects, crop_size, None, problem)
    return tasks


def _object_tasks(
    source: Source,
    objects: Sequence[CellObject],
    crop_size: int,
    shape: tuple[int, int] | None,
    none_message: str,
) -> list[Task]:
    if not objects:
        return [Task(source.path, source.name, problem=none_message)]
    return [
        Task(
            source.path,
            source.name,
            object_id=str(item.object_id),
            region=Region(item.y, item.x, crop_size, crop_size),
            field_shape=shape,
        )
        for item in objects
    ]
