"""The search: proposals, breaking off, the record on the disk, shared activations."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import ResumeError, UsageError
from actinscope.networks import freeze_points
from actinscope.networks.freeze import block_ends
from actinscope.progress import Silent
from actinscope.training import (
    ActivationCache,
    Fold,
    LabelledImages,
    Recipe,
    Search,
    SearchImages,
    SearchSpace,
    TrialResult,
    TrialRunner,
    change_recipe,
    is_hopeless,
    load_space,
    rung_of,
)
from actinscope.training.search_space import Choices, Range
from actinscope.training.trial import FoldScores, TrialOutcome
from helpers.tiny_training import (
    FROZEN,
    tiny_data,
    tiny_fit,
    tiny_network,
    tiny_preprocess,
    tiny_recipe,
    without_seconds,
)

SPACE = SearchSpace(
    {
        "training.learning_rate": Range(1e-4, 1e-1, log=True),
        "training.batch_size": Range(4, 32, whole=True),
        "training.schedule": Choices(("constant", "cosine")),
        "augmentation.zoom": Choices((0.0, (0.9, 1.2))),
        "training.views": Choices((1, 4)),
    }
)
SETTINGS = {"space": SPACE.described(), "folds": 2}


def outcome(loss: float, state: str = "complete", images: int = 4) -> TrialOutcome:
    figures = FoldScores(loss, 0.5, 2, 3, 1.0)
    folds = (figures, figures) if state == "complete" else ()
    return TrialOutcome(state, folds, np.full(images, loss), 2.0)


def opened(folder: Path, *, seed: int = 0, settings: Any = SETTINGS) -> Search:
    return Search(folder / "study.db", SPACE, Recipe(), seed=seed, settings=settings)


def searched(folder: Path, trials: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Trials with a loss that falls with the learning rate; their values."""
    with opened(folder, seed=seed) as search:
        for _ in range(trials):
            _, values = search.propose()
            rate = values["training.learning_rate"]
            assert isinstance(rate, float)
            search.finish(outcome(1.0 - rate))
        return [dict(one.values) for one in search.results()]


def test_the_base_recipe_comes_first(tmp_path: Path) -> None:
    with opened(tmp_path) as search:
        number, values = search.propose()
    assert number == 0
    # The zoom of the default recipe is not among the choices.
    assert values == {
        "training.learning_rate": Recipe().training.learning_rate,
        "training.batch_size": Recipe().training.batch_size,
        "training.schedule": "cosine",
        "training.views": 4,
    }


def test_proposals_lie_in_the_space(tmp_path: Path) -> None:
    for values in searched(tmp_path, 6)[1:]:
        assert set(values) == set(SPACE.dimensions)
        for name, value in values.items():
            assert SPACE.dimensions[name].holds(value), (name, value)
            assert type(value) in {float, int, str, tuple}


def test_a_search_that_was_cut_off_tries_what_it_would_have_tried(tmp_path: Path) -> None:
    """Also after the random trials, where proposals depend on what was found."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    expected = searched(whole, 10)
    assert searched(cut, 3) == expected[:3]
    with opened(cut) as search:
        search.propose()  # and killed: it is open in the file
    assert len(searched(cut, 7)) == 10
    with opened(cut) as search:
        assert [dict(one.values) for one in search.results()] == expected
    other = tmp_path / "other"
    other.mkdir()
    assert searched(other, 3, seed=1)[1:] != expected[1:3]


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    with opened(tmp_path) as search:
        search.propose()
        search.report(3, 0.7)
        search.finish(
            TrialOutcome(
                "complete",
                (FoldScores(0.25, 0.75, 1, 2, 0.5), FoldScores(0.75, 1.0, 2, 2, 0.5)),
                np.array([0.5, np.nan, 0.125]),
                3.25,
            )
        )
        search.propose()
        search.report(2, 0.9)
        search.finish(outcome(9.0, "pruned"))
        search.propose()
        search.finish(outcome(9.0, "diverged"))
        search.propose()
        search.finish(outcome(9.0, "stopped"))
    with opened(tmp_path) as search:
        base, pruned, diverged = search.results()
    assert base.objective == 0.5
    assert base.rungs == {3: 0.7}
    assert base.folds[1] == FoldScores(0.75, 1.0, 2, 2, 0.5)
    np.testing.assert_array_equal(base.log_losses, [0.5, np.nan, 0.125])
    assert (pruned.state, pruned.objective, pruned.number) == ("pruned", 0.9, 1)
    assert diverged.state == "diverged"
    assert np.isnan(diverged.objective)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    searched(tmp_path, 1)
    with pytest.raises(ResumeError, match="started with other settings: folds"):
        opened(tmp_path, settings={**SETTINGS, "folds": 5})


@pytest.mark.parametrize("broken", [b"no database at all, whatever it says", b"SQLite format 3\0"])
def test_a_file_that_is_no_record_is_refused(broken: bytes, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(broken)
    with pytest.raises(ResumeError, match="is not the record of a search"):
        opened(tmp_path)


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "study.db")
    database.execute("CREATE TABLE cells (name TEXT)")
    database.close()
    with pytest.raises(ResumeError, match="is not the record of a search"):
        opened(tmp_path)


def test_without_optuna_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match="pip install optuna"):
        opened(tmp_path)


def test_the_search_says_nothing_by_itself(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    searched(tmp_path, 2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["warmup_epochs = [0, 1, 2]", "refresh = [0.25, 1]"])
def test_whole_numbers_for_a_decimal_setting_can_be_searched(text: str, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(f"[search]\ntraining.{text}\n")
    space = load_space(tmp_path / "space.toml", Recipe())
    with Search(tmp_path / "study.db", space, Recipe(), seed=0, settings={}) as search:
        (own,) = search.propose()[1].items()
    assert own in {("training.warmup_epochs", 1.0), ("training.refresh", 0.25)}
    assert isinstance(own[1], float)


def rival(number: int, rungs: dict[int, float], state: str = "complete") -> TrialResult:
    return TrialResult(state, (), np.empty(0), 1.0, number, {}, rungs)


def test_rungs_are_quarters_of_a_fold() -> None:
    assert [rung_of(0, done) for done in (0.2, 0.25, 0.5, 2 / 3, 1.0)] == [0, 1, 2, 2, 4]
    assert rung_of(2, 0.75) == 11


def test_hopeless_is_worse_than_the_median_at_the_same_rung() -> None:
    rivals = [rival(n, {1: loss, 2: loss, 4: loss}) for n, loss in enumerate((1.0, 2.0, 3.0, 4.0))]
    assert is_hopeless(2, 2.6, rivals)  # the median is 2.5
    assert not is_hopeless(2, 2.5, rivals)
    assert not is_hopeless(1, 9.0, rivals)  # a quarter of the epochs says too little
    assert not is_hopeless(3, 9.0, rivals)  # nobody was judged there
    assert not is_hopeless(2, 9.0, rivals[:3])  # too few
    assert is_hopeless(4, 9.0, rivals)  # a whole fold is the end of its last quarter


def test_broken_off_trials_are_no_rivals() -> None:
    rivals = [rival(n, {2: 1.0}, "pruned") for n in range(9)]
    assert not is_hopeless(2, 9.0, rivals)


# ----------------------------------------------------------------------------------------
# Shared activations
# ----------------------------------------------------------------------------------------


def put(cache: ActivationCache, name: str) -> str:
    """A store of 4000 bytes; the name of its folder."""
    store = cache.store(name, slots=1, images=10, shapes=[(200,)])
    store.write(0, np.arange(10), [np.ones((10, 200), np.float32)])
    store.complete(0, 0)
    return cache.names[-1]


def test_the_cache_drops_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = ActivationCache(tmp_path, 13_000 / 1e9)  # three stores
    a, b, c = (put(cache, name) for name in "abc")
    assert cache.names == (a, b, c)
    cache.store("a", slots=1, images=10, shapes=[(200,)])  # used again
    d = put(cache, "d")
    assert cache.names == (c, a, d)
    assert {place.name for place in tmp_path.iterdir()} == {c, a, d}
    cache.remove()
    assert not tmp_path.exists()


def test_the_cache_takes_what_a_killed_search_left(tmp_path: Path) -> None:
    put(ActivationCache(tmp_path, 1.0), "a")
    again = ActivationCache(tmp_path, 1.0)
    assert len(again.names) == 1
    assert again.store("a", slots=1, images=10, shapes=[(200,)]).views == [0]
    assert again.store("b", slots=1, images=10, shapes=[(200,)]).views == [-1]


def all_images() -> SearchImages:
    """The training images of the toys, then those of validation."""
    data = tiny_data()
    scaled_images = np.concatenate([data.train.scaled, data.validation.scaled])
    labels = np.concatenate([data.train.labels, data.validation.labels])
    return SearchImages(LabelledImages(scaled_images, labels), tiny_preprocess(), "toys")


TOY_FOLD = Fold(np.arange(24), np.arange(24, 36))


def as_used(recipe: Recipe, frozen: int = FROZEN) -> Recipe:
    settings = {"frozen_layers": frozen, "freeze_batch_norm": False}
    return change_recipe(recipe, {"network": settings})


def runner(
    folder: Path, cache: ActivationCache, *, folds: tuple[Fold, ...] = (TOY_FOLD,)
) -> TrialRunner:
    def build(recipe: Recipe) -> Any:
        return tiny_network()

    return TrialRunner(build, folds, cache=cache, most_views=6, classes=3, folder=folder)


def never(fold: int, done: float, objective: float) -> str:
    return ""


@pytest.mark.parametrize("gigabytes", [1.0, 8e-4])
def test_a_trial_trains_as_a_run_does(gigabytes: float, tmp_path: Path) -> None:
    """With all views stored, and where there is no room for all of them, to the last digit."""
    recipe = tiny_recipe(views=2, refresh=0.5, epochs=5, head_start="logistic",
                         label_smoothing=0.0, storage_gb=gigabytes)  # fmt: skip
    run = tiny_fit(tmp_path, recipe)
    seen = []

    def pruner(fold: int, done: float, objective: float) -> str:
        seen.append((fold, done, objective))
        return ""

    cache = ActivationCache(tmp_path / "stored", gigabytes)
    found = runner(tmp_path, cache).run(as_used(recipe), all_images(), pruner, Silent())
    (fold,) = found.folds
    history = without_seconds(run.history)
    assert (fold.kept_epoch, fold.epochs) == (run.kept_epoch, 5)
    assert fold.accuracy == history[run.kept_epoch - 1]["validation_accuracy"]
    # Without smoothing the validation loss is the log loss.
    losses = [row["validation_loss"] for row in history]
    assert fold.log_loss == pytest.approx(min(losses), abs=1e-12)
    assert np.isnan(found.log_losses[:24]).all()
    assert np.mean(found.log_losses[24:]) == pytest.approx(fold.log_loss, abs=1e-12)
    assert [one[:2] for one in seen] == [(0, (k + 1) / 5) for k in range(5)]
    best_so_far = np.minimum.accumulate(losses)
    assert [one[2] for one in seen] == pytest.approx(best_so_far.tolist(), abs=1e-12)


def test_the_log_loss_knows_no_label_smoothing(tmp_path: Path) -> None:
    recipe = tiny_recipe(views=1, epochs=1, warmup_epochs=0, label_smoothing=0.3)
    run = tiny_fit(tmp_path, recipe)
    found = runner(tmp_path, ActivationCache(tmp_path / "stored", 1.0)).run(
        as_used(recipe), all_images(), never, Silent()
    )
    validation = tiny_data().validation
    answers = run.model.predict(tiny_preprocess().to_network(validation.scaled), verbose=0)
    expected = -np.log(answers[np.arange(12), validation.labels]).mean()
    assert found.folds[0].log_loss == pytest.approx(expected, abs=2e-3)  # float16 activations
    assert abs(found.folds[0].log_loss - run.history[0]["validation_loss"]) > 5e-3


def test_trials_share_what_is_stored(tmp_path: Path) -> None:
    cache = ActivationCache(tmp_path / "stored", 1.0)
    folds = (TOY_FOLD, Fold(np.arange(12, 36), np.arange(12)))
    trials = runner(tmp_path, cache, folds=folds)
    recipe = as_used(tiny_recipe(views=2, refresh=0.5, epochs=3))
    first = trials.run(recipe, all_images(), never, Silent())
    # Views 0 and 1, one more over three epochs, and the images as they are; once for both folds.
    assert cache.computed == 4
    assert cache.reused == 4
    assert np.flatnonzero(np.isnan(first.log_losses)).tolist() == list(range(12, 24))
    one = runner(tmp_path, cache)
    again = one.run(recipe, all_images(), never, Silent())
    np.testing.assert_array_equal(again.log_losses[24:], first.log_losses[24:])
    faster = change_recipe(recipe, {"training": {"learning_rate": 0.05, "batch_size": 4}})
    one.run(faster, all_images(), never, Silent())
    assert cache.computed == 4
    blurred = change_recipe(recipe, {"augmentation": {"blur": 1.0}})
    one.run(blurred, all_images(), never, Silent())
    assert cache.computed == 4 + 3  # the images as they are do not change
    one.run(as_used(recipe, 3), all_images(), never, Silent())
    assert cache.computed == 4 + 3 + 4


def test_a_trial_that_is_broken_off_ends_with_that_epoch(tmp_path: Path) -> None:
    calls = []

    def pruner(fold: int, done: float, objective: float) -> str:
        calls.append((fold, done))
        return "pruned" if (fold, done) == (1, 0.5) else ""

    folds = (TOY_FOLD, Fold(np.arange(12, 36), np.arange(12)))
    trials = runner(tmp_path, ActivationCache(tmp_path / "stored", 1.0), folds=folds)
    found = trials.run(as_used(tiny_recipe(views=1)), all_images(), pruner, Silent())
    assert found.state == "pruned"
    assert calls[-1] == (1, 0.5)
    assert len(found.folds) == 1


def test_a_loss_that_is_no_number_is_told_as_such(tmp_path: Path) -> None:
    recipe = as_used(tiny_recipe(views=1, learning_rate=1.0, warmup_epochs=0, epochs=2))
    images = all_images()
    trials = TrialRunner(
        lambda _: _broken_network(), (TOY_FOLD,), cache=ActivationCache(tmp_path / "stored", 1.0),
        most_views=2, classes=3, folder=tmp_path,
    )  # fmt: skip
    assert trials.run(recipe, images, never, Silent()).state == "diverged"


def _broken_network() -> Any:
    model = tiny_network()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([np.full_like(kernel, np.nan), bias])
    return model


def test_a_trial_can_train_the_last_layer_alone(tmp_path: Path) -> None:
    """Also where no dropout stands before it: what is stored is what it is given."""
    model = tiny_network()
    recipe = as_used(tiny_recipe(views=1, epochs=1, warmup_epochs=0, head_start="logistic"), 13)
    assert [layer.name for layer in model.layers[13:]] == ["head"]
    trials = runner(tmp_path, ActivationCache(tmp_path / "stored", 1.0))
    found = trials.run(recipe, all_images(), never, Silent())
    assert found.state == "complete"
    assert found.folds[0].log_loss < np.log(3)


def test_block_ends_of_the_toy() -> None:
    model = tiny_network()
    names = [model.layers[end - 1].name for end in block_ends(model)]
    # After relu_a the skip connections begin; the pooled features are the smallest tensor.
    assert names == ["relu_a", "pool"]
    assert [model.layers[end - 1].name for end in freeze_points(model, FROZEN)] == [
        "relu_a", "conv_b", "pool",
    ]  # fmt: skip
