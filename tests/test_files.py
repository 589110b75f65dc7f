"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from actinscope.errors import OutputError
from actinscope.files import (
    atomic_path,
    remove_partial_files,
    replace_folder,
    sha256_of_file,
    write_json_atomic,
    write_text_atomic,
)


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    target = tmp_path / "note.txt"
    write_text_atomic(target, "µm\nsecond\n")
    assert target.read_bytes() == "µm\nsecond\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError("half way")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.csv"]


def test_the_suffix_is_kept_for_writers_that_look_at_it(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.npz") as temporary:
        assert temporary.suffix == ".npz"
        assert temporary.parent == tmp_path


def test_files_are_for_everyone_that_the_umask_allows(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text_atomic(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/a\.json: cannot be written \(No such file"):
        write_json_atomic(tmp_path / "nowhere" / "a.json", {})


def test_a_target_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_text_atomic(tmp_path / "a", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_json_is_strict(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json_atomic(target, {"b": float("nan"), "a": [1.5, float("inf")], 3: (True, None, "ä")})
    assert json.loads(target.read_text("utf-8")) == {
        "b": None,
        "a": [1.5, None],
        "3": [True, None, "ä"],
    }
    assert list(json.loads(target.read_text("utf-8"))) == ["b", "a", "3"]
    assert target.read_text("utf-8").endswith("}\n")
    assert "ä" in target.read_text("utf-8")


def test_hash_of_a_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert sha256_of_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_half_written_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".partial-abc.npz").write_bytes(b"half")
    (tmp_path / "last.npz").write_bytes(b"whole")
    remove_partial_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_stays_and_leads_to_the_new_content(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "far" / "real.txt")
    write_text_atomic(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "far" / "real.txt").read_text() == "new"
    (tmp_path / "folder").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "mark").touch()
    replace_folder(tmp_path / "folder", {"mark": b"2"}, lambda path: None, mark="mark", what="x")
    assert (tmp_path / "folder").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["mark"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(OutputError, match="is a device or a pipe"):
        write_text_atomic(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").is_fifo()
