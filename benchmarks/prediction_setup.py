"""Images, a bundle and the same network as a Keras file. Shared by the prediction benchmarks.

    python benchmarks/prediction_setup.py FOLDER NETWORK CELLS [SIZE]

builds the network in a process of its own: a process counts the memory of the one that
started it into its own peak, so the benchmarks must not load a training framework.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from actinscope import __version__
from actinscope.bundle import (
    MEASURED,
    Bundle,
    BundleInfo,
    Int8Part,
    Int8Summary,
    NetworkSummary,
    StoredEstimate,
    load_bundle,
    quantize_network,
    save_bundle,
    store_int8,
)
from actinscope.images import list_images, read_image
from actinscope.networks import build_network, export_onnx, network_entry, resolve_weights
from actinscope.phantoms.traits import PHENOTYPES
from actinscope.predict import Predictor
from actinscope.preprocess import NetworkInput, PreprocessSettings, fit_preprocess
from actinscope.runs import now_utc
from record import HERE

Kind = Literal["png", "tif"]
NETWORKS = ("efficientnetv2-b0", "efficientnet-lite0")
_GOLDEN = 4


@dataclass(frozen=True)
class Model:
    """One network in both forms, with the same weights.

    Attributes:
        bundle: for `actinscope predict`.
        keras: for `plain_predict.py`.
    """

    bundle: Path
    keras: Path


def write_images(folder: Path, count: int, kind: Kind, *, side: int = 224) -> Path:
    """Write ``count`` different synthetic cells as 8-bit PNG or 16-bit TIFF to ``folder/cells``.

    They are drawn once and turned and mirrored, so that their compression and noise are
    those of microscope images. Returns ``folder``: the plain script wants a folder above.
    """
    each = 8
    fields = max(1, -(-count // (each * 6 * len(PHENOTYPES))))
    (folder / "cells").mkdir(parents=True)
    sys.path.append(str(HERE.parent / "tests"))
    from helpers.phantom_crops import write_phantom_crops

    write_phantom_crops(
        folder / "drawn", fields_per_class=fields + 1, cells_per_field=6, seed=0, crop_size=side
    )
    drawn = [read_image(path).pixels[0] for path in list_images([folder / "drawn"])]
    for number in range(count):
        picture = _turned(drawn[number % len(drawn)], number // len(drawn))
        _write(folder / "cells" / f"cell{number:06d}.{kind}", picture)
    for path in list_images([folder / "drawn"]):
        path.unlink()
    return folder / "cells"


def _turned(pixels: NDArray[np.uint16], turn: int) -> NDArray[np.uint16]:
    turned = np.rot90(pixels, turn % 4)
    return np.ascontiguousarray(turned[::-1] if turn % 8 >= 4 else turned)


def _write(path: Path, pixels: NDArray[np.uint16]) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
        return
    bright = pixels.astype(np.float32) * (255 / max(int(pixels.max()), 1))
    cv2.imwrite(str(path), np.rint(bright).astype(np.uint8))


def make_model(folder: Path, network: str, cells: Path, *, size: int | None = None) -> Model:
    """Build ``network`` with random weights for three classes, and save it in both forms.

    Weights do not matter for time. ``size`` is the side of its input; None for its own.
    """
    options = [str(folder), network, str(cells), *([str(size)] if size else [])]
    run([sys.executable, str(HERE / "prediction_setup.py"), *options])
    return Model(folder / "bundle", folder / "model.keras")


def _build(folder: Path, network: str, cells: Path, size: int | None) -> None:
    entry = network_entry(network)
    size = size or entry.input.size
    model = build_network(
        entry,
        classes=len(PHENOTYPES),
        weights=resolve_weights(entry, "none"),
        input_size=size,
        seed=0,
    )
    images = [read_image(path) for path in list_images([cells])[:_GOLDEN]]
    given = NetworkInput(size=size, mean=entry.input.mean, std=entry.input.std)
    # Dividing by the type's range is what the plain script does.
    preprocess = fit_preprocess(images, PreprocessSettings(intensity="divide"), given)
    inputs = np.stack([preprocess.apply(image) for image in images])
    folder.mkdir(parents=True, exist_ok=True)
    export_onnx(model, entry, folder / "model.onnx")
    save_bundle(
        folder / "bundle",
        onnx_path=folder / "model.onnx",
        info=BundleInfo(
            actinscope_version=__version__,
            created=now_utc(),
            classes=PHENOTYPES,
            network=NetworkSummary(
                name=entry.name, title=entry.title, licence=entry.licence, weights="random"
            ),
            preprocess=preprocess,
            random_weights=True,
        ),
        golden_images=images,
        golden_inputs=inputs,
        golden_outputs={"probabilities": np.asarray(model.predict_on_batch(inputs))},
    )
    model.save(folder / "model.keras")
    _add_int8(load_bundle(folder / "bundle"), inputs)


def _add_int8(bundle: Bundle, inputs: NDArray[np.float32]) -> None:
    """Store an 8-bit network of which nothing is known: it serves to take the time."""
    model = quantize_network(bundle.model, inputs)
    unknown = StoredEstimate(value=None)
    part = Int8Part(
        images=1,
        accuracy_float32=unknown,
        accuracy_int8=unknown,
        balanced_accuracy_float32=unknown,
        balanced_accuracy_int8=unknown,
        difference=unknown,
        difference_method="not measured",
        changed=0,
        only_float32_right=0,
        only_int8_right=0,
        mcnemar_p=1.0,
        largest_probability_difference=0.0,
    )
    coarse = Predictor(replace(bundle, int8_model=model), precision="int8")
    golden = coarse.predict_images(bundle.golden().images).probabilities
    summary = Int8Summary(
        calibration_images=len(inputs),
        seed=0,
        parts={MEASURED: part},
        speed_ratio=1.0,
        backend=coarse.backend,
        golden_probabilities=tuple(map(tuple, golden.tolist())),
        warning="random weights, accuracy not measured",
    )
    store_int8(bundle, model, summary)


def ours(
    bundle: Path, images: list[Path], output: Path, *, precision: str = "float32"
) -> list[str]:
    """The command of `actinscope predict` as a person types it."""
    output.unlink(missing_ok=True)
    return [
        *(sys.executable, "-m", "actinscope.cli.main", "predict"),
        *(str(bundle), *map(str, images), "-o", str(output)),
        *("--precision", precision),
    ]


def plain(model: Path, network: str, folder: Path, output: Path) -> list[str]:
    """The command of the plain script; ``folder`` is the one above the images' folder."""
    entry = network_entry(network)
    return [
        *(sys.executable, str(HERE / "plain_predict.py"), str(model), str(folder), str(output)),
        *("--classes", *PHENOTYPES),
        *("--mean", *map(str, entry.input.mean), "--std", *map(str, entry.input.std)),
    ]


@dataclass(frozen=True)
class Finished:
    """What one process took.

    Attributes:
        wall: seconds from its start to its end.
        user: seconds of processor time in its own code, over all cores.
        peak_mb: largest resident memory in MB (10**6 bytes).
    """

    wall: float
    user: float
    peak_mb: float


def run(command: list[str]) -> Finished:
    """Run a command to its end; stops with its last lines where it fails."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = list(process.stderr)
        # Of this child alone: RUSAGE_CHILDREN gives the largest of all children so far.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        sys.exit("".join(lines[-20:]))
    return Finished(wall, usage.ru_utime, usage.ru_maxrss * 1024 / 1e6)


def rounded(values: list[float], digits: int = 3) -> list[float]:
    """The values as they go into a record."""
    return [round(value, digits) for value in values]


def spread(values: list[float]) -> dict[str, Any]:
    """Median, lowest and highest of some measurements, and all of them."""
    return {
        "median": round(float(np.median(values)), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
        "each": rounded(values),
    }


if __name__ == "__main__":
    _folder, _network, _cells, *_size = sys.argv[1:]
    _build(Path(_folder), _network, Path(_cells), int(_size[0]) if _size else None)
