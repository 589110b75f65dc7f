"""Whether a trained model flags images of other kinds: three scores compared on real cells.

    python benchmarks/unfamiliar.py mef_actin
    python benchmarks/unfamiliar.py mitocheck_nuclei --epochs 3

Trains a model as `actinscope train` does, then scores its own validation and test images (fields
or movies that it never saw) and foreign ones: other stains, other cell types, noise, empty
places. Foreign images are written in the bit depth of the training images, once with their own
contrast and once stretched to their percentiles, and brought to the brightness range of the
training part: as hard as it can be made, as nothing is told by brightness alone. (As they come,
8-bit or colour images are refused by a model of 16-bit grey ones before any score.)

`delivered` is the unfamiliarity of the bundle. `embedding, neighbours` takes the last embedding of
the trained network instead (Sun et al. 2022), `embedding, Mahalanobis` the distance to the nearest
class mean with a shared, shrunk covariance (Lee et al. 2018; Ledoit and Wolf 2004).
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.bundle import NetworkOutput, load_bundle
from actinscope.images import Image, read_image
from actinscope.predict import Predictor
from actinscope.progress import Silent
from actinscope.requests import StudySource, TrainRequest
from actinscope.training import change_recipe, load_recipe
from actinscope.workflows.train import train_study
from record import DATA_SETS, command_line, data_folder, write_record

_IMAGES = 150
_SIDE = 112
_NEIGHBOURS = 5
_FOREIGN = {
    "mef_actin": ("white_cells_rgb", "tcell_activation", "mitocheck_nuclei"),
    "mitocheck_nuclei": ("white_cells_rgb", "tcell_activation", "mef_actin/cells"),
}


def main() -> int:
    arguments = _parse()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        _train(arguments, run)
        predictor = Predictor(load_bundle(run / "bundle"))
        own = _own(predictor, data_folder(arguments.data), run / "manifest.csv")
    scores = _Scores(predictor, own)
    rows = []
    for name, images in _foreign(arguments.data, predictor):
        outputs = _outputs(predictor, images)
        row: dict[str, Any] = {"images": name, "count": len(outputs)}
        row["auroc"] = {kind: round(scores.auroc(kind, outputs), 4) for kind in scores.kinds}
        unfamiliar = predictor.rules(outputs).unfamiliar
        assert unfamiliar is not None
        row["flagged"] = round(float(unfamiliar.mean()), 4)
        rows.append(row)
        print(row, flush=True)
    familiar = predictor.rules(own["test"][0]).unfamiliar
    assert familiar is not None
    write_record(
        {
            "benchmark": "unfamiliar",
            "data": arguments.data,
            "own_test_images": len(familiar),
            "own_flagged": round(float(familiar.mean()), 4),
            "rows": rows,
            "command": command_line("unfamiliar.py"),
        }
    )
    return 0


def _train(arguments: argparse.Namespace, run: Path) -> None:
    changes: dict[str, dict[str, Any]] = {"network": {"name": "efficientnet-lite0"}}
    if arguments.epochs:
        changes["training"] = {"epochs": arguments.epochs}
    folder = data_folder(arguments.data)
    source = StudySource(
        data=folder, manifest=folder / "groups.csv", group=DATA_SETS[arguments.data]
    )
    recipe = change_recipe(load_recipe("fine-tuned"), changes, seed=arguments.seed)
    train_study(TrainRequest(source=source, recipe=recipe, output=run), Silent())


def _own(
    predictor: Predictor, folder: Path, manifest: Path
) -> dict[str, tuple[NetworkOutput, list[str]]]:
    """Outputs and labels of each part of the run."""
    with manifest.open(newline="", encoding="utf-8") as stream:
        listed = list(csv.DictReader(stream))
    found = {}
    for part in ("train", "validation", "test"):
        rows = [row for row in listed if row["part"] == part]
        images = (read_image(folder / row["path"]) for row in rows)
        found[part] = (_outputs(predictor, images), [row["label"] for row in rows])
    return found


def _outputs(predictor: Predictor, images: Iterator[Image]) -> NetworkOutput:
    found = [predictor.predict_images([image]) for image in images]
    return NetworkOutput(
        np.concatenate([one.probabilities for one in found]),
        np.concatenate([one.embedding for one in found if one.embedding is not None]),
        None,
        np.concatenate([one.early_features for one in found if one.early_features is not None]),
    )


class _Scores:
    """Three scores, fitted on the training part, and their AUROC against the model's own images."""

    kinds = ("delivered", "embedding, neighbours", "embedding, Mahalanobis")

    def __init__(
        self, predictor: Predictor, own: dict[str, tuple[NetworkOutput, list[str]]]
    ) -> None:
        from sklearn.covariance import LedoitWolf

        self._judge = predictor.rules
        training, labels = own["train"]
        self._training = _unit(training.embedding)
        spread = training.embedding.std(axis=0)
        self._spread = np.maximum(spread, 0.1 * np.median(spread))
        scaled = training.embedding / self._spread
        names = np.array(labels)
        self._means = [scaled[names == name].mean(axis=0) for name in sorted(set(labels))]
        centred = np.concatenate(
            [scaled[names == name] - scaled[names == name].mean(axis=0) for name in set(labels)]
        )
        self._precision = LedoitWolf(assume_centered=True).fit(centred).precision_
        self._own = [own["validation"][0], own["test"][0]]

    def auroc(self, kind: str, foreign: NetworkOutput) -> float:
        from sklearn.metrics import roc_auc_score

        familiar = np.concatenate([self._score(kind, one) for one in self._own])
        odd = self._score(kind, foreign)
        truth = np.repeat([0, 1], [len(familiar), len(odd)])
        return float(roc_auc_score(truth, np.concatenate([familiar, odd])))

    def _score(self, kind: str, output: NetworkOutput) -> Any:
        if kind == "delivered":
            return self._judge(output).unfamiliarity
        if kind == "embedding, neighbours":
            distances = 1 - _unit(output.embedding) @ self._training.T
            return np.partition(distances, _NEIGHBOURS - 1, axis=1)[:, _NEIGHBOURS - 1]
        gaps = [output.embedding / self._spread - mean for mean in self._means]
        return np.min([((gap @ self._precision) * gap).sum(axis=1) for gap in gaps], axis=0)


def _unit(rows: Any) -> Any:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _foreign(data: str, predictor: Predictor) -> Iterator[tuple[str, Iterator[Image]]]:
    """(name, images) of every kind of foreign image, in the format of the training images."""
    rng = np.random.default_rng(0)
    for name in _FOREIGN[data]:
        top, _, below = name.partition("/")
        folder = data_folder(top) / below
        files = sorted([*folder.rglob("*.png"), *folder.rglob("*.tif")])
        chosen = [files[place] for place in rng.permutation(len(files))[:_IMAGES]]
        for stretched in (False, True):
            kind = f"{name}, {'stretched' if stretched else 'own contrast'}"
            if top == "mef_actin" and not stretched:
                continue  # 16-bit images with little in the lower hundredth: black in 8 bits
            yield kind, (_converted(predictor, _scaled_grey(file, stretched)) for file in chosen)
    yield "noise", (_converted(predictor, rng.random((_SIDE, _SIDE))) for _ in range(60))
    if data == "mef_actin":
        yield "empty places of the same fields", _empty_places(data_folder(data), rng)


def _scaled_grey(file: Path, stretched: bool) -> Any:
    image = read_image(file)
    grey = image.pixels.astype(np.float64).mean(axis=0)
    low, high = np.percentile(grey, [0.1, 99.9]) if stretched else image.value_range
    return np.clip((grey - low) / max(high - low, 1e-9), 0, 1)


def _converted(predictor: Predictor, scaled: Any) -> Image:
    """Values 0..1 over the range of brightness that the training part has."""
    preprocess = predictor.bundle.info.preprocess
    low, high = preprocess.low[0], preprocess.high[0]
    assert preprocess.value_range is not None
    kind = np.uint16 if preprocess.value_range[1] > 255 else np.uint8
    pixels = np.round(low + scaled * (high - low)).astype(kind)[np.newaxis]
    names = preprocess.channel_names
    return Image(Path("foreign"), pixels, names, None, False, preprocess.value_range)


def _empty_places(folder: Path, rng: np.random.Generator) -> Iterator[Image]:
    """Squares of the whole fields in which no cell was segmented."""
    with (folder / "fields.csv").open(newline="", encoding="utf-8") as stream:
        fields = list(csv.DictReader(stream))
    for field in fields:
        image, mask = (read_image(folder / field[name]) for name in ("path", "mask"))
        height, width = mask.pixels.shape[1:]
        found = 0
        for _ in range(20_000):
            y, x = rng.integers(height - _SIDE), rng.integers(width - _SIDE)
            window = (slice(None), slice(y, y + _SIDE), slice(x, x + _SIDE))
            if mask.pixels[window].any() or found == _IMAGES // len(fields):
                continue
            found += 1
            yield Image(
                image.path, image.pixels[window], image.channel_names, None, False,
                image.value_range,
            )  # fmt: skip


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(_FOREIGN))
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
