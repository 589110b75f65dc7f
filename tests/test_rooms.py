"""The rules of the house: who may import whom, what is imported late, what is never done."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import actinscope

PACKAGE = Path(actinscope.__file__).parent
ROOMS = (
    "images",
    "study",
    "preprocess",
    "runtimes",
    "networks",
    "training",
    "bundle",
    "predict",
    "evidence",
    "report",
    "phantoms",
    "experiment",
    "paper",
    "cli",
)
#: Modules beside the rooms, and what they may import.
SHARED = {"errors": set(), "files": {"errors"}, "progress": {"errors"}, "wording": set()}
#: Where a package that is heavy, or that calls home, may be imported.
ONLY_IN = {
    "keras": ("networks/", "training/"),
    "tensorflow": ("networks/", "training/"),
    "tf2onnx": ("networks/",),
    "matplotlib": ("report/",),
    "jinja2": ("report/",),
    "openvino": ("runtimes/imports.py",),
    "onnxruntime": ("runtimes/imports.py",),
    "bioio": ("images/",),
    "xgboost": ("training/boosted_trees.py",),
    "tifffile": ("images/", "phantoms/", "paper/copies.py"),
    "rich": ("cli/",),
    "optuna": ("training/search.py",),
    "umap": ("explain/embedding_map.py",),
    "urllib": ("networks/download.py",),
    "http": ("networks/download.py",),
}
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "joblib", "socket", "requests"}
HEAVY = (
    "keras", "tensorflow", "matplotlib", "jinja2", "sklearn", "scipy", "openvino", "cv2", "optuna",
)  # fmt: skip
LONGEST = 450

FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]


def parsed(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text("utf-8"), filename=name)


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Full names of all modules that are imported anywhere in ``tree``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            assert node.module is not None
            yield node.module


def own_rooms(tree: ast.AST) -> set[str]:
    """Rooms and shared modules of actinscope that ``tree`` imports."""
    modules = [name.split(".") for name in imported_modules(tree)]
    return {parts[1] for parts in modules if parts[0] == "actinscope" and len(parts) > 1}


def test_all_rooms_are_known() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert folders == set(ROOMS)
    assert modules == set(SHARED)


@pytest.mark.parametrize("name", NAMES)
def test_a_room_imports_only_from_rooms_before_it(name: str) -> None:
    room = name.split("/", maxsplit=1)[0].removesuffix(".py")
    if room in {"__init__", "__main__"}:
        return
    if room in SHARED:
        assert own_rooms(parsed(name)) <= SHARED[room]
        return
    allowed = {*ROOMS[: ROOMS.index(room) + 1], *SHARED}
    assert own_rooms(parsed(name)) <= allowed


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Imports at the top of modules, whole package: an order exists."""
    module_of = {
        "actinscope." + name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): name
        for name in NAMES
    }
    needs: dict[str, set[str]] = {}
    for module, name in module_of.items():
        body = [node for node in parsed(name).body if isinstance(node, ast.Import | ast.ImportFrom)]
        found: set[str] = set()
        for node in body:
            found |= set(imported_modules(node))
            if isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        # A package's __init__ gathers the names of its own modules: that is no circle.
        needs[module] = {
            other for other in found & set(module_of) if not module.startswith(f"{other}.")
        } - {module}
    while needs:
        free = {module for module, others in needs.items() if not others & set(needs)}
        assert free, f"a circle among {sorted(needs)}"
        needs = {module: others for module, others in needs.items() if module not in free}


@pytest.mark.parametrize("name", NAMES)
def test_frameworks_stay_in_their_rooms(name: str) -> None:
    for module in imported_modules(parsed(name)):
        places = ONLY_IN.get(module.split(".")[0])
        assert places is None or name.startswith(places), f"{name} imports {module}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_runs_foreign_code(name: str) -> None:
    tree = parsed(name)
    imported = {module.split(".")[0] for module in imported_modules(tree)}
    assert not imported & FORBIDDEN_IMPORTS
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in {"eval", "exec", "compile", "os.system", "os.popen", "__import__"}
        assert all(keyword.arg != "shell" for keyword in node.keywords), "no shell"
        if called in {"np.load", "numpy.load"}:
            told = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert told.get("allow_pickle") == "False", f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("cli/")])
def test_only_the_command_line_prints(name: str) -> None:
    calls = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
    assert "print" not in {ast.unparse(call.func) for call in calls}
    assert not {"sys.exit", "exit", "quit"} & {ast.unparse(call.func) for call in calls}


@pytest.mark.parametrize("name", NAMES)
def test_no_error_is_swallowed_whole(name: str) -> None:
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{name}:{node.lineno}: bare except"
            body = [type(statement) for statement in node.body]
            wide = ast.unparse(node.type) in {"Exception", "BaseException"}
            assert not (wide and body == [ast.Pass]), f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", NAMES)
def test_files_stay_short(name: str) -> None:
    assert len((PACKAGE / name).read_text("utf-8").splitlines()) <= LONGEST


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
        "from actinscope.cli.arguments import build_parser; build_parser().format_help()",
    ],
)
def test_help_loads_nothing_heavy(code: str) -> None:
    heavy = {*HEAVY, "numpy", "pydantic", "rich", "PIL", "tifffile", "onnxruntime"}
    assert not heavy & modules_after(code)


@pytest.mark.parametrize(
    "room", ["predict", "evidence", "bundle", "runtimes", "study", "experiment.scan"]
)
def test_importing_a_room_loads_no_framework(room: str) -> None:
    assert not set(HEAVY) & modules_after(f"import actinscope.{room}")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_can_be_imported_first(room: str) -> None:
    """No hidden order of imports, and none of them loads a framework."""
    assert not {"keras", "tensorflow", "matplotlib"} & modules_after(f"import actinscope.{room}")
