"""Commands on small folders: what they write, print and refuse."""

from __future__ import annotations

import csv
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.cli.main import main
from actinscope.cli.requests import request_of
from actinscope.networks import download
from actinscope.options import INPUT
from actinscope.requests import TrainRequest
from actinscope.runs import whole_results
from actinscope.training import load_recipe
from actinscope.training.recipe import RECIPE_NAMES
from helpers.bundles import CLASSES, grey_image, make_bundle

pytestmark = pytest.mark.usefixtures("unrendered_figures")

Shown = pytest.CaptureFixture[str]


def write_image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, grey_image(seed).pixels[0])
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes, two plates each, three images a plate."""
    folder = tmp_path / "data"
    for number in range(12):
        label = ("knockout", "wild type")[number % 2]
        plate = f"plate{number // 2 % 2 + 1}"
        write_image(folder / label / plate / f"xy{number // 4:02d}_{number}.tif", number)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "model").path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# scan


def test_images_of_mixed_kinds_are_all_named_by_scan_and_stop_train_before_any_work(
    data: Path, tmp_path: Path, capsys: Shown
) -> None:
    for number in (0, 7):
        (path,) = data.rglob(f"*_{number}.tif")
        grey = tifffile.imread(path)
        tifffile.imwrite(path, np.stack([grey] * 3, -1), photometric="rgb")
    odd = [path.relative_to(data).as_posix() for n in (0, 7) for path in data.rglob(f"*_{n}.tif")]
    assert main(["scan", str(data), "-o", str(tmp_path / "study.csv"), "--quiet"]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if "most images are" in line)
    assert said.startswith("not ready for training: ")
    assert all(name in said for name in odd)
    assert main(["train", str(data), "-o", str(tmp_path / "run"), "--recipe", "quick"]) != 0
    stopped = capsys.readouterr().err
    assert all(name in stopped for name in odd)
    assert "--exclude" in stopped
    assert not (tmp_path / "run").exists()


def test_channels_and_intensity_are_options() -> None:
    channels, intensity = INPUT
    assert channels.parse is not None
    assert intensity.parse is not None
    given = {
        "data": Path("data"),
        "output": Path("run"),
        "recipe": "default",
        "channels": channels.parse("actin, 2"),
        "intensity": intensity.parse("per-image"),
    }
    preprocess = request_of(TrainRequest, given).recipe.preprocess
    assert (preprocess.channels, preprocess.intensity) == (("actin", "2"), "per_image")
    with pytest.raises(ValueError, match="is none of auto, divide, per-image, percentile"):
        intensity.parse("fixed")
    with pytest.raises(ValueError, match="no list of names"):
        channels.parse("actin,,2")


def test_scan_lists_images_with_their_labels(data: Path, tmp_path: Path, capsys: Shown) -> None:
    assert main(["scan", str(data), "-o", str(tmp_path / "study.csv"), "--quiet"]) == 0
    rows = rows_of(tmp_path / "study.csv")
    assert len(rows) == 12
    assert {row["label"] for row in rows} == {"knockout", "wild type"}
    assert all((data / row["path"]).is_file() and len(row["sha256"]) == 64 for row in rows)
    assert "part" not in rows[0]
    shown = capsys.readouterr()
    assert f"{tmp_path / 'study.csv'}: 12 images" in shown.out
    assert "  knockout: 6 images" in shown.out
    assert "images are split one by one, as no group is known" in shown.out
    assert shown.err == ""


def test_scan_takes_groups_from_folders(data: Path, tmp_path: Path, capsys: Shown) -> None:
    target = tmp_path / "study.csv"
    code = main(
        ["scan", str(data), "--group-level", "2", "--group", "plate", "-o", str(target), "--quiet"]
    )
    assert code == 0
    assert {row["plate"] for row in rows_of(target)} == {"plate1", "plate2"}
    shown = capsys.readouterr().out
    assert "  knockout: 6 images in 2 plates" in shown
    assert "not ready for training: " in shown
    assert "every class needs at least 3 groups (plate)" in shown


def test_scan_takes_groups_from_names(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "study.csv"
    assert main(["scan", str(data), "--group-pattern", r"^(xy\d+)", "-o", str(target)]) == 0
    assert {row["group"] for row in rows_of(target)} == {"xy00", "xy01", "xy02"}


def test_scan_takes_labels_from_a_csv_and_groups_from_names(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    paths = sorted(data.rglob("*.tif"))
    lines = [f"{p.relative_to(data).as_posix()},{'ab'[i % 2]}" for i, p in enumerate(paths)]
    table.write_text("\n".join(["path,label", *lines]), "utf-8")
    target = tmp_path / "study.csv"
    options = ["--manifest", str(table), "--group-pattern", r"^(xy\d+)"]
    assert main(["scan", str(data), *options, "-o", str(target), "--quiet"]) == 0
    rows = rows_of(target)
    assert {row["label"] for row in rows} == {"a", "b"}
    assert {row["group"] for row in rows} == {"xy00", "xy01", "xy02"}


def test_a_column_that_predictions_have_themselves_is_refused(
    data: Path, tmp_path: Path, capsys: Shown
) -> None:
    table = tmp_path / "mine.csv"
    paths = sorted(data.rglob("*.tif"))
    lines = [f"{p.relative_to(data).as_posix()},{'ab'[i % 2]},x" for i, p in enumerate(paths)]
    table.write_text("\n".join(["path,label,predicted", *lines]), "utf-8")
    options = ["--manifest", str(table), "-o", str(tmp_path / "study.csv")]
    assert main(["scan", str(data), *options]) == 3
    assert "the column 'predicted' has a name that predictions.csv uses itself" in (
        capsys.readouterr().err
    )


def test_scan_of_a_csv_keeps_its_columns(data: Path, tmp_path: Path, capsys: Shown) -> None:
    table = tmp_path / "mine.csv"
    lines = [
        f"{path.relative_to(data).as_posix()};{path.parts[-3]};donor{i % 4}"
        for i, path in enumerate(sorted(data.rglob("*.tif")))
    ]
    table.write_text("\n".join(["path;label;donor", *lines]), "utf-8")
    target = tmp_path / "study.csv"
    arguments = ["scan", str(data), "--manifest", str(table), "--group", "donor"]
    assert main([*arguments, "-o", str(target), "--quiet"]) == 0
    assert {row["donor"] for row in rows_of(target)} == {f"donor{i}" for i in range(4)}
    assert "in 4 donors" in capsys.readouterr().out


def test_scan_names_bad_files_and_duplicates(data: Path, tmp_path: Path, capsys: Shown) -> None:
    (data / "knockout" / "broken.tif").write_bytes(b"II*\0 and then nothing")
    first = sorted(data.rglob("xy00_0.tif"))[0]
    (data / "knockout" / "copy.tif").write_bytes(first.read_bytes())
    assert main(["scan", str(data), "-o", str(tmp_path / "study.csv"), "--quiet"]) == 3
    shown = capsys.readouterr()
    assert "actinscope: left out: knockout/broken.tif: " in shown.err
    assert str(tmp_path) not in shown.err
    assert "same pixels: knockout/copy.tif, knockout/plate1/xy00_0.tif" in shown.out
    assert len(rows_of(tmp_path / "study.csv")) == 13


def test_many_bad_files_do_not_flood_the_screen(data: Path, tmp_path: Path, capsys: Shown) -> None:
    for number in range(30):
        (data / "knockout" / f"empty{number}.tif").touch()
    assert main(["scan", str(data), "-o", str(tmp_path / "study.csv"), "--quiet"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "actinscope: left out: 10 more"


def test_scan_of_folders_may_say_that_there_is_no_group(data: Path, tmp_path: Path) -> None:
    listed = tmp_path / "study.csv"
    assert main(["scan", str(data), "--group", "none", "-o", str(listed), "--quiet"]) == 0
    assert set(rows_of(listed)[0]) == {"path", "label", "sha256"}


def test_scan_never_overwrites_an_edited_csv(data: Path, tmp_path: Path, capsys: Shown) -> None:
    target = tmp_path / "study.csv"
    target.write_text("edited for hours")
    assert main(["scan", str(data), "-o", str(target)]) == 2
    assert target.read_text() == "edited for hours"
    shown = capsys.readouterr().err
    assert "is there already" in shown
    assert f"To train with it: actinscope train {data} --manifest {target}." in shown


def test_scan_into_a_folder_that_is_not_there(data: Path, tmp_path: Path, capsys: Shown) -> None:
    assert main(["scan", str(data), "-o", str(tmp_path / "nowhere" / "study.csv")]) == 7
    assert "the folder does not exist. Make it first." in capsys.readouterr().err


# predict and verify


def test_predict_and_verify(bundle: Path, tmp_path: Path, capsys: Shown) -> None:
    images = tmp_path / "new"
    for number in range(5):
        write_image(images / f"{number}.tif", number)
    target = tmp_path / "predictions.csv"
    assert main(["predict", str(bundle), str(images), "-o", str(target), "--quiet"]) == 0
    rows = rows_of(target)
    assert [Path(row["path"]).name for row in rows] == [f"{number}.tif" for number in range(5)]
    counts = [f"  {name}: {[row['predicted'] for row in rows].count(name)}" for name in CLASSES]
    assert capsys.readouterr().out.splitlines()[:4] == [f"5 named, 0 not read: {target}", *counts]
    assert main(["bundle", "verify", str(bundle)]) == 0
    shown = capsys.readouterr()
    assert f"{bundle}: verified with " in shown.out
    assert shown.err == ""


def test_a_batch_with_bad_files_ends_with_3_and_everything_else(
    bundle: Path, tmp_path: Path, capsys: Shown
) -> None:
    images = tmp_path / "new"
    for number in range(3):
        write_image(images / f"{number}.tif", number)
    (images / "1.tif").write_bytes(b"")
    target = tmp_path / "predictions.csv"
    assert main(["predict", str(bundle), str(images), "-o", str(target), "--quiet"]) == 3
    rows = rows_of(target)
    assert [bool(row["predicted"]) for row in rows] == [True, False, True]
    assert "the file is empty" in rows[1]["error"]
    shown = capsys.readouterr()
    assert "2 named, 1 not read" in shown.out
    assert "actinscope: not predicted: " in shown.err
    assert "1.tif: the file is empty" in shown.err


def test_predict_sums_cells_up_to_levels(bundle: Path, tmp_path: Path, capsys: Shown) -> None:
    images = tmp_path / "new"
    lines = ["path,well"]
    for number in range(4):
        write_image(images / f"{number}.tif", number)
        lines.append(f"{number}.tif,w{number // 2}")
    (images / "wells.csv").write_text("\n".join(lines))
    target = tmp_path / "predictions.csv"
    given = [
        "predict",
        str(bundle),
        str(images),
        "--manifest",
        str(images / "wells.csv"),
        "--quiet",
    ]
    assert main([*given, "-o", str(target), "--level", "well:vote", "--level", "path"]) == 0
    wells = rows_of(tmp_path / "predictions_level_well.csv")
    assert [(row["well"], row["cells"]) for row in wells] == [("w0", "2"), ("w1", "2")]
    assert len(rows_of(tmp_path / "predictions_level_path.csv")) == len(rows_of(target)) == 4
    assert "predictions_level_well.csv: 2 wells from 4 cells." in capsys.readouterr().out
    # The same as of the table afterwards.
    later = tmp_path / "later.csv"
    assert main(["cells", "summarise", str(target), "--level", "well:vote", "-o", str(later)]) == 0
    assert later.read_bytes() == (tmp_path / "predictions_level_well.csv").read_bytes()


def test_predict_takes_wells_from_folders(bundle: Path, tmp_path: Path, capsys: Shown) -> None:
    for number in range(6):
        write_image(tmp_path / "new" / f"A0{number // 2}" / f"p1_{number}.tif", number)
    given = ["predict", str(bundle), str(tmp_path / "new"), "--quiet", "--group-pattern"]
    pattern = ["{well}/{plate}_{}", "--level", "plate+well"]
    assert main([*given, *pattern, "-o", str(tmp_path / "p.csv")]) == 0
    rows = rows_of(tmp_path / "p.csv")
    assert [(r["plate"], r["well"]) for r in rows] == [("p1", f"A0{n // 2}") for n in range(6)]
    assert "p_level_plate_well.csv: 3 " in capsys.readouterr().out
    named = ["(A01)/", "--group", "dose", "-o", str(tmp_path / "q.csv")]
    assert main([*given, *named]) == 0
    assert [r["dose"] for r in rows_of(tmp_path / "q.csv")] == ["", "", "A01", "A01", "", ""]
    assert "4 images have no dose: p1_0.tif" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "donor"], "there is no column 'donor' to sum cells up by"),
        (["--agreement", "0.5"], "--agreement does nothing without --level"),
    ],
)
def test_predict_refuses_levels_before_it_reads_images(
    options: list[str], message: str, bundle: Path, tmp_path: Path, capsys: Shown
) -> None:
    image = write_image(tmp_path / "a.tif", 1)
    target = tmp_path / "p.csv"
    assert main(["predict", str(bundle), str(image), "-o", str(target), *options]) in {2, 3}
    assert message in capsys.readouterr().err
    assert not target.exists()


def test_predict_shows_the_notices_of_the_bundle(tmp_path: Path, capsys: Shown) -> None:
    path = make_bundle(tmp_path / "model", notices=("Trained on SYNTHETIC images.",)).path
    image = write_image(tmp_path / "a.tif", 1)
    assert main(["predict", str(path), str(image), "-o", str(tmp_path / "p.csv"), "--quiet"]) == 0
    assert "Trained on SYNTHETIC images.\n" in capsys.readouterr().err


def test_verify_a_changed_bundle(bundle: Path, capsys: Shown) -> None:
    model = bundle / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    assert main(["bundle", "verify", str(bundle)]) == 6
    assert "model.onnx: the file is not the one that was saved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--crop-size", "10"], "a crop size was given, but nothing that says where"),
        (["--masks", "m", "--objects", "o.csv"], "masks and an objects table were given"),
        (["--axes", "QQ"], "--axes: axes are given by the letters TZCYXS"),
    ],
)
def test_predict_refuses_options_that_do_nothing(
    options: list[str], message: str, bundle: Path, tmp_path: Path, capsys: Shown
) -> None:
    image = write_image(tmp_path / "a.tif", 1)
    target = tmp_path / "p.csv"
    assert main(["predict", str(bundle), str(image), "-o", str(target), *options]) == 2
    assert message in capsys.readouterr().err
    assert not target.exists()


# recipe


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_recipe_prints_what_load_recipe_reads(name: str, tmp_path: Path, capsys: Shown) -> None:
    assert main(["recipe", "show", name]) == 0
    printed = capsys.readouterr().out
    assert tomllib.loads(printed)["name"] == name
    path = tmp_path / "mine.toml"
    path.write_text(printed, "utf-8")
    assert load_recipe(path) == load_recipe(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepoch = 5", "unknown setting 'training.epoch'. Did you mean 'epochs'"),
        ("[training]\nepochs = 0", "training.epochs: Input should be greater than or equal to 1"),
        ("[training", "is not valid TOML"),
        ('base = "papper"', "base is 'papper'"),
    ],
)
def test_a_bad_recipe_is_named(text: str, message: str, tmp_path: Path, capsys: Shown) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert main(["recipe", "show", str(path)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert str(path) in shown


def test_a_recipe_that_does_not_exist(capsys: Shown) -> None:
    assert main(["recipe", "show", "papper"]) == 2
    assert (
        "no recipe is called 'papper'. Known recipes: default, quick, fine-tuned, paper"
        in capsys.readouterr().err
    )


# train: what is refused before any work


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label-level", "1", "--label-pattern", "x"], "and --label-pattern contradict each"),
        (["--group", "none", "--group-level", "2"], "--group none and --group-level contradict"),
        (["--crop-size", "64"], "--crop-size needs a --manifest that says where the cells are"),
        (["--group-level", "2", "--group-pattern", "x"], "Give only one of the two"),
        (["--network", "eficientnet-lite0"], "Did you mean 'efficientnet-lite0'?"),
        (["--weights", "my.h5"], "Name the network of the weights with --network"),
        (["--axes", "YXCS"], "--axes: axes hold either C (channels) or S (colour samples)"),
        (["--recipe", "papper"], "no recipe is called 'papper'"),
        (["--resume"], "holds no run to continue. Leave out --resume"),
    ],
)
def test_train_refuses_contradictions(
    options: list[str], message: str, data: Path, tmp_path: Path, capsys: Shown
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(data), "-o", str(run), "--quiet", *options]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not run.exists()


def test_train_without_a_data_folder(tmp_path: Path, capsys: Shown) -> None:
    arguments = ["train", str(tmp_path / "nothere"), "-o", str(tmp_path / "run"), "--quiet"]
    assert main([*arguments, "--network", "efficientnet-lite0"]) == 3
    assert "nothere: the data folder is not there" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("recipe.toml", "holds an earlier run. Go on with it with --resume"),
        ("thesis.docx", "is not empty, and results never overwrite what is there"),
    ],
)
def test_train_refuses_a_used_folder(
    name: str, message: str, data: Path, tmp_path: Path, capsys: Shown
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_text("precious")
    assert main(["train", str(data), "-o", str(run)]) == 2
    assert message in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in run.iterdir()] == [(name, "precious")]


def test_train_refuses_to_write_among_the_images(data: Path, capsys: Shown) -> None:
    assert main(["train", str(data), "-o", str(data / "run")]) == 2
    assert "lies among the images" in capsys.readouterr().err
    assert not (data / "run").exists()


def test_train_refuses_a_file_as_folder(data: Path, tmp_path: Path, capsys: Shown) -> None:
    (tmp_path / "run").touch()
    assert main(["train", str(data), "-o", str(tmp_path / "run")]) == 2
    assert "run: is a file" in capsys.readouterr().err


def test_weights_that_cannot_be_had_name_three_ways_out(
    data: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network the answer comes at once and says what to do."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))

    def no_network(*_: object, **__: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(download.urllib.request, "urlopen", no_network)
    begun = time.monotonic()
    arguments = ["train", str(data), "-o", str(tmp_path / "run"), "--quiet"]
    code = main([*arguments, "--network", "efficientnetv2-b0", "--weights", "imagenet"])
    assert code == 4
    assert time.monotonic() - begun < 10
    shown = capsys.readouterr().err
    assert "cannot be downloaded (no connection: Network is unreachable)" in shown
    for way in (
        f"Put that file at {tmp_path / 'keras' / 'models'}",
        "choose another network whose weights are installed (efficientnet-lite0",
        "choose weights 'none' to start from random numbers",
    ):
        assert way in shown
    assert not (tmp_path / "run").exists()


# evaluate: what is refused before any work


def test_evaluate_refuses_labels_that_the_bundle_does_not_know(
    bundle: Path, data: Path, tmp_path: Path, capsys: Shown
) -> None:
    target = tmp_path / "result"
    assert main(["evaluate", str(bundle), str(data), "-o", str(target), "--quiet"]) == 3
    shown = capsys.readouterr().err
    assert "the bundle does not know the label 'knockout'" in shown
    assert "Its classes are bundled, flat, round" in shown
    assert not target.exists()


def test_evaluate_never_overwrites_the_results_of_a_run(
    bundle: Path, data: Path, tmp_path: Path, capsys: Shown
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").touch()
    (run / "metrics.json").write_text("{}")
    assert main(["evaluate", str(bundle), str(data), "-o", str(run)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (run / "metrics.json").read_text() == "{}"


def test_evaluate_a_bundle_that_needs_crops_on_whole_images(
    data: Path, tmp_path: Path, capsys: Shown
) -> None:
    model = make_bundle(tmp_path / "model", crop_size=10).path
    assert main(["evaluate", str(model), str(data), "-o", str(tmp_path / "result")]) == 3
    shown = capsys.readouterr().err
    assert "trained on crops of 10 pixels" in shown
    assert "Give --manifest CSV" in shown


def labelled_by_the_bundle(folder: Path, count: int) -> Path:
    """A study in CSV form whose labels are the classes of the tiny bundle, in turn."""
    names = ("bundled", "flat", "round")
    lines = ["path,label,slide"]
    for number in range(count):
        write_image(folder / f"{number}.tif", number)
        lines.append(f"{number}.tif,{names[number % 3]},s{number // 3}")
    (folder / "study.csv").write_text("\n".join(lines))
    return folder / "study.csv"


def test_evaluate_writes_metrics_predictions_and_report(
    bundle: Path, tmp_path: Path, capsys: Shown
) -> None:
    table = labelled_by_the_bundle(tmp_path / "new", 18)
    (tmp_path / "new" / "4.tif").write_bytes(b"")
    target = tmp_path / "result"
    arguments = ["evaluate", str(bundle), str(table.parent), "--manifest", str(table)]
    assert main([*arguments, "--group", "slide", "-o", str(target), "--quiet"]) == 3
    shown = capsys.readouterr()
    assert "On 17 images from 6 slides" in shown.out
    assert "actinscope: left out: 4.tif: the file is empty" in shown.err
    rows = rows_of(target / "predictions.csv")
    assert len(rows) == 17
    for row in rows:
        chances = [float(row[f"probability_{name}"]) for name in ("bundled", "flat", "round")]
        assert sum(chances) == pytest.approx(1, abs=5e-6)
        assert row["part"] == "test"
    report = (target / "report.html").read_text("utf-8")
    assert "On 17 images from 6 slides" in report


def test_a_manifest_beside_a_bundle_is_not_taken_for_that_of_its_run(
    bundle: Path, tmp_path: Path
) -> None:
    (bundle.parent / "manifest.csv").write_text("path,label,part,sha256\na.tif,flat,train,\n")
    table = labelled_by_the_bundle(tmp_path / "new", 12)
    target = tmp_path / "result"
    arguments = ["evaluate", str(bundle), str(table.parent), "--manifest", str(table)]
    assert main([*arguments, "-o", str(target), "--quiet"]) == 0
    report = (target / "report.html").read_text("utf-8")
    assert "is not known here" in report
    assert "that it never saw" not in report


def test_evaluate_takes_the_test_part_of_a_manifest_with_parts(
    bundle: Path, tmp_path: Path, capsys: Shown
) -> None:
    table = labelled_by_the_bundle(tmp_path / "new", 12)
    lines = table.read_text().splitlines()
    parts = ["part", *(["train"] * 6), *(["test"] * 6)]
    table.write_text("\n".join(f"{line},{part}" for line, part in zip(lines, parts, strict=True)))
    arguments = ["evaluate", str(bundle), str(table.parent), "--manifest", str(table)]
    assert main([*arguments, "-o", str(tmp_path / "result")]) == 0
    assert "marks 6 of 12 images as train or validation" in capsys.readouterr().err
    assert len(rows_of(tmp_path / "result" / "predictions.csv")) == 6


def test_unreadable_numbers_do_not_stop_a_batch(bundle: Path, tmp_path: Path) -> None:
    """An image of another bit depth is one bad row, not the end."""
    images = tmp_path / "new"
    write_image(images / "good.tif", 1)
    tifffile.imwrite(images / "other.tif", np.arange(144, dtype=np.uint8).reshape(12, 12))
    target = tmp_path / "p.csv"
    assert main(["predict", str(bundle), str(images), "-o", str(target), "--quiet"]) == 3
    rows = rows_of(target)
    assert [row["error"].split(" where")[0] for row in rows] == ["", "is 8-bit (0 to 255)"]


# folders for results


FOLDER_WRITERS = (
    "audit DATA",
    "train DATA",
    "train DATA --folds 2",
    "evaluate BUNDLE DATA",
    "explain BUNDLE DATA",
    "compare ONE TWO",
    "paper DATA",
    "demo",
    "bundle join ONE TWO",
    "recipe tune DATA",
)


@pytest.mark.parametrize("command", FOLDER_WRITERS)
def test_a_folder_that_another_command_writes_to_is_refused_at_once(
    command: str, data: Path, bundle: Path, tmp_path: Path, capsys: Shown
) -> None:
    out = tmp_path / "out"
    places = {"DATA": str(data), "BUNDLE": str(bundle)}
    words = [places.get(word, word) for word in command.split()]
    with whole_results(out) as held:
        assert main([*words, "-o", str(out)]) == 2
        assert held.is_dir()
    assert "out: another command is writing to this folder" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which root cannot write to")
@pytest.mark.parametrize("command", FOLDER_WRITERS)
def test_a_disk_that_cannot_be_written_to_is_said_before_any_work(
    command: str, data: Path, bundle: Path, capsys: Shown
) -> None:
    places = {"DATA": str(data), "BUNDLE": str(bundle)}
    words = [places.get(word, word) for word in command.split()]
    assert main([*words, "-o", "/proc/self/out"]) == 7
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("actinscope: /proc/self/out: the folder cannot be made")
