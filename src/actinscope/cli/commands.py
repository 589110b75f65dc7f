"""What each command does: settings together, one call, a few lines printed."""

from __future__ import annotations

import sys
from argparse import Namespace

from actinscope.cli.progress_bar import TerminalProgress
from actinscope.cli.requests import (
    level_settings_of,
    print_levels,
    print_results,
    read_options_of,
    reading_of,
    recipe_of,
    report_problems,
    source_of,
)


def scan(arguments: Namespace) -> int:
    """``actinscope scan``."""
    from actinscope.workflows.scan import scan_study

    options = read_options_of(arguments)
    with TerminalProgress(quiet=arguments.quiet) as progress:
        found = scan_study(
            source_of(arguments), arguments.output, options, seed=arguments.seed, progress=progress
        )
    for line in found.lines:
        print(line)
    return report_problems(found.problems)


def train(arguments: Namespace) -> int:
    """``actinscope train``."""
    from actinscope.runs import TrainRequest
    from actinscope.workflows.train import train_study

    request = TrainRequest(
        source=source_of(arguments),
        recipe=recipe_of(arguments),
        output=arguments.output,
        resume=arguments.resume,
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = train_study(request, progress)
    print(outcome.verdict)
    print_levels(outcome.levels)
    print_results(outcome.folder, "report.html", "metrics.json", "predictions.csv", "bundle")
    return report_problems(outcome.problems)


def evaluate(arguments: Namespace) -> int:
    """``actinscope evaluate``."""
    from actinscope.workflows.evaluate import EvaluateRequest, evaluate_bundle

    changed = reading_of(arguments)
    request = EvaluateRequest(
        bundle=arguments.bundle,
        source=source_of(arguments),
        output=arguments.output,
        seed=arguments.seed,
        options=read_options_of(arguments) if changed else None,
        precision=arguments.precision,
        levels=level_settings_of(arguments),
        command=arguments.command_line,
    )
    with TerminalProgress(quiet=arguments.quiet) as progress:
        outcome = evaluate_bundle(request, progress)
    print(outcome.verdict)
    print_levels(outcome.levels)
    print_results(outcome.folder, "report.html", "metrics.json", "predictions.csv")
    return report_problems(outcome.problems)


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
                read_options=read_options_of(arguments, bundle.info.read_options),
                progress=StepCounter(progress, "Predicting"),
            ),
        )
    for note in summary.notes:
        print(note, file=sys.stderr)
    print(f"{summary.done} predicted, {summary.failed} not: {summary.output}")
    return report_problems(summary.problems, "not predicted")


def verify(arguments: Namespace) -> int:
    """``actinscope verify``."""
    from actinscope.bundle import load_bundle, verify_bundle

    result = verify_bundle(load_bundle(arguments.bundle))
    print(
        f"{arguments.bundle}: verified with {result.backend}. Largest difference of the "
        f"probabilities {result.probability_difference:.1e}, of the network's input "
        f"{result.input_difference:.1e}."
        + ("" if result.int8_difference is None else f" INT8: {result.int8_difference:.1e}.")
        + (
            ""
            if result.unfamiliarity_difference is None
            else f" Unfamiliarity: {result.unfamiliarity_difference:.1e}."
        )
    )
    return 0


def quantize(arguments: Namespace) -> int:
    """``actinscope quantize``."""
    from actinscope.workflows.quantize import QuantizeRequest, quantize_run

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
    from actinscope.workflows.demo import run_demo

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
