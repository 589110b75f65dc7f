"""Saving, loading, refusing and verifying bundles."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from actinscope.bundle import BundleInfo, load_bundle, save_bundle, verify_bundle
from actinscope.bundle.info import FORMAT_VERSION
from actinscope.bundle.verify import Verification
from actinscope.errors import BundleError, GoldenMismatch, OutputError
from actinscope.files import sha256_of_file
from helpers.bundles import (
    CLASSES,
    KERNEL,
    bundle_info,
    by_hand,
    fitted_preprocess,
    grey_image,
    make_bundle,
    write_network,
    zip_bundle,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    make_bundle(folder, crop_size=96, notices=("look twice",), metrics={"accuracy": None})
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def change_info(folder: Path, **changes: object) -> None:
    path = folder / "bundle.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(value | changes), encoding="utf-8")


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Exchange a file and its hash, as a forger would."""
    (folder / name).write_bytes(data)
    value = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    files = value["files"] | {name: sha256_of_file(folder / name)}
    change_info(folder, files=files)


def test_round_trip(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.info.classes == CLASSES
    assert bundle.info.crop_size == 96
    assert bundle.info.notices == ("look twice",)
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.json",
        "golden.npz",
        "model.onnx",
    ]
    golden = bundle.golden()
    assert [image.path.name for image in golden.images] == ["0.tif", "1.tif", "2.tif", "3.tif"]
    np.testing.assert_array_equal(golden.images[2].pixels, grey_image(2).pixels)
    assert golden.images[2].pixels.dtype == np.uint16
    assert golden.images[2].value_range == (0.0, 65535.0)
    assert BundleInfo.model_validate_json(bundle.info.model_dump_json()) == bundle.info


def test_digest_is_of_the_content(folder: Path, original: Path) -> None:
    assert load_bundle(folder).digest == load_bundle(original).digest
    change_info(folder, notices=["other"])
    assert load_bundle(folder).digest != load_bundle(original).digest


def test_zip_loads_like_its_folder(folder: Path, tmp_path: Path) -> None:
    zip_bundle(folder, tmp_path / "one.zip")
    bundle = load_bundle(tmp_path / "one.zip")
    assert bundle.digest == load_bundle(folder).digest
    assert bundle.model == (folder / "model.onnx").read_bytes()


def test_zip_of_the_folder_itself_loads(folder: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, folder.name)
    assert load_bundle(tmp_path / "packed.zip").info.classes == CLASSES


def test_zip_with_paths_upwards_writes_nothing(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    with zipfile.ZipFile(place / "evil.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"../{file.name}")
        archive.writestr("../../escaped.txt", "x")
    before = set(tmp_path.rglob("*"))
    load_bundle(place / "evil.zip")  # the names only say where the files are within the zip
    assert set(tmp_path.rglob("*")) == before


def test_zip_bomb_is_refused(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            if file.name != "bundle.json":
                archive.write(file, file.name)
        archive.writestr("bundle.json", b"0" * (17 << 20))
    with pytest.raises(BundleError, match="larger than a bundle's file can be"):
        load_bundle(tmp_path / "bomb.zip")


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "golden.npz"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_changed_file_is_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(BundleError, match=rf"{name}.*not the one that was saved"):
        load_bundle(folder)


@pytest.mark.parametrize("place", ["bundle", "refit/bundle"])
def test_the_folder_of_a_run_is_taken_for_the_bundle_inside(
    original: Path, tmp_path: Path, place: str
) -> None:
    shutil.copytree(original, tmp_path / "run" / place)
    assert load_bundle(tmp_path / "run").path == tmp_path / "run" / place


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(tmp_path / "none")


def test_neither_folder_nor_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(BundleError, match="neither a folder nor an intact zip"):
        load_bundle(tmp_path / "a.zip")


def test_newer_format_asks_for_an_update(folder: Path) -> None:
    change_info(folder, format_version=FORMAT_VERSION + 1, something_new=1)
    with pytest.raises(BundleError, match="Update actinscope"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"classes": ["one"]}, "classes"),
        ({"classes": ["same", "same", "other"]}, "class names must differ"),
        ({"crop_size": 0}, "crop_size"),
        ({"files": {"model.onnx": "../x"}}, "files.model.onnx"),
    ],
)
def test_bad_info_is_named(folder: Path, changes: dict[str, object], message: str) -> None:
    change_info(folder, **changes)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"classes": []}'])
def test_info_that_is_no_info(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"this is no bundle\.json"):
        load_bundle(folder)


def test_class_count_must_fit_the_network(folder: Path) -> None:
    change_info(folder, classes=["a", "b"])
    with pytest.raises(BundleError, match="gives 3 probabilities, bundle"):
        load_bundle(folder)


def test_network_that_is_no_network(folder: Path) -> None:
    replace_file(folder, "model.onnx", b"\xff\xff\xff\xff nonsense")
    with pytest.raises(BundleError, match="no ONNX file"):
        load_bundle(folder)


def test_weights_in_other_files_are_refused(folder: Path) -> None:
    import onnx

    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    replace_file(folder, "model.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match="weights 'kernel' are stored outside"):
        load_bundle(folder)


def test_graphs_within_graphs_are_refused(folder: Path) -> None:
    import onnx
    from onnx import helper

    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    hidden = onnx.TensorProto(name="hidden", data_location=onnx.TensorProto.EXTERNAL)
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(hidden)
    branch = helper.make_graph([constant], "branch", [], [])
    node = helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)
    replace_file(folder, "model.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match="uses the operator 'If'"):
        load_bundle(folder)


def test_foreign_operators_are_refused(folder: Path) -> None:
    import onnx

    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    model.graph.node[0].domain = "com.example"
    replace_file(folder, "model.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match=r"foreign set 'com\.example'"):
        load_bundle(folder)


def test_other_input_name_is_refused(folder: Path) -> None:
    import onnx

    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    model.graph.input[0].name = "picture"
    replace_file(folder, "model.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match="must have the input 'image'"):
        load_bundle(folder)


def test_golden_with_pickle_is_refused(folder: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, n=np.array(4), image_0=np.array([{"a": 1}], dtype=object))
    replace_file(folder, "golden.npz", stream.getvalue())
    with pytest.raises(BundleError, match="golden images cannot be used"):
        load_bundle(folder).golden()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_golden_that_is_no_npz(folder: Path, data: bytes) -> None:
    replace_file(folder, "golden.npz", data)
    with pytest.raises(BundleError, match="golden images cannot be used"):
        load_bundle(folder).golden()


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_verify_gives_the_differences(folder: Path, backend: str) -> None:
    result = verify_bundle(folder, backend=backend)
    assert isinstance(result, Verification)
    assert result.backend == backend
    assert result.images == 4
    assert result.input_difference == 0
    assert result.probability_difference < 1e-6
    assert 0 < result.output_difference < 1e-5


def test_other_weights_are_caught(folder: Path, tmp_path: Path) -> None:
    other = write_network(tmp_path / "other.onnx", kernel=KERNEL * np.float32(1.05))
    replace_file(folder, "model.onnx", other.read_bytes())
    with pytest.raises(
        GoldenMismatch, match=r"image \d: the float32 probability of '\w+' is 0\.\d+"
    ):
        verify_bundle(folder)


def test_other_preprocessing_is_caught(folder: Path) -> None:
    value = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    change_info(folder, preprocess=value["preprocess"] | {"mean": [0.01, 0.0, 0.0]})
    with pytest.raises(GoldenMismatch, match="golden image 0: the network input at"):
        verify_bundle(folder)


def test_a_bundle_replaces_a_bundle(folder: Path) -> None:
    (folder / "stray.txt").write_text("old")
    make_bundle(folder, notices=("new",))
    assert load_bundle(folder).info.notices == ("new",)
    assert not (folder / "stray.txt").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["bundle", "bundle.onnx"]


def test_nothing_else_is_replaced(tmp_path: Path) -> None:
    thesis = tmp_path / "work" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years")
    with pytest.raises(OutputError, match="something here that is not a bundle"):
        make_bundle(tmp_path / "work")
    assert thesis.read_text() == "years"


def test_a_bad_network_is_never_put_in_place(folder: Path, tmp_path: Path) -> None:
    before = load_bundle(folder).digest
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    images = [grey_image(0)]
    preprocess = fitted_preprocess(images)
    inputs = np.stack([preprocess.apply(image) for image in images])
    with pytest.raises(BundleError, match="no ONNX file"):
        save_bundle(
            folder,
            onnx_path=tmp_path / "bad.onnx",
            info=bundle_info(preprocess),
            golden_images=images,
            golden_inputs=inputs,
            golden_outputs={"probabilities": by_hand(inputs)},
        )
    assert load_bundle(folder).digest == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.onnx", "bundle"]


def test_golden_parts_must_fit(tmp_path: Path) -> None:
    image = grey_image(0)
    preprocess = fitted_preprocess([image])
    with pytest.raises(ValueError, match="do not fit 3 classes"):
        save_bundle(
            tmp_path / "bundle",
            onnx_path=write_network(tmp_path / "net.onnx"),
            info=bundle_info(preprocess),
            golden_images=[image],
            golden_inputs=np.zeros((1, 8, 8, 3), np.float32),
            golden_outputs={"probabilities": np.zeros((1, 2), np.float32)},
        )


def test_a_run_that_did_not_finish_is_told_from_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(BundleError, match="did not finish, so there is no model yet"):
        load_bundle(tmp_path)
