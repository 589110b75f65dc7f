"""Checkpoint files: exact, or refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.errors import OutputError, ResumeError
from actinscope.networks import keras_backend
from actinscope.training.checkpoint import load_checkpoint, read_state, save_checkpoint

STATE = {"epoch": 3, "history": [{"loss": 0.1 + 0.2, "note": "µm"}]}


def _arrays() -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, 3)).astype(np.float32), np.array(7), rng.normal(size=4)]


def _variables(arrays: list[np.ndarray[Any, Any]] | None = None) -> list[Any]:
    keras = keras_backend()
    values = _arrays() if arrays is None else arrays
    return [keras.Variable(v, dtype=str(v.dtype), trainable=False) for v in values]


def _zeros() -> list[Any]:
    return _variables([np.zeros_like(array) for array in _arrays()])


def _values(variables: list[Any]) -> list[np.ndarray[Any, Any]]:
    return [np.array(variable.numpy()) for variable in variables]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "last.npz"
    save_checkpoint(path, _variables(), STATE)
    return path


def test_what_was_saved_comes_back_to_the_last_bit(saved: Path) -> None:
    variables = _zeros()
    assert load_checkpoint(saved, variables) == STATE
    assert read_state(saved) == STATE
    for value, array in zip(_values(variables), _arrays(), strict=True):
        np.testing.assert_array_equal(value, array)


def test_more_than_ten_variables_keep_their_order(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.npz", _variables([np.float32([i]) for i in range(120)]), {})
    variables = _variables([np.zeros(1, np.float32)] * 120)
    load_checkpoint(tmp_path / "c.npz", variables)
    assert [int(value[0]) for value in _values(variables)] == list(range(120))


def test_failed_save_leaves_the_one_before(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_checkpoint(saved, _variables(), {"x": object()})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["last.npz"]
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(saved.parent / "absent" / "last.npz", _variables(), STATE)


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _text(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a readable checkpoint"),
        (b"nonsense", "is not a readable checkpoint"),
        (b"PK\x03\x04 nonsense", "is not a readable checkpoint"),
        (_npy(np.zeros(3)), "is not a readable checkpoint"),
        (_npz(a=np.zeros(3)), "is not a readable checkpoint"),
        (_npz(state=np.zeros(3)), "is not a readable checkpoint"),
        (_npz(state=_text("{")), "is not a readable checkpoint"),
        (_npz(state=np.uint8([0xFF])), "is not a readable checkpoint"),
        (_npz(state=_text("[1]")), "holds no training state"),
        (_npz(state=_text("{}")), "belongs to another network"),
        (_npz(state=_text("{}"), v0=np.zeros((2, 3))), "belongs to another network"),
    ],
)
def test_foreign_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(content)
    with pytest.raises(ResumeError, match=rf"last\.npz: {message}.*without --resume"):
        load_checkpoint(path, _zeros())


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="is not a readable checkpoint"):
        load_checkpoint(tmp_path / "absent.npz", _zeros())


def test_other_shapes_and_types_are_refused_before_anything_changes(saved: Path) -> None:
    for wrong in (
        [np.zeros((2, 3), np.float32), np.array(0), np.zeros(5)],
        [np.zeros((2, 3), np.float32), np.array(0), np.zeros(4, np.float32)],
        [np.zeros((2, 3), np.float32), np.array(0)],
    ):
        variables = _variables(wrong)
        with pytest.raises(ResumeError, match="belongs to another network or recipe"):
            load_checkpoint(saved, variables)
        assert not any(value.any() for value in _values(variables))


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("name", ["state", "v00000"])
def test_pickle_is_never_opened(name: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"state": _text("{}")}
    arrays[name] = np.array([_Trap(tmp_path / "sprung")], dtype=object)
    path = tmp_path / "last.npz"
    path.write_bytes(_npz(**arrays))
    with pytest.raises(ResumeError, match="allow_pickle=False"):
        load_checkpoint(path, _zeros())
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=150)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(0, 255))
def test_cut_short_or_altered_it_is_refused_or_unharmed(
    place: float, change: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "altered.npz"
    save_checkpoint(path, _variables(), STATE)
    content = bytearray(path.read_bytes())
    index = int(place * len(content))
    if change:
        content[index] ^= change
    else:
        del content[index:]
    path.write_bytes(bytes(content))
    variables = _zeros()
    try:
        state = load_checkpoint(path, variables)
    except ResumeError:
        assert not any(value.any() for value in _values(variables))
        return
    assert state == STATE  # the change hit a date or another field that nothing depends on
    for value, array in zip(_values(variables), _arrays(), strict=True):
        np.testing.assert_array_equal(value, array)
