"""A tiny network whose answers are known by hand, and bundles of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.bundle import (
    AbstainRule,
    Bundle,
    BundleInfo,
    NetworkSummary,
    OodRule,
    ReferenceFeatures,
    Reliability,
    SetRule,
    load_bundle,
    save_bundle,
)
from actinscope.files import sha256_of_file
from actinscope.images import Image
from actinscope.preprocess import NetworkInput, Preprocess, PreprocessSettings, fit_preprocess

CLASSES = ("bundled", "flat", "round")


SIZE = 8


#: (channel, class): the head of the network.
KERNEL = np.array([[8, 0, -4], [0, -5, 1], [-2, 1, 4]], dtype=np.float32)


BIAS = np.array([-1.5, 1.0, 0.2], dtype=np.float32)


def write_network(path: Path, *, kernel: np.ndarray = KERNEL) -> Path:
    """ONNX: mean over the rows and columns, one dense layer, softmax; with class maps."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes = kernel.shape[1]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["embedding", "kernel"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("MatMul", ["image", "kernel"], ["class_maps"]),
    ]

    def port(name: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "tiny",
        [port("image", "N", SIZE, SIZE, 3)],
        [
            port("probabilities", "N", classes),
            port("embedding", "N", 3),
            port("class_maps", "N", SIZE, SIZE, classes),
        ],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(BIAS[:classes], "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def by_hand(inputs: np.ndarray) -> np.ndarray:
    """What the tiny network must give, in float64."""
    logits = inputs.astype(np.float64).mean(axis=(1, 2)) @ KERNEL.astype(np.float64) + BIAS
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def grey_image(seed: int, *, side: int = 12, dtype: str = "uint16") -> Image:
    """A random one-channel image; its overall brightness varies from seed to seed."""
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, int(top * rng.uniform(0.1, 1.0)), (1, side, side), dtype=dtype)
    return Image(Path(f"{seed}.tif"), pixels, ("channel 1",), None, False, (0.0, float(top)))


def fitted_preprocess(images: Sequence[Image]) -> Preprocess:
    network = NetworkInput(size=SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return fit_preprocess(images, PreprocessSettings(intensity="divide"), network)


def bundle_info(preprocess: Preprocess, **changes: Any) -> BundleInfo:
    values: dict[str, Any] = {
        "actinscope_version": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "classes": CLASSES,
        "network": NetworkSummary(name="tiny", title="Tiny", licence="MIT", weights="by hand"),
        "preprocess": preprocess,
    }
    return BundleInfo(**(values | changes))


def make_bundle(folder: Path, **changes: Any) -> Bundle:
    """Save a bundle of the tiny network with four golden 16-bit images to ``folder``."""
    images = [grey_image(seed) for seed in range(4)]
    preprocess = fitted_preprocess(images)
    inputs = np.stack([preprocess.apply(image) for image in images])
    network = write_network(folder.parent / f"{folder.name}.onnx")
    return save_bundle(
        folder,
        onnx_path=network,
        info=bundle_info(preprocess, **changes),
        golden_images=images,
        golden_inputs=inputs,
        golden_outputs={
            "probabilities": by_hand(inputs).astype(np.float32),
            "embedding": inputs.mean(axis=(1, 2)),
            "class_maps": inputs @ KERNEL,
        },
    )


def references() -> ReferenceFeatures:
    """One feature, the brightness: training images are 0.1, 0.2 ... 0.5 bright."""
    rows = (np.arange(1, 6) / 10).astype(np.float16).astype(np.float32)[:, None]
    return ReferenceFeatures(np.zeros(1, np.float32), np.ones(1, np.float32), rows)


def rules(golden: tuple[float, ...], **changes: Any) -> Reliability:
    values: dict[str, Any] = {
        "temperature": 2.0,
        "images": 40,
        "groups": 8,
        "sets": SetRule(
            coverage=0.9,
            per_class=True,
            thresholds=(0.25, 0.3, None),
            images=40,
            effective=(12.0, 11.0, 3.0),
            note="every prediction set holds round (3.0)",
        ),
        "abstain": AbstainRule(by="share", target=0.8, confidence=0.5),
        "ood": OodRule(
            neighbours=1, threshold=0.1, share=0.01, references=5, images=99, golden=golden
        ),
    }
    return Reliability(**(values | changes))


def with_early_features(folder: Path) -> Bundle:
    """The tiny bundle, whose network also gives the mean of its first channel."""
    import onnx
    from onnx import TensorProto, helper

    make_bundle(folder)
    path = folder / "model.onnx"
    model = onnx.load(str(path))
    model.graph.node.append(helper.make_node("MatMul", ["embedding", "first"], ["early_features"]))
    model.graph.initializer.append(
        helper.make_tensor("first", TensorProto.FLOAT, [3, 1], [1, 0, 0])
    )
    model.graph.output.append(
        helper.make_tensor_value_info("early_features", TensorProto.FLOAT, ["N", 1])
    )
    onnx.save(model, str(path))
    set_hash(folder, "model.onnx")
    return load_bundle(folder)


def set_hash(folder: Path, name: str) -> None:
    info = json.loads((folder / "bundle.json").read_text())
    info["files"][name] = sha256_of_file(folder / name)
    (folder / "bundle.json").write_text(json.dumps(info))


def unfamiliarity(bundle: Bundle) -> tuple[float, ...]:
    """Of the golden images by hand: distance to the nearest of 0.1 ... 0.5, over 0.1."""
    brightness = bundle.golden().inputs.mean(axis=(1, 2))[:, :1]
    return tuple((np.abs(brightness - references().rows.T).min(axis=1) / 0.1).tolist())


def zip_bundle(folder: Path, target: Path) -> None:
    """Pack the files in ``folder`` into ``target``, which ends in .zip."""
    shutil.make_archive(str(target.with_suffix("")), "zip", folder)
