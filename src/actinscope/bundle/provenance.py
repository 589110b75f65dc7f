"""Which images trained the members of an ensemble, so that none of them is taken for a test.

An ordinary bundle is recognised by the run around it. An ensemble has several runs and lies in
none of them, so it carries the hashes. They say nothing about pixels, names or places.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import Field

from actinscope.bundle.archive import reading
from actinscope.bundle.info import Sha256
from actinscope.bundle.reliability import StoredModel


class TrainingHashes(StoredModel):
    """Images and groups of the training and validation parts of all members.

    Attributes:
        images: SHA-256 of the pixels of every such image, sorted.
        groups: by column, :func:`group_digest` of every value among these images, sorted.
        unknown: numbers (from 0) of the members whose images are not known.
    """

    images: tuple[Sha256, ...] = ()
    groups: dict[str, tuple[Sha256, ...]] = Field(default_factory=dict)
    unknown: tuple[int, ...] = ()

    def as_json(self) -> bytes:
        """The bytes of seen.json."""
        return self.model_dump_json(indent=0).encode("utf-8") + b"\n"


def group_digest(column: str, value: str) -> str:
    """SHA-256 of one value of a group column; donors and slides are not handed on by name."""
    return hashlib.sha256(f"{column}\x00{value}".encode()).hexdigest()


def read_training_hashes(data: bytes, *, where: Path) -> TrainingHashes:
    """Read seen.json; raises BundleError where it is damaged."""
    with reading("does not say which images trained the members", where):
        return TrainingHashes.model_validate_json(data)
