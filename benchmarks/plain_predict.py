"""The rival: predicting a folder of images with Keras, as one finds it in tutorials.

    python benchmarks/plain_predict.py model.keras IMAGES out.csv --classes a b --mean 0 0 0 --std 1 1 1

IMAGES holds a folder with 8-bit PNG or 16-bit TIFF files. PNG goes through ImageDataGenerator
and flow_from_directory, as in the tutorials; that would cut 16-bit values off at 255, so for
TIFF the script has the small keras.utils.Sequence that people write then, which reads with
tifffile and keeps all 16 bits. `model.predict` does the rest, in batches of 32.
"""  # noqa: E501

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from plain_waits import Waits

BATCH = 32


class TiffSequence(keras.utils.PyDataset):
    """Batches of grey 16-bit TIFF files of the network's size, as (N, S, S, 3) float32."""

    def __init__(self, paths: list[Path], mean: np.ndarray, std: np.ndarray) -> None:
        super().__init__()
        self.paths, self.mean, self.std = paths, mean, std

    def __len__(self) -> int:
        return (len(self.paths) + BATCH - 1) // BATCH

    def __getitem__(self, number: int) -> tuple[np.ndarray]:
        """Read batch ``number``."""
        import tifffile

        paths = self.paths[number * BATCH : (number + 1) * BATCH]
        images = np.stack([tifffile.imread(path) for path in paths]).astype(np.float32)
        return ((images[..., None] / np.float32(65535) - self.mean) / self.std,)


def main() -> int:
    arguments = parse()
    model = keras.models.load_model(arguments.model)
    waits = Waits()
    mean, std = np.float32(arguments.mean), np.float32(arguments.std)
    tiffs = sorted(arguments.images.rglob("*.tif"))
    if tiffs:
        names = [str(path) for path in tiffs]
        probabilities = model.predict(TiffSequence(tiffs, mean, std), verbose=0, callbacks=[waits])
    else:
        generator = ImageDataGenerator(
            preprocessing_function=lambda image: (image / 255.0 - mean) / std
        )
        flow = generator.flow_from_directory(
            arguments.images,
            target_size=model.input_shape[1:3],
            batch_size=BATCH,
            class_mode=None,
            shuffle=False,
        )
        names = [str(arguments.images / name) for name in flow.filenames]
        probabilities = model.predict(flow, verbose=0, callbacks=[waits])
    with arguments.output.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "predicted", *arguments.classes])
        for name, row in zip(names, probabilities, strict=True):
            writer.writerow([name, arguments.classes[row.argmax()], *(f"{p:.6f}" for p in row)])
    if arguments.waits is not None:
        arguments.waits.write_text(f"{waits.seconds:.3f}\n", encoding="utf-8")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder above the folder of images")
    parser.add_argument("output", type=Path)
    parser.add_argument("--waits", type=Path, help="file for the seconds that Keras waited")
    parser.add_argument("--classes", nargs="+", required=True)
    parser.add_argument("--mean", type=float, nargs=3, required=True)
    parser.add_argument("--std", type=float, nargs=3, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
