"""The commands: which request each of them fills, what does the work, what is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from actinscope import requests
from actinscope.cli.parser import NOTHING_KEPT, Command
from actinscope.cli.progress_bar import TerminalProgress
from actinscope.cli.requests import Given, request_of
from actinscope.errors import OutputError
from actinscope.names import EXPERIMENT_FILE, LAST_EPOCH, SEARCH_FILE, RunFile

if TYPE_CHECKING:
    from actinscope.paper.runs import PaperOutcome
    from actinscope.workflows.audit import AuditOutcome
    from actinscope.workflows.compare import CompareOutcome
    from actinscope.workflows.demo import DemoOutcome
    from actinscope.workflows.evaluate import EvaluateOutcome
    from actinscope.workflows.explain_files import ExplainOutcome
    from actinscope.workflows.predict import PredictOutcome
    from actinscope.workflows.quantize import QuantizeOutcome
    from actinscope.workflows.scan import ScanOutcome
    from actinscope.workflows.train import TrainOutcome
    from actinscope.workflows.tune import TuneOutcome

_BAD_FILES = 3
_NO_WEIGHTS = 4  # exit code, after everything else has been written
_SHOWN_PROBLEMS = 20


def carry_out(command: Command, given: Given, command_line: str) -> int:
    """Do the work of a command, print what came of it, return the exit code."""
    request = request_of(command.request, given)
    if hasattr(request, "command"):
        request = replace(request, command=command_line)
    module, _, name = command.work.partition(":")
    work = getattr(import_module(module), name)
    if command.quick:
        outcome = work(request)
    else:
        with TerminalProgress(quiet="quiet" in given, debug="debug" in given) as progress:
            outcome = work(request, progress)
    try:
        code = command.show(outcome)
        sys.stdout.flush()  # what goes wrong must show here, not when Python ends
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output(sys.stdout)
        raise OutputError(
            f"takes nothing more ({error.strerror})",
            where="standard output",
            remedy="All files were written; only these lines are lost",
        ) from error
    return code


def discard_output(stream: TextIO) -> None:
    """Send what is written to ``stream`` from now on nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


# What is printed ------------------------------------------------------------------------------


def _train(outcome: TrainOutcome) -> int:
    print(outcome.verdict)
    _lines(map(" ".join, outcome.levels))
    own = (RunFile.BUNDLE,) if outcome.folds is None else (RunFile.FOLDS,)
    _print_results(outcome.folder, RunFile.REPORT, RunFile.METRICS, RunFile.PREDICTIONS, *own)
    if outcome.folds is not None and outcome.bundle is not None:
        print(f"  {outcome.bundle} (to be used; tested on none of these images)")
    return _problems(outcome.problems)


def _evaluate(outcome: EvaluateOutcome) -> int:
    print(outcome.verdict)
    _lines(map(" ".join, outcome.levels))
    _print_results(outcome.folder, RunFile.REPORT, RunFile.METRICS, RunFile.PREDICTIONS)
    return _problems(outcome.problems)


def _predict(outcome: PredictOutcome) -> int:
    summary = outcome.summary
    for note in summary.notes:
        print(note, file=sys.stderr)
    unnamed = summary.counts.get("", 0)
    without = f", {unnamed} unfamiliar and left unnamed" if "" in summary.counts else ""
    print(f"{summary.done - unnamed} named{without}, {summary.failed} not read: {summary.output}")
    for line in _counted_classes(summary.counts):
        print(line)
    _lines(outcome.lines)
    return _problems(summary.problems, "not predicted")


def _counted_classes(counts: Mapping[str, int]) -> Iterator[str]:
    """A line for each class."""
    for name, count in counts.items():
        if name:
            yield f"  {name}: {count}"


def _explain(outcome: ExplainOutcome) -> int:
    for note in outcome.notes:
        print(note, file=sys.stderr)
    print(f"{outcome.done} explained, {len(outcome.problems)} not. {outcome.sentence}")
    _print_results(outcome.folder, "gallery.html", "explanation.csv", "maps")
    return _problems(outcome.problems, "not explained")


def _compare(outcome: CompareOutcome) -> int:
    _lines(outcome.lines)
    _print_results(outcome.folder, *outcome.files)
    return 0


#: "error:" is kept for what stops a command.
_GRAVITY = {"error": "correct first", "warning": "warning", "info": "note"}


def _audit(outcome: AuditOutcome) -> int:
    from actinscope.audit import verdict_sentence

    print(verdict_sentence(outcome.findings))
    for finding in outcome.findings:
        print(f"{_GRAVITY[finding.severity]}: {finding.title}")
        if finding.severity != "info" and finding.remedy:
            print(f"    {finding.remedy}.")
    _print_results(outcome.folder, "report.html", "findings.csv", "duplicates.csv", "audit.json")
    return _problems(outcome.problems)


def _tune(outcome: TuneOutcome) -> int:
    _lines(outcome.lines)
    _print_results(outcome.folder, "trials.csv", "best_recipe.toml", SEARCH_FILE)
    return _problems(outcome.problems)


def _paper(outcome: PaperOutcome) -> int:
    print(outcome.sentence)
    _print_results(outcome.folder, "report.html", "results.json", "tables", "figures", "runs")
    for title, problem in outcome.untrained:
        print(f"actinscope: not trained: {title}: {problem}", file=sys.stderr)
    return _problems(outcome.problems) or (_NO_WEIGHTS if outcome.untrained else 0)


def _demo(outcome: DemoOutcome) -> int:
    print(outcome.verdict)
    print(f"Predictions for a new field: {outcome.predictions}")
    print(f"Report: {outcome.report.resolve()}")
    return 0


def _quantize(outcome: QuantizeOutcome) -> int:
    return _lines((*outcome.lines, f"  {outcome.file}"))


def _scan(outcome: ScanOutcome) -> int:
    return _lines(outcome.lines) or _problems(outcome.problems)


def _lines(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    return 0


def _text(outcome: str) -> int:
    print(outcome, end="")
    return 0


def _print_results(folder: Path, *names: str) -> None:
    for name in names:
        print(f"  {folder / name}")


def _problems(problems: tuple[tuple[str, str], ...], fate: str = "left out") -> int:
    """Say which images could not be used; returns the exit code."""
    for name, message in problems[:_SHOWN_PROBLEMS]:
        print(f"actinscope: {fate}: {name}: {message}", file=sys.stderr)
    more = len(problems) - _SHOWN_PROBLEMS
    if more > 0:
        print(f"actinscope: {fate}: {more} more", file=sys.stderr)
    return _BAD_FILES if problems else 0


# What is left of an interrupted command ---------------------------------------------------------


def _kept_by(mark: str) -> Callable[[Path], str]:
    """Of a command that goes on with what is finished, once the file ``mark`` is there."""

    def kept(output: Path) -> str:
        if (output / mark).exists():
            return " What is finished is kept: the same command with --resume goes on."
        return NOTHING_KEPT

    return kept


def _kept_training(output: Path) -> str:
    if (output / RunFile.QUESTION).exists():
        return " The finished folds and epochs are kept: the same command with --resume goes on."
    if (output / LAST_EPOCH).exists():
        return " The finished epochs are kept: the same command with --resume goes on."
    if (output / RunFile.RECIPE).exists():
        return " No epoch was finished: the same command with --resume starts over."
    return NOTHING_KEPT


# The table ------------------------------------------------------------------------------------

#: Name of a group of commands -> what they are for.
GROUPS = {
    "bundle": "check a trained model, make it faster, join several",
    "recipe": "print settings and networks, search for better settings",
    "cells": "list patches of fields, sum cells up to wells or donors",
}

#: Those that a person meets first, in the order in which they are needed; then the groups.
COMMANDS = (
    Command(
        "demo",
        requests.DemoRequest,
        "actinscope.workflows.demo:run_demo",
        _demo,
        "draw synthetic actin cells and run the whole job on them",
        "Takes a few minutes; the images are synthetic and prove nothing about real cells.",
        "demo -o demo",
        kept=lambda output: f" Delete {output} and start the same command again.",
    ),
    Command(
        "scan",
        requests.ScanRequest,
        "actinscope.workflows.scan:scan_study",
        _scan,
        "list images with label and group in a CSV to look at and edit",
        "The label is the name of the folder, or what --label-level or --label-pattern finds. "
        "Which images belong together is guessed from folders and file names, shown, and written "
        "into columns. Give `train --manifest` the CSV, edited or not.",
        "scan images -o manifest.csv",
    ),
    Command(
        "audit",
        requests.AuditRequest,
        "actinscope.api:audit",
        _audit,
        "find what is wrong with the images before training: copies, confounds, bad labels",
        "Reads every image once; writes report.html, findings.csv, duplicates.csv, "
        "review_queue.csv and audit.json. Findings do not change the exit code.",
        "audit images --manifest images/study.csv --group field -o runs/audit",
    ),
    Command(
        "train",
        requests.TrainRequest,
        "actinscope.api:train",
        _train,
        "train a network, test it on images it never saw, write a report and a bundle",
        "With --folds every image is tested once, by networks trained without its group, and a "
        "model is delivered besides: for studies of which a single test part says too little.",
        "train images --manifest manifest.csv -o runs/first",
        kept=_kept_training,
    ),
    Command(
        "evaluate",
        requests.EvaluateRequest,
        "actinscope.api:evaluate",
        _evaluate,
        "test a bundle on labelled images that it has never seen",
        "Writes predictions.csv, metrics.json and report.html.",
        "evaluate runs/first other_images -o runs/evaluation",
    ),
    Command(
        "predict",
        requests.PredictRequest,
        "actinscope.api:predict",
        _predict,
        "name the class of new images, with every probability, in a CSV",
        "Folders are searched for images. A broken image gets a row with its error. With --level "
        "a second CSV has one row a well or donor; `cells summarise` does so later.",
        "predict runs/first new_images -o predictions.csv",
        kept=lambda output: " The same command goes on where it was cut off.",
    ),
    Command(
        "explain",
        requests.ExplainRequest,
        "actinscope.api:explain",
        _explain,
        "show where in new images a model finds evidence for its answers",
        "Writes gallery.html, a picture for each image and explanation.csv with the share of the "
        "evidence that lies inside the cell. Folders are searched for images. A broken image gets "
        "a row with its error.",
        "explain runs/first new_images -o explanation",
    ),
    Command(
        "compare",
        requests.CompareRequest,
        "actinscope.api:compare",
        _compare,
        "show which of several trained runs is better, and whether that may be chance",
        "Takes the test images that all runs have in common and none was trained on; for other "
        "images, let `evaluate` test each bundle on them and compare its results. Writes "
        "report.html, tables and the images on which the runs disagree. Two runs of `train "
        "--folds` are compared fold by fold.",
        "compare runs/first runs/second -o runs/comparison",
    ),
    Command(
        "paper",
        requests.PaperRequest,
        "actinscope.paper.runs:run_paper",
        _paper,
        "run the paper's whole experiment on your images, beside its published numbers",
        "Trains each network under the paper's protocol (augment, then divide) and under honest "
        "ones (divide, then augment), asks all of them about groups that none has seen, and "
        "writes Tables I to IV, Figures 1, 4 and 5, and the cost of the leak. Weights that are "
        "not at hand are downloaded, as with `train --network NAME`; a network without weights is "
        "left out, and its rows say so.",
        "paper images --manifest images/study.csv --group field -o runs/paper",
        kept=_kept_by(EXPERIMENT_FILE),
    ),
    Command(
        "bundle verify",
        requests.VerifyRequest,
        "actinscope.cli.printed:verify",
        _text,
        "prove that a bundle still gives the outputs stored with it",
        "Replays the golden images of the bundle through scaling and network.",
        "bundle verify runs/first",
        quick=True,
    ),
    Command(
        "bundle quantize",
        requests.QuantizeRequest,
        "actinscope.workflows.quantize:quantize_run",
        _quantize,
        "give the bundle of a run a faster 8-bit network, with the accuracy that it costs",
        "Ranges are taken from training images; the accuracy is measured on the validation and "
        "test images and stored with the network. Where it falls too far nothing is stored.",
        "bundle quantize runs/first images",
    ),
    Command(
        "bundle join",
        requests.JoinRequest,
        "actinscope.workflows.ensemble:make_ensemble",
        _lines,
        "make one bundle of several, which gives the mean of their probabilities",
        "The members keep their own scaling and input size; they must name the same classes.",
        "bundle join runs/first runs/second -o runs/both",
        quick=True,
    ),
    Command(
        "recipe show",
        requests.ShowRequest,
        "actinscope.cli.printed:show",
        _text,
        "print all settings of a recipe as TOML, to edit and give to `train --recipe`",
        "",
        "recipe show paper",
        quick=True,
    ),
    Command(
        "recipe networks",
        requests.NetworksRequest,
        "actinscope.cli.printed:networks",
        _text,
        "list the networks, their input and whether their weights are on this computer",
        "With a NAME, all that is known of one, and how to get its weights.",
        "recipe networks efficientnet-lite0",
        quick=True,
    ),
    Command(
        "recipe tune",
        requests.TuneRequest,
        "actinscope.workflows.tune:tune_study",
        _tune,
        "search for better settings, judged on folds outside the test part",
        "Trial 0 is the recipe as it is. The test part is not used; give the best_recipe.toml that "
        "it writes to `train --recipe` for the one test result.",
        "recipe tune images --manifest images/study.csv --group field -o runs/search",
        kept=_kept_by(SEARCH_FILE),
    ),
    Command(
        "recipe space",
        requests.SpaceRequest,
        "actinscope.cli.printed:space",
        _text,
        "print what `recipe tune` searches as TOML, to edit and give to `--space`",
        "",
        "recipe space",
        quick=True,
    ),
    Command(
        "cells patches",
        requests.PatchRequest,
        "actinscope.workflows.patches:write_patches",
        _lines,
        "list patches around objects and of the background, from fields and label masks",
        "Give the CSV to `train --manifest`: the network then tells object from background. "
        "No pixels are copied.",
        "cells patches data --manifest data/fields.csv -o data/patches.csv",
        quick=True,
    ),
    Command(
        "cells summarise",
        requests.SummariseRequest,
        "actinscope.workflows.summarise:summarise_predictions",
        _lines,
        "sum the predictions of single cells up to fields, wells or donors",
        "Takes a predictions.csv of predict, evaluate or train; one row a unit.",
        "cells summarise predictions.csv --level donor -o donors.csv",
        quick=True,
    ),
)
