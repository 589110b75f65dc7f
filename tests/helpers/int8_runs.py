"""A tiny network of convolutions, a bundle and a run's folder, on which INT8 can be tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from actinscope.bundle import Bundle, save_bundle
from actinscope.bundle.session import InferenceSession
from actinscope.cells import CropReader
from actinscope.progress import Silent
from actinscope.runs import fingerprint_study
from actinscope.study import read_manifest, write_manifest
from actinscope.training import load_recipe, write_recipe
from helpers.bundles import CLASSES, SIZE, bundle_info, fitted_preprocess, grey_image

WIDTH = 8
_IMAGES = 60


def convolutions(*, head: np.ndarray | None = None, bias: np.ndarray | None = None) -> bytes:
    """ONNX: five convolutions, the fourth depthwise, a skip connection, a head and class maps.

    Args:
        head: (WIDTH, K) kernel of the head; zeros where None.
        bias: (K,) of the head.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(5)
    kernel = np.zeros((WIDTH, len(CLASSES))) if head is None else head
    stored: dict[str, np.ndarray] = {
        "head": kernel,
        "head_bias": np.zeros(len(CLASSES)) if bias is None else bias,
        "maps": kernel.T[:, :, None, None],
        "six": np.array(6.0),
        "zero": np.array(0.0),
    }
    nodes = [helper.make_node("Transpose", ["image"], ["x0"], perm=[0, 3, 1, 2])]
    inputs, groups = (3, WIDTH, WIDTH, 1, WIDTH), (1, 1, 1, WIDTH, 1)
    for n, (channels, group) in enumerate(zip(inputs, groups, strict=True)):
        side = 3 if n < 2 else 1  # no borders where INT8 is: there rounding alone is at work
        scale = np.sqrt(2 / channels) / side
        weights = rng.normal(0.0, scale, (WIDTH, channels, side, side))
        stored |= {f"w{n}": weights, f"b{n}": rng.normal(0.1, 0.1, WIDTH)}
        names = [f"x{n}", f"w{n}", f"b{n}"]
        options: dict[str, Any] = {"pads": [side // 2] * 4, "group": group, "name": f"conv{n}"}
        nodes.append(helper.make_node("Conv", names, [f"c{n}"], **options))
        nodes.append(helper.make_node("Clip", [f"c{n}", "zero", "six"], [f"x{n + 1}"]))
    nodes += [
        helper.make_node("Add", ["x5", "x4"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "head", "head_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("Conv", ["features", "maps"], ["maps_first"], name="class_maps"),
        helper.make_node("Transpose", ["maps_first"], ["class_maps"], perm=[0, 2, 3, 1]),
    ]

    def port(name: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "convolutions",
        [port("image", "N", SIZE, SIZE, 3)],
        [
            port("probabilities", "N", len(CLASSES)),
            port("embedding", "N", WIDTH),
            port("class_maps", "N", SIZE, SIZE, len(CLASSES)),
        ],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString()
    return result


def inputs_of(count: int) -> np.ndarray:
    """(count, SIZE, SIZE, 3) float32, what the preprocessing makes of the grey images."""
    images = [grey_image(seed) for seed in range(count)]
    preprocess = fitted_preprocess(images)
    return np.stack([preprocess.apply(image) for image in images])


def toy_network() -> bytes:
    """The network with a head for which every class wins on about as many images."""
    embedding = InferenceSession(convolutions()).run(inputs_of(_IMAGES)).embedding
    assert embedding is not None
    # The images differ in brightness: dark, middling and bright ones are the classes.
    centre = embedding.mean(axis=0)
    _, _, axes = np.linalg.svd(embedding - centre, full_matrices=False)
    direction = 4.0 * axes[0] / ((embedding - centre) @ axes[0]).std()
    head = np.outer(direction, [-1.0, 0.0, 1.0])
    return convolutions(head=head, bias=np.array([0.0, 1.5, 0.0]) - centre @ head)


def toy_bundle(folder: Path, **changes: Any) -> Bundle:
    """Save a bundle of the toy network with four golden images to ``folder``."""
    model = toy_network()
    images = [grey_image(seed) for seed in range(_IMAGES)]
    inputs = inputs_of(_IMAGES)[:4]
    onnx_path = folder.parent / f"{folder.name}.onnx"
    onnx_path.write_bytes(model)
    return save_bundle(
        folder,
        onnx_path=onnx_path,
        info=bundle_info(fitted_preprocess(images), **changes),
        golden_images=images[:4],
        golden_inputs=inputs,
        golden_outputs={
            "probabilities": InferenceSession(model).run(inputs).probabilities.astype(np.float32)
        },
    )


def toy_run(folder: Path) -> tuple[Path, Path]:
    """A finished run with its bundle, and the folder of its images; float32 is always right.

    Thirty training images, fifteen for validation and fifteen for the test, three a plate.
    """
    run, data = folder / "run", folder / "data"
    run.mkdir(parents=True)
    data.mkdir()
    bundle = toy_bundle(run / "bundle", group="plate")
    (run / "bundle.onnx").unlink()
    answers = InferenceSession(bundle.model).run(inputs_of(_IMAGES)).probabilities.argmax(axis=1)
    lines = ["path,label,plate,part"]
    for number, answer in enumerate(answers.tolist()):
        tifffile.imwrite(data / f"{number}.tif", grey_image(number).pixels[0])
        part = ("train", "train", "validation", "test")[number // 15]
        lines.append(f"{number}.tif,{CLASSES[answer]},plate{number // 3},{part}")
    (run / "manifest.csv").write_text("\n".join(lines), "utf-8")
    manifest = read_manifest(run / "manifest.csv", data, group="plate")
    found = fingerprint_study(manifest, CropReader(), Silent())
    write_manifest(found.manifest, run / "manifest.csv")
    write_recipe(load_recipe("fine-tuned"), run / "recipe.toml")
    return run, data
