"""Stopped at any moment and resumed: the numbers of a run that was never stopped."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.errors import OutputError, ResumeError
from actinscope.progress import Silent
from actinscope.training import Fitted, Recipe, TrainingData, checkpoint
from helpers.tiny_training import (
    history_on_disk,
    same_weights,
    tiny_data,
    tiny_fit,
    tiny_network,
    tiny_recipe,
    without_seconds,
)

STEPS = 3  # batches an epoch
ANYWHERE = random.randrange(1, 5 * STEPS)

CHILD = """
import sys, time
from pathlib import Path
from helpers.tiny_training import tiny_fit, tiny_recipe
from actinscope.progress import Silent
from actinscope.training import checkpoint

checkpoint.SECONDS_BETWEEN = 0.0

class Slow(Silent):
    def advance(self, steps=1, note=""):
        time.sleep(0.1)

recipe = tiny_recipe(views=4, epochs=5, head_start="logistic")
tiny_fit(Path(sys.argv[1]), recipe, progress=Slow())
"""


class _Interrupt(Silent):
    """Ctrl-C after so many steps of the training."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._training = False

    def phase(self, name: str, total: int) -> None:
        self._training = name == "Training"

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._left -= self._training
        if self._left < 0:
            raise KeyboardInterrupt


def _recipe(views: int) -> Recipe:
    return tiny_recipe(views=views, epochs=5, head_start="logistic" if views else "random")


@dataclasses.dataclass(frozen=True)
class _Run:
    folder: Path
    fitted: Fitted


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], _Run]:
    """The run that nobody stopped."""
    done: dict[int, _Run] = {}

    def get(views: int) -> _Run:
        if views not in done:
            folder = tmp_path_factory.mktemp("run")
            done[views] = _Run(folder, tiny_fit(folder, _recipe(views)))
        return done[views]

    return get


def _assert_same(folder: Path, resumed: Fitted, expected: Fitted) -> None:
    assert without_seconds(resumed.history) == without_seconds(expected.history)
    assert history_on_disk(folder) == without_seconds(expected.history)
    assert resumed.kept_epoch == expected.kept_epoch
    assert same_weights(resumed.model, expected.model)
    files = sorted(path.name for path in (folder / "checkpoint").iterdir())
    assert files == [f"best-{expected.kept_epoch}.npz", "last.npz"]


@pytest.mark.parametrize(
    ("views", "steps"),
    [(4, 1), (0, 2 * STEPS + 1), (4, 3 * STEPS), (0, ANYWHERE), (4, ANYWHERE)],
    ids=["first epoch", "third epoch, all layers", "end of an epoch", "anywhere, all", "anywhere"],
)
def test_interrupted_and_resumed(
    views: int, steps: int, unbroken: Callable[[int], _Run], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        tiny_fit(tmp_path, _recipe(views), progress=_Interrupt(steps))
    finished = steps // STEPS
    assert (tmp_path / "checkpoint" / "last.npz").exists() == (finished > 0)
    if finished:
        assert len(history_on_disk(tmp_path)) == finished
    resumed = tiny_fit(tmp_path, _recipe(views), resume=True)
    _assert_same(tmp_path, resumed, unbroken(views).fitted)


@pytest.mark.parametrize("victim", ["best", "last"])
def test_stopped_between_the_files_of_an_epoch(
    victim: str,
    unbroken: Callable[[int], _Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights of a new best epoch are written first, then all of the last epoch."""
    expected = unbroken(4).fitted
    epoch, save = expected.kept_epoch, checkpoint.save_checkpoint
    assert epoch > 1

    def stopping_save(path: Path, variables: Any, state: dict[str, Any]) -> None:
        at_epoch = state["epoch"] if "epoch" in state else len(state["history"])
        if path.name.startswith(victim) and at_epoch == epoch:
            raise KeyboardInterrupt
        save(path, variables, state)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", stopping_save)
        patch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)  # every epoch at once
        with pytest.raises(KeyboardInterrupt):
            tiny_fit(tmp_path, _recipe(4))
    kept = list((tmp_path / "checkpoint").glob("best-*.npz"))
    assert len(kept) == {"best": 1, "last": 2}[victim]
    _assert_same(tmp_path, tiny_fit(tmp_path, _recipe(4), resume=True), expected)


def test_finished_run_resumed_does_nothing_more(
    unbroken: Callable[[int], _Run], tmp_path: Path
) -> None:
    done = unbroken(4)
    folder = shutil.copytree(done.folder, tmp_path / "copy")
    rows = (folder / "history.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    # Stopped before the last row of the table was written, but after the checkpoint.
    (folder / "history.csv").write_text("".join(rows[:-1]), encoding="utf-8")
    again = tiny_fit(folder, _recipe(4), resume=True, progress=_Interrupt(0))
    _assert_same(folder, again, done.fitted)
    (folder / "checkpoint" / f"best-{done.fitted.kept_epoch}.npz").unlink()
    with pytest.raises(ResumeError, match=r"best-\d\.npz: is not a readable checkpoint"):
        tiny_fit(folder, _recipe(4), resume=True)


def test_not_resumed_starts_anew(
    unbroken: Callable[[int], _Run], stopped: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(stopped, tmp_path / "copy")
    _assert_same(folder, tiny_fit(folder, _recipe(4)), unbroken(4).fitted)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_process_and_resumed(unbroken: Callable[[int], _Run], tmp_path: Path) -> None:
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment) as child:
        deadline = time.monotonic() + 120
        while not (tmp_path / "history.csv").exists():
            assert child.poll() is None, "the child ended by itself"
            assert time.monotonic() < deadline, "the child does not train"
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.8))  # of the 1.2 s that the other epochs take at least
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    expected = unbroken(4).fitted
    finished = history_on_disk(tmp_path)
    assert 1 <= len(finished) < 5
    assert finished == without_seconds(expected.history)[: len(finished)]
    resumed = tiny_fit(tmp_path, _recipe(4), resume=True)
    for left_over in (tmp_path / "checkpoint").glob(".partial-*"):
        left_over.unlink()  # nobody is left to clean up after a kill while a file is written
    _assert_same(tmp_path, resumed, expected)


def test_epochs_that_end_soon_after_each_other_are_written_together(
    unbroken: Callable[[int], _Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    save = checkpoint.save_checkpoint

    def noting_save(path: Path, variables: Any, state: dict[str, Any]) -> None:
        written.append(path.name)
        save(path, variables, state)

    monkeypatch.setattr(checkpoint, "save_checkpoint", noting_save)
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 1000.0)
    fitted = tiny_fit(tmp_path, _recipe(4))
    _assert_same(tmp_path, fitted, unbroken(4).fitted)
    assert written.count("last.npz") == 2, "the first epoch, and at the end the last"


def test_a_best_epoch_that_cannot_be_written_is_never_named(
    unbroken: Callable[[int], _Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full for a moment: what is on it still belongs together."""
    expected = unbroken(4).fitted
    save = checkpoint.save_checkpoint

    def failing_save(path: Path, variables: Any, state: dict[str, Any]) -> None:
        if path.name == f"best-{expected.kept_epoch}.npz":
            raise OutputError("cannot be written (no space left)", where=path)
        save(path, variables, state)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", failing_save)
        patch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
        with pytest.raises(OutputError, match="no space left"):
            tiny_fit(tmp_path, _recipe(4))
    assert len(history_on_disk(tmp_path)) < expected.kept_epoch
    _assert_same(tmp_path, tiny_fit(tmp_path, _recipe(4), resume=True), expected)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that was stopped after two epochs."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(KeyboardInterrupt):
        tiny_fit(folder, tiny_recipe(), progress=_Interrupt(2 * STEPS))
    return folder


class _NoWork(Silent):
    """Fails when work begins: a wrong checkpoint has to be refused before."""

    def phase(self, name: str, total: int) -> None:
        raise AssertionError(f"{name} began")


def _changed_weights() -> Any:
    model = tiny_network()
    layer = model.get_layer("bn_a")  # frozen, and not in the checkpoint where views are stored
    layer.set_weights([array + 1 for array in layer.get_weights()])
    return model


def _other_images() -> TrainingData:
    data = tiny_data()
    data.validation.scaled[0, 0, 0, 0] += 0.01
    return data


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": tiny_recipe(learning_rate=0.02)},
        {"recipe": tiny_recipe(seed=1)},
        {"recipe": tiny_recipe(views=2)},
        {"data": tiny_data(seed=1)},
        {"data": _other_images()},
        {"model": _changed_weights},
    ],
    ids=["recipe", "seed", "views", "data", "one pixel", "weights"],
)
def test_checkpoint_of_another_run_is_refused(stopped: Path, change: dict[str, Any]) -> None:
    before = (stopped / "checkpoint" / "last.npz").read_bytes()
    arguments = {"recipe": tiny_recipe(), **change}
    if "model" in arguments:
        arguments["model"] = arguments["model"]()
    with pytest.raises(ResumeError, match=r"last\.npz: belongs to a run with other images"):
        tiny_fit(stopped, **arguments, resume=True, progress=_NoWork())
    assert (stopped / "checkpoint" / "last.npz").read_bytes() == before


def test_damaged_checkpoint_is_refused(stopped: Path, tmp_path: Path) -> None:
    whole = (stopped / "checkpoint" / "last.npz").read_bytes()
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "last.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ResumeError, match=r"last\.npz: is not a readable checkpoint .*--resume"):
        tiny_fit(tmp_path, tiny_recipe(), resume=True, progress=_NoWork())


def test_a_damaged_best_epoch_is_refused_before_any_work(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped / "checkpoint", tmp_path / "checkpoint")
    (best,) = (tmp_path / "checkpoint").glob("best-*.npz")
    best.write_bytes(best.read_bytes()[:100])
    with pytest.raises(ResumeError, match=rf"{best.name}: is not a readable checkpoint"):
        tiny_fit(tmp_path, tiny_recipe(), resume=True, progress=_NoWork())


def test_views_left_by_a_run_stopped_at_its_very_end_are_deleted(
    unbroken: Callable[[int], _Run], tmp_path: Path
) -> None:
    run = unbroken(4)
    shutil.copytree(run.folder / "checkpoint", tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "activations").mkdir()
    (tmp_path / "checkpoint" / "activations" / "tensor-0.f16").write_bytes(b"stored")
    _assert_same(tmp_path, tiny_fit(tmp_path, _recipe(4), resume=True), run.fitted)


def test_an_outdated_epoch_that_cannot_be_deleted_does_not_stop_training(
    unbroken: Callable[[int], _Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("best-"):
            raise PermissionError(13, "used by another process", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", held)
        with pytest.raises(KeyboardInterrupt):
            tiny_fit(tmp_path, _recipe(4), progress=_Interrupt(4 * STEPS))
    _assert_same(tmp_path, tiny_fit(tmp_path, _recipe(4), resume=True), unbroken(4).fitted)


def test_nothing_but_numbers_is_stored(stopped: Path) -> None:
    with np.load(stopped / "checkpoint" / "last.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind in "fiu" for name in stored.files)
