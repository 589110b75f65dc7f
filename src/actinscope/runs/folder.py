"""Reading a finished run: recipe, images, predictions, figures and what its bundle says.

The folder may come from anybody, so every file is checked, and what does not fit is
an error that names the file and the line. Images are not opened, and no network is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from actinscope.bundle import BundleInfo, read_bundle_info
from actinscope.errors import ManifestError, StudyError, UsageError
from actinscope.evaluation import Estimate
from actinscope.predict import is_own_column
from actinscope.study import (
    PARTS,
    RESERVED_COLUMNS,
    Row,
    Table,
    forbidden_characters,
    read_table,
    tidy,
)
from actinscope.training import Recipe, read_recipe

ImageKey = tuple[str, str]
"""Name of the file as the manifest writes it, and name of the object within it or ""."""

_PREDICTIONS = "predictions.csv"
_MANIFEST = "manifest.csv"
_METRICS = "metrics.json"
_RECIPE = "recipe.toml"
_PROBABILITY = "probability_"
_OWN = frozenset({"path", "object", "part", "label"})
_LARGEST = 1 << 30  # bytes; ten million rows
_SUM_TOLERANCE = 1e-3  # probabilities are written with six decimals
_TIE = 2e-6  # equal, as far as six decimals show
_AGAIN = "Give the folder as actinscope wrote it"


@dataclass(frozen=True)
class ListedImage:
    """One row of a run's manifest.

    Attributes:
        name, object_id: what the row is about; see ``study.Record``.
        label: the true class.
        part: train, validation or test.
        pixel_hash: SHA-256 of the pixels; empty where the manifest has none.
        groups: every other column.
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


@dataclass(frozen=True, eq=False)
class RunPredictions:
    """The predictions of a run; N rows, K classes.

    Attributes:
        classes: in the order of the probabilities.
        keys: (N,) image of each row, each once.
        parts: (N,) its part.
        labels: (N,) its true class.
        groups: (N,) its other columns.
        probabilities: (N, K) float64. Where the largest are equal but for rounding, that
            of the class that the file calls predicted is the largest.
    """

    classes: tuple[str, ...]
    keys: tuple[ImageKey, ...]
    parts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[Mapping[str, str], ...]
    probabilities: NDArray[np.float64]

    def rows_of(self, part: str) -> list[int]:
        """The rows of one part, in the order of the file."""
        return [row for row, one in enumerate(self.parts) if one == part]


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
        return self.path / "bundle"

    @property
    def manifest(self) -> Path:
        """Where the manifest lies, if there is one."""
        return self.path / _MANIFEST

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
    if not (folder / _PREDICTIONS).is_file():
        raise UsageError(
            f"holds no finished run ({_PREDICTIONS} is missing)",
            where=folder,
            remedy="Give the folder that `actinscope train -o` or `actinscope evaluate -o` wrote",
        )
    predictions = read_run_predictions(folder / _PREDICTIONS)
    images: tuple[ListedImage, ...] = ()
    if (folder / _MANIFEST).is_file():
        images = read_listed_images(folder / _MANIFEST)
        _require_same_labels(predictions, images, folder)
    info = None
    if (folder / "bundle").exists():
        info = read_bundle_info(folder / "bundle")
        if info.classes != predictions.classes:
            raise StudyError(
                f"the classes are {', '.join(predictions.classes)}, and those of the bundle "
                f"{', '.join(info.classes)}",
                where=folder / _PREDICTIONS,
                remedy=_AGAIN,
            )
    return RunFolder(
        path=folder,
        predictions=predictions,
        metrics=_read_metrics(folder / _METRICS) if (folder / _METRICS).is_file() else {},
        recipe=read_recipe(folder / _RECIPE) if (folder / _RECIPE).is_file() else None,
        images=images,
        info=info,
    )


def read_listed_images(path: Path) -> tuple[ListedImage, ...]:
    """Read the manifest of a finished run without looking for its images.

    Raises:
        ManifestError: the file is broken, lists an image twice or leaves a part open.
    """
    table = _read_table(path, ("path", "label", "part"))
    groups = [name for name in table.columns if name not in RESERVED_COLUMNS]
    images = []
    seen: set[ImageKey] = set()
    for row in table.rows:
        key = _key(row, path, seen)
        images.append(
            ListedImage(
                name=key[0],
                object_id=key[1],
                label=_word(row, "label", path),
                part=_part(row, path),
                pixel_hash=_hash(row, path),
                groups={name: tidy(row.get(name)) for name in groups},
            )
        )
    return tuple(images)


def read_run_predictions(path: Path) -> RunPredictions:
    """Read the predictions.csv of ``train`` and ``evaluate``.

    Raises:
        ManifestError: a column is missing, an image is there twice, a label or an answer
            is no class, or the probabilities are none; it names the line.
    """
    table = _read_table(path, ("path", "part", "label", "predicted"))
    columns = [name for name in table.columns if name.startswith(_PROBABILITY)]
    classes = tuple(name.removeprefix(_PROBABILITY) for name in columns)
    if len(classes) < 2 or not all(classes):
        raise ManifestError(
            "there are no columns with the probabilities of two classes or more",
            where=path,
            remedy=_AGAIN,
        )
    groups = [name for name in table.columns if name not in _OWN and not is_own_column(name)]
    seen: set[ImageKey] = set()
    keys = [_key(row, path, seen) for row in table.rows]
    return RunPredictions(
        classes=classes,
        keys=tuple(keys),
        parts=tuple(_part(row, path) for row in table.rows),
        labels=tuple(_class(row, "label", classes, path) for row in table.rows),
        groups=tuple({name: tidy(row.get(name)) for name in groups} for row in table.rows),
        probabilities=np.array([_chances(row, columns, classes, path) for row in table.rows]),
    )


def _read_table(path: Path, needed: tuple[str, ...]) -> Table:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ManifestError(f"cannot be read ({error.strerror})", where=path) from error
    if size > _LARGEST:
        raise ManifestError("is larger than such a table can be", where=path, remedy=_AGAIN)
    table = read_table(path)
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ManifestError(
            f"there is no column {' and no column '.join(missing)}", where=path, remedy=_AGAIN
        )
    return table


def _key(row: Row, path: Path, seen: set[ImageKey]) -> ImageKey:
    key = (_word(row, "path", path), _word(row, "object", path, needed=False))
    if key in seen:
        raise ManifestError(
            f"line {row.line} is the second for {' object '.join(filter(None, key))!r}",
            where=path,
            remedy=_AGAIN,
        )
    seen.add(key)
    return key


def _word(row: Row, column: str, path: Path, *, needed: bool = True) -> str:
    # Paths are kept byte for byte, as far as a table can: they are compared with other runs.
    text = row.get(column) if column in {"path", "object"} else tidy(row.get(column))
    if needed and not text:
        raise ManifestError(f"line {row.line} has no {column}", where=path, remedy=_AGAIN)
    if forbidden := forbidden_characters(text):
        raise ManifestError(
            f"line {row.line}: the {column} holds characters that cannot be used ({forbidden})",
            where=path,
            remedy=_AGAIN,
        )
    return text


def _part(row: Row, path: Path) -> str:
    part = row.get("part")
    if part not in PARTS:
        raise ManifestError(
            f"line {row.line}: the part is {part[:40]!r}",
            where=path,
            remedy=f"In a finished run it is one of {', '.join(PARTS)}",
        )
    return part


def _hash(row: Row, path: Path) -> str:
    written = row.get("sha256").lower()
    if written and (len(written) != 64 or set(written) - set("0123456789abcdef")):
        raise ManifestError(
            f"line {row.line}: sha256 is not 64 hexadecimal digits", where=path, remedy=_AGAIN
        )
    return written


def _class(row: Row, column: str, classes: tuple[str, ...], path: Path) -> str:
    name = _word(row, column, path)
    if name not in classes:
        raise ManifestError(
            f"line {row.line}: the {column} {name[:40]!r} is none of the classes "
            f"{', '.join(classes)}",
            where=path,
            remedy=_AGAIN,
        )
    return name


def _chances(row: Row, columns: list[str], classes: tuple[str, ...], path: Path) -> list[float]:
    try:
        values = [float(row.get(name)) for name in columns]
    except ValueError as error:
        raise ManifestError(
            f"line {row.line}: a probability is not a number ({error})", where=path, remedy=_AGAIN
        ) from error
    if not (all(0 <= one <= 1 for one in values) and abs(sum(values) - 1) <= _SUM_TOLERANCE):
        raise ManifestError(
            f"line {row.line}: the probabilities are none (they sum to {math.fsum(values):.6g})",
            where=path,
            remedy=_AGAIN,
        )
    answer = classes.index(_class(row, "predicted", classes, path))
    largest = max(values)
    if values[answer] < largest - _TIE:
        raise ManifestError(
            f"line {row.line}: {classes[answer]!r} is called predicted, and another class is more "
            "probable",
            where=path,
            remedy=_AGAIN,
        )
    if values.index(largest) != answer:
        values[answer] = math.nextafter(largest, 1.0) if largest < 1 else largest
    return values


def _require_same_labels(
    predictions: RunPredictions, images: tuple[ListedImage, ...], folder: Path
) -> None:
    listed = {image.key: image for image in images}
    for key, label, part in zip(
        predictions.keys, predictions.labels, predictions.parts, strict=True
    ):
        image = listed.get(key)
        if image is None or (image.label, image.part) != (label, part):
            raise StudyError(
                f"{key[0]} is a {part} image of {label} here, and in {_MANIFEST} it is "
                f"{'not there' if image is None else f'a {image.part} image of {image.label}'}",
                where=folder / _PREDICTIONS,
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
