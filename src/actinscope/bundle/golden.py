"""The golden images: raw images and what the training framework made of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.archive import read_arrays, reading
from actinscope.bundle.info import GoldenImage
from actinscope.bundle.output import CLASS_MAPS, EARLY_FEATURES, EMBEDDING, PROBABILITIES
from actinscope.images import Image

#: Arrays of golden.npz beside the images, and how many axes each has.
_AXES = {"input": 4, PROBABILITIES: 2, EMBEDDING: 2, CLASS_MAPS: 4, EARLY_FEATURES: 2}
_ALWAYS = frozenset({"input", PROBABILITIES})  # bundles of before have only these


@dataclass(frozen=True, eq=False)
class Golden:
    """n raw images with the network input and the outputs they must give."""

    images: tuple[Image, ...]  # as they were read, before any preprocessing
    inputs: NDArray[np.float32]  # (n, S, S, C), the network's
    probabilities: NDArray[np.float32]  # (n, K), as the training framework gave them
    #: The other outputs by name, (n, ...); none in bundles of before they were stored.
    outputs: Mapping[str, NDArray[np.float32]]


def pack_golden(
    images: Sequence[Image], inputs: NDArray[Any], outputs: Mapping[str, NDArray[Any]]
) -> tuple[bytes, tuple[GoldenImage, ...]]:
    """The bytes of golden.npz, and the entries of bundle.json that go with them."""
    arrays: dict[str, NDArray[Any]] = {
        "n": np.array(len(images)),
        "input": np.asarray(inputs, dtype=np.float32),
        **{name: np.asarray(array, dtype=np.float32) for name, array in outputs.items()},
        **{f"image_{place}": image.pixels for place, image in enumerate(images)},
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue(), tuple(_describe(image) for image in images)


def _describe(image: Image) -> GoldenImage:
    shared = GoldenImage.model_fields.keys() - {"name"}
    # The name only: bundles are handed on, folders are private.
    return GoldenImage(name=image.path.name, **{name: getattr(image, name) for name in shared})


def unpack_golden(data: bytes, entries: Sequence[GoldenImage], *, where: Path) -> Golden:
    """Read golden.npz; nothing in it is ever executed.

    Raises:
        BundleError: damaged, oversized, or not what bundle.json announces.
    """
    with reading("the golden images cannot be used", where):
        arrays = read_arrays(data, where=where, most_bytes=1 << 30)
        count, n = int(arrays["n"]), len(entries)
        if n == 0 or count != n:
            raise ValueError(f"it holds {count} images, bundle.json names {n}")
        for name, axes in _AXES.items():
            given = arrays[name] if name in arrays or name in _ALWAYS else None
            if given is not None and (given.ndim, len(given), given.dtype.kind) != (axes, n, "f"):
                raise ValueError(f"its array {name!r} has the shape {given.shape}")
        return Golden(
            tuple(_image(arrays[f"image_{place}"], entry) for place, entry in enumerate(entries)),
            arrays["input"],
            arrays[PROBABILITIES],
            {name: arrays[name] for name in _AXES.keys() & arrays.keys() - _ALWAYS},
        )


def _image(pixels: NDArray[Any], entry: GoldenImage) -> Image:
    plain = pixels.ndim == 3 and pixels.dtype.kind in "buif"
    if not plain or len(entry.channel_names) != len(pixels):
        raise ValueError(f"{entry.name} is not an image of the announced channels")
    described = {name: value for name, value in entry if name != "name"}
    return Image(path=Path(entry.name), pixels=pixels, **described)
