"""Methods text, checklists and model card: facts and templates in, Markdown and CSV out.

A sentence stands in a template only where the facts bear it; what they cannot know is left to
the author in square brackets. Cautions are part of the texts, so that they go where these go.
"""

from __future__ import annotations

import re
import statistics
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope import wording
from actinscope.evaluation import RULE_WORDS, level_words
from actinscope.explain import MOST_IMAGES
from actinscope.files import write_csv, write_text_atomic
from actinscope.names import RunFile
from actinscope.report import Checklist, ChecklistItem
from actinscope.writeup import phrases
from actinscope.writeup.facts import Facts, ModelFacts

if TYPE_CHECKING:
    from jinja2 import Environment, Template

CARD_FILE = "MODEL_CARD.md"
_HERE = Path(__file__).parent
_COLUMNS = ("checklist", "item", "question", "answer", "source")


@dataclass(frozen=True)
class WriteUp:
    """What the report shows of it: paragraphs with headings, and both checklists."""

    methods: Mapping[str, str]
    checklists: tuple[Checklist, ...]


def write_writeup(facts: Facts, folder: Path) -> WriteUp:
    """Write ``methods.md`` and ``checklists.csv``, and the card into the bundle that is delivered.

    Readers of bundles take the files that they know by name and leave others alone.

    Raises:
        OutputError: a file cannot be written.
        BundleError: the bundle that was delivered cannot be read.
    """
    methods = methods_paragraphs(facts)
    done = WriteUp(methods, checklists(facts, methods))
    write_text_atomic(folder / "methods.md", methods_markdown(methods))
    rows = (
        [one.title, item.number, item.question, item.answer, item.source]
        for one in done.checklists
        for item in one.items
    )
    write_csv(folder / "checklists.csv", _COLUMNS, rows)
    run, model = folder, facts.models[0]
    if facts.folds is not None and facts.folds.refit is not None:
        run, model = folder / "refit", facts.folds.refit
    if facts.folds is None or facts.folds.refit is not None:
        write_text_atomic(run / RunFile.BUNDLE / CARD_FILE, model_card(facts, methods, model))
    return done


def methods_paragraphs(facts: Facts) -> dict[str, str]:
    """Heading -> text of each paragraph: cautions first, references last."""
    rendered = _environment().get_template("methods.j2").render(_names(facts))
    _, *found = re.split(r"^## (.+)$", rendered, flags=re.MULTILINE)
    texts = dict(zip(found[::2], map(_one_line, found[1::2]), strict=True))
    return {heading: text for heading, text in texts.items() if text}


def methods_markdown(paragraphs: Mapping[str, str]) -> str:
    """The same as a Markdown file."""
    blocks = (f"**{heading}.** {wording.escaped(text)}" for heading, text in paragraphs.items())
    return "# Methods\n\n" + "\n\n".join(blocks) + "\n"


def checklists(facts: Facts, methods: Mapping[str, str]) -> tuple[Checklist, ...]:
    """DOME and REFORMS, every item answered or left to the author by name."""
    names = _names(facts) | {"text": methods}
    shared = _environment().get_template("answers.j2").make_module(names)
    names |= {name: getattr(shared, name) for name in dir(shared) if not name.startswith("_")}
    return tuple(
        Checklist(
            title,
            content["citation"],
            tuple(_answered(number, item, names) for number, item in content["items"].items()),
        )
        for title, content in checklist_data().items()
    )


def _answered(number: str, item: Mapping[str, str], names: Mapping[str, Any]) -> ChecklistItem:
    answer = item.get("answer") or item["split" if names["split"] else "folds"]
    done = _environment().compile_expression(item.get("done", "true"))(names)
    text = _compiled(answer).render(names)
    source = item["source"] if done else "not done"
    return ChecklistItem(number, item["question"], _one_line(text), source)


@cache
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


@cache
def checklist_data() -> dict[str, Any]:
    """The items of ``checklists.toml``, by the title of their list."""
    return tomllib.loads((_HERE / "checklists.toml").read_text("utf-8"))


def model_card(facts: Facts, methods: Mapping[str, str], model: ModelFacts) -> str:
    """The card of the model to deliver as Markdown; what must be known before any number first."""
    names = _names(facts) | {"text": methods, "info": model.info, "model": model}
    rendered = _environment().get_template("card.j2").render(names)
    return _markdown(rendered)


def _markdown(rendered: str) -> str:
    """Lines joined to blocks, each after a blank line but within lists and tables."""
    blocks = [""]
    for line in rendered.splitlines():
        if not line.strip() or line[0] in "#>-|":
            blocks.append("")
        blocks[-1] = f"{blocks[-1]} {line.strip()}".strip()
        if line.startswith("#"):
            blocks.append("")
    text = before = ""
    for block in filter(None, blocks):
        gap = "\n" if before == block[0] in "-|" else "\n\n" if before else ""
        text += gap + block
        before = block[0]
    return f"{text}\n"


def _names(facts: Facts) -> dict[str, Any]:
    """What all templates know."""
    return {
        "facts": facts,
        "split": facts.split,
        "folds": facts.folds,
        "model": facts.models[0],
        "common": facts.common,
        "checks": facts.diagnostics,
    }


@cache
def _environment() -> Environment:
    """Templates of prose: nothing may be left undefined."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), undefined=StrictUndefined
    )
    environment.globals |= {
        name: getattr(wording, name)
        for name in ("counted", "listed", "percent", "percent_span", "span", "spoken")
    } | {
        "say": phrases,
        "level_words": level_words,
        "rule_words": RULE_WORDS,
        "most_images": MOST_IMAGES,
        "mean": statistics.fmean,
        "stdev": statistics.stdev,
    }
    environment.filters["md"] = lambda text: wording.escaped(_one_line(text))
    return environment


def _one_line(text: str) -> str:
    return " ".join(text.split())
