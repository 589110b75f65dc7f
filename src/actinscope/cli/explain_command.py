"""``actinscope explain``: what a delivered model looks at in new images."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import add_precision, add_reading, new_command, positive_number

# As actinscope.workflows.explain_files.CHOICES, which is too heavy to import here.
_METHODS = ("auto", "activation", "occlusion", "both")


def add_explain(commands: Any) -> None:
    """The options of ``explain``."""
    parser = new_command(
        commands,
        "explain",
        "show where in new images a model finds evidence for its answers",
        "Writes gallery.html, a picture for each image and explanation.csv with the share of the "
        "evidence that lies inside the cell. Folders are searched for images. A broken image gets "
        "a row with its error.",
        module="explain_command",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder or .zip")
    parser.add_argument("images", type=Path, nargs="+", metavar="PATH", help="files or folders")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    parser.add_argument(
        "--method",
        choices=_METHODS,
        default=_METHODS[0],
        metavar="|".join(_METHODS),
        help="activation: class activation maps, of networks that have them; occlusion: cover one "
        "place after the other, for every network, 145 predictions an image; both; auto: "
        "activation where there is one (default)",
    )
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="PATH",
        help="label mask, or folder of masks named like the images: one row a cell, and evidence "
        "is counted inside the cell's mask",
    )
    parser.add_argument(
        "--crop-size", type=positive_number, metavar="PX", help="side of single-cell crops"
    )
    add_precision(parser)
    add_reading(parser)
    parser.set_defaults(interrupt_hint=_hint)


def _hint(arguments: Namespace) -> str:
    if (arguments.output / "maps").is_dir():
        return f" Only pictures were written: delete {arguments.output} and start again."
    return ""


def explain(arguments: Namespace) -> int:
    """``actinscope explain``."""
    from actinscope.bundle import read_bundle_info
    from actinscope.cli.progress_bar import TerminalProgress
    from actinscope.cli.requests import print_results, read_options_of, reading_of, report_problems
    from actinscope.workflows.explain_files import ExplainRequest, explain_files

    options = None
    if reading_of(arguments):
        options = read_options_of(arguments, read_bundle_info(arguments.bundle).read_options)
    request = ExplainRequest(
        bundle=arguments.bundle,
        paths=tuple(arguments.images),
        output=arguments.output,
        method=arguments.method,
        masks=arguments.masks,
        crop_size=arguments.crop_size,
        options=options,
        precision=arguments.precision,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = explain_files(request, progress)
    for note in outcome.notes:
        print(note, file=sys.stderr)
    print(f"{outcome.done} explained, {len(outcome.problems)} not. {outcome.sentence}")
    print_results(outcome.folder, "gallery.html", "explanation.csv", "maps")
    return report_problems(outcome.problems, "not explained")
