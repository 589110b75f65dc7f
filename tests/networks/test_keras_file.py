"""Weights from Keras' files: every layer gets its own, or the file is refused."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from actinscope.errors import WeightsCorrupt
from actinscope.networks import (
    Head,
    KerasDownload,
    NetworkEntry,
    ResolvedWeights,
    build_network,
    keras_backend,
    network_entry,
    resolve_weights,
)
from actinscope.preprocess import NetworkInput
from helpers.keras_layouts import shaken, write_legacy

V2 = network_entry("efficientnetv2-b0")
NONE = resolve_weights(V2, "none")


def _build_tiny(shape: tuple[int, int, int]) -> Any:
    keras = keras_backend()
    layers = keras.layers
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, use_bias=False, name="stem_conv")(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.Conv2D(5, 3, name="top_conv")(x)
    return keras.Model(image, x, name="tiny")


def _build_numbered(shape: tuple[int, int, int]) -> Any:
    # Keras numbers layers without a name through the whole session.
    keras = keras_backend()
    layers = keras.layers
    image = keras.Input(shape)
    x = layers.Conv2D(3, 3)(layers.Conv2D(3, 3)(image))
    return keras.Model(image, x)


TINY = NetworkEntry(
    name="tiny",
    title="Tiny",
    input=NetworkInput(size=32, mean=(0.5,) * 3, std=(0.5,) * 3),
    layer_count=7,
    frozen_layers=2,
    licence="MIT",
    weights=KerasDownload("http://127.0.0.1:9/tiny.h5", "tiny.h5", "0" * 32),
    builder=_build_tiny,
    head=Head(dropout=0.1),
)
NUMBERED = replace(TINY, builder=_build_numbered)


def _file(path: Path, kind: Any = "file") -> ResolvedWeights:
    return ResolvedWeights(kind=kind, path=path, sha256="", description="a file")


def _build(entry: NetworkEntry, weights: ResolvedWeights, seed: int = 0, **options: int) -> Any:
    return build_network(entry, classes=2, weights=weights, seed=seed, **options)


def _run(model: Any, images: np.ndarray[Any, Any]) -> Any:
    ops = keras_backend().ops
    return ops.convert_to_numpy(model(ops.convert_to_tensor(images), training=False))


def _weights(model: Any) -> dict[str, list[np.ndarray[Any, Any]]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def _assert_same_body(model: Any, saved: Any) -> None:
    stored = _weights(saved)
    for name, arrays in _weights(model).items():
        if name != "predictions":
            assert all(np.array_equal(*pair) for pair in zip(arrays, stored[name], strict=True))


def _save(model: Any, path: Path) -> None:
    with warnings.catch_warnings():
        # Keras hands TensorFlow variables to NumPy in a way that NumPy 2 complains about.
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save_weights(path)


@pytest.fixture(scope="module")
def headless() -> Any:
    """The paper's network as Keras Applications saves it: preprocessing inside, no head."""
    applications = keras_backend().applications
    shape = (64, 64, 3)
    model = applications.EfficientNetV2B0(
        include_top=False, weights=None, include_preprocessing=True, input_shape=shape
    )
    return shaken(model, seed=3, kernels=0.1)


@pytest.fixture(scope="module")
def saved() -> Any:
    return shaken(_build(TINY, NONE), seed=3, kernels=0.1)


@pytest.fixture
def legacy(saved: Any, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.h5"
    write_legacy(saved, path)
    return path


def test_keras_file_gives_the_same_features_without_preprocessing_layers(
    headless: Any, tmp_path: Path
) -> None:
    path = tmp_path / "efficientnetv2-b0_notop.h5"
    write_legacy(headless, path)
    model = _build(V2, _file(path), input_size=64)
    _assert_same_body(model, headless)

    unit = np.random.default_rng(4).uniform(size=(2, 64, 64, 3)).astype(np.float32)
    image = ((unit - V2.input.mean) / V2.input.std).astype(np.float32)
    features = keras_backend().Model(model.input, model.get_layer("avg_pool").output)
    expected = _run(headless, unit * np.float32(255)).mean(axis=(1, 2))
    scale = np.abs(expected).max()
    assert scale > 1e-3
    np.testing.assert_allclose(_run(features, image), expected, rtol=0, atol=1e-4 * scale)


def test_keras_itself_reads_the_test_file_as_we_do(headless: Any, tmp_path: Path) -> None:
    path = tmp_path / "notop.h5"
    write_legacy(headless, path)
    applications = keras_backend().applications
    other = applications.EfficientNetV2B0(
        include_top=False, weights=str(path), include_preprocessing=False, input_shape=(64, 64, 3)
    )
    _assert_same_body(_build(V2, _file(path), input_size=64), other)


def test_the_layout_of_keras_3_is_read_too(saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "saved.weights.h5"
    _save(saved, path)
    _assert_same_body(_build(TINY, _file(path)), saved)


def test_a_head_in_the_file_is_left_out(saved: Any, legacy: Path) -> None:
    model = _build(TINY, _file(legacy), seed=7)
    fresh = _build(TINY, NONE, seed=7)
    _assert_same_body(model, saved)
    for ours, new, old in zip(
        *(m.get_layer("predictions").get_weights() for m in (model, fresh, saved)), strict=True
    ):
        assert np.array_equal(ours, new) and not np.array_equal(ours, old)


def test_the_seed_decides_everything_random_and_touches_nothing_else() -> None:
    random.seed(11)
    state = random.getstate()
    first = _weights(_build(TINY, NONE, seed=1))
    assert random.getstate() == state
    random.seed(12)
    same, other = _weights(_build(TINY, NONE, seed=1)), _weights(_build(TINY, NONE, seed=2))
    for name in ("stem_conv", "top_conv", "predictions"):
        assert np.array_equal(first[name][0], same[name][0])
        assert not np.array_equal(first[name][0], other[name][0])


def test_more_channels_get_the_mean_kernel(saved: Any, legacy: Path) -> None:
    kernel = saved.get_layer("stem_conv").get_weights()[0]
    model = _build(TINY, _file(legacy), input_channels=4)
    adapted = model.get_layer("stem_conv").get_weights()[0]
    assert adapted.shape == (3, 3, 4, 4)
    expected = (kernel[:, :, 0] + kernel[:, :, 1] + kernel[:, :, 2]) / 4
    for channel in range(4):
        np.testing.assert_allclose(adapted[:, :, channel], expected, atol=1e-7)


def _set_names(group: Any, key: str, names: list[bytes]) -> None:
    group.attrs[key] = np.array(names)


def _listed(group: Any, key: str) -> list[bytes]:
    return [name if isinstance(name, bytes) else name.encode() for name in group.attrs[key]]


def _drop_layer(file: Any) -> None:
    _set_names(file, "layer_names", [n for n in _listed(file, "layer_names") if n != b"stem_bn"])


def _add_layer(file: Any) -> None:
    _set_names(file, "layer_names", [*_listed(file, "layer_names"), b"block7a_bn"])
    file["block7a_bn"] = file["stem_bn"]
    _set_names(file["block7a_bn"], "weight_names", [b"stem_bn/gamma:0"])


def _other_shape(file: Any) -> None:
    del file["stem_conv/stem_conv/kernel:0"]
    file["stem_conv/stem_conv/kernel:0"] = np.zeros((3, 3, 3, 33), np.float32)


def _one_array_less(file: Any) -> None:
    _set_names(file["stem_bn"], "weight_names", _listed(file["stem_bn"], "weight_names")[:3])


def _not_finite(file: Any) -> None:
    file["stem_bn/stem_bn/gamma:0"][3] = np.nan


def _huge(file: Any) -> None:
    del file["stem_conv/stem_conv/kernel:0"]
    file.create_dataset("stem_conv/stem_conv/kernel:0", shape=(2**40,), dtype="f4", chunks=(1024,))


def _outside(file: Any) -> None:
    del file["stem_conv/stem_conv/kernel:0"]
    file["stem_conv/stem_conv/kernel:0"] = h5py.ExternalLink("other.h5", "/kernel")


def _raw_outside(file: Any) -> None:
    del file["stem_conv/stem_conv/kernel:0"]
    raw = [("other.bin", 0, 3 * 3 * 3 * 4 * 4)]
    file.create_dataset("stem_conv/stem_conv/kernel:0", (3, 3, 3, 4), "f4", external=raw)


def _text(file: Any) -> None:
    del file["stem_conv/stem_conv/kernel:0"]
    file["stem_conv/stem_conv/kernel:0"] = "a kernel"


def _nothing(file: Any) -> None:
    del file.attrs["layer_names"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_layer, "1 layers are missing, for example 'stem_bn'"),
        (_add_layer, "1 layers are foreign, for example 'block7a_bn'"),
        (_other_shape, "layer 'stem_conv' needs arrays of the shapes"),
        (_one_array_less, "layer 'stem_bn' needs 4 arrays, not 3"),
        (_not_finite, "layer 'stem_bn' has values that are not finite"),
        (_huge, "layer 'stem_conv' has an array of 1099511627776 elements"),
        (_outside, "does not lie inside the file"),
        (_raw_outside, "points to another file"),
        (_text, "holds something that is no array of numbers"),
        (_nothing, "it has no layers"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    legacy: Path, change: Callable[[Any], None], message: str
) -> None:
    with h5py.File(legacy, "r+") as file:
        change(file)
    with pytest.raises(WeightsCorrupt, match=message) as caught:
        _build(TINY, _file(legacy))
    assert "tiny.h5" in str(caught.value)


def test_arrays_are_matched_by_name_within_a_layer(saved: Any, legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        names = _listed(file["stem_bn"], "weight_names")
        _set_names(file["stem_bn"], "weight_names", names[::-1])
    _assert_same_body(_build(TINY, _file(legacy)), saved)


def test_names_in_several_pieces_are_put_together(saved: Any, legacy: Path) -> None:
    with h5py.File(legacy, "r+") as file:
        names = _listed(file, "layer_names")
        del file.attrs["layer_names"]
        _set_names(file, "layer_names0", names[:3])
        _set_names(file, "layer_names1", names[3:])
    _assert_same_body(_build(TINY, _file(legacy)), saved)


def test_what_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.h5"
    path.write_text("<html>not found</html>")
    with pytest.raises(WeightsCorrupt, match=r"page\.h5: is no usable Keras weights file"):
        _build(TINY, _file(path))


def test_the_published_file_counts_by_order_where_its_names_differ(
    saved: Any, tmp_path: Path
) -> None:
    path = tmp_path / "renamed.h5"
    write_legacy(saved, path, stem_conv="first_convolution")
    with pytest.raises(WeightsCorrupt, match="1 layers are missing"):
        _build(TINY, _file(path))
    _assert_same_body(_build(TINY, _file(path, "imagenet")), saved)


@pytest.mark.parametrize("layout", ["numbered.h5", "numbered.weights.h5"])
def test_layers_numbered_by_keras_count_by_number(tmp_path: Path, layout: str) -> None:
    saved = shaken(_build(NUMBERED, NONE), seed=1, kernels=0.1)
    path = tmp_path / layout
    (_save if ".weights" in layout else write_legacy)(saved, path)
    model = _build(NUMBERED, _file(path))
    assert model.layers[1].name != saved.layers[1].name
    for ours, theirs in zip(model.layers[1:3], saved.layers[1:3], strict=True):
        assert np.array_equal(ours.get_weights()[0], theirs.get_weights()[0])
