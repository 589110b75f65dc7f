"""The network's arithmetic against the machine's own: float32 operations a second.

    python benchmarks/network_efficiency.py

How many operations an image takes is counted in the ONNX file: two for each multiply-add
of its convolutions and matrix products, nothing for all else. The yardstick is NumPy's
product of two square float32 matrices. Both run in turn, with the same number of cores;
the share is taken pair by pair.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.bundle import load_bundle
from actinscope.bundle.session import InferenceSession
from actinscope.runtimes import usable_cores
from prediction_setup import NETWORKS, make_model, spread, write_images
from record import command_line, write_record

_SIDE = 2048


def main() -> int:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = write_images(folder / "images", 4, "png")
        model = make_model(folder / "model", arguments.network, cells)
        bundle = load_bundle(model.bundle)
    size = bundle.info.preprocess.size
    operations = 2 * multiply_adds(bundle.model, (1, size, size, 3))
    session = InferenceSession(bundle.model, backend=arguments.backend)
    rng = np.random.default_rng(0)
    batch = rng.standard_normal((arguments.images, size, size, 3), dtype=np.float32)
    left, right = rng.standard_normal((2, _SIDE, _SIDE), dtype=np.float32)
    session.run(batch)
    left @ right
    network, product = [], []
    for _ in range(arguments.pairs):
        started = time.perf_counter()
        session.run(batch)
        network.append(operations * len(batch) / (time.perf_counter() - started) / 1e9)
        started = time.perf_counter()
        for _ in range(arguments.products):
            left @ right
        seconds = (time.perf_counter() - started) / arguments.products
        product.append(2 * _SIDE**3 / seconds / 1e9)
    write_record(
        {
            "benchmark": "network efficiency",
            "network": arguments.network,
            "backend": session.backend,
            "cores": usable_cores(),
            "gmac_per_image": round(operations / 2e9, 4),
            "ms_per_image": spread([operations / rate / 1e6 for rate in network]),
            "network_gflops": spread(network),
            "matmul_gflops": spread(product),
            "share": spread([ours / most for ours, most in zip(network, product, strict=True)]),
            "command": command_line("network_efficiency.py"),
        }
    )
    return 0


def multiply_adds(model: bytes, shape: tuple[int, ...]) -> int:
    """Multiply-adds of the convolutions and matrix products of an ONNX file for one input."""
    import onnx

    network = onnx.load_model_from_string(model)
    for axis, length in zip(network.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        axis.dim_value = length
    graph = onnx.shape_inference.infer_shapes(network, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        shapes[value.name] = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
    return sum(_of_node(node, shapes) for node in graph.node)


def _of_node(node: Any, shapes: dict[str, list[int]]) -> int:
    # The sizes of the output times how many products are summed up for each value of it.
    if node.op_type == "Conv":
        summed = math.prod(shapes[node.input[1]][1:])  # channels of a group, rows, columns
    elif node.op_type == "MatMul":
        summed = shapes[node.input[0]][-1]
    elif node.op_type == "Gemm":
        turned = any(entry.name == "transA" and entry.i for entry in node.attribute)
        summed = shapes[node.input[0]][0 if turned else 1]
    else:
        return 0
    sizes = [summed, *shapes[node.output[0]]]
    if not all(sizes):
        sys.exit(f"the sizes of {node.name} are not known: {sizes}")
    return math.prod(sizes)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="efficientnetv2-b0")
    parser.add_argument("--backend", choices=["openvino", "onnxruntime"], default="openvino")
    parser.add_argument("--images", type=int, default=64, help="in each measurement")
    parser.add_argument("--products", type=int, default=5, help="in each measurement")
    parser.add_argument("--pairs", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
