"""The reader of PyTorch's legacy files: right tensors, and nothing but tensors."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.errors import WeightsCorrupt, WeightsUnavailable
from actinscope.networks.torch_file import read_torch_state

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}


def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return pickle.dumps(value, protocol=2)[2:-1]


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(_number(value) for value in values) + b"t"


def _storage(key: str = "a", size: int = 6, kind: str = "torch\nFloatStorage") -> bytes:
    head = b"(" + _text("storage") + b"c" + kind.encode() + b"\n"
    return head + _text(key) + _text("cpu") + _number(size) + b"NtQ"


def _tensor(
    storage: bytes,
    shape: tuple[int, ...] = (2, 3),
    stride: tuple[int, ...] = (3, 1),
    offset: int = 0,
) -> bytes:
    hooks = b"ccollections\nOrderedDict\n)R"
    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _number(offset)
    return head + _numbers(shape) + _numbers(stride) + b"\x89" + hooks + b"tR"


def _state(items: dict[str, bytes]) -> bytes:
    body = b"".join(_text(name) + value for name, value in items.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + body + b"u."


def _file(state: bytes, storages: dict[str, Any] | None = None, system: Any = None) -> bytes:
    if storages is None:
        storages = {"a": np.arange(6, dtype="<f4")}
    head = [MAGIC, 1001, SYSTEM if system is None else system]
    content = b"".join(pickle.dumps(item, protocol=2) for item in head) + state
    content += pickle.dumps(sorted(storages), protocol=2)
    for key in sorted(storages):
        content += struct.pack("<q", len(storages[key])) + storages[key].tobytes()
    return content


def _read(tmp_path: Path, content: bytes) -> dict[str, Any]:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return read_torch_state(path)


GOOD = _file(_state({"w": _tensor(_storage())}))


def test_tensors_come_out_with_shape_stride_and_offset(tmp_path: Path) -> None:
    whole = _tensor(_storage())
    turned = _tensor(_storage(), shape=(3, 2), stride=(1, 3))
    part = _tensor(_storage(), shape=(2,), stride=(2,), offset=1)
    scalar = _tensor(_storage("b", 1, "torch\nLongStorage"), shape=(), stride=())
    content = _file(
        _state({"whole": whole, "turned": turned, "part": part, "scalar": scalar}),
        {"a": np.arange(6, dtype="<f4"), "b": np.array([7], dtype="<i8")},
    )
    read = _read(tmp_path, content)
    assert read["whole"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert read["part"].tolist() == [1, 3]
    assert read["scalar"].shape == () and read["scalar"] == 7
    assert read["whole"].dtype == np.float32 and read["scalar"].dtype == np.int64


class _Command:
    """Runs a command when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return (os.system, (f"touch {self.marker}",))


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("position", range(5))
def test_a_command_in_any_part_is_refused_and_not_run(
    tmp_path: Path, protocol: int, position: int
) -> None:
    marker = tmp_path / "executed"
    bad = pickle.dumps({"w": _Command(marker)}, protocol=protocol)
    parts = [pickle.dumps(item, protocol=2) for item in (MAGIC, 1001, SYSTEM)]
    parts += [_state({"w": _tensor(_storage())}), pickle.dumps(["a"], protocol=2)]
    parts[position] = bad
    with pytest.raises(WeightsCorrupt, match="which no plain weights file needs"):
        _read(tmp_path, b"".join(parts))
    assert not marker.exists()
    pickle.loads(pickle.dumps(_Command(marker)))  # noqa: S301  the file would have done it
    assert marker.exists()


@pytest.mark.parametrize(
    "value",
    [
        b"cbuiltins\ngetattr\n(cbuiltins\nobject\n" + _text("__class__") + b"tR",
        b"cbuiltins\neval\n(" + _text("1") + b"tR",
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n)R",
        b"ccollections\nOrderedDict.fromkeys\n)R",
        b"ctorch\nFloatStorage\n(J\xff\xff\xff\x7ftR",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"(cos\nsystem\n" + _text("true") + b"o",
        b"(" + _text("true") + b"ios\nsystem\n",
        b"\x82\x01",
    ],
    ids=[
        "getattr",
        "eval",
        "nested attribute",
        "class method",
        "storage called",
        "no arguments",
        "OBJ",
        "INST",
        "extension",
    ],
)
def test_foreign_callables_are_refused(tmp_path: Path, value: bytes) -> None:
    with pytest.raises(WeightsCorrupt, match=r"in an unknown way|no plain weights file needs"):
        _read(tmp_path, _file(_state({"w": value})))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (_tensor(_storage(), offset=1), "beyond its storage"),
        (_tensor(_storage(), stride=(4, 1)), "beyond its storage"),
        (_tensor(_storage(), offset=-1), "negative"),
        (_tensor(_storage(), stride=(-3, 1)), "negative"),
        (_tensor(_storage(), shape=(-2, 3)), "negative"),
        (_tensor(_storage(), shape=(10**6, 10**6), stride=(0, 0)), "larger than its storage"),
        (_tensor(_storage(), shape=(2**62, 2**62), stride=(0, 0)), "larger than its storage"),
        (_tensor(_storage(), shape=(6,), stride=(1, 1)), "axes"),
        (_tensor(_storage(), shape=(1,) * 9, stride=(1,) * 9), "axes"),
        (_tensor(_storage(size=5), shape=(5,), stride=(1,)), "6 elements instead of 5"),
        (_tensor(_storage(size=10**12)), "6 elements instead of 1000000000000"),
        (_tensor(_storage(size=-1)), "impossible size"),
        (_tensor(_storage(key="b")), "does not fit the tensors"),
        (_tensor(_storage(kind="torch\nDoubleStorage")), "cut short"),
        (_tensor(_number(3)), "in an unknown way"),
        (_number(3), "not a dictionary of plain tensors"),
    ],
)
def test_impossible_tensors_are_refused(tmp_path: Path, tensor: bytes, message: str) -> None:
    with pytest.raises(WeightsCorrupt, match=message):
        _read(tmp_path, _file(_state({"w": tensor})))


def test_a_storage_declared_in_two_ways_is_refused(tmp_path: Path) -> None:
    other = _tensor(_storage(kind="torch\nIntStorage"))
    with pytest.raises(WeightsCorrupt, match="declared in two ways"):
        _read(tmp_path, _file(_state({"v": _tensor(_storage()), "w": other})))


def test_a_storage_that_promises_terabytes_allocates_nothing(tmp_path: Path) -> None:
    state = _state({"w": _tensor(_storage(size=2**40), shape=(2**40,), stride=(1,))})
    content = _file(state, {"a": np.arange(0, dtype="<f4")})
    content = content[:-8] + struct.pack("<q", 2**40)
    with pytest.raises(WeightsCorrupt, match="cut short"):
        _read(tmp_path, content)


def test_tuples_nested_without_end_are_refused_at_once(tmp_path: Path) -> None:
    # Every level doubles the work of hashing: 2**60 steps, were it ever hashed.
    doubled = b"".join(b"q\x00h\x00\x86" for _ in range(60))
    state = b"\x80\x02}(" + _text("w") + doubled + b"K\x01u."
    with pytest.raises(WeightsCorrupt, match="key is not text"):
        _read(tmp_path, _file(state))


@pytest.mark.parametrize("length", range(0, len(GOOD), 7))
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(WeightsCorrupt, match=r"weights\.pth: is no usable PyTorch weights file"):
        _read(tmp_path, GOOD[:length])


def test_bytes_behind_the_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match="bytes after the last tensor"):
        _read(tmp_path, GOOD + b"x")


def test_big_endian_files_are_refused(tmp_path: Path) -> None:
    content = _file(_state({"w": _tensor(_storage())}), system={"little_endian": False})
    with pytest.raises(WeightsCorrupt, match="little-endian"):
        _read(tmp_path, content)


def test_the_newer_zip_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match="zip format"):
        _read(tmp_path, b"PK\x03\x04" + bytes(50))


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="cannot be read"):
        read_torch_state(tmp_path / "none.pth")


@settings(max_examples=300)
@given(position=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_a_changed_byte_gives_an_error_or_tensors(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    content = bytearray(GOOD)
    content[position] = value
    try:
        read = _read(tmp_path_factory.getbasetemp(), bytes(content))
    except WeightsCorrupt:
        return
    assert all(isinstance(tensor, np.ndarray) for tensor in read.values())


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_wild_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    start = io.BytesIO()
    for item in (MAGIC, 1001, SYSTEM):
        start.write(pickle.dumps(item, protocol=2))
    with pytest.raises(WeightsCorrupt):
        _read(tmp_path_factory.getbasetemp(), start.getvalue() + content)
