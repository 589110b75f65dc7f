"""What a search may vary: read from TOML, refused where it is impossible, put into recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.errors import SettingsError
from actinscope.preprocess import AugmentSettings
from actinscope.training import (
    FREEZE,
    Recipe,
    SearchSpace,
    change_recipe,
    default_space_text,
    load_space,
    recipe_with,
)
from actinscope.training.search_space import STRENGTH, Choices, Range, scaled_augmentation


def space(folder: Path, text: str, recipe: Recipe | None = None) -> SearchSpace:
    (folder / "space.toml").write_text(f"[search]\n{text}\n", "utf-8")
    return load_space(folder / "space.toml", recipe or Recipe())


def test_the_default_space_holds_the_default_recipe() -> None:
    found = load_space(None, Recipe())
    assert found.auto_freeze
    assert set(found.values_of(Recipe())) == {
        STRENGTH,
        "training.learning_rate",
        "training.schedule",
        "training.label_smoothing",
        "training.batch_size",
        "training.epochs",
    }
    assert "[search]" in default_space_text()


def test_ranges_and_choices_are_read(tmp_path: Path) -> None:
    text = """
    freeze_points = [3, 5]
    augmentation_strength = [0, 1.5]
    training.learning_rate = { low = 0.001, high = 0.1, log = true }
    training.label_smoothing = { low = 0, high = 0.25, step = 0.1 }
    training.batch_size = { low = 4, high = 9, step = 2 }
    preprocess.intensity = ["per_image", "dataset"]
    """
    text = text.replace('["per_image", "dataset"]', '["per_image"]')
    found = space(tmp_path, text)
    assert found.dimensions == {
        FREEZE: Choices((3, 5)),
        STRENGTH: Choices((0.0, 1.5)),
        "training.learning_rate": Range(0.001, 0.1, log=True),
        # The end of a stepped range is its last step.
        "training.label_smoothing": Range(0.0, 0.2, step=0.1),
        "training.batch_size": Range(4, 8, step=2, whole=True),
        "preprocess.intensity": Choices(("per_image",)),
    }
    assert not found.auto_freeze


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names nothing to search"),
        ("training.learning_rat = [0.1]", "unknown setting 'training.learning_rat'"),
        ("traning.epochs = [1]", "unknown in \\[search\\]: 'traning'"),
        ("seed = [1, 2]", "unknown in \\[search\\]: 'seed'"),
        ("training.learning_rate = 0.1", "a list of choices, or a range"),
        ("training.learning_rate = { low = 0.1 }", "high: Field required"),
        ("training.learning_rate = { low = 0.1, high = 0.2, lo = 1 }", "lo: Extra inputs"),
        ("training.learning_rate = { low = 0.2, high = 0.1 }", "0.2\\) is not below high"),
        ("training.learning_rate = { low = 0.1, high = 0.1 }", "is not below high"),
        (
            "training.learning_rate = { low = 0.1, high = inf }",
            "high: Input should be a",
        ),
        ("training.learning_rate = { low = nan, high = 1.0 }", "low: Input should be a finite"),
        (
            "training.learning_rate = { low = true, high = 1.0 }",
            "low: Input should be a valid",
        ),
        (
            "training.learning_rate = { low = 0.1, high = 1.0, log = 1 }",
            "log: Input should be a",
        ),
        ("training.label_smoothing = { low = 0.0, high = 0.1, log = true }", "cannot begin at 0"),
        ("training.learning_rate = { low = 0.1, high = 2.0 }", "= 2.0 is not possible"),
        ("training.learning_rate = { low = 0.1, high = 0.2, step = 0.3 }", "does not fit"),
        ("training.learning_rate = { low = 0.1, high = 0.2, step = 0.1, log = true }", "exclude"),
        ("training.epochs = { low = 1.5, high = 4 }", "whole numbers only"),
        ("training.epochs = []", "has 0 choices"),
        ("training.epochs = [2, 2]", "names a choice twice"),
        ("training.epochs = [0, 4]", "epochs = 0 is not possible"),
        ('training.schedule = ["linear"]', "'linear' is not possible"),
        ("training.epochs = [{ a = 1 }]", "is no possible choice"),
        ("training.learning_rate = [nan]", "is no possible choice"),
        (f"training.epochs = [{'9' * 4000}]", r"epochs: 9+\.\.\.9+ is no possible choice"),
        (f"training.epochs = [{'9' * 5000}]", "is not valid TOML"),
        (f"training.epochs = {'[' * 5000}", "is not valid TOML"),
        ('freeze_points = "deep"', "a list of choices, or a range"),
        ("freeze_points = [0]", "freeze_points: 0 is not possible"),
        ("freeze_points = [1.5]", "freeze_points: 1.5 is not possible"),
        ("augmentation_strength = [-1]", "-1 is not possible"),
        ("augmentation_strength = [true]", "True is not possible"),
        ("split.test = [0.1, 0.2]", "which images are tested"),
        ('images.z = ["max", "mean"]', "what the images are"),
        ('network.name = ["efficientnet-lite0"]', "trainings of their own"),
        ("network.frozen_layers = [3]", "searched as freeze_points"),
        ("training.storage_gb = [1, 2]", "how to compute"),
        ("training.epochs = [2", "is not valid TOML"),
        ("training.schedule = { low = 1, high = 2 }", "schedule is no number, so it has no range"),
        ("network.freeze_batch_norm = { low = 0, high = 1 }", "is no number, so it has no range"),
        ("network.head_units = { low = 8, high = 16 }", "is no number, so it has no range"),
        ("training.label_smoothing = [0, 0.0]", "names a choice twice"),
        ("training.views = [0, 4]", "trains on stored views, of which there would be none"),
        ("levels.fewest_cells = [1, 2]", "does not change how a network is trained"),
        ("probabilities.coverage = [0.8, 0.9]", "does not change how a network is trained"),
        ("trees.depth = [2, 3]", "boosted trees are not searched"),
        ('training.head_model = ["softmax"]', "boosted trees are not searched"),
    ],
)
def test_what_is_impossible_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        space(tmp_path, text)


def test_choices_are_what_the_recipe_makes_of_them(tmp_path: Path) -> None:
    """Whole numbers for a setting that is a decimal one, and lists for pairs."""
    found = space(tmp_path, "training.warmup_epochs = [0, 1, 2]\naugmentation.zoom = [0, [1, 1.2]]")
    assert found.dimensions["training.warmup_epochs"] == Choices((0.0, 1.0, 2.0))
    written = [repr(value) for one in found.dimensions.values() for value in one.ends]
    assert written == ["0.0", "1.0", "2.0", "0.0", "(1.0, 1.2)"]


def test_every_end_is_checked(tmp_path: Path) -> None:
    def check(recipe: Recipe) -> None:
        if (recipe.network.input_size or 0) < 75 and recipe.network.head_dropout:
            raise SettingsError("it is too small")

    text = "network.input_size = [64, 96]\nnetwork.head_dropout = [0.0, 0.5]"
    (tmp_path / "space.toml").write_text(f"[search]\n{text}")
    base = change_recipe(Recipe(), {"network": {"input_size": 96}})
    with pytest.raises(SettingsError, match=r"input_size = 64 with .*head_dropout = 0\.5 is not"):
        load_space(tmp_path / "space.toml", base, check=check)


def test_values_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """Each alone is possible, and so are most pairs."""
    text = "training.warmup_epochs = [1.0, 5.0]\ntraining.epochs = [4, 12]"
    with pytest.raises(SettingsError, match="warmup_epochs must be smaller than epochs"):
        space(tmp_path, text)


def test_other_tables_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[training]\nepochs = [1, 2]\n")
    with pytest.raises(SettingsError, match="must hold the table \\[search\\] alone"):
        load_space(tmp_path / "other.toml", Recipe())
    with pytest.raises(SettingsError, match="cannot be read"):
        load_space(tmp_path / "none.toml", Recipe())
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe[search]")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_space(tmp_path / "bytes.toml", Recipe())


@given(st.text(max_size=60))
def test_any_text_gives_a_space_or_a_settings_error(tmp_path_factory: pytest.TempPathFactory,
                                                    text: str) -> None:  # fmt: skip
    folder = tmp_path_factory.getbasetemp()
    (folder / "wild.toml").write_text(f"[search]\n{text}", "utf-8", newline="")
    try:
        found = load_space(folder / "wild.toml", Recipe())
    except SettingsError:
        return
    assert found.dimensions or found.auto_freeze


def test_a_recipe_takes_the_values_of_a_trial() -> None:
    values = {FREEZE: 7, "training.epochs": 3, "preprocess.intensity": "per_image", STRENGTH: 0.5}
    found = recipe_with(Recipe(), values)
    assert found.network.frozen_layers == 7
    assert found.training.epochs == 3
    assert found.preprocess.intensity == "per_image"
    assert found.augmentation.rotation_degrees == 90
    assert found.augmentation.zoom_range == pytest.approx((0.95, 1.05))
    unchanged = change_recipe(
        found,
        {
            "network": {"frozen_layers": None},
            "training": {"epochs": 12},
            "preprocess": {"intensity": Recipe().preprocess.intensity},
            "augmentation": Recipe().augmentation.model_dump(),
        },
    )
    assert unchanged == Recipe()


def test_the_strength_scales_ranges_and_stops_at_natural_ends() -> None:
    settings = AugmentSettings(
        rotation_degrees=100, width_shift=0.3, gamma=0.2, zoom=0.2, fill="wrap", vertical_flip=False
    )
    double = AugmentSettings.model_validate(scaled_augmentation(settings, 2.0))
    assert double.rotation_degrees == 180
    assert double.width_shift == 0.5
    assert double.gamma == 0.4
    assert double.zoom_range == pytest.approx((0.6, 1.4))
    assert (double.horizontal_flip, double.vertical_flip, double.fill) == (True, False, "wrap")


def test_strength_0_switches_everything_off() -> None:
    settings = AugmentSettings(fill="wrap", blur=2.0, noise=0.1, intensity_gain=0.1)
    off = AugmentSettings.model_validate(scaled_augmentation(settings, 0.0))
    assert off == AugmentSettings.off().model_copy(update={"fill": "wrap"})


@given(st.floats(0, 10), st.floats(0, 0.9), st.floats(0, 0.9))
def test_every_strength_gives_possible_settings(strength: float, zoom: float, shift: float) -> None:
    settings = AugmentSettings(zoom=zoom, width_shift=shift, gamma=shift)
    AugmentSettings.model_validate(scaled_augmentation(settings, strength))


def test_a_base_recipe_outside_the_space_leaves_these_dimensions_out(tmp_path: Path) -> None:
    text = "training.learning_rate = { low = 0.01, high = 0.1 }\ntraining.epochs = [12, 20]"
    assert space(tmp_path, text).values_of(Recipe()) == {"training.epochs": 12}


def test_freeze_points_come_first_and_a_single_one_is_no_dimension(tmp_path: Path) -> None:
    found = space(tmp_path, 'training.epochs = [3]\nfreeze_points = "auto"')
    assert list(found.with_freeze_points((4, 9)).dimensions) == [FREEZE, "training.epochs"]
    assert list(found.with_freeze_points((4,)).dimensions) == ["training.epochs"]


def test_the_most_of_a_setting_counts_the_recipe_in(tmp_path: Path) -> None:
    found = space(tmp_path, "training.epochs = [3, 30]\ntraining.views = { low = 1, high = 2 }")
    assert found.most("training.epochs", Recipe()) == 30
    assert found.most("training.views", Recipe()) == Recipe().training.views
    assert found.most("training.refresh", Recipe()) == Recipe().training.refresh
