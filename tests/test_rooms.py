"""The rules of the house: who may import whom, what is imported late, what is never done.

Each file is parsed once; a test collects all faults of the whole package before it fails.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import actinscope

PACKAGE = Path(actinscope.__file__).parent
#: In the order that data passes through them: a room imports only from rooms before it. The
#: module api is one, too.
ROOMS = (
    "images",
    "cells",
    "study",
    "preprocess",
    "runtimes",
    "networks",
    "training",
    "bundle",
    "predict",
    "evaluation",
    "runs",
    "audit",
    "explain",
    "report",
    "writeup",
    "phantoms",
    "workflows",
    "paper",
    "api",
    "cli",
)
#: Modules beside the rooms, and what they may import.
SHARED: dict[str, set[str]] = {
    "errors": set(),
    "wording": set(),
    "names": set(),
    "options": set(),
    "requests": {"names", "options", "images", "training"},
    "workbook": {"errors"},
    "tables": {"errors", "workbook"},
    "files": {"errors", "workbook"},
    "progress": {"wording"},
    "temporary": {"errors", "wording"},
}
#: Rooms without a face: one file a command, opened by name.
FACELESS = {"workflows", "paper", "cli"}
#: Where a package that is heavy, or that calls home, may be imported.
ONLY_IN = {
    "keras": ("networks/", "training/"),
    "tensorflow": ("networks/", "training/"),
    "tf2onnx": ("networks/",),
    "matplotlib": ("report/",),
    "jinja2": ("report/", "writeup/"),
    "openvino": ("runtimes/imports.py",),
    "onnxruntime": ("runtimes/imports.py",),
    "bioio": ("images/",),
    "xgboost": ("training/boosted_trees.py",),
    "tifffile": ("images/", "phantoms/", "paper/copies.py"),
    "rich": ("cli/",),
    "openpyxl": ("workbook.py",),
    "optuna": ("training/search.py",),
    "urllib": ("networks/download.py",),
    "http": ("networks/download.py",),
}
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "joblib", "socket", "requests"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "__import__"}
HEAVY = (
    "keras", "tensorflow", "matplotlib", "jinja2", "sklearn", "scipy", "openvino", "cv2", "optuna",
    "openpyxl",
)  # fmt: skip
LONGEST = 600

NAMES = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text("utf-8"), filename=name)


@cache
def nodes(name: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(name)))


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """What a file calls, as written, with the call."""
    for node in nodes(name):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imports(name: str) -> Iterator[tuple[str, str]]:
    """(module, name or "") of all imports of a file: late ones and those for types only, too."""
    for node in nodes(name):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{name}: write imports in full"
            yield from ((node.module, alias.name) for alias in node.names)


def room_of(name: str) -> str:
    return name.split("/", maxsplit=1)[0].removesuffix(".py")


def own_imports(name: str) -> Iterator[tuple[str, str]]:
    """(room or shared module, module below it or "") of actinscope that a file imports."""
    for module, _ in imports(name):
        package, _, rest = module.partition(".")
        if package == "actinscope" and rest:
            room, _, below = rest.partition(".")
            yield room, below


def test_all_rooms_are_known() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert folders | modules == {*ROOMS, *SHARED}


def test_a_room_imports_only_from_rooms_before_it() -> None:
    faults = []
    for name in NAMES:
        room = room_of(name)
        if room in {"__init__", "__main__"}:
            continue
        allowed = SHARED.get(room) if room in SHARED else None
        if allowed is None:
            allowed = {*ROOMS[: ROOMS.index(room) + 1], *SHARED}
        faults += [f"{name}: {other}" for other, _ in own_imports(name) if other not in allowed]
    assert not faults


def test_a_room_is_entered_through_its_face() -> None:
    faults = [
        f"{name}: actinscope.{room}.{below}"
        for name in NAMES
        for room, below in own_imports(name)
        if below and room != room_of(name) and room not in FACELESS
    ]
    assert not faults


def test_a_face_names_only_what_other_rooms_use() -> None:
    used = {
        (module.partition(".")[2], imported)
        for name in NAMES
        for module, imported in imports(name)
        if module.startswith("actinscope.") and room_of(name) != module.split(".")[1]
    }
    faults = [
        f"{room}: {imported}"
        for room in ROOMS
        if f"{room}/__init__.py" in NAMES
        for _, imported in imports(f"{room}/__init__.py")
        if imported != "annotations" and (room, imported) not in used
    ]
    assert not faults


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Imports of every kind, also late ones and those for types only: an order exists."""
    module_of = {
        "actinscope." + name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): name
        for name in NAMES
    }
    needs: dict[str, set[str]] = {}
    for module, name in module_of.items():
        found = {part for one, imported in imports(name) for part in (one, f"{one}.{imported}")}
        # A package's __init__ gathers the names of its own modules: that is no circle.
        needs[module] = {
            other for other in found & set(module_of) if not module.startswith(f"{other}.")
        } - {module}
    while needs:
        free = {module for module, others in needs.items() if not others & set(needs)}
        assert free, f"a circle among {sorted(needs)}"
        needs = {module: others for module, others in needs.items() if module not in free}


def test_frameworks_stay_in_their_rooms() -> None:
    faults = [
        f"{name}: {module}"
        for name in NAMES
        for module, _ in imports(name)
        if not name.startswith(ONLY_IN.get(module.split(".")[0], ("",)))
    ]
    assert not faults


def test_nothing_that_runs_foreign_code() -> None:
    faults = []
    for name in NAMES:
        loaded = {module.split(".")[0] for module, _ in imports(name)} & FORBIDDEN_IMPORTS
        faults += [f"{name}: imports {module}" for module in loaded]
        for called, call in calls(name):
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            unsafe = called in {"np.load", "numpy.load"} and given.get("allow_pickle") != "False"
            if called in FORBIDDEN_CALLS or "shell" in given or unsafe:
                faults.append(f"{name}:{call.lineno}: {called}")
    assert not faults


def test_only_the_command_line_prints() -> None:
    silent = [name for name in NAMES if not name.startswith("cli/")]
    loud = {"print", "sys.exit", "exit", "quit"}
    faults = [f"{name}: {called}" for name in silent for called, _ in calls(name) if called in loud]
    assert not faults


def test_no_error_is_swallowed_whole() -> None:
    faults = []
    for name in NAMES:
        for node in nodes(name):
            if not isinstance(node, ast.ExceptHandler):
                continue
            wide = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
            idle = [type(statement) for statement in node.body] == [ast.Pass]
            if node.type is None or (wide and idle):
                faults.append(f"{name}:{node.lineno}")
    assert not faults


def test_files_stay_short() -> None:
    lengths = {name: len((PACKAGE / name).read_text("utf-8").splitlines()) for name in NAMES}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after ``code``."""
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import actinscope.cli.main",
        "from actinscope.cli.main import command_line; command_line().format_help()",
        "import actinscope.api",
    ],
)
def test_help_loads_nothing_heavy(code: str) -> None:
    heavy = {*HEAVY, "numpy", "pydantic", "rich", "PIL", "tifffile", "onnxruntime"}
    assert not heavy & modules_after(code)


def test_predicting_and_auditing_load_no_framework() -> None:
    rooms = ("predict", "evaluation", "bundle", "runtimes", "study", "runs", "audit")
    assert not set(HEAVY) & modules_after(
        f"import {', '.join(f'actinscope.{one}' for one in rooms)}"
    )


def test_no_room_loads_a_training_framework_when_imported() -> None:
    """That there is no circle, also by late imports, shows that any order of imports will do."""
    every = ", ".join(f"actinscope.{room}" for room in ROOMS)
    assert not {"keras", "tensorflow", "matplotlib"} & modules_after(f"import {every}")
