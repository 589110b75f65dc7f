"""``actinscope paper``: the paper's whole experiment on the images given."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import add_study, new_command, positive_number, whole_number

_NO_WEIGHTS = 4  # exit code, after everything else has been written
# As actinscope.paper.published.NETWORKS, which is too heavy to import here.
_NETWORKS = ("efficientnetv2-b0", "inception-v3", "nasnet-mobile", "vgg16")


def add_paper(commands: Any) -> None:
    """The options of ``paper``."""
    parser = new_command(
        commands,
        "paper",
        "run the paper's whole experiment on your images, beside its published numbers",
        "Trains each network under the paper's protocol (augment, then divide) and under honest "
        "ones (divide, then augment), asks all of them about groups that none has seen, and "
        "writes Tables I to IV, Figures 1, 4 and 5, and the cost of the leak. Weights that are "
        "not at hand are downloaded, as with `train --network NAME`; a network without weights is "
        "left out, and its rows say so.",
        module="paper_command",
    )
    add_study(parser)
    parser.add_argument(
        "--networks",
        nargs="+",
        default=list(_NETWORKS),
        metavar="NAME",
        help=f"which networks to compare (default {' '.join(_NETWORKS)})",
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        default=[],
        metavar="NAME=FILE|none",
        help="weights file of a network; none starts all from RANDOM weights (NAME=none only "
        "that one), and every row and figure says so",
    )
    parser.add_argument(
        "--protocol",
        choices=("published", "honest", "both"),
        default="both",
        metavar="published|honest|both",
        help="order of augmenting and dividing (default both, and a step between them)",
    )
    parser.add_argument(
        "--repeats",
        type=positive_number,
        default=3,
        metavar="N",
        help="how many times other groups are held out (default 3)",
    )
    parser.add_argument(
        "--copies",
        type=positive_number,
        default=4,
        metavar="N",
        help="images made of each image by augmentation, itself included (default 4; the paper "
        "does not state it)",
    )
    parser.add_argument(
        "--recipe",
        default="paper",
        metavar="NAME|FILE.toml",
        help="paper, default, or a TOML file with your settings (default paper)",
    )
    parser.add_argument("--epochs", type=positive_number, metavar="N", help="epochs at most")
    parser.add_argument(
        "--vgg-epochs",
        type=positive_number,
        metavar="N",
        help="epochs of VGG networks (default as many as the others; the paper trained its own "
        "for 1000)",
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="N", help="seed of copies, divisions and training"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on: finished runs are kept, the others resumed"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    parser.set_defaults(interrupt_hint=_hint)


def paper(arguments: Namespace) -> int:
    """``actinscope paper``."""
    from actinscope.cli.progress_bar import TerminalProgress
    from actinscope.cli.requests import print_results, recipe_of, report_problems, source_of
    from actinscope.paper.networks import weights_by_network
    from actinscope.paper.runs import PaperRequest, run_paper

    chosen = weights_by_network(arguments.weights, arguments.networks)
    # Network and weights are each run's own; the rest of the recipe is shared.
    others = dict.fromkeys(("network", "weights"))
    recipe = recipe_of(Namespace(**{**vars(arguments), **others}))
    request = PaperRequest(
        source=source_of(arguments),
        recipe=recipe,
        output=arguments.output,
        networks=tuple(arguments.networks),
        protocol=arguments.protocol,
        repeats=arguments.repeats,
        copies=arguments.copies,
        weights=chosen,
        vgg_epochs=arguments.vgg_epochs,
        resume=arguments.resume,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = run_paper(request, progress)
    print(outcome.sentence)
    print_results(outcome.folder, "report.html", "results.json", "tables", "figures", "runs")
    for title, problem in outcome.untrained:
        print(f"actinscope: not trained: {title}: {problem}", file=sys.stderr)
    return report_problems(outcome.problems) or (_NO_WEIGHTS if outcome.untrained else 0)


def _hint(arguments: Namespace) -> str:
    if (arguments.output / "experiment.json").exists():
        return " What is finished is kept: the same command with --resume goes on."
    return " Nothing was written yet: start the same command again."
