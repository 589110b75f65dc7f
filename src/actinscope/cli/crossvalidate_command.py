"""``actinscope crossvalidate``: its options, and what it does."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope.cli.options import (
    add_levels,
    add_network,
    add_recipe,
    add_study,
    new_command,
    positive_number,
    whole_number,
)
from actinscope.errors import UsageError

if TYPE_CHECKING:
    from actinscope.runs import NestedSearch

_DEPLOY = ("refit", "ensemble", "none")
#: Option -> attribute of those that do nothing without --tune.
_SEARCH = {
    "--space": "space",
    "--trials": "trials",
    "--minutes": "minutes",
    "--inner-folds": "inner_folds",
}


def add_crossvalidate(commands: Any) -> None:
    """The options."""
    parser = new_command(
        commands,
        "crossvalidate",
        "test every image once, by networks trained without its group, and deliver a model",
        "DATA holds one folder of images a class. For studies of which a single test part says "
        "too little.",
        module="crossvalidate_command",
    )
    add_study(parser)
    add_network(parser)
    add_recipe(parser)
    parser.add_argument(
        "--seed",
        type=whole_number,
        metavar="N",
        help="seed of folds, views and training; every further repeat takes the next one",
    )
    add_levels(parser)
    parser.add_argument(
        "--folds",
        type=positive_number,
        default=5,
        metavar="K",
        help="folds; as many as there are groups leaves out one at a time (default 5)",
    )
    parser.add_argument(
        "--repeats",
        type=positive_number,
        default=1,
        metavar="R",
        help="draw and train all folds so many times (default 1)",
    )
    parser.add_argument(
        "--deploy",
        choices=_DEPLOY,
        default=_DEPLOY[0],
        metavar="refit|ensemble|none",
        help="refit: train one more model, on all images, to be used (default); ensemble: join the "
        "models of the folds; none: only test",
    )
    parser.add_argument(
        "--fold-extras",
        action="store_true",
        help="also make the controls and the explanation of `train` in every fold",
    )
    _add_search(parser)
    parser.add_argument(
        "--resume", action="store_true", help="keep finished folds of FOLDER, and go on"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the results"
    )
    parser.set_defaults(interrupt_hint=_hint)


def _add_search(parser: argparse.ArgumentParser) -> None:
    search = parser.add_argument_group("searching settings inside every fold")
    search.add_argument(
        "--tune",
        action="store_true",
        help="search settings in every fold, as `tune` does, on what the fold does not test",
    )
    search.add_argument(
        "--space", type=Path, metavar="FILE.toml", help="what to search (see `tune --print-space`)"
    )
    search.add_argument(
        "--trials", type=positive_number, metavar="N", help="trials of each search (default 20)"
    )
    search.add_argument(
        "--minutes", type=positive_number, metavar="M", help="of each search at most"
    )
    search.add_argument(
        "--inner-folds",
        type=positive_number,
        metavar="K",
        help="folds that judge a trial; 1: the validation part alone (default 3)",
    )


def crossvalidate(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from actinscope.cli.progress_bar import TerminalProgress
    from actinscope.cli.requests import (
        print_levels,
        print_results,
        recipe_of,
        report_problems,
        source_of,
    )
    from actinscope.runs import CrossvalidateRequest
    from actinscope.workflows.crossvalidate import crossvalidate as run

    request = CrossvalidateRequest(
        source=source_of(arguments),
        recipe=recipe_of(arguments),
        output=arguments.output,
        folds=arguments.folds,
        repeats=arguments.repeats,
        deploy=arguments.deploy,
        search=_search_of(arguments),
        extras=arguments.fold_extras,
        resume=arguments.resume,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = run(request, progress)
    print(outcome.verdict)
    print_levels(outcome.levels)
    print_results(outcome.folder, "report.html", "metrics.json", "predictions.csv", "folds.csv")
    if outcome.bundle is not None:
        print(f"  {outcome.bundle} (to be used; tested on none of these images)")
    return report_problems(outcome.problems)


def _search_of(arguments: argparse.Namespace) -> NestedSearch | None:
    from actinscope.runs import NestedSearch

    given = {name: getattr(arguments, name) for name in _SEARCH.values()}
    idle = [option for option, name in _SEARCH.items() if given[name] is not None]
    if not arguments.tune and idle:
        raise UsageError(
            f"{idle[0]} does nothing without --tune", remedy="Add --tune, or leave it out"
        )
    if not arguments.tune:
        return None
    usual = NestedSearch()
    return NestedSearch(
        space=given["space"],
        trials=given["trials"] or usual.trials,
        minutes=given["minutes"],
        folds=given["inner_folds"] or usual.folds,
    )


def _hint(arguments: argparse.Namespace) -> str:
    if (arguments.output / "crossvalidation.json").exists():
        return " The finished folds and epochs are kept: the same command with --resume goes on."
    return " Nothing was written yet: start the same command again."
