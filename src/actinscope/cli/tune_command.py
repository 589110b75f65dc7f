"""``actinscope tune``: its options, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actinscope.cli.options import (
    add_network,
    add_study,
    new_command,
    positive_number,
    whole_number,
)


def add_tune(commands: Any) -> None:
    """The options."""
    parser = new_command(
        commands,
        "tune",
        "search for better settings, judged on folds outside the test part",
        "Trial 0 is the recipe as it is. The test part is not used; give the best_recipe.toml that "
        "it writes to `train --recipe` for the one test figure.",
        module="tune_command",
    )
    add_study(parser)
    add_network(parser)
    parser.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE.toml",
        help="the recipe to start from, and all that is not searched",
    )
    parser.add_argument(
        "--epochs",
        type=positive_number,
        metavar="N",
        help="epochs of the base recipe, and of all where they are not searched",
    )
    parser.add_argument(
        "--space", type=Path, metavar="FILE.toml", help="what to search (default: --print-space)"
    )
    parser.add_argument(
        "--print-space", action=_PrintSpace, help="print the default space, to edit, and stop"
    )
    parser.add_argument(
        "--trials",
        type=positive_number,
        default=20,
        metavar="N",
        help="trials in the end, the base recipe included (default 20)",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="begin no trial after so many minutes, and stop a running one when its epoch ends",
    )
    parser.add_argument(
        "--folds",
        type=positive_number,
        default=3,
        metavar="K",
        help="folds of the images outside the test part that judge a trial; 1: the validation "
        "part alone, which is faster and noisier (default 3)",
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="N", help="seed of split, views, training and search"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on after the last finished trial of FOLDER"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    parser.set_defaults(interrupt_hint=_hint)


def tune(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from actinscope.cli.progress_bar import TerminalProgress
    from actinscope.cli.requests import print_results, recipe_of, report_problems, source_of
    from actinscope.workflows.tune import TuneRequest, tune_study

    request = TuneRequest(
        source=source_of(arguments),
        recipe=recipe_of(arguments),
        output=arguments.output,
        space=arguments.space,
        trials=arguments.trials,
        minutes=arguments.minutes,
        folds=arguments.folds,
        resume=arguments.resume,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = tune_study(request, progress)
    print(outcome.sentence)
    print_results(outcome.folder, "report.html", "trials.csv", "best_recipe.toml", "study.db")
    return report_problems(outcome.problems)


class _PrintSpace(argparse.Action):
    """Prints at once, as ``--version`` does: DATA and -o are not needed."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        from actinscope.training import default_space_text

        print(default_space_text(), end="")
        parser.exit()


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return minutes


def _hint(arguments: argparse.Namespace) -> str:
    if (arguments.output / "study.db").exists():
        return " What is finished is kept: the same command with --resume goes on."
    return " Nothing was written yet: start the same command again."
