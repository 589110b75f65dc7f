"""One contract for every network of the registry, and the parts that build one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import SettingsError, WeightsCorrupt
from actinscope.networks import (
    REGISTRY,
    NetworkEntry,
    build_network,
    embedding_of,
    freeze,
    keras_backend,
    network_entry,
    partition_network,
    resolve_weights,
    weights_at_hand,
)
from actinscope.networks.efficientnet_lite import LiteBuilder
from actinscope.networks.export import inference_model
from actinscope.networks.torch_file import read_torch_state

CLASSES = 3
V2 = network_entry("efficientnetv2-b0")
LITE0 = network_entry("efficientnet-lite0")
NONE = resolve_weights(V2, "none")


def _noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _run(model: Any, images: np.ndarray[Any, Any]) -> Any:
    keras = keras_backend()
    return keras.tree.map_structure(
        keras.ops.convert_to_numpy, model(keras.ops.convert_to_tensor(images), training=False)
    )


def _features(model: Any) -> Any:
    return keras_backend().Model(model.input, embedding_of(model))


def _trained_layers(model: Any) -> int:
    return sum(bool(layer.trainable) for layer in model.layers)


def _weights(model: Any) -> dict[str, list[np.ndarray[Any, Any]]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


@pytest.fixture(scope="module")
def build() -> Iterator[Callable[[NetworkEntry], Any]]:
    """Networks with three classes on the smallest images that they take, built once."""
    built: dict[str, Any] = {}

    def make(entry: NetworkEntry) -> Any:
        if entry.name not in built:
            weights = resolve_weights(entry, "none")
            built[entry.name] = build_network(
                entry, classes=CLASSES, weights=weights, input_size=entry.smallest, seed=1
            )
        model = built[entry.name]
        freeze(model, entry.frozen_layers)
        return model

    yield make
    built.clear()


# ---------------------------------------------------------------- the contract

#: Where the trained part begins: the last frozen layer or, with a +, the first trained one.
BORDERS = {
    "efficientnetv2-b0": "block6d_se_expand",  # the paper's 200
    "inception-v3": "mixed7",
    "nasnet-mobile": "normal_concat_8",
    "vgg16": "block4_pool",
    "vgg19": "block4_pool",
    "xception": "+block13_sepconv1_act",
    "mobilenet-v2": "block_12_add",
    "mobilenet-v3-small": "+expanded_conv_8_expand",
    "mobilenet-v3-large": "+expanded_conv_12_expand",
    "small-cnn": "+image",
}
BORDERS |= {f"efficientnet-b{number}": "+block6a_expand_conv" for number in range(8)}
BORDERS |= {
    f"efficientnetv2-{name}": "+block6a_expand_conv" for name in ("b1", "b2", "b3", "s", "m", "l")
}
BORDERS |= {f"efficientnet-lite{number}": "+block6a_expand_conv" for number in range(3)}
BORDERS |= {f"densenet{depth}": "pool4_pool" for depth in (121, 169, 201)}
for _depth, _blocks in ((50, 6), (101, 23), (152, 36)):
    BORDERS[f"resnet{_depth}"] = BORDERS[f"resnet{_depth}-v2"] = f"conv4_block{_blocks}_out"

#: Those that differ most; the others differ from one of these in numbers and names.
QUICK = (
    "efficientnetv2-b0",
    "inception-v3",
    "nasnet-mobile",
    "vgg16",
    "efficientnet-lite0",
    "mobilenet-v3-small",
    "small-cnn",
)


def _each(quick: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(entry, id=name, marks=() if name in quick else pytest.mark.slow)
        for name, entry in REGISTRY.items()
    ]


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_every_entry_says_what_it_must(entry: NetworkEntry) -> None:
    assert entry.name == entry.name.lower()
    assert entry.title and entry.licence
    assert 0 <= entry.frozen_layers < entry.layer_count
    assert (entry.frozen_layers == 0) == entry.from_scratch == (entry.weights is None)
    assert 32 <= entry.smallest <= entry.input.size <= 600
    assert all(value > 0 for value in entry.input.std)
    assert entry.name in BORDERS


@pytest.mark.parametrize("entry", _each(QUICK))
def test_every_entry_keeps_its_contract(
    entry: NetworkEntry, build: Callable[[NetworkEntry], Any]
) -> None:
    model = build(entry)
    size = entry.smallest
    assert model.input.shape == (None, size, size, 3)
    assert model.output.shape == (None, CLASSES)
    assert len(model.layers) == entry.layer_count
    assert _trained_layers(model) == len(model.layers) - entry.frozen_layers
    assert [layer.trainable for layer in model.layers] == [
        index >= entry.frozen_layers for index in range(len(model.layers))
    ]
    border = BORDERS[entry.name]
    place = entry.frozen_layers if border.startswith("+") else entry.frozen_layers - 1
    assert model.layers[place].name == border.removeprefix("+")
    assert sum(layer.name == "predictions" for layer in model.layers) == 1
    assert model.layers[-1].name == "predictions"
    assert not any(layer.name.startswith("_") for layer in model.layers)
    assert not any(isinstance(layer, keras_backend().Model) for layer in model.layers)

    head = model.layers[-1]
    rng = np.random.default_rng(0)
    head.set_weights([rng.normal(0, 0.1, w.shape) for w in head.weights])
    images = _noise((2, size, size, 3))
    outputs = _run(inference_model(model), images)
    probabilities = outputs["probabilities"]
    assert probabilities.dtype == np.float32
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert outputs["embedding"].shape == (2, head.kernel.shape[0])
    kernel, bias = head.get_weights()
    np.testing.assert_allclose(
        probabilities, _softmax(outputs["embedding"] @ kernel + bias), atol=1e-5
    )
    assert ("class_maps" in outputs) == entry.has_class_maps
    if entry.has_class_maps:
        np.testing.assert_allclose(
            probabilities, _softmax(outputs["class_maps"].mean(axis=(1, 2)) + bias), atol=1e-5
        )

    cut = partition_network(model, max(1, entry.frozen_layers))
    crossing = _run(cut.prefix, images)
    tail = cut.tail(crossing, training=False)
    np.testing.assert_allclose(keras_backend().ops.convert_to_numpy(tail), probabilities, atol=1e-6)
    assert len(cut.prefix.trainable_weights) == 0
    assert len(cut.tail.trainable_weights) == len(model.trainable_weights) > 0


def _softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def test_the_papers_network_has_271_layers_and_trains_71(
    build: Callable[[NetworkEntry], Any],
) -> None:
    model = build(V2)
    assert len(model.layers) == 271
    assert sum(not layer.trainable for layer in model.layers) == 200
    assert _trained_layers(model) == 71
    assert model.layers[199].name == "block6d_se_expand"
    assert len(model.trainable_weights) == 60
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    total = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert (trained, total) == (2_751_811, 5_923_155)


@pytest.mark.parametrize("number", range(3))
def test_the_lites_train_from_stage_six_on(
    number: int, build: Callable[[NetworkEntry], Any]
) -> None:
    entry = network_entry(f"efficientnet-lite{number}")
    model = build(entry)
    assert model.layers[entry.frozen_layers].name == "block6a_expand_conv"
    assert not any(layer.name.startswith("block6") for layer in model.layers[: entry.frozen_layers])


# ---------------------------------------------------------------- freezing


@pytest.mark.parametrize("entry", [V2, LITE0], ids=["v2-b0", "lite0"])
def test_a_training_step_changes_only_what_is_not_frozen(entry: NetworkEntry) -> None:
    keras = keras_backend()
    model = build_network(
        entry, classes=CLASSES, weights=resolve_weights(entry, "none"), input_size=64, seed=5
    )
    freeze(model, entry.frozen_layers)
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", run_eagerly=True)
    before = _weights(model)
    model.train_on_batch(_noise((4, 64, 64, 3)), np.eye(CLASSES)[[0, 1, 2, 0]])
    after = _weights(model)
    for layer in model.layers[: entry.frozen_layers]:
        for old, new in zip(before.get(layer.name, []), after.get(layer.name, []), strict=True):
            assert old.tobytes() == new.tobytes(), layer.name
    trained = [layer.name for layer in model.layers[entry.frozen_layers :] if layer.weights]
    assert len(trained) > 10
    for name in trained:
        changed = [not np.array_equal(*pair) for pair in zip(before[name], after[name])]  # noqa: B905
        assert any(changed), name
    normal = model.get_layer("top_bn")
    assert not np.array_equal(before["top_bn"][2], normal.get_weights()[2])


@pytest.mark.parametrize("layers", [-1, 145, 10_000])
def test_freezing_what_is_not_there_is_an_error(
    layers: int, build: Callable[[NetworkEntry], Any]
) -> None:
    with pytest.raises(SettingsError, match=f"cannot freeze {layers} layers of a network that has"):
        freeze(build(LITE0), layers)


def test_freezing_everything_is_an_error(build: Callable[[NetworkEntry], Any]) -> None:
    with pytest.raises(SettingsError, match=r"nothing is left to train.*at most 143"):
        freeze(build(LITE0), 144)


def test_freezing_can_be_undone(build: Callable[[NetworkEntry], Any]) -> None:
    model = build(LITE0)
    freeze(model, 143)
    assert _trained_layers(model) == 1
    assert [weight.path for weight in model.trainable_weights] == [
        "predictions/kernel",
        "predictions/bias",
    ]
    freeze(model, 0)
    assert _trained_layers(model) == 144


# ---------------------------------------------------------------- seeds, sizes, channels


def test_more_channels_keep_the_pretrained_response_to_grey() -> None:
    channels = 5
    weights = resolve_weights(LITE0)
    grey = _noise((2, 64, 64, 1))
    three = build_network(LITE0, classes=2, weights=weights, input_size=64, seed=0)
    more = build_network(
        LITE0, classes=2, weights=weights, input_size=64, input_channels=channels, seed=0
    )
    np.testing.assert_allclose(
        _run(_features(more), np.repeat(grey, channels, axis=-1)),
        _run(_features(three), np.repeat(grey, 3, axis=-1)),
        atol=1e-4,
    )


def test_the_papers_network_takes_more_channels_without_a_warning() -> None:
    model = build_network(V2, classes=2, weights=NONE, input_size=32, input_channels=4, seed=0)
    assert model.input.shape == (None, 32, 32, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 1}, "at least two classes, not 1"),
        ({"input_size": 16}, "input size 16 is too small"),
        ({"input_channels": 1}, "3 or more input channels, not 1"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict[str, int], message: str) -> None:
    request: dict[str, Any] = {"classes": 2, "weights": NONE, "seed": 0}
    with pytest.raises(SettingsError, match=message):
        build_network(LITE0, **(request | wrong))


# ---------------------------------------------------------------- ImageNet weights of the Lites


@pytest.mark.parametrize("number", range(3))
def test_the_ported_lites_see_what_they_should(number: int) -> None:
    from skimage import data

    entry = network_entry(f"efficientnet-lite{number}")
    if not weights_at_hand(entry):
        pytest.skip(f"{entry.weights} is not installed")
    stored = json.loads((Path(__file__).parents[1] / "data" / "lite_logits.json").read_text())
    weights = resolve_weights(entry)
    features = _features(build_network(entry, classes=2, weights=weights, seed=0))
    assert weights.path is not None and isinstance(entry.builder, LiteBuilder)
    kernel, bias = entry.builder.from_torch(read_torch_state(weights.path))["predictions"]
    for name, right in (("coffee", {967}), ("chelsea", {281, 282, 285})):
        picture = getattr(data, name)()
        side, size = min(picture.shape[:2]), entry.input.size
        top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
        steps = np.arange(size) * side // size
        unit = picture[top + steps][:, left + steps] / 255
        image = ((unit - entry.input.mean) / entry.input.std).astype(np.float32)
        logits = (_run(features, image[None]) @ kernel + bias)[0]
        assert int(logits.argmax()) in right
        for index, value in stored["logits"][entry.name][name].items():
            assert logits[int(index)] == pytest.approx(value, abs=5e-4)


def test_weights_of_another_lite_are_refused() -> None:
    lite1 = network_entry("efficientnet-lite1")
    with pytest.raises(WeightsCorrupt, match=r"57934424\.pth: the tensor .* is missing.*Lite1"):
        build_network(lite1, classes=2, weights=resolve_weights(LITE0), input_size=32, seed=0)
