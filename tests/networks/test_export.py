"""The ONNX file gives what the training framework gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import BundleError, OutputError
from actinscope.networks import (
    build_network,
    export_onnx,
    freeze,
    keras_backend,
    network_entry,
    resolve_weights,
)
from actinscope.networks.export import inference_model

IMAGES = np.random.default_rng(0).normal(size=(5, 96, 96, 3)).astype(np.float32)
NAMES = ("efficientnetv2-b0", "efficientnet-lite0")


class _Exported:
    def __init__(self, name: str, folder: Path) -> None:
        self.entry = network_entry(name)
        choice = "imagenet" if name == "efficientnet-lite0" else "none"
        weights = resolve_weights(self.entry, choice)
        self.model = build_network(self.entry, classes=3, weights=weights, input_size=96, seed=1)
        freeze(self.model, self.entry.frozen_layers)
        rng = np.random.default_rng(2)
        head = self.model.get_layer("predictions")
        head.set_weights([rng.normal(0, 0.2, weight.shape) for weight in head.weights])
        self.path = folder / f"{name}.onnx"
        export_onnx(self.model, self.entry, self.path)

        outputs = inference_model(self.model)(IMAGES, training=False)
        self.expected = {name: np.asarray(value) for name, value in outputs.items()}
        self.expected["probabilities"] = self.model.predict(IMAGES, verbose=0)


@pytest.fixture(scope="module", params=NAMES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Exported:
    return _Exported(request.param, tmp_path_factory.mktemp("onnx"))


def _compare(
    found: dict[str, np.ndarray[Any, Any]], expected: dict[str, np.ndarray[Any, Any]]
) -> None:
    assert set(found) == {"probabilities", "embedding", "class_maps", "early_features"}
    for name, values in expected.items():
        value = values[: len(found[name])]
        assert found[name].dtype == np.float32
        scale = 1.0 if name == "probabilities" else max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5 * scale, err_msg=name)


def test_onnxruntime_agrees(exported: _Exported) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for count in (1, 5):
        found = dict(zip(names, session.run(None, {"image": IMAGES[:count]}), strict=True))
        _compare(found, exported.expected)


def test_openvino_agrees(exported: _Exported) -> None:
    import openvino

    core = openvino.Core()
    # OpenVINO calculates in half precision on some processors unless told not to.
    compiled = core.compile_model(exported.path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count in (1, 5):
        result = compiled(IMAGES[:count])
        found = {output.get_any_name(): result[output] for output in compiled.outputs}
        _compare(found, exported.expected)


def test_the_graph_is_for_inference_only(exported: _Exported) -> None:
    import onnx

    graph = onnx.load(exported.path).graph
    operations = {node.op_type for node in graph.node}
    assert "Conv" in operations
    assert not operations & {"BatchNormalization", "Dropout", "RandomUniform", "If", "Loop"}
    assert [value.name for value in graph.input] == ["image"]
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    assert not batch.dim_value


def test_nothing_but_the_file_is_left_behind(exported: _Exported) -> None:
    assert [path.name for path in exported.path.parent.iterdir()] == [exported.path.name]


def test_exporting_changes_nothing_in_the_network(exported: _Exported) -> None:
    before = [layer.name for layer in exported.model.layers]
    inference_model(exported.model)
    assert [layer.name for layer in exported.model.layers] == before
    assert not exported.model.layers[0].trainable and exported.model.layers[-1].trainable


def test_early_features_are_the_means_of_an_early_frozen_map(exported: _Exported) -> None:
    """96 / 8 = 12 positions a side; the layer lies before the first one that is trained."""
    layers = exported.model.layers
    shapes = [tuple(layer.output.shape) for layer in layers]
    last = max(place for place, shape in enumerate(shapes) if shape[1:3] == (12, 12))
    assert last < exported.entry.frozen_layers
    keras = keras_backend()
    mapped = keras.Model(exported.model.input, layers[last].output)(IMAGES, training=False)
    expected = np.asarray(mapped).mean(axis=(1, 2))
    np.testing.assert_allclose(exported.expected["early_features"], expected, atol=1e-4)


def test_a_missing_folder_is_an_output_error(exported: _Exported, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        export_onnx(exported.model, exported.entry, tmp_path / "missing" / "model.onnx")


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("actinscope.networks.export.backend_name", lambda: "torch")
    with pytest.raises(BundleError, match=r"not on torch.*KERAS_BACKEND=tensorflow"):
        export_onnx(None, network_entry("efficientnet-lite0"), tmp_path / "model.onnx")


def test_exporting_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def build(shape: tuple[int, int, int]) -> Any:
        keras = keras_backend()
        image = keras.Input(shape)
        x = keras.layers.Conv2D(4, 3, activation="relu", name="top_activation")(image)
        return keras.Model(image, x)

    entry = replace(network_entry("efficientnet-lite0"), builder=build)
    weights = resolve_weights(entry, "none")
    model = build_network(entry, classes=2, weights=weights, input_size=32, seed=0)
    export_onnx(model, entry, tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_operations_that_onnx_does_not_know_are_refused(tmp_path: Path) -> None:
    def build(shape: tuple[int, int, int]) -> Any:
        keras = keras_backend()
        image = keras.Input(shape)
        return keras.Model(image, keras.layers.Activation("gelu")(image))

    entry = replace(network_entry("efficientnet-lite0"), builder=build)
    weights = resolve_weights(entry, "none")
    model = build_network(entry, classes=2, weights=weights, input_size=32, seed=0)
    with pytest.raises(BundleError, match="ONNX does not know: Erfc"):
        export_onnx(model, entry, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
