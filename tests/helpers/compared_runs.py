"""Finished runs made by hand: what ``train`` leaves, without a training."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tifffile

from actinscope.study import hash_of_pixels
from actinscope.training import change_recipe, load_recipe, write_recipe
from helpers.bundles import CLASSES, grey_image, make_bundle

PARTS = ("train", "validation", "test", "test", "test", "test")


@dataclass(frozen=True)
class ToyImage:
    """A row of a toy run: an image, and the class that the run names."""

    name: str
    label: str
    part: str
    predicted: str
    field: str = "f"
    sha: str = ""
    chance: float = 0.8


def toy_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def toy_images(count: int = 36, wrong: Sequence[int] = ()) -> list[ToyImage]:
    """Images of three classes in turn; every sixth trains, every sixth chooses, four test.

    The numbers in ``wrong`` are answered with the next class.
    """
    images = []
    for number in range(count):
        label = number % 3
        predicted = (label + 1) % 3 if number in wrong else label
        name = f"{number}.tif"
        images.append(
            ToyImage(
                name,
                CLASSES[label],
                PARTS[(number // 3) % 6],
                CLASSES[predicted],
                f"f{number // 3}",
                toy_hash(name),
            )
        )
    return images


def write_run(
    folder: Path, images: Sequence[ToyImage], *, seed: int = 0, bundle: bool = True
) -> Path:
    """Recipe, manifest, predictions and bundle of a run, as ``train`` writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(change_recipe(load_recipe("fine-tuned"), {}, seed=seed), folder / "recipe.toml")
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "field", "part", "sha256"])
        for image in images:
            writer.writerow([image.name, image.label, image.field, image.part, image.sha])
    with (folder / "predictions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        chances = [f"probability_{name}" for name in CLASSES]
        writer.writerow(["path", "object", "part", "label", "predicted", "field", *chances])
        for image in images:
            rest = (1 - image.chance) / 2
            row = [image.chance if name == image.predicted else rest for name in CLASSES]
            cells = [f"{value:.6f}" for value in row]
            writer.writerow(
                [image.name, "", image.part, image.label, image.predicted, image.field, *cells]
            )
    if bundle and not (folder / "bundle").exists():
        make_bundle(folder / "bundle", group="field")
    return folder


def write_toy_pixels(folder: Path, images: Sequence[ToyImage]) -> list[ToyImage]:
    """Write a small TIFF for each image; returns the images with their true hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    hashed = []
    for number, image in enumerate(images):
        pixels = grey_image(number).pixels
        tifffile.imwrite(folder / image.name, pixels[0])
        hashed.append(ToyImage(**{**image.__dict__, "sha": hash_of_pixels(pixels)}))
    return hashed
