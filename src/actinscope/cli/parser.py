"""The parser, made from the request classes and the table of commands. Imports nothing heavy."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from actinscope import __version__
from actinscope.options import Option, OptionGroup, positive

_EPILOG = """\
A first try, on synthetic cells:    actinscope demo
Your images, one folder a class:    actinscope train IMAGES -o runs/first
New images:                         actinscope predict runs/first NEW -o predictions.csv

Exit codes: 0 all well, 1 unexpected fault, 2 bad option or recipe, 3 bad image, manifest or
split (a batch that met bad images ends with 3 after writing everything else), 4 weights,
5 training, 6 bundle, 7 output cannot be written, 130 interrupted.
"""
_EXAMPLE = "Example: "
NOTHING_KEPT = " Nothing was written: start the same command again."


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: ``train``, or with its group ``bundle verify``.
        request: the class that its options fill.
        work: ``module:function``, called with the request and a progress, gives the outcome.
        show: prints the outcome and returns the exit code.
        summary: one line for the list of commands.
        details: what the help says further.
        example: a command line without ``actinscope``.
        kept: given the folder for the results, what to do after an interruption.
        quick: there is no progress that could be silenced.
    """

    name: str
    request: type
    work: str
    show: Callable[[Any], int]
    summary: str
    details: str
    example: str
    kept: Callable[[Path], str] = lambda output: NOTHING_KEPT
    quick: bool = False


@dataclass(frozen=True)
class Slot:
    """A field of a request: its type without None, and what fills it.

    Where that is None, the type is itself a class of such fields.
    """

    name: str
    kind: Any
    filled: Option | OptionGroup | None
    default: Any

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is MISSING


def slots_of(request: type) -> Iterator[Slot]:
    """The fields that the command line fills: those with options, and classes of such fields."""
    for one in fields(request):
        kind: Any = one.type
        filled = None
        if get_origin(kind) is Annotated:
            filled = kind.__metadata__[0]
            kind = get_args(kind)[0]
        if get_origin(kind) in (Union, UnionType):
            kind = next(part for part in get_args(kind) if part is not type(None))
        if filled is not None or is_dataclass(kind):
            yield Slot(one.name, kind, filled, one.default)


def value_name(option: Option, name: str = "") -> str:
    """Under which name a parsed value is found; ``name`` is that of a field without flags."""
    return option.flags.split()[-1].strip("-").replace("-", "_") if option.flags else name


def options_of(request: type) -> list[tuple[Option, Slot]]:
    """All options of a request, with the field that each of them fills, alone or with others."""
    found: dict[str, tuple[Option, Slot]] = {}
    for slot in slots_of(request):
        for option, within in _options_of_slot(slot):
            name = value_name(option, within.name)
            # What a class says itself goes before what a class in it says of the same option.
            if name not in found or within is slot:
                found[name] = option, within
    return list(found.values())


def _options_of_slot(slot: Slot) -> Iterator[tuple[Option, Slot]]:
    option = slot.filled
    if isinstance(option, OptionGroup):
        yield from ((one, replace(slot, kind=str, default=None)) for one in option.options)
    elif option is None:
        yield from options_of(slot.kind)
    else:
        yield option, slot


def build_parser(commands: Sequence[Command], groups: Mapping[str, str]) -> Parser:
    """The parser; what it parses holds ``command``, the :class:`Command`, and what was given.

    Args:
        commands: in the order of the help.
        groups: name -> summary of the groups that commands belong to.
    """
    parser = Parser(
        prog="actinscope",
        description="Train, honestly evaluate and apply classifiers for cells in "
        "fluorescence microscopy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"actinscope {__version__}")
    first = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    nested: dict[str, Any] = {"": first}
    for command in commands:
        group, _, name = command.name.rpartition(" ")
        if group not in nested:
            holder = first.add_parser(
                group, help=groups[group], description=_sentence(groups[group]), allow_abbrev=False
            )
            nested[group] = holder.add_subparsers(
                title="commands", metavar="COMMAND", required=True
            )
        _add_command(nested[group], name, command)
    return parser


def _add_command(commands: Any, name: str, command: Command) -> None:
    parser: Parser = commands.add_parser(
        name,
        help=command.summary,
        description=f"{_sentence(command.summary)} {command.details}".strip(),
        epilog=f"{_EXAMPLE}actinscope {command.example}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command)
    sections: dict[str, Any] = {"": parser}
    for option, slot in options_of(command.request):
        if option.section not in sections:
            sections[option.section] = parser.add_argument_group(option.section)
        _add_option(sections[option.section], option, slot)
    switch: dict[str, Any] = {"action": "store_true", "default": argparse.SUPPRESS}
    parser.add_argument(
        "--debug",
        help="show epochs, lines of libraries, and where an error was raised",
        **switch,
    )
    if not command.quick:
        parser.add_argument("--quiet", help="print no progress", **switch)


class _Formatter(argparse.HelpFormatter):
    """Leaves the example in one line, to be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_EXAMPLE) else super()._fill_text(text, width, indent)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _add_option(parser: Any, option: Option, slot: Slot) -> None:
    default = slot.default if option.default is None else option.default
    # What was not given is left out, so that the defaults of the classes hold.
    given = argparse.SUPPRESS if option.default is None else option.default
    about: dict[str, Any] = {"help": _help(option, default), "default": given}
    if option.flags:
        about["dest"] = value_name(option)
        about["required"] = slot.required
    if slot.kind is bool:
        parser.add_argument(*option.flags.split(), action="store_true", **about)
        return
    kind = slot.kind
    if get_origin(kind) is tuple:
        about["nargs"] = "+"
        kind = get_args(kind)[0]
    elif not option.flags and not slot.required:
        about["nargs"] = "?"
    if get_origin(kind) is Literal:
        about["choices"] = get_args(kind)
        about["metavar"] = "|".join(get_args(kind))
    else:
        about["type"] = _parsing(option.parse or (positive if kind is int else kind))
        about["metavar"] = option.metavar
    if option.many:
        about["action"] = "append"
    parser.add_argument(*(option.flags.split() or [slot.name]), **about)


def _help(option: Option, default: Any) -> str:
    words = f"with {option.needs}: {option.help}" if option.needs else option.help
    if default is None or default is MISSING or isinstance(default, bool) or default == ():
        return words
    shown = " ".join(default) if isinstance(default, tuple) else default
    return f"{words} (default: {shown})"


def _parsing(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """``parse`` with its own words in the message."""
    if isinstance(parse, type):
        return parse

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


class Parser(argparse.ArgumentParser):
    """Suggests the command or option that a mistyped one may have meant."""

    def parse_known_args(  # type: ignore[override]  # as argparse calls it
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Look for mistyped words first: argparse would name what is missing before them."""
        commands = self._commands()
        for word in args or ():
            if word == "--":
                break
            if commands and not word.startswith("-"):
                if word not in commands:
                    self._refuse("command", word, commands)
                break  # the rest is for that command
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in self._option_string_actions:
                self._refuse("option", flag, self._option_string_actions)
        return super().parse_known_args(args, namespace)

    def _commands(self) -> Sequence[str]:
        """Of this parser, or of the group of commands."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return tuple(action.choices)
        return ()

    def _refuse(self, what: str, word: str, known: Sequence[str] | Mapping[str, Any]) -> NoReturn:
        near = difflib.get_close_matches(word, list(known), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"See '{self.prog} --help'."
        self.error(f"there is no {what} {word!r}. {hint}")
