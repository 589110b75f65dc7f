"""``actinscope compare``: several trained runs on the same images."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import add_reading, new_command, positive_number, whole_number


def add_compare(commands: Any) -> None:
    """The options of ``compare``."""
    parser = new_command(
        commands,
        "compare",
        "tell which of several trained runs is better, and whether that may be chance",
        "Takes the test images that all runs have in common and none has learnt from, or with "
        "--data lets every bundle predict the images that you give. Writes report.html, tables "
        "and the images on which the runs disagree.",
        module="compare_command",
    )
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folders that `train` or `evaluate` wrote; with --data also bundles",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DATA",
        help="folder of images that the runs were trained on, for pictures in the report",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help="labelled images (one folder a class) that all bundles shall predict",
    )
    _add_source(parser)
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="seed of the intervals (default 0)",
    )
    add_reading(parser)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="CSV",
        help="with --data: CSV with path, label and other columns",
    )
    parser.add_argument(
        "--group",
        metavar="COLUMN",
        help="column that says which images belong together (field, slide, donor, ...), or none; "
        "unless given, the one that the runs were split by",
    )
    parser.add_argument(
        "--group-level",
        type=int,
        metavar="N",
        help="with --data: folder level below DATA that is the group",
    )
    parser.add_argument(
        "--group-pattern",
        metavar="PATTERN",
        help="with --data: regular expression or template for the file name that finds the group",
    )
    parser.add_argument(
        "--crop-size",
        type=positive_number,
        metavar="PX",
        help="with --data: side of single-cell crops",
    )


def compare(arguments: Namespace) -> int:
    """``actinscope compare``."""
    from actinscope.cli.progress_bar import TerminalProgress
    from actinscope.cli.requests import (
        print_results,
        read_options_of,
        reading_of,
        report_problems,
        source_of,
    )
    from actinscope.workflows.compare import CompareRequest, compare_runs

    _require_data(arguments)
    changed = reading_of(arguments)
    request = CompareRequest(
        runs=tuple(arguments.runs),
        output=arguments.output,
        source=None if arguments.data is None else source_of(arguments),
        images=arguments.images,
        group=arguments.group,
        options=read_options_of(arguments) if changed else None,
        seed=arguments.seed,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = compare_runs(request, progress)
    for line in outcome.lines:
        print(line)
    print_results(outcome.folder, *outcome.files)
    return report_problems(outcome.problems)


def _require_data(arguments: Namespace) -> None:
    """Refuse options that would do nothing.

    Raises:
        UsageError: so they would.
    """
    from actinscope.errors import UsageError

    if arguments.data is not None:
        if arguments.images is not None:
            raise UsageError(
                "--images and --data contradict each other",
                remedy="Leave out --images: pictures are made of the images of --data",
            )
        return
    names = ("manifest", "group_level", "group_pattern", "crop_size", "z", "time", "scene", "axes")
    for name in names:
        if getattr(arguments, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} does nothing without --data",
                remedy="Give the labelled images with --data, or leave it out",
            )
