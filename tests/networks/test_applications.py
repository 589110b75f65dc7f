"""The networks of Keras Applications: their files, their input and their heads."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.bundle import quantize_network
from actinscope.bundle.model_check import check_model
from actinscope.errors import SettingsError, WeightsUnavailable
from actinscope.images import Image
from actinscope.networks import (
    REGISTRY,
    Head,
    KerasApplication,
    KerasDownload,
    NetworkEntry,
    ResolvedWeights,
    build_network,
    embedding_of,
    export_onnx,
    freeze,
    freeze_batch_norm,
    is_plain,
    keras_backend,
    network_entry,
    resolve_weights,
    settle_head,
    training_graph,
)
from actinscope.networks.export import inference_model
from actinscope.preprocess import PreprocessSettings, fit_preprocess
from helpers.bundles import bundle_info
from helpers.keras_layouts import shaken, write_legacy

DOWNLOADED = [entry for entry in REGISTRY.values() if isinstance(entry.weights, KerasDownload)]


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("entry", DOWNLOADED, ids=lambda entry: entry.name)
def test_hash_and_address_are_those_that_keras_has(entry: NetworkEntry) -> None:
    source = entry.weights
    assert isinstance(source, KerasDownload)
    assert isinstance(entry.builder, KerasApplication)
    home = inspect.getmodule(getattr(keras_backend().applications, entry.builder.function))
    assert home is not None
    texts = [inspect.getsource(home)]
    if "resnet_v2" in home.__name__:
        texts.append(inspect.getsource(importlib.import_module("keras.src.applications.resnet")))
    text = "".join("".join(texts).split()).replace('""', "")
    folder = source.url.rpartition("/")[0].removeprefix("https://storage.googleapis.com/")
    assert folder.split("/")[-1] in text
    if source.digest is None:
        assert "file_hash" not in text
    else:
        assert f'"{source.digest}"' in text


def test_a_file_without_a_published_hash_is_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(WeightsUnavailable, match=r"no hash.*Download https.*--weights"):
        resolve_weights(network_entry("mobilenet-v2"))


def test_the_small_network_needs_no_weights_and_is_not_called_random() -> None:
    entry = network_entry("small-cnn")
    for choice in ("imagenet", "none"):
        found = resolve_weights(entry, choice)
        assert found.kind == "scratch" and not found.random and not found.pretrained
        assert "from scratch" in found.description


# ---------------------------------------------------------------- input

#: Function that builds it with its own rescaling, name of the module that has the range.
FAMILIES = {
    "vgg16": ("VGG16", "vgg16"),
    "resnet50": ("ResNet50", "resnet"),
    "resnet50-v2": ("ResNet50V2", "resnet_v2"),
    "inception-v3": ("InceptionV3", "inception_v3"),
    "xception": ("Xception", "xception"),
    "nasnet-mobile": ("NASNetMobile", "nasnet"),
    "densenet121": ("DenseNet121", "densenet"),
    "mobilenet-v2": ("MobileNetV2", "mobilenet_v2"),
    "mobilenet-v3-small": ("MobileNetV3Small", "mobilenet_v3"),
    "efficientnet-b0": ("EfficientNetB0", "efficientnet"),
    "efficientnetv2-b1": ("EfficientNetV2B1", "efficientnet_v2"),
    "efficientnetv2-s": ("EfficientNetV2S", "efficientnet_v2"),
}
QUICK = ("vgg16", "inception-v3", "efficientnet-b0")


def _families(quick: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in FAMILIES
    ]


@pytest.mark.parametrize("name", _families(QUICK))
def test_a_colour_picture_has_the_features_that_keras_gives_it(name: str, tmp_path: Path) -> None:
    """From a file in Keras' layout and an 8-bit picture: range, order and weights at once."""
    entry = network_entry(name)
    function, module = FAMILIES[name]
    applications = keras_backend().applications
    size = entry.smallest
    theirs = getattr(applications, function)(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )
    shaken(theirs, seed=3, kernels=_kernels(name))
    if name.startswith("efficientnet-b"):
        # What the published file holds, and the layer that Keras adds for it, in one:
        # (x - mean) / sqrt(deviation) / sqrt(deviation).
        norm = next(one for one in theirs.layers if one.name.startswith("normalization"))
        norm.set_weights([np.array(entry.input.mean), np.square(entry.input.std), np.array(0)])
        norm.finalize_state()
    path = tmp_path / "notop.h5"
    write_legacy(theirs, path)
    ours = build_network(
        entry,
        classes=2,
        weights=ResolvedWeights("imagenet", path, "", ""),
        input_size=size,
        seed=0,
        head=Head(),
    )
    pixels = np.random.default_rng(1).integers(0, 256, (size, size, 3), dtype=np.uint8)
    ready = getattr(applications, module).preprocess_input(pixels[None].astype(np.float32))
    expected = np.asarray(theirs(ready, training=False)).mean(axis=(1, 2))
    given = _network_input(pixels, entry, size)
    found = np.asarray(
        keras_backend().Model(ours.input, embedding_of(ours))(given[None], training=False)
    )
    scale = float(np.abs(expected).max())
    assert scale > 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * scale)


def _kernels(name: str) -> float | None:
    """Deviation of random kernels: larger ones make EfficientNetV2's gates so steep that
    rounding shows."""
    return 0.1 if name.startswith("efficientnetv2") else None


def _network_input(pixels: Any, entry: NetworkEntry, size: int) -> Any:
    return _fitted(pixels, entry, size).apply(_image(pixels))


def _image(pixels: Any) -> Image:
    planes = np.moveaxis(pixels, -1, 0)
    return Image(Path("a.png"), planes, ("red", "green", "blue"), None, True, (0.0, 255.0))


def _fitted(pixels: Any, entry: NetworkEntry, size: int) -> Any:
    return fit_preprocess([_image(pixels)], PreprocessSettings(), replace(entry.input, size=size))


def test_a_pixel_for_vgg_is_blue_green_red_less_the_mean() -> None:
    pixels = np.full((4, 4, 3), (10, 20, 30), np.uint8)
    pixels[0, 0] = 255
    value = _network_input(pixels, network_entry("vgg16"), 4)[2, 2]
    np.testing.assert_allclose(value, (30 - 103.939, 20 - 116.779, 10 - 123.68), atol=2e-5)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("inception-v3", -1.0, 1.0),
        ("efficientnetv2-s", -1.0, 255 / 128 - 1),
        ("densenet121", -0.485 / 0.229, (1 - 0.485) / 0.229),
    ],
)
def test_black_and_white_red_become(name: str, low: float, high: float) -> None:
    wanted = network_entry(name).input
    found = [(value - wanted.mean[0]) / wanted.std[0] for value in (0.0, 1.0)]
    assert found == pytest.approx([low, high], abs=1e-9)


# ---------------------------------------------------------------- heads


def _random(name: str, head: Head | None = None, size: int = 0) -> Any:
    entry = network_entry(name)
    return build_network(
        entry,
        classes=3,
        weights=resolve_weights(entry, "none"),
        input_size=size or entry.smallest,
        head=head,
        seed=1,
    )


def test_vgg_has_two_fully_connected_layers() -> None:
    model = _random("vgg16")
    assert [layer.name for layer in model.layers[-6:]] == [
        "avg_pool", "fc1", "fc1_dropout", "fc2", "fc2_dropout", "predictions",
    ]  # fmt: skip
    assert [model.get_layer(name).units for name in ("fc1", "fc2")] == [256, 256]
    assert set(inference_model(model).output) == {"probabilities", "embedding", "early_features"}
    assert embedding_of(model) is model.get_layer("fc2").output


def test_a_flattened_head_reads_every_position() -> None:
    model = _random("vgg16", Head(units=(8,), flatten=True), size=64)
    assert model.get_layer("fc1").kernel.shape == (2 * 2 * 512, 8)


def test_settings_of_the_head_are_settled() -> None:
    pooled, dense = Head(dropout=0.2), Head((256, 256), 0.5)
    assert settle_head(pooled) == pooled
    assert settle_head(dense) == dense
    assert settle_head(pooled, kind="dense") == Head((256, 256), 0.5)
    assert settle_head(pooled, units=[7]) == Head((7,), 0.5)
    assert settle_head(dense, units=[7], dropout=0.0) == Head((7,), 0.0)
    assert settle_head(dense, kind="pooled") == Head()
    assert settle_head(pooled, dropout=0.4) == Head(dropout=0.4)
    assert settle_head(dense, flatten=True) == Head((256, 256), 0.5, flatten=True)
    with pytest.raises(SettingsError, match="do nothing with head = 'pooled'"):
        settle_head(pooled, flatten=True, kind="pooled")
    with pytest.raises(SettingsError, match="do nothing with head = 'pooled'"):
        settle_head(dense, kind="pooled", units=[4])
    with pytest.raises(SettingsError, match="needs at least one fully connected layer"):
        settle_head(pooled, kind="dense", units=[])


# ---------------------------------------------------------------- training and export


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet-v3-small",
        pytest.param("nasnet-mobile", marks=pytest.mark.slow),
        pytest.param("inception-v3", marks=pytest.mark.slow),
    ],
)
def test_the_training_graph_of_an_unusual_network_is_keras_own(name: str) -> None:
    """Operations that are no layers, separable convolutions."""
    import tensorflow as tf

    entry = network_entry(name)
    model = _random(name, Head())
    freeze(model, entry.frozen_layers)
    freeze_batch_norm(model)
    assert is_plain(model.inputs, model.operations, model.output)
    graph = training_graph(model.inputs, model.operations, model.output)
    images = tf.constant(_noise((3, entry.smallest, entry.smallest, 3)))
    gradients = []
    for run in (lambda x: model(x, training=True), lambda x: graph([x])):
        variables = [variable.value for variable in model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(tf.math.log(run(images)[:, 0]))
        found = tape.gradient(loss, variables)
        gradients.append([float(loss), *(np.asarray(one) for one in found)])
    assert len(gradients[0]) > 10
    for own, expected in zip(*gradients, strict=True):
        scale = max(float(np.abs(expected).max()), 1e-6)
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-3 * scale)


def test_a_network_that_uses_a_layer_twice_is_not_plain() -> None:
    keras = keras_backend()
    shared = keras.layers.Dense(2)
    vector = keras.Input((2,))
    twice = keras.Model(vector, shared(shared(vector)))
    assert not is_plain(twice.inputs, twice.operations, twice.output)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAMILIES, "small-cnn"])
def test_every_family_is_written_as_onnx_and_runs_on_openvino(name: str, tmp_path: Path) -> None:
    _assert_exported(name, tmp_path)


@pytest.mark.parametrize("name", ["vgg16", "small-cnn"])
def test_heads_are_written_as_onnx_and_run_on_openvino(name: str, tmp_path: Path) -> None:
    _assert_exported(name, tmp_path)


@pytest.mark.parametrize(
    "name", ["small-cnn", pytest.param("efficientnet-lite0", marks=pytest.mark.slow)]
)
def test_int8_copies_are_accepted_in_bundles(name: str, tmp_path: Path) -> None:
    entry = network_entry(name)
    export_onnx(_random(name), entry, tmp_path / "model.onnx")
    images = _noise((2, entry.smallest, entry.smallest, 3))
    _assert_accepted(quantize_network((tmp_path / "model.onnx").read_bytes(), images), entry)


def _assert_accepted(model: bytes, entry: NetworkEntry) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    preprocess = _fitted(pixels, entry, entry.smallest)
    info = bundle_info(preprocess, classes=("a", "b", "c"))
    check_model(model, info, where=Path("model.onnx"))


def _assert_exported(name: str, folder: Path) -> None:
    import openvino

    entry = network_entry(name)
    model = shaken(_random(name), seed=5, kernels=_kernels(name))
    export_onnx(model, entry, folder / "model.onnx")
    _assert_accepted((folder / "model.onnx").read_bytes(), entry)
    images = _noise((2, entry.smallest, entry.smallest, 3))
    expected = {key: np.asarray(one) for key, one in inference_model(model)(images).items()}
    compiled = openvino.Core().compile_model(
        folder / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    result = compiled(images)
    found = {output.get_any_name(): result[output] for output in compiled.outputs}
    assert set(found) == set(expected)
    assert ("class_maps" in found) == entry.has_class_maps
    for key, values in expected.items():
        scale = max(1e-3, float(np.abs(values).max()))
        np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-3 * scale, err_msg=key)


def _noise(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)
