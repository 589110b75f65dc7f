"""The options of every command. Imports nothing heavy, so that ``--help`` is at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from actinscope import __version__

Command = Callable[[argparse.Namespace], int]

# As actinscope.bundle.PRECISIONS, which is too heavy to import here.
_PRECISIONS = ("float32", "int8")
_PROJECTIONS = ("max", "mean", "sum", "middle")

_EPILOG = """\
A first try, on synthetic cells:    actinscope demo
Your images, one folder a class:    actinscope train IMAGES -o runs/first
New images:                         actinscope predict runs/first/bundle NEW -o predictions.csv

Exit codes: 0 all well, 1 unexpected fault, 2 bad option or recipe, 3 bad image, manifest or
split (a batch that met bad images ends with 3 after writing everything else), 4 weights,
5 training, 6 bundle, 7 output cannot be written, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser; ``parse_args`` sets ``run``, the function that carries the command out."""
    parser = argparse.ArgumentParser(
        prog="actinscope",
        description="Train, honestly evaluate and apply classifiers for cells in "
        "fluorescence microscopy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"actinscope {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_scan, _train, _evaluate, _predict, _verify, _quantize, _demo, _recipe):
        add(commands)
    return parser


def _command(
    commands: Any, name: str, summary: str, description: str = "", *, quick: bool = False
) -> argparse.ArgumentParser:
    """A command; ``quick`` ones have no progress that could be silenced."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {description}".strip()
    )
    parser.set_defaults(run=_late(name), interrupt_hint=_no_hint)
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    if not quick:
        parser.add_argument("--quiet", action="store_true", help="print no progress")
    return parser


def _late(name: str) -> Command:
    def run(arguments: argparse.Namespace) -> int:
        commands = import_module("actinscope.cli.commands")
        return int(getattr(commands, name)(arguments))

    return run


def _no_hint(arguments: argparse.Namespace) -> str:
    return ""


def _resume_hint(arguments: argparse.Namespace) -> str:
    """What is left of an interrupted training."""
    if (arguments.output / "checkpoint" / "last.npz").exists():
        return " The finished epochs are kept: the same command with --resume goes on."
    if (arguments.output / "recipe.toml").exists():
        return " No epoch was finished: the same command with --resume starts over."
    return " Nothing was written yet: start the same command again."


def _again_hint(arguments: argparse.Namespace) -> str:
    return " The same command goes on where it was cut off."


def _whole(text: str) -> int:
    """A whole number from 0."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    """A whole number from 1."""
    if not text.strip().isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _z_planes(text: str) -> str | int:
    if text in _PROJECTIONS:
        return text
    if text.strip().isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither {', '.join(_PROJECTIONS)} nor the number of a plane, from 0 on"
    )


def _scan(commands: Any) -> None:
    parser = _command(
        commands,
        "scan",
        "list images with label and group in a CSV to look at and edit",
        "The label is the name of the first folder level; give `train --manifest` the edited CSV.",
    )
    _add_study(parser)
    parser.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="seed of the split (default 0)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the CSV to write"
    )


def _train(commands: Any) -> None:
    parser = _command(
        commands,
        "train",
        "train a network, test it on images it never saw, write a report and a bundle",
        "DATA holds one folder of images a class.",
    )
    _add_study(parser)
    parser.add_argument(
        "--network", metavar="NAME", help="efficientnetv2-b0, efficientnet-lite0, ... or auto"
    )
    parser.add_argument(
        "--weights", metavar="imagenet|none|FILE", help="pretrained weights (default imagenet)"
    )
    parser.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE.toml",
        help="default, paper, or a TOML file with your settings",
    )
    parser.add_argument("--epochs", type=_positive, metavar="N", help="epochs at most")
    parser.add_argument(
        "--seed", type=_whole, metavar="N", help="seed of split, views and training"
    )
    parser.add_argument("--resume", action="store_true", help="go on after the last epoch of RUN")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RUN", help="folder for the results"
    )
    parser.set_defaults(interrupt_hint=_resume_hint)


def _evaluate(commands: Any) -> None:
    parser = _command(
        commands,
        "evaluate",
        "test a bundle on labelled images that it has never seen",
        "Writes predictions.csv, metrics.json and report.html.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder or .zip")
    _add_study(parser)
    parser.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="seed of the intervals (default 0)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    _add_precision(parser)


def _predict(commands: Any) -> None:
    parser = _command(
        commands,
        "predict",
        "name the class of new images, with every probability, in a CSV",
        "Folders are searched for images. A broken image gets a row with its error.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder or .zip")
    parser.add_argument("images", type=Path, nargs="+", metavar="PATH", help="files or folders")
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="PATH",
        help="label mask, or folder of masks named like the images: one row a cell",
    )
    parser.add_argument(
        "--objects", type=Path, metavar="CSV", help="cell centres, e.g. from CellProfiler"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="CSV whose columns are added to the rows"
    )
    parser.add_argument(
        "--crop-size", type=_positive, metavar="PX", help="side of single-cell crops"
    )
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=32,
        metavar="N",
        help="rows written at a time (default 32)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the CSV to write"
    )
    _add_precision(parser)
    _add_reading(parser)
    parser.set_defaults(interrupt_hint=_again_hint)


def _verify(commands: Any) -> None:
    parser = _command(
        commands,
        "verify",
        "prove that a bundle still gives the outputs stored with it",
        "Replays the golden images of the bundle through scaling and network.",
        quick=True,
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder or .zip")


def _quantize(commands: Any) -> None:
    parser = _command(
        commands,
        "quantize",
        "give the bundle of a run a faster 8-bit network, with the accuracy that it costs",
        "Ranges are taken from training images; the accuracy is measured on the validation and "
        "test images and stored with the network. Where it falls too far nothing is stored.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="folder of images that the run was trained on"
    )
    parser.add_argument(
        "--images",
        type=_positive,
        default=200,
        metavar="N",
        help="training images to take the ranges from (default 200)",
    )
    parser.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="seed of their choice (default 0)"
    )
    parser.add_argument(
        "--force", action="store_true", help="store it with a warning where it costs too much"
    )


def _demo(commands: Any) -> None:
    parser = _command(
        commands,
        "demo",
        "draw synthetic actin cells and run the whole job on them",
        "Takes a few minutes; the images are synthetic and prove nothing about real cells.",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("demo"),
        metavar="FOLDER",
        help="folder for images and results (default demo)",
    )
    parser.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="seed of everything (default 0)"
    )
    parser.add_argument(
        "--difficulty",
        type=float,
        default=0.5,
        metavar="D",
        help="0 clearly different cells to 1 no difference (default 0.5)",
    )
    parser.set_defaults(interrupt_hint=_again_hint)


def _recipe(commands: Any) -> None:
    parser = _command(
        commands,
        "recipe",
        "print all settings of a recipe as TOML, to edit and give to `train --recipe`",
        quick=True,
    )
    parser.add_argument(
        "name",
        nargs="?",
        default="default",
        metavar="NAME|FILE.toml",
        help="default, paper, or a TOML file (default: default)",
    )


def _add_precision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        choices=_PRECISIONS,
        default=_PRECISIONS[0],
        metavar="float32|int8",
        help="int8 is faster and less exact; for bundles that `quantize` prepared",
    )


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of images")
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="CSV with path, label and other columns"
    )
    parser.add_argument(
        "--group",
        metavar="COLUMN",
        help="column whose values stay together in one part (field, slide, donor, ...)",
    )
    parser.add_argument(
        "--group-level", type=int, metavar="N", help="folder level below DATA that is the group"
    )
    parser.add_argument(
        "--group-pattern",
        metavar="PATTERN",
        help="regular expression for the file name (for the path, if it holds a /) whose first "
        "group is the group, or a template such as {field}_cell{}",
    )
    parser.add_argument(
        "--crop-size", type=_positive, metavar="PX", help="side of single-cell crops"
    )
    _add_reading(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    reading = parser.add_argument_group("reading images that hold more than one picture")
    reading.add_argument(
        "--z",
        type=_z_planes,
        metavar="max|mean|sum|middle|N",
        help="projection of a z-stack, or one plane, from 0 (default max)",
    )
    reading.add_argument("--time", type=_whole, metavar="N", help="time point, from 0")
    reading.add_argument("--scene", type=_whole, metavar="N", help="scene or series, from 0")
    reading.add_argument("--axes", metavar="LETTERS", help="order of axes such as ZYX or CYX")
