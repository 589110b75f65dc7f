"""A study of tiny images, predicted by the tiny network, ready to be explained."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import tifffile

from actinscope.bundle import Bundle, save_bundle
from actinscope.cells import CropReader
from actinscope.explain import SaliencySource
from actinscope.predict import Predictor, ScaledImages
from actinscope.progress import Silent
from actinscope.runs import EvaluatedPredictions, predict_and_evaluate
from actinscope.study import read_manifest
from helpers.bundles import (
    CLASSES,
    bundle_info,
    by_hand,
    fitted_preprocess,
    grey_image,
    make_bundle,
    write_network,
)

READER = CropReader()


def without_class_maps(folder: Path) -> Bundle:
    """A bundle of the tiny network that gives no class maps."""
    path = write_network(folder.parent / f"{folder.name}.onnx")
    model = onnx.load(str(path))
    kept = [port for port in model.graph.output if port.name != "class_maps"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, str(path))
    images = [grey_image(seed) for seed in range(4)]
    preprocess = fitted_preprocess(images)
    inputs = np.stack([preprocess.apply(image) for image in images])
    return save_bundle(
        folder,
        onnx_path=path,
        info=bundle_info(preprocess),
        golden_images=images,
        golden_inputs=inputs,
        golden_outputs={"probabilities": by_hand(inputs).astype(np.float32)},
    )


def cell_pixels(seed: int) -> np.ndarray:
    """(12, 12) uint16: a dim ground, and a bright cell whose brightness varies by seed."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(500, 1500, (12, 12))
    pixels[3:9, 3:9] += rng.integers(10_000, 60_000)
    return pixels.astype(np.uint16)


def write_study(folder: Path, *, images: int = 24) -> Path:
    """TIFFs of three classes in six groups, half of them training; returns the CSV."""
    folder.mkdir(parents=True)
    table = folder / "study.csv"
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "slide", "part"])
        for number in range(images):
            tifffile.imwrite(folder / f"{number}.tif", cell_pixels(number))
            part = "test" if number % 2 else "train"
            slide = f"s{number // 2 % 6}"
            writer.writerow([f"{number}.tif", CLASSES[number % 3], slide, part])
    return table


def toy_saliency(folder: Path, *, maps: bool = True) -> SaliencySource:
    """Everything that explaining a network of the toy study needs."""
    table = write_study(folder / "study")
    make = make_bundle if maps else without_class_maps
    predictor = Predictor(make(folder / "bundle"), backend="onnxruntime")
    manifest = read_manifest(table, table.parent, group="slide")

    def part(name: str) -> EvaluatedPredictions:
        records = [record for record in manifest.records if record.part == name]
        return predict_and_evaluate(
            predictor, records, manifest, images=READER, seed=0, progress=Silent()
        )

    images = ScaledImages(predictor.bundle.info.preprocess, READER)
    return SaliencySource(predictor, part("test"), part("train"), images)
