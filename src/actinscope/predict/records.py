"""Predicting the records of a study, for evaluation: the same path as for files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import NetworkOutput, stack_outputs
from actinscope.cells import CropReader
from actinscope.images import Image
from actinscope.predict.pipeline import PredictedBatch, in_batches, predict_batches
from actinscope.predict.predictor import Predictor
from actinscope.study import Record


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
    reader: CropReader,
    *,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> RecordOutputs:
    """Predict ``records``; a bad one becomes a message, not the end.

    Args:
        predictor: the network.
        records: images, or cells of fields.
        reader: reads them; its cache serves the cells of one field.
        batch_size: records per batch.
        progress: called with (records done, records in all) after each batch.
    """

    def read(record: Record) -> Image:
        return reader.read(record.path, record.region)

    batches: list[PredictedBatch[Record]] = []
    done = 0
    work = predict_batches(predictor, in_batches(records, batch_size), read)
    with closing(work) as results:
        for batch in results:
            batches.append(batch)
            done += len(batch.items)
            if progress is not None:
                progress(done, len(records))
    errors = tuple(error for batch in batches for error in batch.errors)
    good = np.array([not error for error in errors], dtype=np.bool_)
    outputs = [batch.output for batch in batches]
    output = stack_outputs(outputs, classes=len(predictor.classes), good=good)
    return RecordOutputs(output, errors)
