"""The options of every command. Imports nothing heavy, so that ``--help`` is at once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from actinscope import __version__
from actinscope.cli.audit_command import add_audit
from actinscope.cli.compare_command import add_compare
from actinscope.cli.crossvalidate_command import add_crossvalidate
from actinscope.cli.ensemble_command import add_ensemble
from actinscope.cli.explain_command import add_explain
from actinscope.cli.networks_command import add_networks
from actinscope.cli.options import (
    add_levels,
    add_network,
    add_precision,
    add_reading,
    add_recipe,
    add_study,
    again_hint,
    new_command,
    positive_number,
    resume_hint,
    whole_number,
)
from actinscope.cli.paper_command import add_paper
from actinscope.cli.patches_command import add_patches
from actinscope.cli.summarise_command import add_summarise
from actinscope.cli.tune_command import add_tune

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
    for add in (
        _scan,
        add_patches,
        add_audit,
        _train,
        add_crossvalidate,
        _evaluate,
        add_compare,
        _predict,
        add_explain,
        add_summarise,
        _verify,
        add_ensemble,
        _quantize,
        add_paper,
        _demo,
        _recipe,
        add_networks,
        add_tune,
    ):
        add(commands)
    return parser


def _scan(commands: Any) -> None:
    parser = new_command(
        commands,
        "scan",
        "list images with label and group in a CSV to look at and edit",
        "The label is the name of the first folder level; give `train --manifest` the edited CSV.",
    )
    add_study(parser)
    parser.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="seed of the split (default 0)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the CSV to write"
    )


def _train(commands: Any) -> None:
    parser = new_command(
        commands,
        "train",
        "train a network, test it on images it never saw, write a report and a bundle",
        "DATA holds one folder of images a class.",
    )
    add_study(parser)
    add_network(parser)
    add_recipe(parser)
    parser.add_argument(
        "--seed", type=whole_number, metavar="N", help="seed of split, views and training"
    )
    add_levels(parser)
    parser.add_argument("--resume", action="store_true", help="go on after the last epoch of RUN")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RUN", help="folder for the results"
    )
    parser.set_defaults(interrupt_hint=resume_hint)


def _evaluate(commands: Any) -> None:
    parser = new_command(
        commands,
        "evaluate",
        "test a bundle on labelled images that it has never seen",
        "Writes predictions.csv, metrics.json and report.html.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder or .zip")
    add_study(parser)
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="seed of the intervals (default 0)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    add_levels(parser)
    add_precision(parser)


def _predict(commands: Any) -> None:
    parser = new_command(
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
        "--crop-size", type=positive_number, metavar="PX", help="side of single-cell crops"
    )
    parser.add_argument(
        "--batch-size",
        type=positive_number,
        default=32,
        metavar="N",
        help="rows written at a time (default 32)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the CSV to write"
    )
    add_precision(parser)
    add_reading(parser)
    parser.set_defaults(interrupt_hint=again_hint)


def _verify(commands: Any) -> None:
    parser = new_command(
        commands,
        "verify",
        "prove that a bundle still gives the outputs stored with it",
        "Replays the golden images of the bundle through scaling and network.",
        quick=True,
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle folder or .zip")


def _quantize(commands: Any) -> None:
    parser = new_command(
        commands,
        "quantize",
        "give the bundle of a run a faster 8-bit network, with the accuracy that it costs",
        "Ranges are taken from training images; the accuracy is measured on the validation and "
        "test images and stored with the network. Where it falls too far nothing is stored.",
    )
    parser.add_argument(
        "run_folder",
        type=Path,
        metavar="RUN",
        help="folder of a finished run, or `refit` of a cross-validation",
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="folder of images that the run was trained on"
    )
    parser.add_argument(
        "--images",
        type=positive_number,
        default=200,
        metavar="N",
        help="training images to take the ranges from (default 200)",
    )
    parser.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="seed of their choice (default 0)"
    )
    parser.add_argument(
        "--force", action="store_true", help="store it with a warning where it costs too much"
    )


def _demo(commands: Any) -> None:
    parser = new_command(
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
        "--seed", type=whole_number, default=0, metavar="N", help="seed of everything (default 0)"
    )
    parser.add_argument(
        "--difficulty",
        type=float,
        default=0.5,
        metavar="D",
        help="0 clearly different cells to 1 no difference (default 0.5)",
    )
    parser.set_defaults(interrupt_hint=again_hint)


def _recipe(commands: Any) -> None:
    parser = new_command(
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
        help="default, paper, scratch, boosted-trees, or a TOML file (default: default)",
    )
