"""``actinscope ensemble``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import new_command


def add_ensemble(commands: Any) -> None:
    """Add the command."""
    parser = new_command(
        commands,
        "ensemble",
        "make one bundle of several, which gives the mean of their probabilities",
        "The members keep their own scaling and input size; they must name the same classes.",
        quick=True,
        module="ensemble_command",
    )
    parser.add_argument(
        "members",
        type=Path,
        nargs="+",
        metavar="BUNDLE|RUN",
        help="bundle folders or .zip files, or folders of runs; two or more",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BUNDLE", help="folder for the bundle"
    )


def ensemble(arguments: Namespace) -> int:
    """``actinscope ensemble``."""
    from actinscope.workflows.ensemble import make_ensemble

    for line in make_ensemble(arguments.members, arguments.output).lines:
        print(line)
    return 0
