"""The golden images: raw images and what the training framework made of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.archive import damaged, read_arrays
from actinscope.bundle.info import GoldenImage
from actinscope.images import Image

_WHAT = "the golden images"


@dataclass(frozen=True, eq=False)
class Golden:
    """n raw images with the network input and the probabilities they must give."""

    images: tuple[Image, ...]  # as they were read, before any preprocessing
    inputs: NDArray[np.float32]  # (n, S, S, C), the network's
    probabilities: NDArray[np.float32]  # (n, K), as the training framework gave them


def pack_golden(
    images: Sequence[Image], inputs: NDArray[Any], probabilities: NDArray[Any]
) -> tuple[bytes, tuple[GoldenImage, ...]]:
    """The bytes of golden.npz, and the entries of bundle.json that go with them."""
    arrays: dict[str, NDArray[Any]] = {
        "n": np.array(len(images)),
        "input": np.asarray(inputs, dtype=np.float32),
        "probabilities": np.asarray(probabilities, dtype=np.float32),
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
    arrays = read_arrays(data, _WHAT, where=where, most_bytes=1 << 30)
    try:
        images = tuple(_image(arrays[f"image_{n}"], entry) for n, entry in enumerate(entries))
        golden = Golden(images, arrays["input"], arrays["probabilities"])
        count = int(arrays["n"])
    except KeyError as error:
        raise damaged(_WHAT, where, f"{error.args[0]} is missing") from error
    except (ValueError, TypeError) as error:
        raise damaged(_WHAT, where, str(error)) from error
    _check_shapes(golden, count, where)
    return golden


def _image(pixels: NDArray[Any], entry: GoldenImage) -> Image:
    plain = pixels.ndim == 3 and pixels.dtype.kind in "buif"
    if not plain or len(entry.channel_names) != len(pixels):
        raise ValueError(f"{entry.name} is not an image of the announced channels")
    described = {name: value for name, value in entry if name != "name"}
    return Image(path=Path(entry.name), pixels=pixels, **described)


def _check_shapes(golden: Golden, count: int, where: Path) -> None:
    n = len(golden.images)
    if n == 0 or count != n:
        raise damaged(_WHAT, where, f"it holds {count} images, bundle.json names {n}")
    if golden.inputs.ndim != 4 or len(golden.inputs) != n or golden.inputs.dtype.kind != "f":
        raise damaged(_WHAT, where, f"its inputs have the shape {golden.inputs.shape}")
    given = golden.probabilities
    if given.ndim != 2 or len(given) != n or given.dtype.kind != "f":
        raise damaged(_WHAT, where, f"its probabilities have the shape {given.shape}")
