"""Write the generated parts of docs/command-line.md and docs/recipes.md.

Run it after an option, an error or a setting has changed: ``python docs/generate_command_line.py``.
A test fails while the pages are stale. The text around the marked parts is written by hand.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from actinscope import errors
from actinscope.cli.main import command_line
from actinscope.files import write_text_atomic
from actinscope.networks import REGISTRY, NetworkEntry
from actinscope.networks.weight_sources import PackageFile
from actinscope.training import Recipe

DOCS = Path(__file__).resolve().parent
PAGES = ("command-line.md", "recipes.md")


def main() -> int:
    """Bring every page up to date."""
    for name in PAGES:
        page = DOCS / name
        write_text_atomic(page, up_to_date(page.read_text("utf-8")))
    return 0


def up_to_date(page: str) -> str:
    """``page`` with every part between ``<!-- begin X -->`` and ``<!-- end X -->`` made anew."""
    parts = {
        "commands": commands,
        "exit codes": exit_codes,
        "settings": settings,
        "networks": networks,
    }

    def made(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- begin {name} -->\n\n{parts[name]()}\n\n<!-- end {name} -->"

    return re.sub(r"<!-- begin ([a-z ]+) -->.*?<!-- end \1 -->", made, page, flags=re.DOTALL)


def commands() -> str:
    """One section a command: synopsis, what it does, its options."""
    return "\n\n".join(_command(name, parser) for name, parser in command_parsers().items())


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command, by its name."""
    return dict(_within(command_line()))


def _within(parser: argparse.ArgumentParser, group: str = "") -> Iterator[tuple[str, Any]]:
    """The commands of a parser, and those of the groups in it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                within = list(_within(command, f"{name} "))
                yield from within or [(f"{group}{name}", command)]


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    actions = sorted((a for a in parser._actions if a.dest != "help"), key=_rank)
    rows = [f"| {_cell(_written(action))} | {_text(action.help)} |" for action in actions]
    return "\n".join(
        [
            f"## {name}",
            "",
            f"`{_synopsis(name, actions)}`",
            "",
            *textwrap.wrap(_text(parser.description), 100),
            "",
            f"`{(parser.epilog or '').partition(': ')[2]}`",
            "",
            "| | |",
            "|---|---|",
            *rows,
        ]
    )


def _rank(action: argparse.Action) -> int:
    """What must be given first, what every command has last."""
    if action.dest in {"debug", "quiet"}:
        return 3
    return 0 if not action.option_strings else 1 if action.required else 2


def _synopsis(name: str, actions: list[argparse.Action]) -> str:
    given = [_positional(action) for action in actions if not action.option_strings]
    needed = [
        f"{action.option_strings[0]} {action.metavar}"
        for action in actions
        if action.option_strings and action.required
    ]
    words = ["actinscope", name, *given, *needed]
    if any(action.option_strings and not action.required for action in actions):
        words.append("[options]")
    return " ".join(words)


def _positional(action: argparse.Action) -> str:
    word = str(action.metavar or action.dest)
    return {"?": f"[{word}]", "+": f"{word} ..."}.get(str(action.nargs), word)


def _written(action: argparse.Action) -> str:
    if not action.option_strings:
        return _positional(action)
    value = "" if action.nargs == 0 else f" {action.metavar}"
    return ", ".join(action.option_strings) + value


def exit_codes() -> str:
    """The table of exit codes, from the tree of errors."""
    meanings = {0: "all went well", 1: "an unexpected fault; run again with `--debug`"}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.ActinscopeError):
            summary = (kind.__doc__ or "").splitlines()[0].rstrip(".")
            if kind.__bases__ == (errors.ActinscopeError,):
                told = meanings.get(kind.exit_code)
                meanings[kind.exit_code] = f"{told}; or: {_low(summary)}" if told else _low(summary)
    meanings[130] = "interrupted with Ctrl-C"
    rows = [f"| {code} | {meanings[code]} |" for code in sorted(meanings)]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def settings() -> str:
    """One table for each section of a recipe."""
    schema = Recipe.model_json_schema()
    sections: list[str] = []
    plain: list[str] = []
    for name, field in Recipe.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            sections.append(_section(name, kind, schema["$defs"][kind.__name__]["properties"]))
        else:
            plain.append(_setting(name, schema["properties"][name], _TOP[name]))
    return "\n\n".join(["\n".join([*_HEAD, *plain]), *sections])


_HEAD = ("| setting | default | may be | meaning |", "|---|---|---|---|")
_TOP = {
    "name": "what the report calls the recipe; the name of the file unless given",
    "seed": "of split, views, first weights and order of the images",
    "audit": "look for copies, confounds and bad images while reading; see [audit](audit.md)",
    "controls": "try simpler models on the same test images after training",
    "explanation": "show after training what the network looks at, and similar images",
    "figures": "write the drawings of the report as SVG and PNG files, too",
}


def _section(name: str, model: type[BaseModel], properties: dict[str, Any]) -> str:
    meanings = meanings_of(model)
    summary = _text((model.__doc__ or "").split("\n\n")[0])
    rows = [
        _setting(key, properties[key], meanings.get(key, f"share of the {key} part"))
        for key in model.model_fields
    ]
    return "\n".join([f"### [{name}]", "", summary, "", *_HEAD, *rows])


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of ``model`` says of each of its attributes."""
    text = textwrap.dedent((model.__doc__ or "").partition("Attributes:\n")[2])
    text = re.split(r"\n\s*Raises:", text)[0]
    found: dict[str, str] = {}
    for piece in re.split(r"^ *(?=\w+: )", text, flags=re.MULTILINE):
        key, colon, meaning = piece.partition(": ")
        if colon and key in model.model_fields:
            found[key] = " ".join(meaning.split()).rstrip(".")
    return found


def _setting(key: str, schema: dict[str, Any], meaning: str) -> str:
    default = schema.get("default")
    shown = "not set" if default is None else f"`{_toml(default)}`"
    meaning = re.sub(r"\bNone\b", "not set", meaning)
    return f"| `{key}` | {shown} | {', '.join(_choices(schema))} | {_text(meaning)} |"


def _choices(schema: dict[str, Any]) -> Iterator[str]:
    for option in schema.get("anyOf", [schema]):
        if "enum" in option:
            yield from (f'`"{value}"`' for value in option["enum"])
        elif "const" in option:
            yield f'`"{option["const"]}"`'
        elif option["type"] != "null":
            yield _TYPES[option["type"]] + _limits(option)


_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
}


def _limits(option: dict[str, Any]) -> str:
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
    }
    found = [f"{word} {_number(option[key])}" for key, word in words.items() if key in option]
    return f" {' '.join(found)}" if found else ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def networks() -> str:
    """One row for each network that can be trained."""
    rows = [
        f"| `{entry.name}` | {entry.input.size} | {entry.layer_count} | {entry.frozen_layers} "
        f"| {', '.join(map(str, entry.head.units)) or 'pooled'} "
        f"| {'yes' if entry.has_class_maps else 'no'} | {_weights(entry)} | {entry.licence} |"
        for entry in REGISTRY.values()
    ]
    columns = "name | input | layers | frozen | head | maps | ImageNet weights | licence"
    head = [f"| {columns} |", "|---" * 8 + "|"]
    return "\n".join([*head, *rows])


def _weights(entry: NetworkEntry) -> str:
    if entry.weights is None:
        return "none: trained from scratch"
    if isinstance(entry.weights, PackageFile):
        return f"installed with `{entry.weights.distribution}`"
    return "download" if entry.weights.digest else "a file that you name"


def _toml(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else (
        f'"{value}"' if isinstance(value, str) else f"{value}"
    )  # fmt: skip


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _text(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split()).replace("|", "\\|")


def _low(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


if __name__ == "__main__":
    raise SystemExit(main())
