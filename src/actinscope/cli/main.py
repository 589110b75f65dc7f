"""Entry point of ``actinscope``: runs a command and turns errors into exit codes."""

from __future__ import annotations

import io
import logging
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

from actinscope.cli.commands import COMMANDS, GROUPS, carry_out, discard_output
from actinscope.cli.parser import Command, Parser, build_parser
from actinscope.errors import ActinscopeError

EXIT_UNEXPECTED = 1
EXIT_INTERRUPTED = 130


def command_line() -> Parser:
    """The parser of all commands."""
    return build_parser(COMMANDS, GROUPS)


def run() -> int:
    """The program: :func:`main`, with a screen that shows its own lines alone.

    Libraries, many of them in C, write what they like to standard output and error. With --debug
    they may.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as with >&-
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    if "--debug" not in sys.argv:
        logging.disable()
        warnings.simplefilter("ignore")
        for name in ("stdout", "stderr"):
            _keep_to_us(name)
    return main()


def _keep_to_us(name: str) -> None:
    shared = getattr(sys, name)
    own = os.fdopen(
        os.dup(shared.fileno()),
        "w",
        buffering=1 if shared.line_buffering else -1,
        encoding=shared.encoding,
        errors=shared.errors,
    )
    discard_output(shared)
    setattr(sys, name, own)
    setattr(sys, f"__{name}__", own)  # is asked for the width of the screen


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0 when all went well).

    The codes are listed in :mod:`actinscope.errors` and in ``docs/command-line.md``.
    """
    _print_any_name()
    given = sys.argv[1:] if argv is None else list(argv)
    parser = command_line()
    if not given:
        parser.print_help(sys.stderr)
        return 2
    options = vars(parser.parse_args(given))
    command: Command = options.pop("command")
    try:
        code = carry_out(command, options, shlex.join(["actinscope", *given]))
    except KeyboardInterrupt:
        output = options.get("output", Path(getattr(command.request, "output", "")))
        print(f"\nStopped.{command.kept(output)}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        discard_output(sys.stdout)
        return 0
    except Exception as error:
        if "debug" in options:
            traceback.print_exc()
        message, code = _explain(error)
        print(f"actinscope: {message}", file=sys.stderr)
    return code


def _explain(error: Exception) -> tuple[str, int]:
    """What to tell the user about ``error``, and the exit code."""
    if isinstance(error, ActinscopeError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return (
            "out of memory. Close other programs; for training, set fewer views or a smaller "
            "batch_size or input_size in the recipe; for prediction, split large images.",
            EXIT_UNEXPECTED,
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror}. Check that files and folders may be read and written, "
            "and that the disk has space left.",
            EXIT_UNEXPECTED,
        )
    return (
        f"unexpected {type(error).__name__}: {error}. This is a fault of actinscope: run the "
        "command again with --debug and report what it prints.",
        EXIT_UNEXPECTED,
    )


def _print_any_name() -> None:
    """Let no name that the screen cannot show, Greek on a Western one, end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(run())
