"""The documentation: complete, not stale, and its commands work."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

import actinscope
from actinscope import errors
from actinscope.cli.main import command_line, main
from actinscope.images.kinds import IMAGE_SUFFIXES
from actinscope.networks import REGISTRY
from actinscope.study import RESERVED_COLUMNS
from actinscope.training import Recipe, load_recipe
from helpers.bundles import grey_image
from helpers.compared_runs import toy_images, write_run

ROOT = Path(actinscope.__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ALL_PAGES = [page for page in (ROOT / "README.md", *PAGES) if page.exists()]

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="installed without its documentation")

_BLOCK = re.compile(r"(<!-- run -->\n)?```console\n(.*?)```", re.DOTALL)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate_command_line.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands_of(page: Path, *, runnable: bool) -> list[list[str]]:
    """Arguments of every ``$ actinscope`` line of the page's console blocks."""
    found = []
    for marked, block in _BLOCK.findall(page.read_text("utf-8")):
        if runnable and not marked:
            continue
        lines = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        words = [shlex.split(line.partition(" > ")[0]) for line in lines]
        found += [line[1:] for line in words if line[0] == "actinscope"]
    return found


def page_id(page: Path) -> str:
    return page.name


def test_all_pages_are_there() -> None:
    assert {page.name for page in PAGES} >= {
        "command-line.md",
        "api.md",
        "recipes.md",
        "images.md",
        "studies.md",
        "results.md",
        "compare.md",
        "explanation.md",
        "privacy-and-offline.md",
        "probabilities.md",
    }


@pytest.mark.parametrize("name", ["command-line.md", "recipes.md"])
def test_generated_pages_are_not_stale(name: str) -> None:
    page = (DOCS / name).read_text("utf-8")
    assert generator().up_to_date(page) == page, "run: python docs/generate_command_line.py"


def test_every_command_and_option_is_documented() -> None:
    page = (DOCS / "command-line.md").read_text("utf-8")
    parsers: dict[str, argparse.ArgumentParser] = generator().command_parsers()
    for name, parser in parsers.items():
        _, found, rest = page.partition(f"\n## {name}\n")
        assert found, f"{name} has no section"
        section = rest.partition("\n## ")[0]
        for action in parser._actions:
            for option in action.option_strings:
                assert option in {"-h", "--help"} or f"{option}" in section, f"{name} {option}"


def test_every_exit_code_is_documented() -> None:
    table = (DOCS / "command-line.md").read_text("utf-8").partition("## Exit codes")[2]
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ActinscopeError)
    }
    assert codes | {0, 130} == {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}


def settings_of(model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_of(kind, name)
        else:
            yield section, name


@pytest.mark.parametrize(("section", "name"), list(settings_of(Recipe)))
def test_every_setting_is_documented(section: str, name: str) -> None:
    page = (DOCS / "recipes.md").read_text("utf-8")
    if section:
        page = page.partition(f"### [{section}]")[2].partition("\n### ")[0]
    else:
        page = page.partition("## All settings")[2].partition("\n### ")[0]
    (row,) = re.findall(rf"^\| `{name}` \|.*\|$", page, re.M)
    setting, default, choices, meaning = (cell.strip() for cell in row.strip("|").rsplit("|", 3))
    assert default and choices and len(meaning) > 5, setting


def test_settings_take_their_meaning_from_the_models() -> None:
    """No attribute is documented that does not exist, and none but the split's is missing."""
    module = generator()
    for section, field in Recipe.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and section != "split":
            assert set(module.meanings_of(kind)) == set(kind.model_fields), section


def test_every_network_is_documented() -> None:
    page = (DOCS / "recipes.md").read_text("utf-8")
    assert set(REGISTRY) == set(re.findall(r"^\| `([a-z0-9-]+)` \| \d+ \|", page, re.M))


def test_the_columns_of_a_manifest_are_documented() -> None:
    page = (DOCS / "studies.md").read_text("utf-8")
    assert set(RESERVED_COLUMNS) <= set(re.findall(r"`(\w+)`", page.partition("## The CSV")[2]))


def test_the_formats_are_documented() -> None:
    page = (DOCS / "images.md").read_text("utf-8")
    for suffix in IMAGE_SUFFIXES - {".btf", ".tf8", ".stk", ".dib", ".jpg", ".tif"}:
        assert suffix.removeprefix(".").upper() in page.upper(), suffix


def test_the_example_recipe_is_valid(tmp_path: Path) -> None:
    page = (DOCS / "recipes.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    recipe = load_recipe(tmp_path / "mine.toml")
    assert recipe.training.epochs == tomllib.loads(text)["training"]["epochs"]


@pytest.mark.parametrize("page", ALL_PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", ALL_PAGES, ids=page_id)
def test_every_command_shown_can_be_parsed(page: Path) -> None:
    for arguments in commands_of(page, runnable=False):
        command_line().parse_args(arguments)


def write_images(folder: Path, names: list[str]) -> None:
    import tifffile

    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, grey_image(number).pixels[0])


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the runnable commands of the documentation name."""
    names = [
        f"{label}/plate{plate}/xy{field:02d}_{plate}.tif"
        for label in ("knockout", "wild_type")
        for plate in (1, 2, 3)
        for field in (1, 2, 3)
    ]
    write_images(tmp_path / "images", names)
    write_images(tmp_path / "new_images", ["a.tif", "b.tif", "c.tif"])
    labelled = [f"{number}.tif" for number in range(12)]
    write_images(tmp_path / "labelled", labelled)
    classes = ("bundled", "flat", "round")
    rows = [f"{name},{classes[n % 3]},s{n // 2}" for n, name in enumerate(labelled)]
    (tmp_path / "labelled" / "study.csv").write_text("\n".join(["path,label,slide", *rows]))
    for number, name in enumerate(("first", "second", "third")):
        write_run(tmp_path / "runs" / name, toy_images(wrong=[8, 9 + number]), seed=number)
    monkeypatch.chdir(tmp_path)
    return tmp_path


RUNNABLE = [page for page in ALL_PAGES if DOCS.is_dir() and commands_of(page, runnable=True)]


@pytest.mark.parametrize("page", RUNNABLE, ids=page_id)
def test_the_commands_marked_to_be_run_work(page: Path, workplace: Path) -> None:
    for arguments in commands_of(page, runnable=True):
        assert main(arguments) == 0, shlex.join(arguments)


def test_the_picture_of_the_rooms_is_not_stale() -> None:
    spec = importlib.util.spec_from_file_location("draw_rooms", DOCS / "draw_rooms.py")
    assert spec is not None and spec.loader is not None
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    assert drawing.TARGET.read_text("utf-8") == drawing.draw(), "run: python docs/draw_rooms.py"
    folders = {path.parent.name for path in Path(actinscope.__file__).parent.glob("*/__init__.py")}
    assert set(drawing.rooms()) == folders | {"api"}
    below = {name: place for place, name in enumerate(drawing.rooms())}
    for way in (drawing.TRAIN, drawing.PREDICT):
        assert [name for name, _ in way] == sorted((name for name, _ in way), key=below.__getitem__)


def test_every_complaint_names_a_test_that_is_there() -> None:
    rows = re.findall(
        r"`([\w/]+\.py)::(\w+)` \|$", (DOCS / "complaints.md").read_text("utf-8"), re.M
    )
    assert len(rows) == 30
    tests = Path(__file__).parent
    for name, function in rows:
        assert f"\ndef {function}(" in (tests / name).read_text("utf-8"), function
