"""The whole experiment on small synthetic cells, with a network of three layers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from actinscope.cli.main import main
from actinscope.files import sha256_of_file
from actinscope.networks import KerasDownload, NetworkEntry, keras_backend, registry, weights
from actinscope.networks.download import DownloadError
from actinscope.paper import runs
from actinscope.paper.networks import PlannedNetwork, plan_networks
from actinscope.paper.tables import NetworkResults, table_ii, table_iii, table_iv
from actinscope.preprocess import NetworkInput
from actinscope.study import Fingerprints, Manifest
from actinscope.training import Recipe, change_recipe, load_recipe
from helpers.phantom_crops import write_phantom_crops

pytestmark = pytest.mark.usefixtures("unrendered_figures")

RECIPE = """\
base = "paper"
[network]
name = "tiny"
frozen_layers = 3
[training]
epochs = 2
"""
PROTOCOLS = ("published", "by-image", "honest")
FIGURES = (
    "figure_1",
    "cost_of_the_leak",
    *(f"figure_{number}_{name}" for number in (4, 5) for name in PROTOCOLS),
)

Shown = pytest.CaptureFixture[str]


def tiny(shape: tuple[int, int, int]) -> Any:
    layers = keras_backend().layers
    image = layers.Input(shape)
    x = layers.Conv2D(4, 5, strides=4, padding="same", name="first")(image)
    x = layers.Activation("relu", name="first_relu")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="second")(x)
    return keras_backend().Model(image, layers.Activation("relu", name="top")(x))


ENTRY = NetworkEntry(
    name="tiny",
    title="Tiny",
    input=NetworkInput(size=32, mean=(0.0,) * 3, std=(1.0,) * 3),
    layer_count=7,
    frozen_layers=3,
    licence="none",
    weights=KerasDownload("https://nowhere.invalid/tiny.h5", "tiny.h5", "0" * 32),
    builder=tiny,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Synthetic cells and a recipe; the tiny network is registered and nothing is downloaded."""

    def refuse(*_: Any, **__: Any) -> None:
        raise DownloadError("no connection")

    folder = tmp_path_factory.mktemp("paper")
    write_phantom_crops(
        folder / "images",
        fields_per_class=5,
        cells_per_field=3,
        difficulty=0.2,
        seed=1,
        crop_size=32,
    )
    (folder / "images" / "cells" / "elongated" / "empty.tif").touch()
    with (folder / "images" / "groups.csv").open("a") as table:
        table.write("cells/elongated/empty.tif,elongated,elongated_field_01,slide_01\n")
    (folder / "small.toml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        large = replace(ENTRY, name="large", title="Large", smallest=75)
        greedy = replace(ENTRY, name="greedy", title="Greedy", frozen_layers=7)
        more = {"tiny": ENTRY, "large": large, "greedy": greedy}
        patch.setattr(registry, "REGISTRY", {**registry.REGISTRY, **more})
        patch.setattr(weights, "fetch", refuse)
        patch.setattr(KerasDownload, "local_path", lambda self: folder / "none" / self.file_name)
        yield folder


def run(place: Path, output: str, *options: str) -> int:
    images = place / "images"
    study = [str(images), "--manifest", str(images / "groups.csv"), "--group", "field"]
    recipe = ["--recipe", str(place / "small.toml"), "--copies", "2"]
    return main(["paper", *study, *recipe, "-o", str(place / output), *options])


NETWORKS = ("--networks", "tiny", "efficientnetv2-b0", "--weights", "tiny=none")


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    assert run(place, "out", *NETWORKS, "--repeats", "1", "--quiet") == 3  # one broken image
    return place / "out"


def table(done: Path, name: str) -> list[dict[str, str]]:
    with (done / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_everything_is_there(done: Path) -> None:
    names = {path.name for path in done.iterdir()}
    assert names == {"experiment.json", "figures", "report.html", "results.json", "runs", "tables"}
    assert {path.stem for path in (done / "figures").iterdir()} == set(FIGURES)
    for number in (1, 2, 3, 4):
        assert (done / "tables" / f"table_{number}.csv").stat().st_size > 0


def test_published_numbers_stand_beside_ours(done: Path) -> None:
    rows = table(done, "table_3")
    printed = {
        row["network"]: row for row in rows if row["numbers of"] == "the paper, other images"
    }
    # Those that were not asked for are there too, for comparison.
    assert set(printed) == {"EfficientNetV2-B0", "Inception V3", "NASNet Mobile"}
    published = printed["EfficientNetV2-B0"]
    assert [published[name] for name in ("accuracy", "precision", "recall", "F1")] == [
        "98.15",
        "98.33",
        "98.15",
        "98.14",
    ]
    ours = [row for row in rows if row["accuracy n"]]
    # Three protocols, each on its own test part and on unseen fields; one of them also on copies.
    assert len(ours) == 7
    assert all(float(row["accuracy"]) == float(row["recall"]) for row in ours)


def test_a_network_without_weights_is_told_and_left_out(done: Path) -> None:
    for name in ("table_2", "table_3", "table_4"):
        (row,) = [row for row in table(done, name) if row["note"]]
        assert row["network"] == "EfficientNetV2-B0"
        assert "cannot be downloaded (no connection)" in row["note"]
    assert not (done / "runs" / "efficientnetv2-b0").exists()
    assert "EfficientNetV2-B0 was not trained" in (done / "report.html").read_text("utf-8")


def test_random_weights_are_marked_everywhere(done: Path) -> None:
    ours = [row for row in table(done, "table_3") if row["accuracy n"]]
    assert {row["network"] for row in ours} == {"Tiny (RANDOM WEIGHTS)"}
    page = (done / "report.html").read_text("utf-8")
    assert page.count("RANDOM WEIGHTS") > 20
    assert "says nothing about the method" in page
    assert "Tiny (RANDOM WEIGHTS): first 3 frozen" in (done / "tables" / "table_1.csv").read_text()


def test_the_leaky_run_carries_the_caution(done: Path) -> None:
    published, honest = (
        (done / "runs" / "tiny" / name / "repeat_1" / "report.html").read_text("utf-8")
        for name in ("published", "honest")
    )
    assert "LEAK:" in published
    assert "that it never saw, the model names" not in published
    assert "LEAK:" not in honest


def test_the_figures_follow_from_the_predictions(done: Path) -> None:
    results = json.loads((done / "results.json").read_text("utf-8"))
    for name in PROTOCOLS:
        folder = done / "runs" / "tiny" / name / "repeat_1"
        found = results["networks"]["tiny"]["protocols"][name]
        shares = []
        for part, path in (("test", folder), ("unseen", folder / "unseen")):
            with (path / "predictions.csv").open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.DictReader(stream) if row["part"] == part]
            right = sum(row["label"] == row["predicted"] for row in rows)
            assert (found[part]["accuracy"]["count"], found[part]["accuracy"]["n"]) == (
                right,
                len(rows),
            )
            shares.append(right / len(rows))
        assert found["optimism"]["value"] == pytest.approx(shares[0] - shares[1])
        assert found["own_and_unseen_accuracy_by_repeat"] == [pytest.approx(shares)]
    plain = results["networks"]["tiny"]["protocols"]
    assert (
        plain["published"]["unseen"]["accuracy"]["n"]
        == 2 * plain["published"]["unseen_plain"]["accuracy"]["n"]
    )
    assert plain["honest"]["unseen"] == plain["honest"]["unseen_plain"]
    whole, *rest = (
        results["networks"]["tiny"]["protocols"][name]["optimism"]["value"] for name in PROTOCOLS
    )
    steps = [step["value"] for step in results["steps"]]
    assert steps == pytest.approx([whole - rest[0], rest[0] - rest[1]])


def test_unseen_fields_are_in_no_part(done: Path) -> None:
    for name in PROTOCOLS:
        folder = done / "runs" / "tiny" / name / "repeat_1"
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
            pool = {row["field"] for row in csv.DictReader(stream)}
        with (folder / "unseen" / "predictions.csv").open(newline="", encoding="utf-8") as stream:
            unseen = {row["field"] for row in csv.DictReader(stream)}
        assert unseen and not unseen & pool


def test_a_run_that_was_lost_is_made_again_and_others_are_kept(
    done: Path, place: Path, capsys: Shown
) -> None:
    results = json.loads((done / "results.json").read_text("utf-8"))
    lost = done / "runs" / "tiny" / "honest" / "repeat_1" / "unseen" / "predictions.csv"
    kept = done / "runs" / "tiny" / "published" / "repeat_1" / "metrics.json"
    text, before = lost.read_text("utf-8"), kept.stat().st_mtime_ns
    lost.unlink()
    assert run(place, "out", *NETWORKS, "--repeats", "1", "--resume") == 3
    shown = capsys.readouterr()
    assert "run 3 of 3: Tiny, divided by group" in shown.err
    assert "run 1 of 3" not in shown.err
    assert "not trained: EfficientNetV2-B0" in shown.err
    assert lost.read_text("utf-8") == text
    assert kept.stat().st_mtime_ns == before
    assert json.loads((done / "results.json").read_text("utf-8")) == results


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--resume", "--seed", "5"), "started with other values of: seed"),
        (("--resume", "--copies", "3"), "started with other values of: copies"),
        (("--resume", "--epochs", "3"), "training.epochs was 2 and is now 3"),
        ((), "holds an earlier experiment"),
    ],
)
def test_another_experiment_touches_nothing(
    options: tuple[str, ...], message: str, done: Path, place: Path, capsys: Shown
) -> None:
    def state() -> dict[Path, str]:
        files = [p for p in done.rglob("*") if p.is_file() and "copies" not in p.parts]
        return {path: sha256_of_file(path) for path in files}

    before = state()
    code = 5 if options else 2
    assert run(place, "out", *NETWORKS, "--repeats", "1", "--quiet", *options) == code
    assert message in capsys.readouterr().err
    assert state() == before


def test_too_few_fields_leave_nothing_behind(place: Path, capsys: Shown) -> None:
    rows = (place / "images" / "groups.csv").read_text().splitlines()
    few = [row for row in rows if "field_0" not in row or "field_01" in row or "field_02" in row]
    (place / "few.csv").write_text("\n".join(few))
    study = [str(place / "images"), "--manifest", str(place / "few.csv"), "--group", "field"]
    options = ["--recipe", str(place / "small.toml"), "--networks", "tiny", "--weights", "none"]
    assert main(["paper", *study, *options, "-o", str(place / "few"), "--quiet"]) == 3
    assert "every class needs at least 3 groups" in capsys.readouterr().err
    assert not (place / "few").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--networks", "efficientnetv2-b0"), 4, "none of the networks can be trained"),
        (("--networks", "efficientnetv2"), 2, "there is no network called 'efficientnetv2'"),
        (("--networks", "tiny", "tiny"), 2, "a network is named twice"),
        (("--networks", "tiny", "--weights", "vgg16=none"), 2, "no such network is trained"),
        (("--networks", "tiny", "--weights", "tiny="), 2, "no file is named"),
        (("--networks", "tiny", "--weights", "tiny=a.pkl"), 2, "never loaded"),
        (("--resume",), 2, "holds no experiment to continue"),
        (("--networks", "tiny", "--vgg-epochs", "9"), 2, "--vgg-epochs: no VGG network is trained"),
        (("--networks", "greedy"), 2, "none of the networks can be trained: network.frozen_layers"),
        (("--networks", "large", "greedy"), 2, "the input size 32 is too small for Large"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    options: tuple[str, ...], code: int, message: str, place: Path, capsys: Shown
) -> None:
    assert run(place, "refused", "--quiet", *options) == code
    assert message in capsys.readouterr().err
    assert not (place / "refused").exists()


def test_near_copies_are_joined_and_given_parts_are_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """A turned copy of one cell under the name of another field; the experiment stops there."""
    seen: list[Manifest] = []

    def noting(found: Fingerprints, *_: Any, **__: Any) -> Manifest:
        seen.append(found.manifest)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "write_copies", noting)
    with (place / "images" / "groups.csv").open(newline="") as table:
        columns, *rows = [row for row in csv.reader(table) if "empty" not in row[0]]
    named = dict(zip(columns, rows[0], strict=True))
    pixels = tifffile.imread(place / "images" / named["path"])
    tifffile.imwrite(place / "turned.tif", np.ascontiguousarray(np.rot90(pixels)))
    other = next(row for row in rows if row[1] == named["label"] and row[2] != named["field"])
    rows.append(["../turned.tif", *other[1:]])
    parts = ["train", "validation", "test"]
    lines = [",".join([*row, parts[n % 3]]) for n, row in enumerate(rows)]
    (place / "parts.csv").write_text("\n".join([",".join([*columns, "part"]), *lines]))
    (place / "keep.toml").write_text(RECIPE + "[split]\nkeep_copies = true\n")
    for recipe in ("keep", "small"):
        code = main(
            ["paper", str(place / "images"), "--manifest", str(place / "parts.csv"),
             "--group", "field", "--recipe", str(place / f"{recipe}.toml"),
             "--networks", "tiny", "--weights", "none", "-o", str(place / recipe)]
        )  # fmt: skip
        assert code == 130
        assert "the parts that the manifest gives are not used" in capsys.readouterr().err
    kept, plain = seen
    joined = {record.path.name for record in kept.records if record.copy_set}
    assert {"turned.tif", Path(named["path"]).name} <= joined
    assert len({record.groups["field"] for record in kept.records if record.copy_set}) >= 2
    assert not any(record.copy_set for record in plain.records)


def test_networks_that_cannot_be_built_are_left_out_before_images_are_read(place: Path) -> None:
    planned = plan_networks(
        ("large", "tiny", "greedy"),
        load_recipe(place / "small.toml"),
        weights=dict.fromkeys(("large", "tiny", "greedy"), "none"),
        vgg_epochs=None,
    )
    assert [bool(one.network) for one in planned] == [False, True, False]
    assert "the input size 32 is too small for Large. Choose at least 75" in planned[0].problem
    assert not planned[1].problem
    assert "7 layers are to stay frozen, and Greedy has 7" in planned[2].problem


def test_the_papers_row_is_never_called_random() -> None:
    planned = PlannedNetwork(
        "vgg16", "VGG-16", change_recipe(Recipe(), {"network": {"weights": "none"}}), None, "x"
    )
    for made in (table_ii, table_iii, table_iv):
        for row in made([NetworkResults(planned, {})], ()).rows:
            assert row.published != ("RANDOM" in row.name)
