"""What the frozen layers put out, stored: float16, in mapped files, view by view.

A store has slots; a slot holds one view of all images. Which view a slot holds is noted
beside the files once the slot is complete, so that an interrupted run reuses what
had been computed.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import OutputError, TrainingError
from actinscope.files import make_folder, write_json_atomic
from actinscope.temporary import Releaser, require_space, reserve

_NOTE = "store.json"
_EMPTY = -1
_BYTES = 2  # of a float16


class ActivationStore:
    """``slots`` views of ``images`` images; one file for each stored tensor.

    Args:
        folder: made if it is not there; for this store alone.
        slots, images: how many views fit in, and how many images a view has.
        shapes: of each tensor for one image.
        identity: changes whenever the values would; files of another identity are dropped.

    Raises:
        OutputError: the folder cannot be written, or the disk lacks the space.
    """

    def __init__(
        self,
        folder: Path,
        *,
        slots: int,
        images: int,
        shapes: Sequence[tuple[int, ...]],
        identity: str,
    ) -> None:
        self._folder = folder
        self._head = {"identity": identity, "slots": slots, "images": images}
        sizes = [bytes_of_views(slots, images, [shape]) for shape in shapes]
        self.views = self._held(slots, sizes)
        if all(view == _EMPTY for view in self.views):
            shutil.rmtree(folder, ignore_errors=True)
            make_folder(folder)
            require_space(folder, bytes_of_views(slots, images, shapes))
        self._files: list[NDArray[np.float16]] = [
            self._mapped(number, (slots, images, *shape)) for number, shape in enumerate(shapes)
        ]
        self._releaser = Releaser(self._files)

    def _mapped(self, number: int, shape: tuple[int, ...]) -> NDArray[np.float16]:
        path = self._path(number)
        try:
            with path.open("r+b" if path.exists() else "w+b") as stream:
                reserve(stream.fileno(), bytes_of_views(1, 1, [shape]))
                return np.memmap(stream, dtype=np.float16, mode="r+", shape=shape)
        except OSError as error:
            raise OutputError(
                f"the stored activations cannot be kept there ({error.strerror})",
                where=path,
                remedy="Check that the folder is writable and has space left",
            ) from error

    def _path(self, number: int) -> Path:
        return self._folder / f"tensor-{number}.f16"

    def _held(self, slots: int, sizes: Sequence[int]) -> list[int]:
        """Which view each slot of an earlier, cut run holds; ``sizes`` of the files in bytes."""
        try:
            found = [self._path(number).stat().st_size for number in range(len(sizes))]
            note = json.loads((self._folder / _NOTE).read_text("utf-8"))
            held = [int(view) for view in note.pop("views")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return [_EMPTY] * slots
        fits = note == self._head and len(held) == slots and found == list(sizes)
        return held if fits else [_EMPTY] * slots

    def write(
        self, slot: int, rows: NDArray[np.int64], values: Sequence[NDArray[np.float32]]
    ) -> None:
        """Put the tensors of some images (B, ...) into a slot that is being filled.

        Raises:
            TrainingError: a value is no number, or too large for float16.
        """
        if self.views[slot] != _EMPTY:  # noted first: a kill from here on leaves a mixed slot
            self._note(slot, _EMPTY)
        for stored, tensor in zip(self._files, values, strict=True):
            half = as_half(tensor)
            stored[slot, rows] = half
            self._releaser.touched(half.nbytes)

    def complete(self, slot: int, view: int) -> None:
        """All images of ``view`` are in ``slot``."""
        for stored in self._files:
            if isinstance(stored, np.memmap):
                stored.flush()
        self._note(slot, view)

    def _note(self, slot: int, view: int) -> None:
        self.views[slot] = view
        write_json_atomic(self._folder / _NOTE, {**self._head, "views": self.views})

    def read(self, slots: NDArray[np.int64], rows: NDArray[np.int64]) -> list[NDArray[np.float16]]:
        """The tensors of some images, each in its slot: (B, ...)."""
        found = [np.asarray(stored[slots, rows]) for stored in self._files]
        for tensor in found:
            self._releaser.touched(tensor.nbytes)
        return found

    def remove(self) -> None:
        """Delete the files."""
        self._files.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


def bytes_of_views(views: int, images: int, shapes: Sequence[tuple[int, ...]]) -> int:
    """How large the files for so many views of so many images are."""
    return views * images * _BYTES * sum(math.prod(shape) for shape in shapes)


def as_half(values: NDArray[Any]) -> NDArray[np.float16]:
    """``values`` in float16.

    Raises:
        TrainingError: a value is no number, or beyond 65504.
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise TrainingError(
            "the frozen layers give values that are infinite, no numbers, or beyond 65504",
            where="network.weights",
            remedy="Use weights and images that belong to this network",
        )
    return half
