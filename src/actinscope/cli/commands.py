"""What each command does: settings together, one call, a few lines printed."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope.cli.progress_bar import TerminalProgress
from actinscope.errors import UsageError

if TYPE_CHECKING:
    from actinscope.experiment.prepare import StudySource
    from actinscope.images import ReadOptions
    from actinscope.training import Recipe

_BAD_FILES = 3
_SHOWN_PROBLEMS = 20
_NO_GROUP = "none"


def scan(arguments: Namespace) -> int:
    """``actinscope scan``."""
    from actinscope.experiment.scan import scan_study

    options = _read_options(arguments)
    with TerminalProgress(quiet=arguments.quiet) as progress:
        found = scan_study(
            _source(arguments), arguments.output, options, seed=arguments.seed, progress=progress
        )
    for line in found.lines:
        print(line)
    return _report_problems(found.problems)


def train(arguments: Namespace) -> int:
    """``actinscope train``."""
    from actinscope.experiment.train import TrainRequest, train_study

    request = TrainRequest(
        source=_source(arguments),
        recipe=_recipe_of(arguments),
        output=arguments.output,
        resume=arguments.resume,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = train_study(request, progress)
    print(outcome.verdict)
    _print_results(outcome.folder, "report.html", "metrics.json", "predictions.csv", "bundle")
    return _report_problems(outcome.problems)


def evaluate(arguments: Namespace) -> int:
    """``actinscope evaluate``."""
    from actinscope.experiment.evaluate import EvaluateRequest, evaluate_bundle

    changed = _reading(arguments)
    request = EvaluateRequest(
        bundle=arguments.bundle,
        source=_source(arguments),
        output=arguments.output,
        seed=arguments.seed,
        options=_read_options(arguments) if changed else None,
        precision=arguments.precision,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = evaluate_bundle(request, progress)
    print(outcome.verdict)
    _print_results(outcome.folder, "report.html", "metrics.json", "predictions.csv")
    return _report_problems(outcome.problems)


def predict(arguments: Namespace) -> int:
    """``actinscope predict``."""
    from actinscope.bundle import load_bundle
    from actinscope.predict import PredictOptions, predict_files
    from actinscope.progress import StepCounter

    bundle = load_bundle(arguments.bundle)
    with TerminalProgress(quiet=arguments.quiet) as progress:
        summary = predict_files(
            bundle,
            arguments.images,
            arguments.output,
            options=PredictOptions(
                masks=arguments.masks,
                objects=arguments.objects,
                manifest=arguments.manifest,
                crop_size=arguments.crop_size,
                batch_size=arguments.batch_size,
                precision=arguments.precision,
                read_options=_read_options(arguments, bundle.info.read_options),
                progress=StepCounter(progress, "Predicting"),
            ),
        )
    for note in summary.notes:
        print(note, file=sys.stderr)
    print(f"{summary.done} predicted, {summary.failed} not: {summary.output}")
    return _report_problems(summary.problems, "not predicted")


def verify(arguments: Namespace) -> int:
    """``actinscope verify``."""
    from actinscope.bundle import load_bundle, verify_bundle

    result = verify_bundle(load_bundle(arguments.bundle))
    print(
        f"{arguments.bundle}: verified with {result.backend}. Largest difference of the "
        f"probabilities {result.probability_difference:.1e}, of the network's input "
        f"{result.input_difference:.1e}."
        + ("" if result.int8_difference is None else f" INT8: {result.int8_difference:.1e}.")
    )
    return 0


def quantize(arguments: Namespace) -> int:
    """``actinscope quantize``."""
    from actinscope.experiment.quantize import QuantizeRequest, quantize_run

    request = QuantizeRequest(
        run=arguments.run_folder,
        data=arguments.data,
        images=arguments.images,
        seed=arguments.seed,
        force=arguments.force,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = quantize_run(request, progress)
    for line in outcome.lines:
        print(line)
    print(f"  {outcome.file}")
    return 0


def demo(arguments: Namespace) -> int:
    """``actinscope demo``."""
    from actinscope.experiment.demo import run_demo

    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = run_demo(
            arguments.output,
            seed=arguments.seed,
            difficulty=arguments.difficulty,
            command=arguments.command_line,
            progress=progress,
        )
    print(outcome.verdict)
    print(f"Predictions for a new field: {outcome.predictions}")
    print(f"Report: {outcome.report.resolve()}")
    return 0


def recipe(arguments: Namespace) -> int:
    """``actinscope recipe``."""
    from actinscope.training import load_recipe, recipe_text

    print(recipe_text(load_recipe(arguments.name)), end="")
    return 0


def _source(arguments: Namespace) -> StudySource:
    from actinscope.experiment.prepare import StudySource

    scanning = {
        "--group-level": arguments.group_level,
        "--group-pattern": arguments.group_pattern,
    }
    if arguments.manifest is None and arguments.crop_size is not None:
        raise UsageError(
            "--crop-size needs a --manifest that says where the cells are",
            remedy="Give --manifest CSV with a column mask, objects, or y and x; images of one "
            "cell each are taken whole",
        )
    if arguments.group == _NO_GROUP:
        for name, value in scanning.items():
            if value is not None:
                raise UsageError(
                    f"--group {_NO_GROUP} and {name} contradict each other",
                    remedy="Leave one of them out",
                )
    elif (
        arguments.manifest is None
        and arguments.group is not None
        and all(value is None for value in scanning.values())
    ):
        raise UsageError(
            "--group names a column, and there is no --manifest that has columns",
            remedy="Give --manifest CSV, or find the group in the folders with --group-level N "
            "or --group-pattern REGEX",
        )
    return StudySource(
        data=arguments.data,
        manifest=arguments.manifest,
        group=arguments.group,
        group_level=arguments.group_level,
        group_pattern=arguments.group_pattern,
        crop_size=arguments.crop_size,
    )


def _recipe_of(arguments: Namespace) -> Recipe:
    from actinscope.training import change_recipe, load_recipe

    changes: dict[str, dict[str, Any]] = {}
    for section, key, value in (
        ("network", "name", arguments.network),
        ("network", "weights", arguments.weights),
        ("training", "epochs", arguments.epochs),
    ):
        if value is not None:
            changes.setdefault(section, {})[key] = value
    reading = _reading(arguments)
    if reading:
        _read_options(arguments)  # says what is wrong in the words of the command line
        changes["images"] = reading
    return change_recipe(load_recipe(arguments.recipe), changes, seed=arguments.seed)


def _reading(arguments: Namespace) -> dict[str, Any]:
    """The reading options that were given on the command line."""
    given = {name: getattr(arguments, name) for name in ("z", "time", "scene", "axes")}
    return {name: value for name, value in given.items() if value is not None}


def _read_options(arguments: Namespace, base: ReadOptions | None = None) -> ReadOptions:
    from pydantic import ValidationError

    from actinscope.images import ReadOptions

    settings = (base or ReadOptions()).model_dump() | _reading(arguments)
    try:
        return ReadOptions.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(f"--{first['loc'][0]}: {message}") from error


def _print_results(folder: Path, *names: str) -> None:
    for name in names:
        print(f"  {folder / name}")


def _report_problems(problems: tuple[tuple[str, str], ...], fate: str = "left out") -> int:
    for name, message in problems[:_SHOWN_PROBLEMS]:
        print(f"actinscope: {fate}: {name}: {message}", file=sys.stderr)
    more = len(problems) - _SHOWN_PROBLEMS
    if more > 0:
        print(f"actinscope: {fate}: {more} more", file=sys.stderr)
    return _BAD_FILES if problems else 0
