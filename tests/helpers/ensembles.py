"""Runs and bundles that ensembles are joined from."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from actinscope.bundle import (
    Bundle,
    save_bundle,
)
from actinscope.cells import CropReader
from actinscope.preprocess import NetworkInput, Preprocess, PreprocessSettings, fit_preprocess
from helpers.bundles import (
    BIAS,
    CLASSES,
    KERNEL,
    bundle_info,
    grey_image,
    write_network,
)

OTHER_KERNEL = KERNEL[::-1].copy()


def other_preprocess() -> Preprocess:
    """Another range: the network is given values around zero."""
    network = NetworkInput(size=8, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    images = [grey_image(seed) for seed in range(4)]
    return fit_preprocess(images, PreprocessSettings(intensity="divide"), network)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def answers(inputs: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    means = inputs.astype(np.float64).mean(axis=(1, 2))
    return softmax(means @ kernel.astype(np.float64) + BIAS[: kernel.shape[1]])


def other_bundle(folder: Path, **changes: Any) -> Bundle:
    """A second network, with another kernel and another input range."""
    images = [grey_image(seed) for seed in range(10, 14)]
    preprocess = other_preprocess()
    inputs = np.stack([preprocess.apply(image) for image in images])
    return save_bundle(
        folder,
        onnx_path=write_network(folder.parent / f"{folder.name}.onnx", kernel=OTHER_KERNEL),
        info=bundle_info(preprocess, **changes),
        golden_images=images,
        golden_inputs=inputs,
        golden_outputs={"probabilities": answers(inputs, OTHER_KERNEL).astype(np.float32)},
    )


def write_study(folder: Path) -> Path:
    """Twelve images of three classes, two a slide."""
    rows = []
    for number in range(12):
        folder.mkdir(exist_ok=True)
        tifffile.imwrite(folder / f"{number}.tif", grey_image(number).pixels[0])
        rows.append({"path": f"{number}.tif", "label": CLASSES[number % 3], "s": number // 2})
    with (folder / "study.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["path", "label", "s"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def make_run(run: Path, make: Callable[[Path], Bundle], images: Path, trained: list[int]) -> Path:
    """A run as far as `evaluate` and `ensemble` look at it."""
    from actinscope.study import fingerprint, read_manifest

    make(run / "bundle")
    (run / "recipe.toml").write_text("")
    manifest = read_manifest(images / "study.csv", images, group="s")
    hashes = [one.pixel_hash for one in fingerprint(manifest, reader=CropReader()).manifest.records]
    lines = ["path,label,s,part,sha256"]
    for number, digest in enumerate(hashes):
        part = "train" if number in trained else "test"
        lines.append(f"{number}.tif,{CLASSES[number % 3]},{number // 2},{part},{digest}")
    (run / "manifest.csv").write_text("\n".join(lines))
    return run
