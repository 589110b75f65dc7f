"""Folders for results: refused when in use, held by one command, whole or taken up again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actinscope.errors import OutputError, UsageError
from actinscope.files import make_folder
from actinscope.requests import StudySource
from actinscope.runs import require_new_file, resumable_results, whole_results

#: Writes a result into the folder that is named, then waits to be killed.
CHILD = """
import sys, time
from pathlib import Path
from actinscope.runs import whole_results
with whole_results(Path(sys.argv[1])) as folder:
    (folder / "report.html").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_results_appear_when_all_are_there(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with whole_results(out) as folder:
        (folder / "maps").mkdir()
        (folder / "maps" / "1.png").write_bytes(b"1")
        (folder / "report.html").write_text("report")
        assert all(name.startswith(".") for name in names(out))
    assert names(out) == ["maps", "report.html"]
    assert names(out / "maps") == ["1.png"]


def test_an_empty_folder_of_the_user_is_taken_and_stays(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(ZeroDivisionError), whole_results(tmp_path):
        raise ZeroDivisionError
    assert names(tmp_path) == [".DS_Store"]
    with whole_results(tmp_path) as folder:
        (folder / "a").touch()
    assert names(tmp_path) == [".DS_Store", "a"]


def test_of_a_command_that_fails_nothing_is_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError), whole_results(out) as folder:
        (folder / "a").touch()
        raise ZeroDivisionError
    assert not out.exists()


def test_the_same_command_replaces_what_a_killed_one_has_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(out)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"writing\n"
        with pytest.raises(UsageError, match="another command is writing to this folder"):
            whole_results(out).__enter__()
        child.kill()
    with whole_results(out) as folder:
        assert names(folder) == []
        (folder / "report.html").write_text("whole")
    assert names(out) == ["report.html"]
    assert (out / "report.html").read_text() == "whole"


def test_a_command_that_was_killed_in_its_last_moment_has_left_all(tmp_path: Path) -> None:
    (tmp_path / ".finished").mkdir()
    (tmp_path / ".finished" / "report.html").touch()
    (tmp_path / "findings.csv").touch()
    with pytest.raises(UsageError, match="is not empty"), whole_results(tmp_path):
        pass
    assert names(tmp_path) == ["findings.csv", "report.html"]


def test_the_second_of_two_commands_in_one_folder_is_refused_at_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with resumable_results(run, resume=False, mark="recipe.toml", what="run"):
        with (
            pytest.raises(UsageError, match="another command is writing to this folder"),
            resumable_results(run, resume=False, mark="recipe.toml", what="run"),
        ):
            pass
        (run / "recipe.toml").touch()
        for resume in (False, True):
            with (
                pytest.raises(UsageError, match=r"another command .* Wait until it is done"),
                resumable_results(run, resume=resume, mark="recipe.toml", what="run"),
            ):
                pass
    assert names(run) == ["recipe.toml"]


def test_going_on_removes_what_was_left_half_written(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").touch()
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / ".partial-abc.png").touch()
    (tmp_path / ".partial-bundle-xyz").mkdir()
    (tmp_path / ".partial-bundle-xyz" / "model.onnx").touch()
    with resumable_results(tmp_path, resume=True, mark="recipe.toml", what="run"):
        pass
    assert names(tmp_path) == ["figures", "recipe.toml"]
    assert names(tmp_path / "figures") == []


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_is_removed_meanwhile_is_no_success(tmp_path: Path, again: bool) -> None:
    """The folder alone, and with another in its place."""
    run = tmp_path / "run"
    held = resumable_results(run, resume=False, mark="recipe.toml", what="run")
    with pytest.raises(OutputError, match="was removed or replaced while results were"), held:
        shutil.rmtree(run)
        if again:
            run.mkdir()
            (run / "report.html").touch()
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="was removed or replaced"), whole_results(out) as folder:
        shutil.rmtree(out)
        if again:
            folder.mkdir(parents=True)


def test_with_a_manifest_results_may_lie_beside_the_images(tmp_path: Path) -> None:
    with whole_results(tmp_path / "run", StudySource(tmp_path, manifest=tmp_path / "groups.csv")):
        pass
    with (
        pytest.raises(UsageError, match="lies among the images"),
        whole_results(tmp_path / "run2", StudySource(tmp_path)),
    ):
        pass
    assert not (tmp_path / "run2").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_folder_that_cannot_be_written_is_known_before_any_work() -> None:
    place = Path("/proc/self")  # which nobody can write to, also not root
    with pytest.raises(OutputError), whole_results(place / "out"):
        pass
    with pytest.raises(OutputError, match="cannot be written"), whole_results(place):
        pass
    with pytest.raises(OutputError, match="the folder cannot be written to"):
        require_new_file(place / "a.csv")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="the folder cannot be made"):
        make_folder(tmp_path / "file" / "run")


def test_a_csv_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(UsageError, match="is there already"):
        require_new_file(tmp_path / "a.csv")
    with pytest.raises(OutputError, match="the folder does not exist"):
        require_new_file(tmp_path / "b" / "a.csv")
