"""A run on disk: the names of its files, and reading what a finished one holds.

The folder may come from anybody, so every file is checked, and what does not fit is
an error that names the file and the line. Images are not opened, and no network is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from actinscope.bundle import BundleInfo, read_bundle_info
from actinscope.errors import ManifestError, StudyError, UsageError
from actinscope.evaluation import Estimate
from actinscope.names import RunFile
from actinscope.predict import PredictionsTable, is_own_column, read_predictions
from actinscope.study import (
    RESERVED_COLUMNS,
    Row,
    read_table,
    tidy,
)
from actinscope.training import Recipe, read_recipe

ImageKey = tuple[str, str]
"""Name of the file as the manifest writes it, and name of the object within it or ""."""

_LARGEST = 1 << 30  # bytes
_AGAIN = "Give the folder as actinscope wrote it"


@dataclass(frozen=True)
class ListedImage:
    """An image as a run's manifest or predictions list it.

    Attributes:
        name, object_id: what the row is about; see ``study.Record``.
        label: the true class.
        part: train, validation or test.
        pixel_hash: SHA-256 of the pixels; empty where the table has none.
        groups: the columns of the study.
    """

    name: str
    object_id: str
    label: str
    part: str
    pixel_hash: str
    groups: Mapping[str, str]

    @property
    def key(self) -> ImageKey:
        """``(name, object_id)``, unique in a run."""
        return (self.name, self.object_id)

    def value(self, column: str) -> str:
        """Of a column of the study, ``path`` or ``label``; empty where there is no such column."""
        own = {"path": self.name, "label": self.label}
        return own[column] if column in own else self.groups.get(column, "")


@dataclass(frozen=True, eq=False)
class RunPredictions(PredictionsTable):
    """The predictions of a run; ``images`` are those of its N rows, each once."""

    images: tuple[ListedImage, ...]

    def rows_of(self, part: str) -> list[int]:
        """The rows of one part, in the order of the file."""
        return [row for row, image in enumerate(self.images) if image.part == part]


@dataclass(frozen=True, eq=False)
class RunFolder:
    """What a run, or ``actinscope evaluate``, has left.

    Attributes:
        path: the folder.
        predictions: of all parts.
        metrics: {part: {metric: Estimate}} as in metrics.json; empty where it is missing.
        recipe: all settings; None in the results of ``evaluate``.
        images: rows of the manifest; empty where there is none.
        info: what the bundle says of itself; None where there is no bundle.
    """

    path: Path
    predictions: RunPredictions
    metrics: Mapping[str, Mapping[str, Estimate]]
    recipe: Recipe | None
    images: tuple[ListedImage, ...]
    info: BundleInfo | None

    @property
    def bundle(self) -> Path:
        """Where the bundle lies, if there is one."""
        return self.path / RunFile.BUNDLE

    @property
    def group(self) -> str | None:
        """The column that was kept together in one part, as far as it is known."""
        return self.info.group if self.info is not None else None


def read_run(folder: Path) -> RunFolder:
    """Read what ``actinscope train`` or ``evaluate`` wrote into ``folder``.

    Raises:
        UsageError: there is no such folder, or no predictions in it.
        StudyError: predictions, manifest or metrics are broken or contradict each other.
        SettingsError: the recipe is no recipe.
        BundleError: bundle.json is broken.
    """
    folder = Path(folder)
    if not (folder / RunFile.PREDICTIONS).is_file():
        raise UsageError(
            f"holds no finished run ({RunFile.PREDICTIONS} is missing)",
            where=folder,
            remedy="Give the folder that `actinscope train -o` or `actinscope evaluate -o` wrote",
        )
    predictions = read_run_predictions(folder / RunFile.PREDICTIONS)
    images: tuple[ListedImage, ...] = ()
    if (folder / RunFile.MANIFEST).is_file():
        images = read_listed_images(folder / RunFile.MANIFEST)
        _require_same_labels(predictions, images)
    info = None
    if (folder / RunFile.BUNDLE).exists():
        info = read_bundle_info(folder / RunFile.BUNDLE)
        if info.classes != predictions.classes:
            raise StudyError(
                f"the classes are {', '.join(predictions.classes)}, and those of the bundle "
                f"{', '.join(info.classes)}",
                where=predictions.path,
                remedy=_AGAIN,
            )
    metrics = folder / RunFile.METRICS
    return RunFolder(
        path=folder,
        predictions=predictions,
        metrics=_read_metrics(metrics) if metrics.is_file() else {},
        recipe=recipe_of(folder),
        images=images,
        info=info,
    )


def recipe_of(folder: Path) -> Recipe | None:
    """The recipe of a run; None where its folder holds none.

    Raises:
        SettingsError: it is no recipe.
    """
    path = folder / RunFile.RECIPE
    return read_recipe(path) if path.is_file() else None


def read_history(folder: Path) -> dict[str, list[float]]:
    """``history.csv`` of a run: column -> one value an epoch, NaN where the cell is empty.

    Raises:
        StudyError: it is missing or broken.
    """
    table = read_table(folder / RunFile.HISTORY)
    try:
        return {
            name: [float(row.get(name) or "nan") for row in table.rows] for name in table.columns
        }
    except ValueError as error:
        raise ManifestError(
            f"a cell is not a number ({error})", where=table.path, remedy=_AGAIN
        ) from error


def read_listed_images(path: Path) -> tuple[ListedImage, ...]:
    """Read the manifest of a finished run without looking for its images.

    Raises:
        ManifestError: the file is broken, lists an image twice or leaves a part open.
    """
    table = read_table(path, ("path", "label", "part"))
    groups = [name for name in table.columns if name not in RESERVED_COLUMNS]
    return _listed(table.rows, groups)


def read_run_predictions(path: Path) -> RunPredictions:
    """Read the predictions.csv of ``train`` and ``evaluate``.

    Raises:
        ManifestError: as :func:`read_predictions`, or an image is there twice; names the line.
    """
    table = read_predictions(path, ("path", "part", "label", "predicted"), unfamiliar=True)
    table.labels()
    groups = [
        name for name in table.columns if name not in RESERVED_COLUMNS and not is_own_column(name)
    ]
    return RunPredictions(**vars(table), images=_listed(table.rows, groups))


def _listed(rows: Sequence[Row], groups: Sequence[str]) -> tuple[ListedImage, ...]:
    """The images of a table, each once."""
    images: dict[ImageKey, ListedImage] = {}
    for row in rows:
        try:
            image = ListedImage(
                # Paths are kept byte for byte, as far as a table can: other runs are compared.
                name=row.word("path", needed=True, exact=True),
                object_id=row.word("object", exact=True),
                label=row.word("label", needed=True),
                part=row.part(needed=True),
                pixel_hash=row.pixel_hash(),
                groups={name: tidy(row.get(name)) for name in groups},
            )
        except ManifestError as error:
            raise ManifestError(error.what, where=row.table, remedy=_AGAIN) from error
        if images.setdefault(image.key, image) is not image:
            title = " object ".join(filter(None, image.key))
            raise row.error(f" is the second for {title!r}", _AGAIN)
    return tuple(images.values())


def _require_same_labels(predictions: RunPredictions, images: Sequence[ListedImage]) -> None:
    listed = {image.key: image for image in images}
    for own in predictions.images:
        image = listed.get(own.key)
        if image is None or (image.label, image.part) != (own.label, own.part):
            raise StudyError(
                f"{own.name} is a {own.part} image of {own.label} here, and in "
                f"{RunFile.MANIFEST} it is "
                f"{'not there' if image is None else f'a {image.part} image of {image.label}'}",
                where=predictions.path,
                remedy=_AGAIN,
            )


class _Figure(BaseModel):
    """One figure of metrics.json."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    value: float | None
    low: float | None
    high: float | None
    n: int
    count: int | None = None
    method: str = ""

    def estimate(self) -> Estimate:
        """The same, with NaN for null."""
        value, low, high = (
            math.nan if one is None else one for one in (self.value, self.low, self.high)
        )
        return Estimate(value, low, high, self.n, self.count, self.method)


_FIGURES = TypeAdapter(dict[str, dict[str, _Figure]])


def _read_metrics(path: Path) -> dict[str, dict[str, Estimate]]:
    try:
        if path.stat().st_size > _LARGEST:
            raise StudyError("is larger than such a file can be", where=path, remedy=_AGAIN)
        parts = _FIGURES.validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(f"cannot be read ({error.strerror})", where=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise StudyError(f"{place}: {first['msg']}", where=path, remedy=_AGAIN) from error
    return {
        part: {name: figure.estimate() for name, figure in figures.items()}
        for part, figures in parts.items()
    }
