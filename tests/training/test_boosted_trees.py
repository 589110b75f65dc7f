"""Boosted trees on the embedding: the converter, the fit and the delivered bundle."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.bundle import load_bundle, verify_bundle
from actinscope.bundle.model_check import check_trees
from actinscope.cli.main import main
from actinscope.errors import BundleError, SettingsError, TrainingError, UsageError
from actinscope.networks import REGISTRY, Head, network_entry
from actinscope.predict import Predictor
from actinscope.preprocess import AugmentSettings
from actinscope.progress import Silent
from actinscope.runs import head_of, recipe_as_used
from actinscope.runtimes import OnnxRuntimeTable
from actinscope.training import (
    Recipe,
    change_recipe,
    fit_boosted_trees,
    load_recipe,
    tree_ensemble_to_onnx,
)
from actinscope.training.tree_onnx import Gaps, Tree, TreeEnsemble, read_tree_ensemble
from helpers.bundles import make_bundle
from helpers.phantom_crops import write_phantom_crops
from helpers.tiny_training import OFF, tiny_data, tiny_network, tiny_preprocess

pytestmark = pytest.mark.usefixtures("unrendered_figures")

xgboost = pytest.importorskip("xgboost", reason="the extra `trees` is not installed")


def onnx_of(forest: TreeEnsemble) -> bytes:
    return tree_ensemble_to_onnx(forest, input_name="embedding", output_name="probabilities")


def table(seed: int, rows: int = 300, columns: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Features with ties and values that are no numbers, and three classes."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, columns)).astype(np.float32)
    features[:, 2] = np.round(features[:, 2])
    labels = (features[:, 0] + features[:, 2] > 0).astype(int) + (features[:, 1] > 0.7)
    features[rng.uniform(size=features.shape) < 0.05] = np.nan
    return features, labels


def booster_of(seed: int, *, rounds: int = 20, **changes: Any) -> Any:
    features, labels = table(seed)
    rows = xgboost.QuantileDMatrix(features, label=labels)
    parameters = {"objective": "multi:softprob", "num_class": 3, "seed": seed, "max_depth": 4}
    return xgboost.train(parameters | changes, rows, rounds)


@pytest.mark.parametrize("changes", [{}, {"base_score": 0.0}, {"max_depth": 1, "gamma": 3.0}])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_onnx_file_answers_as_xgboost_does(seed: int, changes: dict[str, Any]) -> None:
    booster = booster_of(seed, **changes)
    features, _ = table(seed + 100)
    features[:3, 0] = [1e30, -1e30, 0.0]
    # Rows that lie exactly on a threshold: smaller goes left, equal goes right.
    forest = read_tree_ensemble(booster.save_raw("json"))
    tree = next(tree for tree in forest.trees if len(tree.left) > 1)
    features[3, tree.feature[0]] = tree.threshold[0]
    expected = booster.predict(xgboost.DMatrix(features))
    given = OnnxRuntimeTable(onnx_of(forest)).run(features)
    np.testing.assert_allclose(given, expected, atol=1e-5)
    np.testing.assert_allclose(forest.probabilities(features), expected, atol=1e-5)
    check_trees(onnx_of(forest), where=Path("trees.onnx"), classes=3)


def stump(threshold: float, *, missing_left: bool = False) -> Tree:
    """Below ``threshold`` of feature 1: log 3 for class 1; else nothing."""
    return Tree(
        target=1,
        feature=np.array([1, -1, -1]),
        threshold=np.array([threshold, 0, 0], np.float32),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        missing_left=np.array([missing_left, False, False]),
        value=np.array([0, np.log(3), 0], np.float32),
    )


def test_a_stump_by_hand() -> None:
    forest = TreeEnsemble((stump(0.5),), np.zeros(2, np.float32), features=2)
    features = np.array([[0, 0.4], [0, 0.5], [0, 0.6], [0, np.nan]], np.float32)
    expected = [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    np.testing.assert_allclose(forest.probabilities(features), expected, atol=1e-7)
    np.testing.assert_allclose(OnnxRuntimeTable(onnx_of(forest)).run(features), expected, atol=1e-6)
    left = TreeEnsemble((stump(0.5, missing_left=True),), np.zeros(2, np.float32), features=2)
    assert left.probabilities(features)[3] == pytest.approx([0.25, 0.75])
    assert OnnxRuntimeTable(onnx_of(left)).run(features)[3] == pytest.approx([0.25, 0.75])


def test_thresholds_move_to_the_middle_of_the_gap() -> None:
    features = np.array([[9, 1.0], [9, 2.0], [9, 4.0]], np.float32)
    for threshold, expected in ((2.0, 1.5), (4.0, 3.0), (1.0, 1.0), (5.0, 5.0)):
        forest = TreeEnsemble((stump(threshold),), np.zeros(2, np.float32), features=2)
        assert forest.centred(Gaps(features)).trees[0].threshold[0] == expected


@settings(max_examples=40)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    st.floats(-1e6, 1e6, width=32),
)
def test_no_training_row_changes_its_way(values: list[float], threshold: float) -> None:
    features = np.zeros((len(values), 2), np.float32)
    features[:, 1] = values
    forest = TreeEnsemble((stump(threshold),), np.zeros(2, np.float32), features=2)
    moved = forest.centred(Gaps(features))
    np.testing.assert_array_equal(moved.probabilities(features), forest.probabilities(features))


def test_other_models_are_refused() -> None:
    features, labels = table(0)
    rows = xgboost.QuantileDMatrix(features, label=(labels > 0).astype(int))
    booster = xgboost.train({"objective": "binary:logistic"}, rows, 1)
    with pytest.raises(TrainingError, match="gbtree with binary:logistic"):
        read_tree_ensemble(booster.save_raw("json"))


# Hostile files


def changed(change: Any) -> bytes:
    import onnx

    forest = TreeEnsemble((stump(0.5),), np.zeros(2, np.float32), features=2)
    model = onnx.load_model_from_string(onnx_of(forest))
    change(model.graph)
    return bytes(model.SerializeToString())


def attribute(graph: Any, name: str) -> Any:
    return next(one for one in graph.node[0].attribute if one.name == name)


def circle(graph: Any) -> None:
    attribute(graph, "nodes_truenodeids").ints[0] = 0


def nowhere(graph: Any) -> None:
    attribute(graph, "nodes_falsenodeids").ints[0] = 17


def shorter(graph: Any) -> None:
    del attribute(graph, "nodes_nodeids").ints[1:]


def other_operator(graph: Any) -> None:
    graph.node[0].op_type = "TreeEnsemble"


def more_targets(graph: Any) -> None:
    attribute(graph, "n_targets").i = 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (circle, "node 0 of tree 0 leads nowhere"),
        (nowhere, "node 0 of tree 0 leads nowhere"),
        (shorter, "its nodes are incomplete"),
        (other_operator, "it holds something else"),
        (more_targets, "it does not answer with 2 classes"),
    ],
)
def test_harmful_trees_are_refused(change: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        check_trees(changed(change), where=Path("trees.onnx"), classes=2)


# Fitting


def tree_recipe(seed: int = 0, views: int = 2, **trees: Any) -> Recipe:
    changes: dict[str, Any] = {
        "trees": {"rounds": 12, "patience": 0, "features": 1.0} | trees,
        "training": {"views": views},
        "augmentation": OFF,
    }
    return change_recipe(load_recipe("boosted-trees"), changes, seed=seed)


def fitted_trees(folder: Path, recipe: Recipe) -> Any:
    return fit_boosted_trees(
        tiny_network(),
        tiny_data(),
        recipe,
        preprocess=tiny_preprocess(),
        folder=folder,
        progress=Silent(),
    )


def test_the_best_round_is_kept(tmp_path: Path) -> None:
    fitted = fitted_trees(tmp_path, tree_recipe())
    losses = [row["validation_loss"] for row in fitted.history]
    assert len(losses) == 12
    assert fitted.kept_epoch == int(np.argmin(losses)) + 1
    assert len(fitted.forest.trees) == 3 * fitted.kept_epoch
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] < np.log(3)
    with (tmp_path / "history.csv").open(newline="") as stream:
        written = [float(row["validation_loss"]) for row in csv.DictReader(stream)]
    assert written == losses


def test_the_history_follows_from_the_forest(tmp_path: Path) -> None:
    """The validation figures of the kept round are those of the delivered trees."""
    from actinscope.networks import keras_backend

    fitted = fitted_trees(tmp_path, tree_recipe())
    model, data = fitted.model, tiny_data().validation
    embed = keras_backend().Model(model.input, model.get_layer("pool").output)
    features = np.asarray(embed.predict_on_batch(tiny_preprocess().to_network(data.scaled)))
    chances = fitted.forest.probabilities(features)
    own = chances[np.arange(len(data.labels)), data.labels]
    row = fitted.history[fitted.kept_epoch - 1]
    assert row["validation_loss"] == pytest.approx(-np.log(own).mean(), abs=1e-4)
    assert row["validation_accuracy"] == (chances.argmax(axis=1) == data.labels).mean()


def test_the_same_seed_gives_the_same_trees(tmp_path: Path) -> None:
    recipe = tree_recipe(seed=3, features=0.5)
    first, second = (onnx_of(fitted_trees(tmp_path, recipe).forest) for _ in range(2))
    other = onnx_of(fitted_trees(tmp_path, tree_recipe(seed=4, features=0.5)).forest)
    assert first == second != other


def test_patience_stops_early(tmp_path: Path) -> None:
    fitted = fitted_trees(tmp_path, tree_recipe(rounds=400, patience=3, learning_rate=1.0))
    assert len(fitted.history) == fitted.kept_epoch + 3 < 400


def test_augmented_views_are_what_the_trees_see(tmp_path: Path) -> None:
    plain = fitted_trees(tmp_path, tree_recipe())
    changes = {"augmentation": AugmentSettings(rotation_degrees=40.0).model_dump()}
    turned = fitted_trees(tmp_path, change_recipe(tree_recipe(), changes))
    assert plain.history[0]["loss"] != turned.history[0]["loss"]


def test_without_xgboost_the_command_to_install_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    (tmp_path / "images").mkdir()
    run = ["train", str(tmp_path / "images"), "--recipe", "boosted-trees"]
    assert main([*run, "-o", str(tmp_path / "run")]) == 2
    assert 'pip install "actinscope[trees]"' in capsys.readouterr().err


# Settings


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "epochs", 5),
        ("training", "label_smoothing", 0.0),
        ("network", "frozen_layers", 9),
        ("network", "freeze_batch_norm", False),
        ("network", "head", "dense"),
        ("network", "head_dropout", 0.3),
    ],
)
def test_settings_that_do_nothing_are_refused(section: str, key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"{section}.{key} does nothing"):
        change_recipe(load_recipe("boosted-trees"), {section: {key: value}})


def test_trees_need_views_and_softmax_needs_no_trees() -> None:
    with pytest.raises(SettingsError, match=r"boosted_trees needs training\.views of 1 or more"):
        change_recipe(load_recipe("boosted-trees"), {"training": {"views": 0}})
    with pytest.raises(SettingsError, match=r"trees\.depth does nothing"):
        change_recipe(Recipe(), {"trees": {"depth": 2}})


def test_settings_beside_the_head_go_with_trees() -> None:
    changes = {
        "controls": False,
        "audit": False,
        "levels": {"by": ["donor"]},
        "probabilities": {"coverage": 0.8},
        "network": {"input_size": 64},
    }
    recipe = change_recipe(load_recipe("boosted-trees"), changes)
    assert recipe.levels.by == ("donor",)
    used = recipe_as_used(recipe, network_entry("vgg16"))
    assert (used.network.name, used.network.head, used.network.frozen_layers) == (
        "vgg16",
        None,
        None,
    )
    assert head_of(used, network_entry("vgg16")) == Head()


def test_trees_need_a_pretrained_network() -> None:
    scratch = next(entry for entry in REGISTRY.values() if entry.from_scratch)
    with pytest.raises(SettingsError, match="has no pretrained weights, and boosted_trees"):
        recipe_as_used(load_recipe("boosted-trees"), scratch)


# A whole run

_RECIPE = """\
base = "boosted-trees"
[network]
name = "efficientnet-lite0"
input_size = 64
[training]
views = 1
[trees]
rounds = 30
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    write_phantom_crops(
        folder / "images",
        fields_per_class=4,
        cells_per_field=3,
        difficulty=0.2,
        seed=1,
        crop_size=64,
    )
    (folder / "small.toml").write_text(_RECIPE)
    images = folder / "images"
    study = ["--manifest", str(images / "groups.csv"), "--group", "field"]
    recipe = ["--recipe", str(folder / "small.toml"), "--folds", "1", "--quiet"]
    assert main(["train", str(images), *study, *recipe, "-o", str(folder / "run")]) == 0
    return folder


def test_a_run_with_trees_is_a_run_like_any_other(place: Path) -> None:
    run = place / "run"
    report = (run / "report.html").read_text("utf-8")
    assert "gradient-boosted trees (XGBoost) on the embedding of 1280 features" in report
    assert "no layer trained" in report
    info = json.loads((run / "bundle" / "bundle.json").read_text())
    assert (info["head"], info["format_version"]) == ("boosted_trees", 4)
    assert set(info["files"]) >= {"model.onnx", "golden.npz", "trees.onnx"}
    assert set(json.loads((run / "metrics.json").read_text())) == {"train", "validation", "test"}
    methods = (run / "methods.md").read_text("utf-8")
    assert "up to its embedding of 1280 features" in methods
    assert "XGBoost" in methods and "none of its layers was trained" in methods
    assert "Adam" not in methods and "softmax" not in methods and "epoch" not in methods
    card = (run / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert "and boosted trees" in card and " 0 of them trained" in card


def test_what_is_unfamiliar_to_trees_is_told(place: Path) -> None:
    """Their bundle gives early features beside the embedding that the trees read."""
    predictor = Predictor(load_bundle(place / "run" / "bundle"))
    assert predictor.rules.wants_features
    (image, *_) = predictor.bundle.golden().images
    prepared = predictor.prepare(image)
    output = predictor.predict_input(prepared, probabilities_only=True)
    assert output.embedding is None and output.early_features is not None
    score = predictor.rules(output).unfamiliarity
    familiar = predictor.bundle.info.reliability
    assert score is not None and familiar is not None and familiar.ood is not None
    assert score[0] == pytest.approx(familiar.ood.golden[0], abs=1e-2)
    noise = np.random.default_rng(0).normal(0, 3, prepared[0].shape).astype(np.float32)
    strange = predictor.rules(predictor.predict_input((noise,), probabilities_only=True))
    assert strange.unfamiliar is not None and strange.unfamiliar[0]


def test_the_bundle_needs_no_xgboost(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    bundle = load_bundle(place / "run" / "bundle")
    for backend in ("openvino", "onnxruntime"):
        checked = verify_bundle(bundle, backend=backend)
        assert checked.backend == backend
        assert checked.probability_difference < 1e-3
    output = Predictor(bundle).predict_images(bundle.golden().images)
    np.testing.assert_allclose(output.probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert output.class_maps is None
    assert output.embedding is not None
    assert output.embedding.shape[1] == 1280


def test_predict_gives_the_probabilities_of_the_run(place: Path, tmp_path: Path) -> None:
    with (place / "run" / "predictions.csv").open(newline="") as stream:
        known = {row["path"]: row for row in csv.DictReader(stream) if row["part"] == "test"}
    images = [str(place / "images" / name) for name in known]
    target = tmp_path / "out.csv"
    bundle = str(place / "run" / "bundle")
    assert main(["predict", bundle, *images, "-o", str(target), "--quiet"]) == 0
    with target.open(newline="") as stream:
        for row in csv.DictReader(stream):
            before = known[Path(row["path"]).relative_to(place / "images").as_posix()]
            assert row["predicted"] == before["predicted"]
            assert row["probability_elongated"] == before["probability_elongated"]


def test_trees_and_other_classes_make_no_ensemble(place: Path, tmp_path: Path) -> None:
    from actinscope.bundle import TrainingHashes, save_ensemble

    other = make_bundle(tmp_path / "tiny")
    trees = load_bundle(place / "run" / "bundle")
    with pytest.raises(BundleError, match="has the classes"):
        save_ensemble(
            tmp_path / "no",
            [trees, other],
            training_hashes=TrainingHashes(),
            version="0",
            created="now",
        )


def test_trees_that_do_not_fit_the_network(place: Path) -> None:
    from actinscope.bundle.session import InferenceSession

    bundle = load_bundle(place / "run" / "bundle")
    forest = TreeEnsemble((stump(0.5),), np.zeros(3, np.float32), features=2)
    with pytest.raises(BundleError, match="the trees look at 2 features, the network gives 1280"):
        InferenceSession(bundle.model, trees=onnx_of(forest))


def test_trees_have_no_int8(place: Path) -> None:
    with pytest.raises(UsageError, match="no INT8 network"):
        Predictor(load_bundle(place / "run" / "bundle"), precision="int8")
    assert main(["bundle", "quantize", str(place / "run"), str(place / "images")]) == 2
