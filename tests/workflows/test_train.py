"""A whole run, small and real: train, resume, repeat, predict, evaluate."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from actinscope.cli.main import main
from actinscope.files import sha256_of_file
from actinscope.phantoms import write_phantom_study
from actinscope.training import read_recipe
from actinscope.training.checkpoint import HISTORY_COLUMNS
from helpers.decodes import counted_decodes
from helpers.phantom_crops import write_phantom_crops

pytestmark = pytest.mark.usefixtures("unrendered_figures")

RECIPE = """\
base = "fine-tuned"
[network]
name = "efficientnet-lite0"
input_size = 64

[training]
views = 1
epochs = 2
keep = "best"

[levels]
by = ["field:vote"]
"""
CLASSES = ("clustered", "elongated", "epithelial")
#: What a run leaves, beside figures and tables.
RUN_FILES = (
    "recipe.toml",
    "manifest.csv",
    "thumbnails.bin",
    "environment.json",
    "history.csv",
    "checkpoint/last.npz",
    "bundle/bundle.json",
    "bundle/model.onnx",
    "bundle/golden.npz",
    "bundle/MODEL_CARD.md",
    "predictions.csv",
    "metrics.json",
    "level_field.csv",
    "report.html",
    "methods.md",
    "checklists.csv",
    "figures/confusion_matrix.svg",
    "figures/curves.png",
)

Shown = pytest.CaptureFixture[str]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def probabilities_of(row: dict[str, str]) -> list[float]:
    return [float(row[f"probability_{name}"]) for name in CLASSES]


BAD_FILES = 3  # exit code


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic single cells, one of them a broken file, and a recipe."""
    folder = tmp_path_factory.mktemp("whole-run")
    write_phantom_crops(
        folder / "images",
        fields_per_class=4,
        cells_per_field=3,
        difficulty=0.2,
        seed=1,
        crop_size=64,
    )
    (folder / "images" / "cells" / "elongated" / "empty.tif").touch()
    with (folder / "images" / "groups.csv").open("a") as table:
        table.write("cells/elongated/empty.tif,elongated,elongated_field_01,slide_01\n")
    (folder / "small.toml").write_text(RECIPE)
    return folder


def train(place: Path, run: Path, *options: str) -> int:
    images = place / "images"
    study = ["--manifest", str(images / "groups.csv"), "--group", "field"]
    recipe = ["--recipe", str(place / "small.toml")]
    return main(
        ["train", str(images), *study, *recipe, "-o", str(run), "--folds", "1", "--quiet", *options]
    )


@pytest.fixture(scope="module")
def decodes() -> Counter[Path]:
    """How often the run of the fixture ``run`` decoded each file."""
    return Counter()


@pytest.fixture(scope="module")
def run(place: Path, decodes: Counter[Path]) -> Path:
    with counted_decodes() as counts:
        assert train(place, place / "run") == BAD_FILES
    decodes.update(counts)
    return place / "run"


def test_no_image_is_decoded_twice(run: Path, place: Path, decodes: Counter[Path]) -> None:
    used = {place / "images" / row["path"] for row in rows_of(run / "manifest.csv")}
    assert {path: count for path, count in decodes.items() if path in used} == dict.fromkeys(
        used, 1
    )


def test_all_files_of_a_run_are_there(run: Path) -> None:
    for name in RUN_FILES:
        assert (run / name).stat().st_size > 0, name
    assert {path.name for path in run.iterdir()} == {
        *(name.split("/")[0] for name in RUN_FILES),
        "tables",
    }


def test_the_recipe_of_a_run_leaves_nothing_open(run: Path) -> None:
    recipe = read_recipe(run / "recipe.toml")
    assert recipe.name == "small"
    assert recipe.network.name == "efficientnet-lite0"
    assert recipe.network.input_size == 64
    assert recipe.network.frozen_layers == 95
    assert recipe.training.epochs == 2


def test_the_manifest_of_a_run_keeps_fields_whole(run: Path) -> None:
    rows = rows_of(run / "manifest.csv")
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["field"], set()).add(row["part"])
        assert len(row["sha256"]) == 64
    assert all(len(found) == 1 for found in parts.values())
    assert {row["part"] for row in rows} == {"train", "validation", "test"}


def test_history_has_one_row_an_epoch(run: Path) -> None:
    rows = rows_of(run / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert tuple(rows[0]) == HISTORY_COLUMNS


def test_metrics_have_the_documented_form(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) == {"train", "validation", "test"}
    for part, figures in metrics.items():
        assert {"accuracy", "balanced_accuracy", "f1_macro", "mcc", "auroc"} <= set(figures)
        assert {f"recall[{name}]" for name in CLASSES} <= set(figures)
        for name, figure in figures.items():
            assert set(figure) == {"value", "low", "high", "n", "count", "method"}, (part, name)
            if figure["low"] is not None:
                assert figure["low"] <= figure["value"] <= figure["high"], (part, name)


def test_predictions_hold_every_image_once(run: Path) -> None:
    predicted = rows_of(run / "predictions.csv")
    listed = rows_of(run / "manifest.csv")
    assert sorted((row["path"], row["part"], row["label"]) for row in predicted) == sorted(
        (row["path"], row["part"], row["label"]) for row in listed
    )
    for row in predicted:
        chances = probabilities_of(row)
        assert sum(chances) == pytest.approx(1, abs=3e-6)
        assert row["predicted"] == CLASSES[int(np.argmax(chances))]


def test_metrics_follow_from_the_predictions(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    for part, figures in metrics.items():
        rows = [row for row in rows_of(run / "predictions.csv") if row["part"] == part]
        # Every image counts by its most probable class, an unfamiliar one without an answer too.
        right = sum(CLASSES[int(np.argmax(probabilities_of(row)))] == row["label"] for row in rows)
        assert (figures["accuracy"]["count"], figures["accuracy"]["n"]) == (right, len(rows))


def test_the_report_opens_with_the_verdict(run: Path) -> None:
    tested = [row for row in rows_of(run / "predictions.csv") if row["part"] == "test"]
    fields = len({row["field"] for row in tested})
    report = (run / "report.html").read_text("utf-8")
    assert f"On {len(tested)} images from {fields} fields that it never saw" in report


def test_copies_of_tested_cells_stand_in_the_verdict(run: Path, place: Path) -> None:
    again = place / "with-a-copy"
    shutil.copytree(place / "images", again / "images")
    rows = [row for row in rows_of(run / "manifest.csv") if row["label"] == "elongated"]
    first = {row["part"]: row["path"] for row in reversed(rows)}
    trained = tifffile.imread(again / "images" / first["train"])
    tifffile.imwrite(again / "images" / first["test"], np.ascontiguousarray(trained[..., ::-1]))
    recipe = f"controls = false\nexplanation = false\n{RECIPE}[split]\nkeep_copies = false\n"
    (again / "small.toml").write_text(recipe)
    assert train(again, again / "run", "--epochs", "1") == BAD_FILES
    report = (again / "run" / "report.html").read_text("utf-8")
    assert "1 pair of images shows the same cells, one of them tested with a model" in report
    assert "that it never saw" not in report


def test_fields_are_summed_up_and_judged(run: Path) -> None:
    rows = rows_of(run / "predictions.csv")
    figures = json.loads((run / "metrics.json").read_text())
    report = (run / "report.html").read_text("utf-8")
    assert ">At the level of fields<" in report
    units = rows_of(run / "level_field.csv")
    assert len(units) == len({row["field"] for row in rows})
    for unit in units:
        own = [row for row in rows if row["field"] == unit["field"]]
        assert {row["part"] for row in own} == {unit["part"]}
        assert int(unit["cells"]) == len(own)
        for name in CLASSES:
            named = sum(row["predicted"] == name for row in own)
            assert int(unit[f"cells_named_{name}"]) == named
    for part in ("train", "validation", "test"):
        decided = [unit for unit in units if unit["part"] == part and unit["answer"]]
        right = sum(unit["answer"] == unit["label"] for unit in decided)
        found = figures[part]["level[field].accuracy"]
        assert (found["count"], found["n"]) == (right, len(decided))


def test_a_level_that_is_no_column_stops_before_training(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    assert train(place, tmp_path / "run", "--level", "slides") == BAD_FILES
    assert "no column 'slides' to sum cells up by. Did you mean 'slide'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_summarise_takes_the_test_part_of_a_run(run: Path, tmp_path: Path, capsys: Shown) -> None:
    target = tmp_path / "fields.csv"
    given = [
        "cells",
        "summarise",
        str(run / "predictions.csv"),
        "--level",
        "field:vote",
        "-o",
        str(target),
    ]
    assert main(given) == 0
    assert "cells of the test part" in capsys.readouterr().out
    ours = [row for row in rows_of(run / "level_field.csv") if row.pop("part") == "test"]
    found = rows_of(target)
    assert len(found) == len(ours)
    for mine, theirs in zip(found, ours, strict=True):
        assert list(mine) == list(theirs)
        for column, cell in mine.items():
            if "probability" in column:  # summed up from the six decimals of the CSV
                assert float(cell) == pytest.approx(float(theirs[column]), abs=3e-6)
            else:
                assert cell == theirs[column], column


def test_the_environment_names_no_person_or_machine(run: Path) -> None:
    described = json.loads((run / "environment.json").read_text())
    assert {"actinscope", "python", "platform", "cores", "keras", "numpy"} <= set(described)
    assert str(Path.home()) not in json.dumps(described)


def test_the_bundle_says_nothing_about_this_computer(run: Path, place: Path) -> None:
    text = (run / "bundle" / "bundle.json").read_text("utf-8")
    assert str(place) not in text
    assert str(Path.home()) not in text
    info = json.loads(text)
    assert info["classes"] == list(CLASSES)
    assert info["group"] == "field"
    assert info["metrics"] == json.loads((run / "metrics.json").read_text())["test"]


def test_the_bundle_proves_itself(run: Path, capsys: Shown) -> None:
    assert main(["bundle", "verify", str(run / "bundle")]) == 0
    assert "verified with" in capsys.readouterr().out


def test_predict_gives_the_probabilities_of_the_run(run: Path, place: Path, tmp_path: Path) -> None:
    known = {row["path"]: row for row in rows_of(run / "predictions.csv") if row["part"] == "test"}
    images = [str(place / "images" / name) for name in known]
    target = tmp_path / "predictions.csv"
    assert main(["predict", str(run / "bundle"), *images, "-o", str(target), "--quiet"]) == 0
    rows = rows_of(target)
    assert len(rows) == len(known)
    for row in rows:
        name = Path(row["path"]).relative_to(place / "images").as_posix()
        assert probabilities_of(row) == pytest.approx(probabilities_of(known[name]), abs=1e-5)


def test_evaluate_leaves_out_what_trained_the_model(
    run: Path, place: Path, tmp_path: Path, capsys: Shown
) -> None:
    images = place / "images"
    study = [str(images), "--manifest", str(images / "groups.csv"), "--group", "field"]
    target = tmp_path / "result"
    study += ["--level", "field:vote"]
    assert main(["evaluate", str(run / "bundle"), *study, "-o", str(target)]) == BAD_FILES
    shown = capsys.readouterr()
    assert "the model was trained on" in shown.err
    assert "too few to say how the model does on another field" in shown.out
    given = json.loads((target / "metrics.json").read_text())
    ours = json.loads((run / "metrics.json").read_text())["test"]
    assert given == {"test": ours}


def test_evaluate_tells_of_groups_that_trained_the_model(
    run: Path, place: Path, tmp_path: Path, capsys: Shown
) -> None:
    images = tmp_path / "images"
    shutil.copytree(place / "images", images)
    trained = next(row for row in rows_of(run / "manifest.csv") if row["part"] == "train")
    changed = images / trained["path"]
    other = np.random.default_rng(0).integers(0, 1000, tifffile.imread(changed).shape)
    tifffile.imwrite(changed, other.astype(np.uint16))
    study = [str(images), "--manifest", str(images / "groups.csv"), "--group", "field"]
    main(["evaluate", str(run / "bundle"), *study, "-o", str(tmp_path / "result")])
    shown = capsys.readouterr().err
    assert "images come from a field of which other images trained the model" in shown


def test_predicting_the_images_that_trained_the_model_is_told(
    run: Path, tmp_path: Path, place: Path, capsys: Shown
) -> None:
    images = place / "images" / "cells"
    assert main(["predict", str(run), str(images), "-o", str(tmp_path / "p.csv")]) == BAD_FILES
    rows = rows_of(run / "manifest.csv")
    trained = sum(row["part"] != "test" for row in rows)
    told = f"{trained} of these {len(rows) + 1} images trained the model"  # one file is broken
    assert told in capsys.readouterr().err


def test_training_images_saved_again_with_other_grey_values_test_nothing(
    run: Path, tmp_path: Path, place: Path, capsys: Shown
) -> None:
    """One grey value more, or JPEG: other hashes, the same cells; and every image of the run's
    test part stays.
    """
    rows = [row for row in rows_of(run / "manifest.csv") if row["part"] in ("train", "test")]
    data, kept, copies = tmp_path / "data", 0, 0
    for number, row in enumerate(rows):
        pixels = tifffile.imread(place / "images" / row["path"])
        folder = data / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        if row["part"] == "test":
            tifffile.imwrite(folder / f"new{number}.tif", pixels)
            kept += 1
        elif number % 2:
            tifffile.imwrite(folder / f"{number}.tif", pixels + np.uint16(1))
            copies += 1
        else:
            grey = pixels / max(1, pixels.max()) * 255
            Image.fromarray(grey.astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)
            copies += 1
    result = tmp_path / "result"
    assert main(["evaluate", str(run), str(data), "-o", str(result), "--group", "none"]) == 0
    shown = capsys.readouterr()
    assert (
        f"on 0 of the {kept + copies} images, and on changed copies of {copies} more" in shown.err
    )
    assert f"On {kept} images" in shown.out
    assert "changed copies of them were left out" in (result / "report.html").read_text("utf-8")


def test_evaluate_away_from_its_run_takes_all_images(
    run: Path, place: Path, tmp_path: Path
) -> None:
    shutil.copytree(run / "bundle", tmp_path / "given-away")
    images = place / "images"
    study = [str(images), "--manifest", str(images / "groups.csv"), "--group", "field"]
    target = tmp_path / "result"
    arguments = ["evaluate", str(tmp_path / "given-away"), *study, "-o", str(target), "--quiet"]
    assert main(arguments) == BAD_FILES
    assert len(rows_of(target / "predictions.csv")) == len(rows_of(run / "predictions.csv"))
    assert "is not known here" in (target / "report.html").read_text("utf-8")


def test_a_broken_image_is_left_out_and_told(run: Path) -> None:
    assert len(rows_of(run / "manifest.csv")) > 30
    assert all("empty.tif" not in row["path"] for row in rows_of(run / "manifest.csv"))
    assert "empty.tif" in (run / "report.html").read_text("utf-8")


def test_resuming_a_finished_run_changes_no_figure(run: Path, place: Path, capsys: Shown) -> None:
    names = ("metrics.json", "predictions.csv", "history.csv", "recipe.toml", "manifest.csv")
    before = [sha256_of_file(run / name) for name in names]
    assert train(place, run, "--resume") == BAD_FILES
    shown = capsys.readouterr()
    assert "actinscope: left out: cells/elongated/empty.tif: the file is empty" in shown.err
    assert "the model names the class of" in shown.out
    assert [sha256_of_file(run / name) for name in names] == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "3"), "training.epochs was 2 and is now 3"),
        (("--seed", "1"), "seed was 0 and is now 1"),
    ],
)
def test_resuming_with_other_settings_touches_nothing(
    options: tuple[str, ...], message: str, run: Path, place: Path, capsys: Shown
) -> None:
    before = {path: sha256_of_file(path) for path in run.rglob("*") if path.is_file()}
    assert train(place, run, "--resume", *options) == 5
    assert message in capsys.readouterr().err
    assert {path: sha256_of_file(path) for path in run.rglob("*") if path.is_file()} == before


def test_resuming_with_other_labels_touches_nothing(
    run: Path, place: Path, tmp_path: Path, capsys: Shown
) -> None:
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(place / "images", tmp_path / "images")
    table = tmp_path / "images" / "groups.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-2]))
    shutil.copy(place / "small.toml", tmp_path)
    before = sha256_of_file(tmp_path / "run" / "manifest.csv")
    assert train(tmp_path, tmp_path / "run", "--resume") == 5
    assert "the images, labels, groups or parts are not those" in capsys.readouterr().err
    assert sha256_of_file(tmp_path / "run" / "manifest.csv") == before


def test_the_same_seed_gives_the_same_run(run: Path, place: Path, tmp_path: Path) -> None:
    assert train(place, tmp_path / "again") == BAD_FILES
    for name in ("metrics.json", "predictions.csv", "manifest.csv", "recipe.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes(), name


def test_an_image_that_fits_no_other_stops_before_training(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    """Whatever part it falls into: not after hours of training."""
    import tifffile

    shutil.copytree(place / "images", tmp_path / "images")
    shutil.copy(place / "small.toml", tmp_path)
    odd = tmp_path / "images" / "cells" / "elongated" / "field01_cell01.tif"
    tifffile.imwrite(odd, (tifffile.imread(odd) // 256).astype(np.uint8))
    for seed in ("0", "1", "2"):
        assert train(tmp_path, tmp_path / f"run{seed}", "--seed", seed) == 3
        shown = capsys.readouterr().err
        assert "8-bit (0 to 255)" in shown or "16-bit (0 to 65535)" in shown
        assert not (tmp_path / f"run{seed}" / "history.csv").exists()


@pytest.mark.slow
def test_fields_with_masks(tmp_path: Path, capsys: Shown) -> None:
    images = tmp_path / "images"
    table = write_phantom_study(
        images, fields_per_class=4, cells_per_field=3, difficulty=0.2, seed=1
    )
    (tmp_path / "small.toml").write_text(RECIPE.replace("epochs = 2", "epochs = 1"))
    study = ["--manifest", str(table), "--group", "field", "--crop-size", "96"]
    recipe = ["--recipe", str(tmp_path / "small.toml"), "--folds", "1"]
    run = tmp_path / "run"
    assert main(["train", str(images), *study, *recipe, "-o", str(run), "--quiet"]) == 0
    listed = rows_of(run / "manifest.csv")
    assert all((row["height"], row["width"]) == ("96", "96") for row in listed)
    assert json.loads((run / "bundle" / "bundle.json").read_text())["crop_size"] == 96
    known = {(row["path"], row["object"]): row for row in rows_of(run / "predictions.csv")}
    assert set(known) == {(row["path"], row["object"]) for row in listed}

    field = images / "fields" / "elongated" / "field_01.tif"
    mask = images / "masks" / "elongated" / "field_01.tif"
    target = tmp_path / "predictions.csv"
    predict = ["predict", str(run / "bundle"), str(field), "--masks", str(mask)]
    assert main([*predict, "-o", str(target), "--quiet"]) == 0
    rows = rows_of(target)
    assert rows
    for row in rows:
        same = known["fields/elongated/field_01.tif", row["object"]]
        assert probabilities_of(row) == pytest.approx(probabilities_of(same), abs=1e-5)

    # The manifest that the run wrote is a study of its own: cells by place.
    again = ["evaluate", str(run / "bundle"), str(images), "--manifest", str(run / "manifest.csv")]
    assert main([*again, "-o", str(tmp_path / "result"), "--quiet"]) == 0
    tested = [row for row in listed if row["part"] == "test"]
    assert len(rows_of(tmp_path / "result" / "predictions.csv")) == len(tested)
