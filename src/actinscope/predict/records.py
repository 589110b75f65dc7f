"""The records of a study: their scaled images, and their predictions as those of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import NetworkOutput, stack_outputs
from actinscope.cells import CropReader
from actinscope.images import Region
from actinscope.predict.pipeline import PredictedBatch, in_batches, predict_batches
from actinscope.predict.predictor import NetworkInputs, Predictor
from actinscope.preprocess import Preprocess
from actinscope.study import Record
from actinscope.temporary import Releaser


class ScaledImages:
    """From a record of a study to its image as a preprocessing scales it.

    Args:
        preprocess: the fitted preprocessing.
        reader: reads the images that are not in ``array``.
        array: (N, S, S, K) float32, images that were scaled before; may be a mapped file.
        rows: the row of ``array`` for an image, named by its path and region.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        reader: CropReader,
        array: NDArray[np.float32] | None = None,
        rows: Mapping[tuple[Path, Region | None], int] | None = None,
    ) -> None:
        self.preprocess = preprocess
        self.reader = reader
        self._array = array
        self._rows = rows or {}
        self._releaser = Releaser([] if array is None else [array])

    def of(self, record: Record) -> NDArray[np.float32]:
        """(S, S, K) float32 in 0..1; not to be written on.

        Raises:
            ImageError: it cannot be read, or does not fit the preprocessing.
        """
        row = self._rows.get((record.path, record.region))
        if row is None or self._array is None:
            return self.preprocess.to_scaled(self.reader.read(record.path, record.region))
        scaled: NDArray[np.float32] = np.asarray(self._array[row])
        self._releaser.touched(scaled.nbytes)
        return scaled


@dataclass(frozen=True, eq=False)
class RecordOutputs:
    """Outputs for N records, in their order.

    Attributes:
        output: rows of NaN stand where a record could not be used; ``embedding`` and
            ``class_maps`` are None where the network has none or nothing was predicted.
        errors: one message a record, empty where it was predicted.
    """

    output: NetworkOutput
    errors: tuple[str, ...]

    @property
    def ok(self) -> NDArray[np.bool_]:
        """(N,) whether a record was predicted."""
        return np.array([not error for error in self.errors], dtype=np.bool_)


def predict_records(
    predictor: Predictor,
    records: Sequence[Record],
    images: CropReader | ScaledImages,
    *,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> RecordOutputs:
    """Predict ``records``, images or cells of fields; a bad one becomes a message, not the end.

    ``images`` is a reader of them, which serves every bundle, or what scales them for the one
    network of the bundle. ``progress`` is called with (records done, records in all) after each
    batch of ``batch_size``.
    """

    def prepare(record: Record) -> NetworkInputs:
        if isinstance(images, ScaledImages):
            return predictor.prepare_scaled(images.of(record))
        return predictor.prepare(images.read(record.path, record.region))

    batches: list[PredictedBatch[Record]] = []
    done = 0
    work = predict_batches(predictor, in_batches(records, batch_size), prepare)
    with closing(work) as results:
        for batch in results:
            batches.append(batch)
            done += len(batch.items)
            if progress is not None:
                progress(done, len(records))
    errors = tuple(error for batch in batches for error in batch.errors)
    good = np.array([not error for error in errors], dtype=np.bool_)
    outputs = [batch.output for batch in batches]
    return RecordOutputs(stack_outputs(outputs, classes=len(predictor.classes), good=good), errors)
