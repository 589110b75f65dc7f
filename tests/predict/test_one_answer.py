"""Every command says the same of one image: its class or none, probabilities, set, abstaining."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.bundle import store_reliability
from actinscope.cli.main import main
from helpers.bundles import (
    CLASSES,
    grey_image,
    references,
    rules,
    unfamiliarity,
    with_early_features,
)
from helpers.ensembles import other_bundle

ANSWER = (
    "predicted",
    *(f"probability_{name}" for name in CLASSES),
    "prediction_set",
    "abstained",
    "unfamiliar",
    "unfamiliarity",
)
Rows = dict[str, dict[str, str]]


def rows_of(path: Path) -> Rows:
    """The rows of a table, by the name of the image without its folder."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {Path(row["path"]).name: row for row in csv.DictReader(stream)}


def answers(rows: Rows) -> dict[str, list[str]]:
    return {name: [row[column] for column in ANSWER] for name, row in rows.items()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated bundle that knows what is unfamiliar, and images, one of them far too bright."""
    folder = tmp_path_factory.mktemp("answers")
    bundle = with_early_features(folder / "model")
    store_reliability(bundle, rules(unfamiliarity(bundle)), references())
    lines = ["path,label,field"]
    for number in range(12):
        label = CLASSES[number % 3]
        (folder / "images" / label).mkdir(parents=True, exist_ok=True)
        pixels = grey_image(number).pixels[0]
        if number == 7:
            pixels = np.full_like(pixels, 65535)
            pixels[0, 0] = 65000  # an image of one value is refused
        tifffile.imwrite(folder / "images" / label / f"{number}.tif", pixels)
        lines.append(f"{label}/{number}.tif,{label},f{number // 2}")
    (folder / "study.csv").write_text("\n".join(lines))
    table = str(folder / "predictions.csv")
    model, images = str(folder / "model"), str(folder / "images")
    assert main(["predict", model, images, "-o", table, "--quiet"]) == 0
    return folder


@pytest.fixture
def predicted(place: Path) -> dict[str, list[str]]:
    found = answers(rows_of(place / "predictions.csv"))
    assert found["7.tif"][0] == ""
    assert all(row[0] for name, row in found.items() if name != "7.tif")
    return found


def test_explain(place: Path, predicted: dict[str, list[str]], tmp_path: Path) -> None:
    """Calibrated, and without a class for the image that `predict` gives none."""
    target = tmp_path / "maps"
    command = ["explain", str(place / "model"), str(place / "images"), "-o", str(target)]
    assert main([*command, "--quiet"]) == 0
    assert answers(rows_of(target / "explanation.csv")) == predicted
    page = (target / "gallery.html").read_text("utf-8")
    assert page.count("no class: unlike all training images") == 1


def test_evaluate(place: Path, predicted: dict[str, list[str]], tmp_path: Path) -> None:
    command = ["evaluate", str(place / "model"), str(place / "images"), "--level", "path"]
    study = ["--manifest", str(place / "study.csv"), "--group", "none"]
    assert main([*command, *study, "-o", str(tmp_path / "result"), "--quiet"]) == 0
    assert answers(rows_of(tmp_path / "result" / "predictions.csv")) == predicted
    # A unit of one image has the answer of that image; one without an answer is no unit.
    units = rows_of(tmp_path / "result" / "level_path.csv")
    named = {name: row[0] for name, row in predicted.items() if row[0]}
    assert {name: row["answer"] for name, row in units.items()} == named


def test_summarise(place: Path, predicted: dict[str, list[str]], tmp_path: Path) -> None:
    table = tmp_path / "units.csv"
    command = ["cells", "summarise", str(place / "predictions.csv"), "--level", "path"]
    assert main([*command, "-o", str(table)]) == 0
    named = {name: row[0] for name, row in predicted.items() if row[0]}
    assert {name: row["answer"] for name, row in rows_of(table).items()} == named


def test_an_ensemble(place: Path, tmp_path: Path) -> None:
    """Its members vote, and `evaluate` writes what `predict` writes."""
    other = with_early_features(tmp_path / "other")
    store_reliability(other, rules(unfamiliarity(other), temperature=1.0), references())
    both, table = str(tmp_path / "both"), str(tmp_path / "out.csv")
    assert main(["bundle", "join", str(place / "model"), str(other.path), "-o", both]) == 0
    assert main(["predict", both, str(place / "images"), "-o", table, "--quiet"]) == 0
    command = ["evaluate", both, str(place / "images"), "-o", str(tmp_path / "result")]
    assert main([*command, "--quiet"]) == 0
    found = answers(rows_of(Path(table)))
    assert found["7.tif"][0] == ""
    assert answers(rows_of(tmp_path / "result" / "predictions.csv")) == found


def test_compare(place: Path, predicted: dict[str, list[str]], tmp_path: Path) -> None:
    """Where two models disagree, the probabilities are those of `predict`."""
    other_bundle(tmp_path / "other")
    runs = []
    for bundle in (place / "model", tmp_path / "other"):
        study = [str(place / "images"), "--manifest", str(place / "study.csv")]
        runs.append(str(tmp_path / "tested" / bundle.name))
        assert main(["evaluate", str(bundle), *study, "-o", runs[-1], "--quiet"]) == 0
    assert main(["compare", *runs, "-o", str(tmp_path / "out"), "--quiet"]) == 0
    found = rows_of(tmp_path / "out" / "disagreements.csv")
    assert found
    for name, row in found.items():
        chances = [float(value) for value in predicted[name][1:4]]
        assert float(row["probability_model"]) == pytest.approx(max(chances), abs=1e-5)
        assert row["predicted_model"] == CLASSES[int(np.argmax(chances))]
