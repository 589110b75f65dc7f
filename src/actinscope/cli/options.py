"""What the options of all commands are made of. Imports nothing heavy, so ``--help`` is at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Command = Callable[[argparse.Namespace], int]

# As actinscope.bundle.PRECISIONS, which is too heavy to import here.
_PRECISIONS = ("float32", "int8")
_PROJECTIONS = ("max", "mean", "sum", "middle")


def new_command(
    commands: Any,
    name: str,
    summary: str,
    description: str = "",
    *,
    quick: bool = False,
    module: str = "commands",
) -> argparse.ArgumentParser:
    """A command, carried out by the function ``name`` in ``actinscope.cli.MODULE``.

    ``quick`` ones have no progress that could be silenced.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {description}".strip()
    )
    parser.set_defaults(run=late(name, module), interrupt_hint=_no_hint)
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    if not quick:
        parser.add_argument("--quiet", action="store_true", help="print no progress")
    return parser


def late(name: str, module: str) -> Command:
    """The function ``name`` of ``actinscope.cli.MODULE``, imported when it is called."""

    def run(arguments: argparse.Namespace) -> int:
        commands = import_module(f"actinscope.cli.{module}")
        return int(getattr(commands, name)(arguments))

    return run


def _no_hint(arguments: argparse.Namespace) -> str:
    return ""


def resume_hint(arguments: argparse.Namespace) -> str:
    """What is left of an interrupted training."""
    if (arguments.output / "checkpoint" / "last.npz").exists():
        return " The finished epochs are kept: the same command with --resume goes on."
    if (arguments.output / "recipe.toml").exists():
        return " No epoch was finished: the same command with --resume starts over."
    return " Nothing was written yet: start the same command again."


def again_hint(arguments: argparse.Namespace) -> str:
    """What is left of an interrupted command that goes on by itself."""
    return " The same command goes on where it was cut off."


def whole_number(text: str) -> int:
    """A whole number from 0."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def positive_number(text: str) -> int:
    """A whole number from 1."""
    if not text.strip().isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1")
    return value


def _z_planes(text: str) -> str | int:
    if text in _PROJECTIONS:
        return text
    if text.strip().isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither {', '.join(_PROJECTIONS)} nor the number of a plane, from 0 on"
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """``--precision`` of the network that predicts."""
    parser.add_argument(
        "--precision",
        choices=_PRECISIONS,
        default=_PRECISIONS[0],
        metavar="float32|int8",
        help="int8 is faster and less exact; for bundles that `quantize` prepared",
    )


def add_levels(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """At which levels above the single cell the answers are summed up."""
    parser.add_argument(
        "--level",
        action="append",
        required=required,
        metavar="COLUMN[:RULE]",
        help="sum cells up to the values of this column (donor, plate+well, ...); RULE is mean "
        "(of the probabilities, the default), vote or pool; may be given again",
    )
    parser.add_argument(
        "--fewest-cells",
        type=positive_number,
        metavar="N",
        help="with --level: no answer from fewer cells (default 1)",
    )
    parser.add_argument(
        "--agreement",
        type=share,
        metavar="SHARE",
        help="with --level: no answer unless this share of the cells names it (default 0)",
    )


def add_study(parser: argparse.ArgumentParser) -> None:
    """The images, their labels and groups, and how to read them."""
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
        "--crop-size", type=positive_number, metavar="PX", help="side of single-cell crops"
    )
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How to read images with several planes, times, scenes."""
    reading = parser.add_argument_group("reading images that hold more than one picture")
    reading.add_argument(
        "--z",
        type=_z_planes,
        metavar="max|mean|sum|middle|N",
        help="projection of a z-stack, or one plane, from 0 (default max)",
    )
    reading.add_argument("--time", type=whole_number, metavar="N", help="time point, from 0")
    reading.add_argument("--scene", type=whole_number, metavar="N", help="scene or series, from 0")
    reading.add_argument("--axes", metavar="LETTERS", help="order of axes such as ZYX or CYX")


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which network is trained, from which weights."""
    parser.add_argument(
        "--network", metavar="NAME", help="a name that `actinscope networks` lists, or auto"
    )
    parser.add_argument(
        "--weights", metavar="imagenet|none|FILE", help="pretrained weights (default imagenet)"
    )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """The recipe, and for how long it trains."""
    parser.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE.toml",
        help="default, paper, scratch, boosted-trees, or a TOML file with your settings",
    )
    parser.add_argument("--epochs", type=positive_number, metavar="N", help="epochs at most")
