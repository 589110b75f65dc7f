"""Reading layer weights from HDF5 files written by Keras, old layout and new.

Keras' own readers go by position or skip what does not fit; here every array is
matched by layer name, and what is missing or left over is an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import WeightsCorrupt


@dataclass(frozen=True)
class StoredLayer:
    """The weights of one layer in the order of the file."""

    names: tuple[str, ...]  # "kernel", "gamma", ...; empty texts where the layout has none
    arrays: tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class StoredLayers:
    """All layers with weights in a file, by name."""

    layers: Mapping[str, StoredLayer]
    ordered: bool  # as in the network that was saved, which the layout of Keras 3 does not keep


def read_keras_layers(path: Path, *, max_elements: int = 1 << 28) -> StoredLayers:
    """All layers with weights in a Keras HDF5 file.

    Understood are the layout of Keras 2 (``*_notop.h5``, as Keras Applications
    distributes) and that of ``model.save_weights("x.weights.h5")`` of Keras 3.

    Raises:
        WeightsCorrupt: no such file, or it points outside itself, or holds an array of
            more than ``max_elements`` elements.
    """
    import h5py  # type: ignore[import-untyped, unused-ignore]

    try:
        with h5py.File(path, "r") as file:
            ordered = bool(_names(file, "layer_names"))
            found = _legacy(file) if ordered else _current(file)
            layers = {name: _read(name, stored, max_elements) for name, stored in found.items()}
            return StoredLayers(layers, ordered)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise WeightsCorrupt(
            f"is no usable Keras weights file ({error})",
            where=path,
            remedy="Get the file again, or write it with model.save_weights('name.weights.h5')",
        ) from error


_Stored = list[tuple[str, Any]]


def _read(name: str, stored: _Stored, max_elements: int) -> StoredLayer:
    import h5py  # type: ignore[import-untyped, unused-ignore]

    arrays = []
    for _, dataset in stored:
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
            raise ValueError(f"layer {name!r} holds something that is no array of numbers")
        # A dataset may name other files to take its bytes from; weights never need that.
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"layer {name!r} points to another file")
        if dataset.size > max_elements:
            raise ValueError(f"layer {name!r} has an array of {dataset.size} elements")
        arrays.append(np.asarray(dataset[()]))
    return StoredLayer(tuple(label for label, _ in stored), tuple(arrays))


def _names(group: Any, key: str) -> list[str]:
    # Long lists are stored in numbered pieces, because an HDF5 attribute is limited to 64 kB.
    stored = group.attrs
    pieces: list[Any] = []
    while (name := f"{key}{len(pieces)}") in stored:
        pieces.append(stored[name])
    if key in stored:
        pieces.insert(0, stored[key])
    return [
        item.decode("utf-8") if isinstance(item, bytes) else str(item)
        for piece in pieces
        for item in np.atleast_1d(piece).tolist()
    ]


def _inside(group: Any, key: str) -> Any:
    import h5py  # type: ignore[import-untyped, unused-ignore]

    here = group
    for part in key.split("/"):
        if not isinstance(here, h5py.Group) or isinstance(
            here.get(part, getlink=True), h5py.ExternalLink
        ):
            raise ValueError(f"{key!r} does not lie inside the file")
        here = here[part]
    return here


def _legacy(file: Any) -> dict[str, _Stored]:
    found: dict[str, _Stored] = {}
    for name in _names(file, "layer_names"):
        group = _inside(file, name)
        weights = _names(group, "weight_names")
        if weights:
            found[name] = [  # "stem_conv/kernel:0" is the kernel
                (weight.rsplit("/", 1)[-1].split(":", 1)[0], _inside(group, weight))
                for weight in weights
            ]
    return found


def _current(file: Any) -> dict[str, _Stored]:
    found: dict[str, _Stored] = {}
    # Keras 3.3 to 3.6 began the path with an underscore for functional models.
    root = next((key for key in ("layers", "_layer_checkpoint_dependencies") if key in file), None)
    if root is None:
        raise ValueError("it has no layers")
    layers = _inside(file, root)
    for key in layers:
        variables = _inside(layers, f"{key}/vars")
        numbers = sorted((name for name in variables if name.isdecimal()), key=int)
        if not numbers:
            continue
        name = variables.attrs.get("name")
        if name is None:
            raise ValueError("its layers have no names; write it with a newer Keras 3")
        name = name.decode("utf-8") if isinstance(name, bytes) else str(name)
        found[name] = [("", _inside(variables, number)) for number in numbers]
    return found
