"""Parts of a real data set for the plain Keras script and for actinscope: the same images.

The script cannot read 16-bit files, so it is given what actinscope makes of them: the
training part's intensity range stretched to 8 bit, resized, one PNG an image. What that
costs is not counted against it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from actinscope.cells import CropReader
from actinscope.networks import network_entry
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import fingerprint_study, images_of, network_input, read_study, records_of
from actinscope.study import Split, grouped_folds, write_manifest
from actinscope.training import load_recipe
from record import DATA_SETS, data_folder

FOLDS = 5


def split_of(data: str, fold: int, folds: int = FOLDS) -> Split:
    """Fold ``fold`` of ``folds``, in which every group is in one part."""
    folder = data_folder(data)
    source = StudySource(data=folder, manifest=folder / "groups.csv", group=DATA_SETS[data])
    recipe = load_recipe("fine-tuned")
    manifest = read_study(source, recipe)
    fingerprints = fingerprint_study(manifest, CropReader(recipe.images), Silent())
    return grouped_folds(fingerprints.manifest, folds=folds, seed=0)[fold]


def write_parts(data: str, fold: int, folder: Path, *, network: str, folds: int = FOLDS) -> Path:
    """Write `manifest.csv` and `images/PART/CLASS/*.png` in ``folder``; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe("fine-tuned")
    reader = CropReader(recipe.images)
    parts = split_of(data, fold, folds).manifest
    write_manifest(parts, folder / "manifest.csv")
    entry = network_entry(network)
    training = images_of(records_of(parts, "train"), reader, Silent(), "")
    preprocess = fit_preprocess(training, recipe.preprocess, network_input(entry, recipe))
    for part in ("train", "validation", "test"):
        for number, record in enumerate(records_of(parts, part)):
            scaled = preprocess.to_scaled(reader.read(record.path, record.region))
            path = folder / "images" / part / record.label / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.rint(scaled * 255).astype(np.uint8))
    return folder / "manifest.csv"
