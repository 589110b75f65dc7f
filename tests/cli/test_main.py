"""The entry point: help, exit codes, what is shown when something goes wrong."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actinscope import __version__, errors
from actinscope.cli.commands import COMMANDS
from actinscope.cli.main import command_line, main
from actinscope.cli.parser import Command

#: Those that a person meets first stand alone, the others in groups.
FIRST = ("demo", "scan", "audit", "train", "evaluate", "predict", "explain", "compare", "paper")
GROUPED = {
    "bundle": ("verify", "quantize", "join"),
    "recipe": ("show", "networks", "tune", "space"),
    "cells": ("patches", "summarise"),
}
NAMES = (*FIRST, *(f"{group} {name}" for group, names in GROUPED.items() for name in names))

Stub = Callable[[BaseException], None]


def choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands and groups of a parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("there are no commands")


def parser_of(name: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = command_line()
    for word in name.split():
        parser = choices(parser)[word]
    return parser


@pytest.fixture
def command_that_raises(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Replaces the work of every command."""

    def install(error: BaseException) -> None:
        def carry_out(*_: object) -> int:
            raise error

        monkeypatch.setattr("actinscope.cli.main.carry_out", carry_out)

    return install


def test_all_commands_are_known() -> None:
    assert tuple(choices(command_line())) == (*FIRST, *GROUPED)
    for group, names in GROUPED.items():
        assert tuple(choices(parser_of(group))) == names
    assert tuple(command.name for command in COMMANDS) == NAMES


@pytest.mark.parametrize("command", NAMES)
def test_help_of_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    assert f"usage: actinscope {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", NAMES)
def test_every_option_says_what_it_is(command: str) -> None:
    parser = parser_of(command)
    assert parser.description
    assert ".." not in parser.description
    for action in parser._actions:
        assert action.help, f"{command} {action.dest} has no help"
        assert action.help != argparse.SUPPRESS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_help_ends_with_an_example_that_can_be_parsed(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command.name.split(), "--help"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Example: actinscope {command.example}"
    given = command_line().parse_args(shlex.split(command.example))
    assert given.command is command


def test_help_of_the_program_names_commands_and_exit_codes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for command in (*FIRST, *GROUPED):
        assert f"\n    {command} " in text or f"\n    {command}\n" in text
    listed = " ".join(text.split()).partition("Exit codes:")[2]
    for code in {kind.exit_code for kind in error_classes()} | {0, 130}:
        assert f" {code} " in listed


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "A first try" in shown.err
    assert shown.out == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"actinscope {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", "x", "-o", "y", "--seed", "-1"], "--seed: '-1' is no whole number from 0 on"),
        (["scan", "x", "-o", "y", "--crop-size", "0"], "--crop-size: '0' is no whole number from"),
        (["train", "x", "-o", "y", "--epochs", "0"], "--epochs: '0' is no whole number from 1 on"),
        (["train", "x", "-o", "y", "--z", "best"], "'best' is neither max, mean, sum, middle nor"),
        (["train", "x", "-o", "y", "--time", "1.5"], "--time: '1.5' is no whole number"),
        (["predict", "b", "x"], "the following arguments are required: -o/--output"),
        (["predict", "b", "x", "-o", "y", "--batch-size", "none"], "--batch-size: 'none'"),
        (["preddict"], "there is no command 'preddict'. Did you mean 'predict'?"),
        (["bundle", "verfy", "b"], "there is no command 'verfy'. Did you mean 'verify'?"),
        (["xyz"], "there is no command 'xyz'. See 'actinscope --help'."),
        (["train", "x", "--ouput", "y"], "no option '--ouput'. Did you mean '--output'?"),
        (["train", "x", "-o", "y", "--fold=3"], "no option '--fold'. Did you mean '--folds'?"),
        (["predict", "b", "x", "-o", "y", "--precision", "int4"], "invalid choice: 'int4'"),
    ],
)
def test_bad_options_are_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def error_classes() -> list[type[errors.ActinscopeError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ActinscopeError)
    ]


@pytest.mark.parametrize("kind", error_classes())
def test_every_error_becomes_its_exit_code_and_one_line(
    kind: type[errors.ActinscopeError],
    command_that_raises: Stub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command_that_raises(kind("broken", where="here", remedy="Mend it"))
    assert main(["recipe", "show"]) == kind.exit_code
    shown = capsys.readouterr()
    assert shown.err == "actinscope: here: broken. Mend it.\n"
    assert shown.out == ""


def test_debug_shows_where_an_error_was_raised(
    command_that_raises: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(errors.StudyError("broken"))
    assert main(["recipe", "show", "--debug"]) == 3
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert shown.endswith("actinscope: broken.\n")


def test_an_unexpected_error_asks_for_a_report(
    command_that_raises: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(ZeroDivisionError("division by zero"))
    assert main(["recipe", "show"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("actinscope: unexpected ZeroDivisionError: division by zero.")
    assert "--debug" in shown
    assert "Traceback" not in shown
    assert main(["recipe", "show", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_failing_disk_is_not_called_a_fault_of_the_program(
    command_that_raises: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(OSError(28, "No space left on device", "/tmp/x"))
    assert main(["recipe", "show"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("actinscope: /tmp/x: No space left on device.")
    assert "fault" not in shown


def test_out_of_memory_says_what_to_make_smaller(
    command_that_raises: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(MemoryError())
    assert main(["recipe", "show"]) == 1
    assert "split large images" in capsys.readouterr().err


def test_interrupted_with_nothing_to_go_on_with(
    command_that_raises: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(KeyboardInterrupt())
    assert main(["recipe", "show"]) == 130
    assert capsys.readouterr().err == (
        "\nStopped. Nothing was written: start the same command again.\n"
    )


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ((), "Nothing was written: start the same command again"),
        (("recipe.toml", "crossvalidation.json"), "The finished folds and epochs are kept"),
        (("recipe.toml",), "No epoch was finished: the same command with --resume starts over"),
        (("recipe.toml", "checkpoint/last.npz"), "The finished epochs are kept"),
    ],
)
def test_an_interrupted_training_says_how_to_go_on(
    files: tuple[str, ...],
    hint: str,
    command_that_raises: Stub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    for name in files:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    command_that_raises(KeyboardInterrupt())
    assert main(["train", "images", "-o", str(run)]) == 130
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["predict", "b", "x", "-o", "y.csv"], "The same command goes on where it was cut off"),
        (["demo"], "Delete demo and start the same command again"),
    ],
)
def test_interrupted_work_says_how_to_go_on(
    command: list[str], words: str, command_that_raises: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command_that_raises(KeyboardInterrupt())
    assert main(command) == 130
    assert words in capsys.readouterr().err


def test_the_command_line_is_kept_for_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("actinscope.cli.main.carry_out", lambda *given: seen.append(given[2]) or 0)
    assert main(["recipe", "show", "my recipe.toml"]) == 0
    assert seen == ["actinscope recipe show 'my recipe.toml'"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As in ``actinscope recipe show | head -1``: no message, no broken pipe at exit."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "actinscope.cli.main", "recipe", "show"],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
def test_names_that_the_screen_cannot_show_are_escaped(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def carry_out(*_: object) -> int:
        print("β-actin 细胞")
        raise errors.UsageError("no Δ", where="ω.csv")

    screens = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr("actinscope.cli.main.carry_out", carry_out)
    monkeypatch.setattr("sys.stdout", screens[0])
    monkeypatch.setattr("sys.stderr", screens[1])
    assert main(["recipe", "space"]) == 2
    screens[0].flush()
    screens[1].flush()
    out, err = (screen.buffer.getvalue().decode(encoding) for screen in screens)  # type: ignore[attr-defined]
    assert out.endswith("-actin \\u7ec6\\u80de\n")
    assert "csv: no" in err
