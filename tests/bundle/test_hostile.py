"""Bundles that were made or changed to do harm: each ends in a BundleError, at once."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from actinscope.bundle import archive, load_bundle, verify_bundle
from actinscope.bundle.golden import unpack_golden
from actinscope.bundle.model_check import check_model
from actinscope.bundle.session import InferenceSession
from actinscope.errors import BundleError, GoldenMismatch
from actinscope.predict import Predictor
from helpers.bundles import KERNEL, make_bundle, set_hash, zip_bundle


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    make_bundle(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


# Arrays


def with_header(header: str, values: bytes = b"") -> bytes:
    """An .npz whose first array has another header."""
    text = header.encode() + b"\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values
        packed.writestr("n.npy", array)
    return stream.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f7', 'fortran_order': False, 'shape': (0,), }",
        "{'descr': '''",  # np.load raises a TokenError
        "[" * 9000,  # a RecursionError or MemoryError
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': (), }",
        "",
    ],
)
def test_an_array_with_a_changed_header(folder: Path, header: str) -> None:
    (folder / "golden.npz").write_bytes(with_header(header))
    set_hash(folder, "golden.npz")
    with pytest.raises(BundleError, match="the golden images cannot be used"):
        load_bundle(folder).golden()


def test_arrays_that_unpack_to_gigabytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in "abc":  # each alone would be small enough
            packed.writestr(f"{name}.npy", b"\x00" * (1 << 20))
    monkeypatch.setattr(archive, "_array", len)
    with pytest.raises(BundleError, match=r"c\.npy is larger than"):
        archive.read_arrays(stream.getvalue(), where=folder, most_bytes=5 << 19)


@pytest.mark.parametrize("way", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_arrays_that_are_packed_in_another_way(folder: Path, way: int) -> None:
    with zipfile.ZipFile(folder / "golden.npz", "w", way) as packed:
        packed.writestr("n.npy", b"\x00" * 99)
    set_hash(folder, "golden.npz")
    with pytest.raises(BundleError, match="packed in an unusual way"):
        load_bundle(folder).golden()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_changed_bit_gives_a_bundle_error_or_arrays(
    original: Path, place: float, bit: int
) -> None:
    info = load_bundle(original).info
    for name in ("golden.npz", "model.onnx"):
        data = bytearray((original / name).read_bytes())
        data[int(place * len(data))] ^= 1 << bit
        try:
            if name == "golden.npz":
                unpack_golden(bytes(data), info.golden, where=original)
            else:
                check_model(bytes(data), info, where=original)
        except BundleError as error:
            assert error.remedy is not None


# Files and zips


def test_a_name_in_a_zip_that_is_no_text(folder: Path, tmp_path: Path) -> None:
    zip_bundle(folder, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as packed:
        packed.writestr("\N{GREEK SMALL LETTER ALPHA}", b"")
    data = (tmp_path / "b.zip").read_bytes().replace("\u03b1".encode(), b"\xff\xff")
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(BundleError, match="neither a folder nor an intact zip"):
        load_bundle(tmp_path / "b.zip")


def test_a_zip_whose_files_are_large_together(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(folder / "bundle.json", "bundle.json")
        packed.write(folder / "golden.npz", "golden.npz")
        for name in ("model.onnx", "model_int8.onnx"):
            packed.writestr(name, b"\x00" * (3 << 20))
    monkeypatch.setattr(archive, "_MOST_UNPACKED", 4 << 20)
    with pytest.raises(BundleError, match=r"model_int8\.onnx is larger than"):
        load_bundle(tmp_path / "b.zip")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in folders")
@pytest.mark.parametrize("kind", ["link", "device", "pipe", "nowhere"])
def test_a_file_that_is_no_plain_file(folder: Path, tmp_path: Path, kind: str) -> None:
    file = folder / "model.onnx"
    file.rename(tmp_path / "elsewhere.onnx")
    if kind == "pipe":
        os.mkfifo(file)
    else:
        places = {"link": tmp_path / "elsewhere.onnx", "device": "/dev/zero", "nowhere": "none"}
        file.symlink_to(places[kind])
    with pytest.raises(BundleError, match=r"model\.onnx: is a link or no plain file"):
        load_bundle(folder)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device")
def test_a_device_is_no_bundle() -> None:
    with pytest.raises(BundleError, match="a device or a pipe"):
        load_bundle(Path("/dev/zero"))


# bundle.json


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 20_000}, r"takes images of shape \[8, 8, 3\], bundle.json says \[20000, 200"),
        ({"network_channels": 9, "mean": [0] * 9, "std": [1] * 9}, r"says \[8, 8, 9\]"),
    ],
)
def test_another_size_than_that_of_the_network(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    info = json.loads((folder / "bundle.json").read_text())
    info["preprocess"] |= changes
    (folder / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


# Networks


def replaced(folder: Path, change: Callable[[Any], None]) -> None:
    model = onnx.load(str(folder / "model.onnx"))
    change(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    set_hash(folder, "model.onnx")


def add(*nodes: Any, **tensors: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.graph.node.extend(nodes)
        for name, value in tensors.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))

    return change


def loop(model: Any) -> None:
    body = helper.make_graph([], "body", [], [])
    add(helper.make_node("Loop", ["steps", "", "image"], ["x"], body=body), steps=[2**62])(model)


def opset(model: Any) -> None:
    model.opset_import[0].version = 99


def function(model: Any) -> None:
    model.functions.add(name="f", domain="")


def short_weights(model: Any) -> None:
    model.graph.initializer[0].dims[0] = 10**6


def no_stride(model: Any) -> None:
    kernel = {"kernel_shape": [1, 1], "strides": [0, 1]}
    model.graph.node.append(helper.make_node("MaxPool", ["image"], ["x"], **kernel))


def open_batch(model: Any) -> None:
    model.graph.output[0].name = "something"


def sliced(ends: str) -> Any:
    return helper.make_node("Slice", ["image", "starts", ends], ["x"])


MANY = np.zeros((1 << 15, 1), np.float32)
NODE = helper.make_node
HARM = [
    (loop, "the numbers 'steps' are out of range"),
    (opset, "the foreign set '', version 99"),
    (function, "more than a graph"),
    (short_weights, "the weights 'kernel' are incomplete"),
    (no_stride, "strides of its operator 'MaxPool' is out of range"),
    (open_batch, "must have the input 'image' and the output 'probabilities'"),
    (add(NODE("ConstantOfShape", ["s"], ["x"]), s=[10**6] * 2), "'ConstantOfShape'"),
    (add(NODE("Pad", ["image", "s"], ["x"]), s=[0] * 4 + [2**62] * 4), "'s' are out of range"),
    (add(NODE("Pad", ["image", "s"], ["x"]), s=[0] * 4 + [-(2**63)] * 4), "'s' are out of range"),
    (add(sliced("a"), NODE("Pad", ["x", "a"], ["y"]), a=[2**63 - 1] * 4), "'a' are out of range"),
    (add(NODE("Pad", ["image", "s"], ["x"]), s=[0] * 4 + [2**20] * 4), "more than an image can"),
    (add(NODE("Add", ["a", "b"], ["x"]), a=MANY, b=MANY.T), "more than an image can need"),
    (add(NODE("Scan", ["image"], ["x"])), "the operator 'Scan'"),
    (add(NODE("Relu", ["nothing"], ["x"])), "no network as actinscope writes it"),
    (add(NODE("Conv", ["image", "w"], ["x"]), w=np.ones((1, 5, 1, 1), np.float32)), "not fit"),
    (add(w=np.zeros(3, np.float16)), "'w' are of an unusual type"),
]


@pytest.mark.parametrize(("change", "message"), HARM)
def test_a_graph_that_asks_too_much_is_never_run(
    folder: Path, change: Callable[[Any], None], message: str
) -> None:
    replaced(folder, change)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_a_slice_may_go_to_the_end(folder: Path) -> None:
    replaced(folder, add(sliced("ends"), starts=[0, 1, 1, 0], ends=[2**63 - 1] * 4))
    load_bundle(folder)


def test_long_chains_of_large_tensors_are_added_up(folder: Path) -> None:
    names = ["image", *(f"t{n}" for n in range(9))]
    width = 1 << 19  # 9 x 64 x 2 ** 19 values are held until they are added up
    nodes = [NODE("MatMul", ["image", "w"], [name]) for name in names[1:]]
    nodes += [NODE("Add", [one, one], [f"s_{one}"]) for one in names[1:]]
    replaced(folder, add(*nodes, w=np.zeros((3, width), np.float32)))
    model = onnx.load(str(folder / "model.onnx"))
    assert len(model.graph.node) == 5 + 18
    load_bundle(folder)  # 2 ** 28 values, below the limit
    replaced(folder, add(*[NODE("MatMul", ["image", "w"], [f"u{n}"]) for n in range(9)]))
    with pytest.raises(BundleError, match="more than an image can need"):
        load_bundle(folder)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_runtimes_write_nothing_on_the_screen(
    backend: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BundleError):
        InferenceSession(b"nonsense", backend=backend)
    assert capfd.readouterr() == ("", "")


# What `verify` finds, and `predict` too


def scaled(name: str, factor: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == name:
                values = numpy_helper.to_array(tensor) * np.float32(factor)
                tensor.CopyFrom(numpy_helper.from_array(values, name))

    return change


def other_maps(model: Any) -> None:
    """The class maps alone, which no probability shows."""
    model.graph.initializer.append(numpy_helper.from_array(KERNEL * np.float32(1.001), "maps"))
    model.graph.node[-1].input[1] = "maps"


@pytest.mark.parametrize(
    "change", [scaled("kernel", 1.001), scaled("bias", 1.01), scaled("bias", 1.5), other_maps]
)
def test_slightly_other_weights_are_found(folder: Path, change: Callable[[Any], None]) -> None:
    verify_bundle(folder)
    replaced(folder, change)
    with pytest.raises(GoldenMismatch, match=r"image \d: the .* is .*, stored is"):
        verify_bundle(folder)
    with pytest.raises(GoldenMismatch):
        Predictor(load_bundle(folder))


def test_infinite_golden_values_prove_nothing(folder: Path) -> None:
    with np.load(folder / "golden.npz") as stored:
        arrays = dict(stored)
    arrays["embedding"] = np.full_like(arrays["embedding"], np.inf)
    np.savez(folder / "golden.npz", **arrays)
    set_hash(folder, "golden.npz")
    with pytest.raises(GoldenMismatch, match="the embedding"):
        verify_bundle(folder)
