"""Stored activations: what is kept over a kill, and what is not trusted."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope import temporary
from actinscope.errors import OutputError
from actinscope.temporary import Releaser, release, temporary_array
from actinscope.training.activation_store import ActivationStore, bytes_of_views

SHAPES = [(2, 3), (4,)]
ROWS = np.arange(5)


def _store(folder: Path, identity: str = "one", slots: int = 3) -> ActivationStore:
    return ActivationStore(folder, slots=slots, images=5, shapes=SHAPES, identity=identity)


def _fill(store: ActivationStore, slot: int, view: int) -> None:
    values = [np.full((5, *shape), view + place / 10) for place, shape in enumerate(SHAPES)]
    store.write(slot, ROWS, [tensor.astype(np.float32) for tensor in values])
    store.complete(slot, view)


def test_what_was_complete_is_found_again(tmp_path: Path) -> None:
    first = _store(tmp_path / "views")
    _fill(first, 0, 7)
    _fill(first, 2, 9)
    first.write(1, ROWS[:2], [np.ones((2, 2, 3), np.float32), np.ones((2, 4), np.float32)])
    again = _store(tmp_path / "views")
    assert again.views == [7, -1, 9]
    one, two = again.read(np.array([0, 2]), np.array([4, 1]))
    assert one.dtype == two.dtype == np.float16
    np.testing.assert_array_equal(one[:, 0, 0], [7, 9])
    np.testing.assert_allclose(two[:, 0], [7.1, 9.1], rtol=1e-3)


def test_a_slot_that_is_being_replaced_is_not_trusted_after_a_kill(tmp_path: Path) -> None:
    store = _store(tmp_path / "views")
    _fill(store, 1, 4)
    store.write(1, ROWS[:1], [np.ones((1, 2, 3), np.float32), np.ones((1, 4), np.float32)])
    assert _store(tmp_path / "views").views == [-1, -1, -1]


@pytest.mark.parametrize("other", [{"identity": "two"}, {"slots": 4}])
def test_another_run_s_activations_are_dropped(other: dict[str, Any], tmp_path: Path) -> None:
    _fill(_store(tmp_path / "views"), 0, 7)
    assert set(_store(tmp_path / "views", **other).views) == {-1}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"views": 3}', '{"views": ["x"]}', json.dumps({"views": [1, 2, 3]})]
)
def test_a_damaged_note_is_dropped(text: str, tmp_path: Path) -> None:
    _fill(_store(tmp_path / "views"), 0, 7)
    (tmp_path / "views" / "store.json").write_text(text)
    assert _store(tmp_path / "views").views == [-1, -1, -1]


@pytest.mark.parametrize("content", [b"", b"x" * 7])
def test_a_file_that_was_cut_short_is_dropped(content: bytes, tmp_path: Path) -> None:
    _fill(_store(tmp_path / "views"), 0, 7)
    (tmp_path / "views" / "tensor-0.f16").write_bytes(content)
    assert _store(tmp_path / "views").views == [-1, -1, -1]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="the folder cannot be made"):
        _store(tmp_path / "file" / "views")


def test_a_full_disk_is_known_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 100})
    monkeypatch.setattr(temporary.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match=r"needs [1-9].* for temporary files, 100 bytes are free"):
        _store(tmp_path / "views")
    with pytest.raises(OutputError, match=r"needs 400\.0 MB"):
        temporary_array((100, 10**6), np.float32, tmp_path)


def test_size_of_views() -> None:
    assert bytes_of_views(3, 5, SHAPES) == 3 * 5 * (6 + 4) * 2


def test_small_arrays_stay_in_memory_and_large_ones_go_to_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not isinstance(temporary_array((3, 4), np.float32, tmp_path), np.memmap)
    monkeypatch.setattr(temporary, "IN_MEMORY_BYTES", 100)
    array = temporary_array((30, 40), np.float32, tmp_path)
    assert isinstance(array, np.memmap)
    assert not list(tmp_path.iterdir())
    array[:] = 7
    release(array)
    assert (array == 7).all(), "released memory comes back from the file"


def test_memory_is_released_when_enough_was_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[Any] = []
    monkeypatch.setattr(temporary, "release", released.append)
    monkeypatch.setattr(temporary, "RELEASE_BYTES", 10)
    array = np.zeros(3)
    releaser = Releaser([array])
    releaser.touched(9)
    assert released == []
    releaser.touched(1)
    releaser.touched(9)
    assert len(released) == 1


def test_space_that_is_not_there_is_an_error_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(temporary.os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=r"cannot be kept there \(No space left"):
        _store(tmp_path / "views")
    monkeypatch.setattr(temporary, "IN_MEMORY_BYTES", 100)
    with pytest.raises(OutputError, match=r"cannot be made \(No space left"):
        temporary_array((30, 40), np.float32, tmp_path)


def test_a_file_system_that_reserves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(file: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(temporary.os, "posix_fallocate", unsupported, raising=False)
    store = _store(tmp_path / "views")
    _fill(store, 0, 7)
    assert (tmp_path / "views" / "tensor-0.f16").stat().st_size == 3 * 5 * 6 * 2
