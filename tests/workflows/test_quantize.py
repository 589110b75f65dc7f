"""The command quantize on a small finished run, and predictions with what it made."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.bundle import INT8_FILE, load_bundle
from actinscope.bundle.session import InferenceSession
from actinscope.cli.main import main
from actinscope.predict import PredictOptions, predict_files
from actinscope.runs import resumable_results
from actinscope.study import Record
from actinscope.workflows import quantize as job
from helpers.int8_runs import inputs_of, toy_network, toy_run

pytestmark = pytest.mark.usefixtures("unrendered_figures")

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantize")
    toy_run(folder)
    return folder


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    """Holds ``run`` and ``data``."""
    return Path(shutil.copytree(original, tmp_path / "place"))


def quantize(place: Path, *options: str) -> int:
    return main(
        ["bundle", "quantize", str(place / "run"), str(place / "data"), "--quiet", *options]
    )


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quantisation that turns the classes around."""
    import onnx
    from onnx import numpy_helper

    loaded = onnx.load_model_from_string(toy_network())
    for tensor in loaded.graph.initializer:
        if tensor.name in ("head", "head_bias"):
            turned = np.roll(numpy_helper.to_array(tensor), 1, axis=-1)
            tensor.CopyFrom(numpy_helper.from_array(turned, tensor.name))
    turned_model = loaded.SerializeToString()
    monkeypatch.setattr(job, "quantize_network", lambda *_: turned_model)


def test_quantize_measures_stores_and_tells(place: Path, capsys: Shown) -> None:
    assert quantize(place) == 0
    shown = capsys.readouterr().out
    assert "of float32 on 15 validation images" in shown
    assert "of float32 on 15 test images" in shown
    assert "of float32 on 30 validation and test images" in shown
    assert "exact McNemar p = 1)" in shown
    assert "times float32" in shown
    assert str(place / "run" / "bundle" / INT8_FILE) in shown
    bundle = load_bundle(place / "run" / "bundle")
    summary = bundle.info.int8
    assert summary is not None
    assert summary.calibration_images == 30
    assert summary.warning == ""
    both = summary.parts["validation and test"]
    # Float32 is right for every image of the toy.
    assert both.accuracy_float32.value == 1
    inputs = inputs_of(60)[30:]
    exact, coarse = (
        InferenceSession(bundle.network(one)).run(inputs).probabilities
        for one in ("float32", "int8")
    )
    assert both.changed == int((exact.argmax(axis=1) != coarse.argmax(axis=1)).sum())
    assert both.largest_probability_difference == pytest.approx(np.abs(exact - coarse).max())
    assert main(["bundle", "verify", str(bundle.path)]) == 0
    assert " INT8: " in capsys.readouterr().out


def test_predict_with_int8_says_what_it_costs(place: Path, tmp_path: Path, capsys: Shown) -> None:
    assert quantize(place) == 0
    capsys.readouterr()
    bundle = place / "run" / "bundle"
    command = ["predict", str(bundle), str(place / "data"), "--quiet", "-o"]
    assert main([*command, str(tmp_path / "float32.csv")]) == 0
    assert "INT8" not in capsys.readouterr().err
    assert main([*command, str(tmp_path / "int8.csv"), "--precision", "int8"]) == 0
    assert "of float32 on 15 test images (difference" in capsys.readouterr().err
    assert (tmp_path / "float32.csv").read_bytes() != (tmp_path / "int8.csv").read_bytes()


def test_evaluate_with_int8_says_what_it_costs(place: Path, tmp_path: Path, capsys: Shown) -> None:
    assert quantize(place) == 0
    options = ["--manifest", str(place / "run" / "manifest.csv"), "--group", "plate"]
    target = tmp_path / "evaluated"
    command = ["evaluate", str(place / "run" / "bundle"), str(place / "data"), *options]
    assert main([*command, "--precision", "int8", "-o", str(target)]) == 0
    assert "note: INT8: accuracy" in capsys.readouterr().err
    assert "INT8: accuracy" in (target / "report.html").read_text("utf-8")


def test_int8_goes_not_on_with_rows_of_float32(place: Path, tmp_path: Path) -> None:
    assert quantize(place) == 0
    bundle, output = load_bundle(place / "run" / "bundle"), tmp_path / "out.csv"

    def stop(done: int, total: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    cut = PredictOptions(batch_size=10, progress=stop)
    with pytest.raises(KeyboardInterrupt):
        predict_files(bundle, [place / "data"], output, options=cut)
    again = PredictOptions(batch_size=10, precision="int8")
    assert predict_files(bundle, [place / "data"], output, options=again).resumed == 0


def test_int8_that_was_never_made(place: Path, tmp_path: Path, capsys: Shown) -> None:
    command = ["predict", str(place / "run" / "bundle"), str(place / "data")]
    assert main([*command, "--precision", "int8", "-o", str(tmp_path / "out.csv")]) == 2
    assert "Make one with `actinscope bundle quantize RUN IMAGES`" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.usefixtures("costly")
def test_a_costly_network_is_not_stored(place: Path, capsys: Shown) -> None:
    before = (place / "run" / "bundle" / "bundle.json").read_bytes()
    assert quantize(place) == 6
    shown = capsys.readouterr().err
    assert "INT8 costs too much: on 30 validation and test images the accuracy falls by" in shown
    assert "of the answers change (at most 5 %)" in shown
    assert "nothing was stored" in shown and "--force" in shown
    assert (place / "run" / "bundle" / "bundle.json").read_bytes() == before
    assert not (place / "run" / "bundle" / INT8_FILE).exists()


@pytest.mark.usefixtures("costly")
def test_force_stores_it_and_every_prediction_warns(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    assert quantize(place, "--force") == 0
    assert "warning: INT8 costs too much" in capsys.readouterr().out
    command = ["predict", str(place / "run" / "bundle"), str(place / "data"), "--quiet"]
    assert main([*command, "--precision", "int8", "-o", str(tmp_path / "out.csv")]) == 0
    assert "WARNING: INT8 costs too much" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["recipe.toml", "manifest.csv", "bundle"])
def test_a_run_must_be_whole(place: Path, capsys: Shown, name: str) -> None:
    path = place / "run" / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert quantize(place) == 2
    assert f"holds no finished run ({name} missing)" in capsys.readouterr().err


def test_a_run_that_another_command_writes_to_is_left_alone(place: Path, capsys: Shown) -> None:
    with resumable_results(place / "run", resume=True, mark="recipe.toml", what="run"):
        assert quantize(place) == 2
    assert "another command is writing to this folder" in capsys.readouterr().err


def test_no_run_at_all(place: Path, capsys: Shown) -> None:
    assert main(["bundle", "quantize", str(place / "nothing"), str(place / "data")]) == 2
    assert "holds no finished run" in capsys.readouterr().err


def test_images_that_are_not_there(place: Path, capsys: Shown) -> None:
    (place / "data" / "40.tif").unlink()
    assert quantize(place) == 3
    assert "'40.tif'" in capsys.readouterr().err


def test_images_that_changed(place: Path, capsys: Shown) -> None:
    pixels = tifffile.imread(place / "data" / "40.tif")
    tifffile.imwrite(place / "data" / "40.tif", pixels // 2)
    assert quantize(place) == 3
    assert "1 images of the run cannot be read or have changed, the first is 40.tif" in (
        capsys.readouterr().err
    )


def test_a_manifest_without_parts(place: Path, capsys: Shown) -> None:
    table = place / "run" / "manifest.csv"
    table.write_text(table.read_text("utf-8").replace(",validation,", ",train,"), "utf-8")
    assert quantize(place) == 3
    shown = capsys.readouterr().err
    assert "no image is marked as validation" in shown and "the folder `refit`" in shown


def without_test_part(place: Path) -> None:
    """As the model that a cross-validation trains on all images."""
    table = place / "run" / "manifest.csv"
    table.write_text(table.read_text("utf-8").replace(",test,", ",train,"), "utf-8")


def test_without_a_test_part_validation_decides(place: Path, tmp_path: Path, capsys: Shown) -> None:
    without_test_part(place)
    assert quantize(place) == 0
    shown = capsys.readouterr().out
    assert "of float32 on 15 validation images" in shown
    assert "measured on the validation part alone" in shown
    assert "test images" not in shown
    bundle = place / "run" / "bundle"
    summary = load_bundle(bundle).info.int8
    assert summary is not None and set(summary.parts) == {"validation"}
    assert summary.judged_on == "validation"
    command = ["predict", str(bundle), str(place / "data"), "--precision", "int8"]
    assert main([*command, "-o", str(tmp_path / "int8.csv")]) == 0
    assert "of float32 on 15 validation images" in capsys.readouterr().err


@pytest.mark.usefixtures("costly")
def test_without_a_test_part_a_costly_network_is_not_stored(place: Path, capsys: Shown) -> None:
    without_test_part(place)
    assert quantize(place) == 6
    assert "INT8 costs too much: on 15 validation images" in capsys.readouterr().err
    assert not (place / "run" / "bundle" / INT8_FILE).exists()


def records(**counts: int) -> list[Record]:
    return [
        Record(path=Path(f"{label}{n}"), name=f"{label}{n}", label=label)
        for label, count in counts.items()
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("counts", "wanted", "expected"),
    [
        ({"a": 50, "b": 50}, 20, {"a": 10, "b": 10}),
        ({"a": 50, "b": 4}, 20, {"a": 16, "b": 4}),
        ({"a": 5, "b": 4}, 20, {"a": 5, "b": 4}),
        ({"a": 50, "b": 50, "c": 1}, 9, {"a": 4, "b": 4, "c": 1}),
    ],
)
def test_calibration_images_are_balanced(
    counts: dict[str, int], wanted: int, expected: dict[str, int]
) -> None:
    chosen = job._choose(records(**counts), wanted, seed=3)
    assert Counter(record.label for record in chosen) == expected
    assert len({record.name for record in chosen}) == len(chosen)
    assert chosen == job._choose(records(**counts), wanted, seed=3)
    if sum(expected.values()) < sum(counts.values()):
        assert chosen != job._choose(records(**counts), wanted, seed=4)


def test_the_figures_are_in_bundle_json(place: Path) -> None:
    assert quantize(place, "--images", "6", "--seed", "2") == 0
    written = json.loads((place / "run" / "bundle" / "bundle.json").read_text("utf-8"))["int8"]
    assert (written["calibration_images"], written["seed"]) == (6, 2)
    assert set(written["parts"]) == {"validation", "test", "validation and test"}
    assert "Agresti and Min" in written["parts"]["test"]["difference_method"]
