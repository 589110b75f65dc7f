"""Reading tensors from PyTorch's legacy file format without torch and without pickle.

A legacy file is four small pickles (magic number, protocol, system information, the
object), a fifth with the list of storage keys, and then for every key the number of
elements (int64) and the raw elements. The pickles are walked here opcode by opcode, and only
the few opcodes and the few callables that a dictionary of tensors needs are known;
nothing named in a file is ever imported or called.
"""

from __future__ import annotations

import io
import math
import pickletools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import WeightsCorrupt, WeightsUnavailable

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAX_BYTES = 1 << 30
_MAX_AXES = 8
_ORDERED_DICT = "collections OrderedDict"
_REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
_STORAGES = {
    "torch DoubleStorage": "<f8",
    "torch FloatStorage": "<f4",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "i1",
    "torch ByteStorage": "u1",
    "torch BoolStorage": "?",
}


@dataclass(frozen=True)
class _Name:
    """A module and name that the file asks for; never looked up."""

    text: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _BrokenError(Exception):
    """What is wrong with the file; becomes WeightsCorrupt with its name."""


def read_torch_state(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors of a state dict saved in PyTorch's legacy format, by name.

    Raises:
        WeightsUnavailable: the file cannot be opened.
        WeightsCorrupt: it is not such a file, is cut short, contradicts itself, or asks
            for anything beyond a dictionary of plain tensors.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsCorrupt("is larger than 1 GiB, too large for these weights", where=path)
        content = path.read_bytes()
    except OSError as error:
        raise WeightsUnavailable(f"cannot be read ({error.strerror})", where=path) from error
    try:
        return _read(content)
    except _BrokenError as error:
        raise WeightsCorrupt(
            f"is no usable PyTorch weights file in the legacy format: {error}",
            where=path,
            remedy="Get the file again from its source",
        ) from error


def _read(content: bytes) -> dict[str, NDArray[Any]]:
    if content[:4] == b"PK\x03\x04":
        raise _BrokenError("it is in PyTorch's zip format")
    stream = io.BytesIO(content)
    if _interpret(stream) != _MAGIC:
        raise _BrokenError("the magic number is missing")
    if _interpret(stream) != _PROTOCOL:
        raise _BrokenError("unknown protocol version")
    system = _interpret(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _BrokenError("not written in little-endian order")
    state = _interpret(stream)
    keys = _interpret(stream)
    if not isinstance(state, dict) or not all(type(key) is str for key in state):
        raise _BrokenError("not a dictionary of tensors")
    tensors = {key: value for key, value in state.items() if isinstance(value, _Tensor)}
    if len(tensors) != len(state):
        raise _BrokenError("not a dictionary of plain tensors")
    storages = _read_storages(content, stream.tell(), keys=keys, tensors=tensors)
    return {
        key: _strided(tensor, storages[tensor.storage.key], key) for key, tensor in tensors.items()
    }


def _read_storages(
    content: bytes, start: int, *, keys: Any, tensors: dict[str, _Tensor]
) -> dict[str, NDArray[Any]]:
    wanted: dict[str, _Storage] = {}
    for tensor in tensors.values():
        known = wanted.setdefault(tensor.storage.key, tensor.storage)
        if known != tensor.storage:
            raise _BrokenError("one storage is declared in two ways")
    if not isinstance(keys, list) or not all(type(key) is str for key in keys):
        raise _BrokenError("the list of storages is broken")
    if len(keys) != len(set(keys)) or set(keys) != set(wanted):
        raise _BrokenError("the list of storages does not fit the tensors")
    found = {}
    for storage in map(wanted.__getitem__, keys):
        size = int.from_bytes(content[start : start + 8], "little", signed=True)
        if size != storage.size:
            raise _BrokenError(f"a storage has {size} elements instead of {storage.size}")
        start += 8
        end = start + size * np.dtype(storage.dtype).itemsize
        if end > len(content):
            raise _BrokenError("the file is cut short")
        found[storage.key] = np.frombuffer(content[start:end], dtype=storage.dtype)
        start = end
    if start != len(content):
        raise _BrokenError("there are bytes after the last tensor")
    return found


def _strided(tensor: _Tensor, storage: NDArray[Any], name: str) -> NDArray[Any]:
    if len(tensor.shape) != len(tensor.stride) or len(tensor.shape) > _MAX_AXES:
        raise _BrokenError(f"the axes of {name!r} are broken")
    if min((tensor.offset, *tensor.shape, *tensor.stride)) < 0:
        raise _BrokenError(f"the tensor {name!r} has a negative size or stride")
    # An expanded tensor (stride 0) could ask for far more memory than the file holds.
    if math.prod(tensor.shape) > storage.size:
        raise _BrokenError(f"the tensor {name!r} is larger than its storage")
    steps = zip(tensor.shape, tensor.stride, strict=True)
    last = tensor.offset + sum((side - 1) * step for side, step in steps)
    if 0 in tensor.shape:
        return np.empty(tensor.shape, storage.dtype)
    if last >= storage.size:
        raise _BrokenError(f"the tensor {name!r} reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :],
        shape=tensor.shape,
        strides=[step * storage.itemsize for step in tensor.stride],
        writeable=False,
    )
    return view.copy()


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[str, Any]]:
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            yield opcode.name, argument
    except (ValueError, OverflowError, UnicodeError, MemoryError) as error:
        raise _BrokenError(f"its index cannot be read ({error})") from error


def _interpret(stream: io.BytesIO) -> Any:
    machine = _Machine()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in a damaged file's strings
        # One by one, so that a hostile file is read no further than its first forbidden step.
        for name, argument in _opcodes(stream):
            if name == "STOP":
                return machine.pop()
            machine.step(name, argument)
    raise _BrokenError("its index has no end")


_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"}
_FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """A pickle machine that knows data, OrderedDict, tensors and storages; nothing else."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        self._top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        for position in range(len(self.stack) - 1, -1, -1):
            if self.stack[position] is _MARK:
                items = self.stack[position + 1 :]
                del self.stack[position:]
                return items
        raise _BrokenError("its index is inconsistent")

    def step(self, name: str, argument: Any) -> None:  # noqa: PLR0912  one branch per opcode
        push = self.stack.append
        if name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _VALUES:
            push(argument)
        elif name == "MARK":
            push(_MARK)
        elif name == "GLOBAL":
            push(_known_name(argument))
        elif name == "EMPTY_DICT":
            push({})
        elif name == "EMPTY_LIST":
            push([])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self._top()
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise _BrokenError("its index is inconsistent")
            push(self.memo[argument])
        elif name == "TUPLE":
            push(tuple(self.pop_to_mark()))
        elif name in _FIXED_TUPLES:
            push(tuple(reversed([self.pop() for _ in range(_FIXED_TUPLES[name])])))
        elif name in ("SETITEM", "SETITEMS"):
            self._set_items(name)
        elif name in ("APPEND", "APPENDS"):
            items = [self.pop()] if name == "APPEND" else self.pop_to_mark()
            if not isinstance(self._top(), list):
                raise _BrokenError("its index is inconsistent")
            self._top().extend(items)
        elif name == "BINPERSID":
            push(_storage(self.pop()))
        elif name == "REDUCE":
            arguments = self.pop()
            push(_reduced(self.pop(), arguments))
        elif name == "BUILD":
            # The only state a dictionary of tensors carries is its metadata: not needed.
            self.pop()
            if not isinstance(self._top(), dict):
                raise _BrokenError("it sets the state of something that is no dictionary")
        elif name != "PROTO":
            raise _BrokenError(f"it uses {name}, which no plain weights file needs")

    def _top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise _BrokenError("its index is inconsistent")
        return self.stack[-1]

    def _set_items(self, name: str) -> None:
        if name == "SETITEM":
            value = self.pop()
            items = [self.pop(), value]
        else:
            items = self.pop_to_mark()
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            raise _BrokenError("its index is inconsistent")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Only text: hashing nested tuples can be made to take for ever.
            if type(key) is not str:
                raise _BrokenError("a dictionary key is not text")
            target[key] = value


def _known_name(argument: str) -> _Name:
    if argument in (_ORDERED_DICT, _REBUILD_TENSOR) or argument in _STORAGES:
        return _Name(argument)
    raise _BrokenError(f"it asks for {argument!r}, which no plain weights file needs")


def _reduced(function: Any, arguments: Any) -> Any:
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise _BrokenError("it calls something that is no function")
    if function.text == _ORDERED_DICT and len(arguments) == 0:
        return {}
    if function.text == _REBUILD_TENSOR and len(arguments) in (6, 7):
        storage, offset, shape, stride = arguments[:4]
        if isinstance(storage, _Storage) and _is_count(offset):
            return _Tensor(storage, offset, _sizes(shape), _sizes(stride))
    raise _BrokenError(f"it calls {function.text!r} in an unknown way")


def _storage(identity: Any) -> _Storage:
    # ("storage", storage class, key, device, number of elements, view: None)
    if isinstance(identity, tuple) and len(identity) in (5, 6):
        kind, storage, key, _, size = identity[:5]
        view = identity[5] if len(identity) == 6 else None
        right = isinstance(kind, str) and kind == "storage" and isinstance(key, str)
        if right and isinstance(storage, _Name) and storage.text in _STORAGES and view is None:
            if not _is_count(size) or size < 0:
                raise _BrokenError("a storage has an impossible size")
            return _Storage(key, _STORAGES[storage.text], size)
    raise _BrokenError("a storage is described in an unknown way")


def _is_count(value: Any) -> bool:
    return type(value) is int


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(_is_count(side) for side in value):
        raise _BrokenError("a tensor has an impossible shape")
    return value
