"""``actinscope summarise``: from the predictions of cells to fields, wells, donors."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import add_levels, new_command

_PARTS = ("train", "validation", "test", "all")


def add_summarise(commands: Any) -> None:
    """The options of ``summarise``."""
    parser = new_command(
        commands,
        "summarise",
        "sum the predictions of single cells up to fields, wells or donors",
        "Takes a predictions.csv of predict, evaluate or train; one row a unit.",
        quick=True,
        module="summarise_command",
    )
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS.csv", help="the predictions of cells"
    )
    add_levels(parser, required=True)
    parser.add_argument(
        "--part",
        choices=_PARTS,
        metavar="train|validation|test|all",
        help="which part, where the CSV is of a run (default test: the model knows the others)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the CSV to write"
    )


def summarise(arguments: Namespace) -> int:
    """``actinscope summarise``."""
    from actinscope.cli.requests import level_settings_of
    from actinscope.workflows.summarise import SummariseRequest, summarise_predictions

    outcome = summarise_predictions(
        SummariseRequest(
            predictions=arguments.predictions,
            levels=level_settings_of(arguments),
            output=arguments.output,
            part=arguments.part,
        )
    )
    for line in outcome.lines:
        print(line)
    return 0
