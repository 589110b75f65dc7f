"""Networks with shuffled weights: the same values in other places, maps that fit the head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from actinscope.bundle import Bundle
from actinscope.bundle.session import InferenceSession
from actinscope.explain.weight_randomization import randomized_networks
from helpers.bundles import CLASSES, SIZE, bundle_info, fitted_preprocess, grey_image
from helpers.int8_runs import WIDTH, convolutions


def bundle_of(model: bytes) -> Bundle:
    """A bundle in memory alone."""
    info = bundle_info(fitted_preprocess([grey_image(0)]))
    return Bundle(Path("toy"), info, "", model, b"")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    head = np.random.default_rng(3).normal(size=(WIDTH, len(CLASSES)))
    return bundle_of(convolutions(head=head, bias=np.array([0.3, -0.1, 0.2])))


def arrays(model: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_model_from_string(model).graph
    return {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}


def changed(before: Bundle, after: Bundle) -> set[str]:
    old, new = arrays(before.model), arrays(after.model)
    assert old.keys() == new.keys()
    for name, values in old.items():
        assert np.array_equal(np.sort(values.ravel()), np.sort(new[name].ravel())), name
    return {name for name in old if not np.array_equal(old[name], new[name])}


def test_the_cascade_runs_from_the_head_down(bundle: Bundle) -> None:
    steps = randomized_networks(bundle, seed=0)
    assert [step.shuffled for step in steps] == [
        "the head",
        "the head and the last third of the layers",
        "all layers",
    ]
    head, last, everything = (changed(bundle, step.bundle) for step in steps)
    assert head == {"head", "head_bias", "maps"}
    # Five convolutions; two of them are the last third.
    assert last == head | {"w3", "b3", "w4", "b4"}
    assert everything == head | {f"{kind}{n}" for kind in "wb" for n in range(5)}


def test_numbers_that_are_no_weights_stay(bundle: Bundle) -> None:
    last = randomized_networks(bundle, seed=0)[-1]
    assert arrays(last.bundle.model)["six"] == 6.0


def test_the_maps_stay_those_of_the_head(bundle: Bundle) -> None:
    """Their mean and the bias give the probabilities, also of the shuffled network."""
    images = np.random.default_rng(0).random((2, SIZE, SIZE, 3)).astype(np.float32)
    for step in randomized_networks(bundle, seed=4):
        output = InferenceSession(step.bundle.model, backend="onnxruntime").run(images)
        assert output.class_maps is not None
        bias = arrays(step.bundle.model)["head_bias"]
        logits = output.class_maps.mean(axis=(1, 2)) + bias
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = weights / weights.sum(axis=1, keepdims=True)
        assert output.probabilities == pytest.approx(expected, abs=1e-4), step.shuffled


def test_the_seed_decides(bundle: Bundle) -> None:
    first, again, other = (randomized_networks(bundle, seed=seed)[0] for seed in (1, 1, 2))
    assert first.bundle.model == again.bundle.model
    assert first.bundle.model != other.bundle.model


def test_the_bundle_itself_is_untouched(bundle: Bundle) -> None:
    before = bundle.model
    randomized_networks(bundle, seed=0)
    assert bundle.model == before


def test_order_and_names_of_the_arrays_do_not_decide(bundle: Bundle) -> None:
    """The converter names and orders them otherwise in every process."""
    model = onnx.load_model_from_string(bundle.model)
    turned = [*model.graph.initializer][::-1]
    del model.graph.initializer[:]
    model.graph.initializer.extend(turned)
    for tensor in model.graph.initializer:
        for node in model.graph.node:
            node.input[:] = [f"{x}_" if x == tensor.name else x for x in node.input]
        tensor.name += "_"
    other = bundle_of(model.SerializeToString())
    steps = [randomized_networks(one, seed=0) for one in (bundle, other)]
    for one, two in zip(*steps, strict=True):
        expected = arrays(one.bundle.model)
        found = arrays(two.bundle.model)
        for name, values in expected.items():
            assert np.array_equal(found[f"{name}_"], values), name
