"""The 8-bit network: close to float32, standard, tidy, and only offered with its figures."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from actinscope.bundle import (
    INT8_FILE,
    MEASURED,
    Bundle,
    Int8Part,
    Int8Summary,
    StoredEstimate,
    cost_sentence,
    int8_note,
    load_bundle,
    quantize_network,
    store_int8,
    too_costly,
    verify_bundle,
)
from actinscope.bundle import quantize as quantize_module
from actinscope.bundle.model_check import check_model
from actinscope.bundle.session import InferenceSession
from actinscope.errors import BundleError, GoldenMismatch, UsageError
from actinscope.predict import Predictor
from helpers.bundles import make_bundle, write_network, zip_bundle
from helpers.int8_runs import inputs_of, toy_bundle, toy_network


@pytest.fixture(scope="module")
def network() -> bytes:
    return toy_network()


@pytest.fixture(scope="module")
def quantized(network: bytes) -> bytes:
    return quantize_network(network, inputs_of(30))


def part(**changes: object) -> Int8Part:
    values: dict[str, object] = {
        "images": 63,
        "accuracy_float32": StoredEstimate(value=60 / 63, low=0.87, high=0.98),
        "accuracy_int8": StoredEstimate(value=59 / 63, low=0.85, high=0.98),
        "balanced_accuracy_float32": StoredEstimate(value=0.95),
        "balanced_accuracy_int8": StoredEstimate(value=0.93),
        "difference": StoredEstimate(value=-1 / 63, low=-0.06, high=0.03),
        "difference_method": "by hand",
        "changed": 2,
        "only_float32_right": 1,
        "only_int8_right": 0,
        "mcnemar_p": 1.0,
        "largest_probability_difference": 0.04,
    }
    return Int8Part.model_validate(values | changes)


def summary_of(model: bytes, bundle: Bundle, **changes: object) -> Int8Summary:
    golden = InferenceSession(model).run(bundle.golden().inputs).probabilities
    values: dict[str, object] = {
        "calibration_images": 30,
        "seed": 0,
        "parts": {"test": part(), MEASURED: part()},
        "speed_ratio": 2.0,
        "backend": "openvino",
        "golden_probabilities": golden.tolist(),
    }
    return Int8Summary.model_validate(values | changes)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, quantized: bytes) -> Path:
    bundle = toy_bundle(tmp_path_factory.mktemp("int8") / "bundle")
    store_int8(bundle, quantized, summary_of(quantized, bundle))
    return bundle.path


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


# the network


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_int8_gives_nearly_the_same(network: bytes, quantized: bytes, backend: str) -> None:
    inputs = inputs_of(60)
    exact = InferenceSession(network, backend=backend).run(inputs)
    coarse = InferenceSession(quantized, backend=backend).run(inputs)
    difference = np.abs(exact.probabilities - coarse.probabilities).max()
    assert 0 < difference < 0.05
    assert exact.embedding is not None and coarse.embedding is not None
    assert np.abs(exact.embedding - coarse.embedding).max() < 0.05 * np.abs(exact.embedding).max()


def test_class_maps_still_add_up_to_the_logits(quantized: bytes) -> None:
    output = InferenceSession(quantized).run(inputs_of(8))
    assert output.class_maps is not None
    logits = output.class_maps.mean(axis=(1, 2))
    ratios = np.log(output.probabilities)
    offsets = (logits - ratios) - (logits - ratios)[:, :1]  # the biases, the same for every image
    assert np.abs(offsets - offsets[0]).max() < 1e-3


def test_it_is_smaller_and_standard(network: bytes, quantized: bytes, tmp_path: Path) -> None:
    check_model(quantized, toy_bundle(tmp_path / "bundle").info, where=Path("toy.onnx"))
    loaded = onnx.load_model_from_string(quantized)
    assert {one.domain for one in loaded.opset_import} <= {"", "ai.onnx"}
    kinds = {tensor.data_type for tensor in loaded.graph.initializer}
    assert {onnx.TensorProto.INT8, onnx.TensorProto.INT32} <= kinds


def test_weights_leave_room_for_processors_that_add_in_16_bits(quantized: bytes) -> None:
    """Two products of 255 and 64 fit into a signed 16-bit number, two of 255 and 127 do not."""
    graph = onnx.load_model_from_string(quantized).graph
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(weights) == 3
    assert 2 * 255 * 64 < 2**15 < 2 * 255 * 127
    assert max(int(np.abs(one.astype(int)).max()) for one in weights) == 64


def test_first_layers_and_the_head_stay_float32(quantized: bytes) -> None:
    graph = onnx.load_model_from_string(quantized).graph
    maker = {output: node.op_type for node in graph.node for output in node.output}
    coarse = {
        node.name
        for node in graph.node
        if node.op_type == "Conv" and maker.get(node.input[1]) == "DequantizeLinear"
    }
    assert coarse == {"conv2", "conv3", "conv4"}
    (head,) = (node for node in graph.node if node.op_type == "Gemm")
    assert maker.get(head.input[1]) is None


def test_the_same_images_give_the_same_bytes(network: bytes, quantized: bytes) -> None:
    assert quantize_network(network, inputs_of(30)) == quantized


def test_correcting_biases_brings_the_mean_back(
    network: bytes, quantized: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize_module, "_correct_biases", lambda *_: None)
    inputs = inputs_of(30)
    plain = quantize_network(network, inputs)
    exact = InferenceSession(network).run(inputs).embedding
    assert exact is not None
    shifts = []
    for model in (quantized, plain):
        embedding = InferenceSession(model).run(inputs).embedding
        assert embedding is not None
        shifts.append(float(np.abs((embedding - exact).mean(axis=0)).mean()))
    assert shifts[0] < 0.8 * shifts[1]


def test_mean_shift_by_hand() -> None:
    error = np.array([[0.1, -0.2], [0.0, 0.5]])
    mean = np.array([10.0, 1.0])
    assert quantize_module._applied(error, mean, groups=1) == pytest.approx([0.8, 0.5])
    depthwise = quantize_module._applied(np.array([[0.1], [0.5]]), mean, groups=2)
    assert depthwise == pytest.approx([1.0, 0.5])
    # Two groups of two channels in, one channel out each.
    grouped = quantize_module._applied(error, np.array([1.0, 2.0, 3.0, 4.0]), groups=2)
    assert grouped == pytest.approx([0.1 - 0.4, 2.0])


def test_nothing_is_left_behind(
    network: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    quantize_network(network, inputs_of(4))
    assert list(tmp_path.iterdir()) == []
    assert sys.path == before


def test_a_network_without_convolutions_is_refused(tmp_path: Path) -> None:
    plain = write_network(tmp_path / "plain.onnx").read_bytes()
    with pytest.raises(BundleError, match="0 convolutions, too few to gain"):
        quantize_network(plain, inputs_of(2))


def test_images_are_needed(network: bytes) -> None:
    with pytest.raises(BundleError, match="no images"):
        quantize_network(network, inputs_of(2)[:0])


# the bundle


def test_a_bundle_without_figures_offers_no_int8(tmp_path: Path, quantized: bytes) -> None:
    bundle = toy_bundle(tmp_path / "bundle")
    (bundle.path / INT8_FILE).write_bytes(quantized)
    again = load_bundle(bundle.path)
    assert again.int8_model is None
    with pytest.raises(UsageError, match="no INT8 network with measured accuracy") as caught:
        Predictor(again, precision="int8")
    assert "actinscope bundle quantize RUN IMAGES" in str(caught.value)


def test_unknown_precision(folder: Path) -> None:
    with pytest.raises(UsageError, match="no precision 'int4'"):
        load_bundle(folder).network("int4")


def test_bundles_without_int8_are_written_as_before(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    written = json.loads((bundle.path / "bundle.json").read_text("utf-8"))
    assert written["format_version"] == 1
    assert "int8" not in written
    assert verify_bundle(bundle).int8_difference is None


def test_bundles_with_int8_need_a_newer_reader(folder: Path) -> None:
    written = json.loads((folder / "bundle.json").read_text("utf-8"))
    assert written["format_version"] == 2
    assert set(written["files"]) == {"model.onnx", "golden.npz", INT8_FILE}


@pytest.mark.parametrize("zipped", [False, True])
def test_round_trip(folder: Path, tmp_path: Path, quantized: bytes, zipped: bool) -> None:
    path = folder
    if zipped:
        path = tmp_path / "bundle.zip"
        zip_bundle(folder, path)
    bundle = load_bundle(path)
    assert bundle.network("int8") == quantized
    assert bundle.network("float32") == bundle.model != quantized
    assert bundle.info.int8 is not None and bundle.info.int8.speed_ratio == 2.0
    checked = verify_bundle(bundle)
    assert checked.int8_difference is not None and checked.int8_difference < 1e-3


def test_a_changed_network_is_refused(folder: Path) -> None:
    data = bytearray((folder / INT8_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / INT8_FILE).write_bytes(data)
    with pytest.raises(BundleError, match=r"model_int8\.onnx: the file is not the one"):
        load_bundle(folder)


def test_a_missing_network_is_named(folder: Path) -> None:
    (folder / INT8_FILE).unlink()
    with pytest.raises(BundleError, match=r"model_int8\.onnx is missing"):
        load_bundle(folder)


def test_verify_proves_int8_too(tmp_path: Path, quantized: bytes) -> None:
    bundle = toy_bundle(tmp_path / "bundle")
    turned = np.roll(np.array(summary_of(quantized, bundle).golden_probabilities), 1, axis=1)
    stored = store_int8(
        bundle, quantized, summary_of(quantized, bundle, golden_probabilities=turned.tolist())
    )
    with pytest.raises(GoldenMismatch, match=r"model_int8\.onnx: .*the int8 probability"):
        verify_bundle(stored)


def test_storing_again_replaces(folder: Path, quantized: bytes, network: bytes) -> None:
    other = quantize_network(network, inputs_of(5))
    bundle = load_bundle(folder)
    stored = store_int8(bundle, other, summary_of(other, bundle, calibration_images=5))
    assert load_bundle(folder).network("int8") == other == stored.network("int8") != quantized
    assert load_bundle(folder).digest == stored.digest != bundle.digest


def test_golden_outputs_must_fit(folder: Path, quantized: bytes) -> None:
    bundle = load_bundle(folder)
    few = summary_of(quantized, bundle, golden_probabilities=[[0.5, 0.5]])
    with pytest.raises(ValueError, match="do not fit the golden images"):
        store_int8(bundle, quantized, few)


# the sentences


def test_the_note_says_what_int8_costs() -> None:
    assert cost_sentence(part(), "test") == (
        "INT8: accuracy 93.7 % against 95.2 % of float32 on 63 test images (difference \u22121.6 "
        "points, \u22126.0 to +3.0; 2 answers change)"
    )
    bare = part(difference=StoredEstimate(value=0.0), only_float32_right=0, changed=1)
    assert "(difference 0.0 points, no interval; 1 answer changes)" in cost_sentence(bare, "test")


def test_the_note_repeats_the_warning(folder: Path) -> None:
    summary = load_bundle(folder).info.int8
    assert summary is not None
    assert int8_note(summary) == cost_sentence(part(), "test")
    warned = summary.model_copy(update={"warning": "it is bad"})
    assert int8_note(warned).endswith(". WARNING: it is bad")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": 100, "only_float32_right": 2, "changed": 5}, ""),
        ({"images": 100, "only_float32_right": 5, "only_int8_right": 3, "changed": 5}, ""),
        ({"images": 100, "only_float32_right": 3, "changed": 3}, "falls by 3.0 points"),
        ({"images": 10, "only_float32_right": 1, "changed": 1}, ""),
        ({"images": 10, "only_float32_right": 2, "changed": 2}, "falls by 20.0 points"),
        ({"images": 100, "only_float32_right": 0, "changed": 6}, "6.0 % of the answers change"),
    ],
)
def test_what_is_too_much(changes: dict[str, object], reason: str) -> None:
    found = too_costly({"test": part(images=3), MEASURED: part(**changes)})
    assert bool(found) == bool(reason)
    assert reason in found
