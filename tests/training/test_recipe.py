"""Recipes: what they hold, how they are read and written, what is refused and how."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from actinscope.errors import SettingsError
from actinscope.training import (
    Recipe,
    change_recipe,
    load_recipe,
    read_recipe,
    recipe_text,
    write_recipe,
)
from actinscope.training.recipe import RECIPE_NAMES


def _file(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_default_is_the_defaults_of_the_models() -> None:
    assert load_recipe("fine-tuned") == Recipe()


def test_paper_holds_what_the_paper_states() -> None:
    recipe = load_recipe("paper")
    training = recipe.training
    assert recipe.name == "paper"
    assert recipe.network.name == "efficientnetv2-b0"
    assert recipe.network.weights == "imagenet"
    assert recipe.network.frozen_layers == 200
    assert recipe.network.input_size is None  # the network's own: 224
    assert (training.epochs, training.batch_size) == (70, 16)
    assert training.learning_rate == 0.00005
    assert training.schedule == "constant"
    assert training.warmup_epochs == 0
    assert training.label_smoothing == 0  # categorical cross-entropy, nothing more
    assert training.class_weights == "none"
    assert (training.views, training.refresh) == (4, 0.125)  # 4 views at first, 12 in all
    assert training.head_start == "random"
    assert training.early_stopping == 0
    assert training.keep == "best"
    split = recipe.split
    assert (split.train, split.validation, split.test) == (0.8, 0.1, 0.1)
    augmentation = recipe.augmentation
    kinds = ("rotation_degrees", "width_shift", "height_shift", "shear_degrees", "zoom")
    assert all(getattr(augmentation, kind) > 0 for kind in kinds)
    assert augmentation.horizontal_flip
    assert augmentation.vertical_flip
    others = ("intensity_gain", "gamma", "noise", "blur")
    assert all(getattr(augmentation, kind) == 0 for kind in others)


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_written_recipe_is_read_back_equal(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert Recipe.model_validate(tomllib.loads(recipe_text(recipe))) == recipe
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert read_recipe(tmp_path / "recipe.toml") == recipe
    assert load_recipe(tmp_path / "recipe.toml") == recipe


def test_every_kind_of_value_survives_the_file(tmp_path: Path) -> None:
    recipe = change_recipe(
        Recipe(),
        {
            "images": {"z": 3, "time": 1, "axes": "ZYX"},
            "preprocess": {
                "channels": ("actin", 2),
                "intensity": "fixed",
                "fixed_low": 10.0,
                "fixed_high": 4e3,
            },
            "augmentation": {"zoom": (0.8, 1.3), "noise": 0.01},
            "network": {"input_size": 128, "frozen_layers": 7, "weights": "näher \\ \"x\".h5"},
            "training": {"learning_rate": 5e-5, "warmup_epochs": 0.5},
        },
        seed=12,
    )  # fmt: skip
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert read_recipe(tmp_path / "recipe.toml") == recipe


def test_file_overrides_its_base(tmp_path: Path) -> None:
    path = _file(tmp_path, 'base = "paper"\nseed = 3\n[training]\nepochs = 5\n')
    expected = change_recipe(load_recipe("paper"), {"training": {"epochs": 5}}, seed=3)
    assert load_recipe(path) == expected.model_copy(update={"name": "mine"})


def test_file_without_base_overrides_the_default(tmp_path: Path) -> None:
    recipe = load_recipe(_file(tmp_path, "[training]\nviews = 2\n"))
    assert recipe.training.views == 2
    assert recipe.training.head_model == "linear_probe"
    assert recipe.name == "mine"


def test_epochs_of_the_default_recipe_are_refused_with_the_recipe_that_has_them(
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match="or start from the recipe fine-tuned"):
        load_recipe(_file(tmp_path, "[training]\nepochs = 5\n"))


def test_change_keeps_the_rest() -> None:
    recipe = load_recipe("paper")
    changed = change_recipe(recipe, {"training": {"epochs": 9}}, seed=4)
    assert changed.training.epochs == 9
    assert changed.seed == 4
    assert changed.training.model_copy(update={"epochs": 70}) == recipe.training
    assert changed.network == recipe.network
    assert change_recipe(recipe, {}) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainig = 1", r"unknown setting 'trainig'\. Did you mean 'training'"),
        ("[trainig]\nepochs = 1", r"unknown setting 'trainig'\. Did you mean 'training'"),
        ("[training]\nepoch = 5", r"unknown setting 'training\.epoch'\. Did you mean 'epochs'"),
        ("[augmentation]\nrotation = 5", r"'augmentation\.rotation'\. Did you mean 'rotation_deg"),
        ("epochs = 5", r"unknown setting 'epochs'\. It belongs in the section \[training\]"),
        ("[network]\nepochs = 5", r"'network\.epochs'\. It belongs in the section \[training\]"),
        ("[split]\nqqq = 5", r"'split\.qqq'\. Known here: train, validation, test"),
        ('"a.b" = 1', r"unknown setting 'a\.b'\. Known here: name, seed"),
        ('[training]\nepochs = "many"', r"training\.epochs: Input should be a valid integer"),
        ("[training]\nepochs = 2.5", r"training\.epochs: Input should be a valid integer"),
        ("training = 5", r"training: Input should be a valid dictionary"),
        ("[training]\nepochs = 0", r"training\.epochs: Input should be greater than or equal"),
        ("[training]\nlearning_rate = nan", r"training\.learning_rate: .* finite"),
        ("[training]\nwarmup_epochs = inf", r"training\.warmup_epochs: .* finite"),
        ('[training]\nschedule = "step"', r"schedule: Input should be 'constant' or 'cosine'"),
        ("[preprocess]\nchannels = 3", r"preprocess\.channels: .*'auto'; or: .* tuple"),
        ("[augmentation]\nzoom = [1, 2, 3]", r"augmentation\.zoom: .*number; or: .*at most 2"),
        ('[images]\naxes = "QQ"', r"images\.axes: axes are given by the letters"),
        ("seed = -1", r"seed: Input should be greater"),
        # contradictions
        ("[training]\nepochs = 3\nwarmup_epochs = 3.0", "warmup_epochs must be smaller than epoch"),
        ("[training]\nearly_stopping = 20", "early_stopping must be smaller than epochs"),
        ("[split]\ntrain = 0.9", "split: train, validation and test must add up to 1"),
        ("[preprocess]\nfixed_low = 1.0", "fixed_low and fixed_high do nothing with intensity"),
        ('[preprocess]\nintensity = "fixed"', "intensity = 'fixed' needs fixed_low"),
        ("[augmentation]\nzoom = 2.0", "zoom factors from -1 to 3 are impossible"),
        # not a recipe at all
        ("[training\nepochs = 5", "is not valid TOML"),
        ("epochs = 1\nepochs = 2", "is not valid TOML"),
        ("seed = " + "[" * 5000, "is not valid TOML"),
        ("seed = " + "9" * 5000, "is not valid TOML"),
        ('base = "papier"', "base is 'papier'. Use one of default, quick, fine-tuned, paper"),
        ("base = [1]", r"base is \[1\]"),
    ],
)
def test_bad_file_says_what_and_where(text: str, message: str, tmp_path: Path) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(SettingsError, match=message) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(str(path))


def test_bad_bytes_are_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(SettingsError, match=r"mine\.toml: is not valid TOML"):
        load_recipe(path)


def test_missing_file_and_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: cannot be read \(No such file"):
        load_recipe(tmp_path / "absent.toml")
    with pytest.raises(SettingsError, match=r"no recipe is called 'papr'\. Known recipes: default"):
        load_recipe("papr")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_recipe(tmp_path)


def test_bad_change_names_the_recipe() -> None:
    with pytest.raises(SettingsError, match=r"recipe paper: unknown setting 'training\.epoch'"):
        change_recipe(load_recipe("paper"), {"training": {"epoch": 3}})
    with pytest.raises(SettingsError, match="recipe fine-tuned, zoom: zoom factors"):
        change_recipe(Recipe(), {"augmentation": {"zoom": 3.0}})


def test_recipe_cannot_be_altered() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('abstain = "accuracy"', "abstain = 'accuracy' needs a target"),
        ("target = 0.9", "target does nothing with abstain = 'set'"),
        ("coverage = 1.0", "less than or equal to 0.99"),
        ("unfamiliar = 0.1", "unknown setting 'probabilities.unfamiliar'"),
    ],
)
def test_settings_of_probabilities_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(f"[probabilities]\n{text}\n")
    with pytest.raises(SettingsError, match=message):
        load_recipe(tmp_path / "mine.toml")
