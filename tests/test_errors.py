"""The tree of errors: what its docstring promises, and what users are shown."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from actinscope import errors
from actinscope.errors import ActinscopeError


def all_errors() -> list[type[ActinscopeError]]:
    found = [
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, ActinscopeError)
    ]
    return sorted(found, key=lambda error: error.__name__)


def documented() -> dict[str, tuple[str, int | None]]:
    """{name: (parent, exit code or None)} as the docstring draws the tree."""
    tree: dict[str, tuple[str, int | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:\|   |    )*)((?:\|-- |`-- )?)([A-Z]\w+)  ", line)
        if match is None:
            continue
        depth = len(match.group(1)) // 4 + bool(match.group(2))
        above = [*above[:depth], match.group(3)]
        code = re.search(r"exit code (\d+)", line)
        parent = above[depth - 1] if depth else "Exception"
        tree[match.group(3)] = (parent, int(code.group(1)) if code else None)
    return tree


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = documented()
    assert set(drawn) == {error.__name__ for error in all_errors()}
    for error in all_errors():
        assert drawn[error.__name__][0] == error.__bases__[0].__name__


@pytest.mark.parametrize("error", all_errors())
def test_exit_codes_are_those_of_the_docstring(error: type[ActinscopeError]) -> None:
    drawn = documented()
    name = error.__name__
    while drawn[name][1] is None:
        name = drawn[name][0]
    assert error.exit_code == drawn[name][1]


def test_the_sentence_names_place_fault_and_remedy() -> None:
    full = errors.ImageEmpty("the file is empty", where="a.tif", remedy="Copy it again")
    assert str(full) == "a.tif: the file is empty. Copy it again."
    assert str(errors.ImageEmpty("the file is empty")) == "the file is empty."


@pytest.mark.parametrize("error", all_errors())
def test_errors_cross_process_borders(error: type[ActinscopeError]) -> None:
    """Worker pools send errors as pickles; keyword arguments must not be lost."""
    first = error("broken", where="here", remedy="Mend it")
    second = pickle.loads(pickle.dumps(first))  # noqa: S301
    assert type(second) is error
    assert (second.what, second.where, second.remedy) == ("broken", "here", "Mend it")
    assert str(second) == str(first)
