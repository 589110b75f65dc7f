"""Entry point of ``actinscope``: runs a command and turns errors into exit codes."""

from __future__ import annotations

import io
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from actinscope.cli.commands import COMMANDS, GROUPS, carry_out
from actinscope.cli.parser import Command, Parser, build_parser
from actinscope.errors import ActinscopeError

EXIT_UNEXPECTED = 1
EXIT_INTERRUPTED = 130


def command_line() -> Parser:
    """The parser of all commands."""
    return build_parser(COMMANDS, GROUPS)


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
        sys.stdout.flush()  # a reader that has gone must show here, not when Python ends
    except KeyboardInterrupt:
        output = options.get("output", Path(getattr(command.request, "output", "")))
        print(f"\nStopped.{command.kept(output)}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()
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


def _discard_output() -> None:
    """Send what is still to be printed nowhere: its reader (head, less) has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
