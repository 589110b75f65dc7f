"""The demonstration: synthetic cells through the whole job, in a few minutes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from actinscope.bundle import load_bundle, verify_bundle
from actinscope.errors import UsageError
from actinscope.files import write_json_atomic
from actinscope.names import RunFile
from actinscope.phantoms import write_phantom_study
from actinscope.predict import PredictOptions, predict_files
from actinscope.progress import Progress, StepCounter
from actinscope.requests import DemoRequest, StudySource, TrainRequest
from actinscope.runs import resumable_results
from actinscope.training import change_recipe, load_recipe
from actinscope.workflows.train import train_study

_NOTE = "demo.json"
_FIELDS = 20
_CELLS = 4
# Enough to see the curves bend; the demonstration has to end within minutes.


@dataclass(frozen=True)
class DemoOutcome:
    """Where the results are, and the sentence that sums them up."""

    report: Path
    predictions: Path
    verdict: str


def run_demo(request: DemoRequest, progress: Progress) -> DemoOutcome:
    """Draw a synthetic study, train on it, verify the bundle, predict a new field.

    A demonstration that was cut off is gone on with.

    Raises:
        UsageError: the folder holds a finished demonstration, another one, or other files.
        ActinscopeError: as the rooms say.
    """
    folder, seed, difficulty = request.output, request.seed, request.difficulty
    images, new, run = folder / "images", folder / "new_images", folder / "run"
    if (run / RunFile.REPORT).exists():
        raise UsageError(
            "holds a finished demonstration",
            where=folder,
            remedy=f"Open {run / 'report.html'}, or give -o another folder",
        )
    started = (folder / _NOTE).exists()
    with resumable_results(folder, resume=started, mark=_NOTE, what="demonstration"):
        _claim(folder, {"difficulty": difficulty, "seed": seed})
        return _demonstrate(request, images, new, run, progress)


def _demonstrate(
    request: DemoRequest, images: Path, new: Path, run: Path, progress: Progress
) -> DemoOutcome:
    folder, seed, difficulty = request.output, request.seed, request.difficulty
    progress.say(f"Drawing SYNTHETIC cells into {folder}")
    _draw(images, _FIELDS, difficulty, seed, progress)
    _draw(new, 1, difficulty, seed + 1, progress)
    training = TrainRequest(
        source=StudySource(data=images, manifest=images / "fields.csv", group="field"),
        recipe=change_recipe(load_recipe("default"), {}, seed=seed),
        output=run,
        resume=(run / RunFile.RECIPE).exists(),
        synthetic=True,
        command=request.command,
    )
    outcome = train_study(training, progress)
    bundle = load_bundle(run / RunFile.BUNDLE)
    checked = verify_bundle(bundle)
    progress.say(f"Bundle verified with {checked.backend}")
    predictions = folder / RunFile.PREDICTIONS
    predict_files(
        bundle,
        [new / "fields"],
        predictions,
        options=PredictOptions(
            masks=new / "masks", progress=StepCounter(progress, "Predicting new fields")
        ),
    )
    return DemoOutcome(run / RunFile.REPORT, predictions, outcome.verdict)


def _claim(folder: Path, settings: dict[str, float]) -> None:
    """Note the settings in the folder, or see that it is of the same demonstration."""
    note = folder / _NOTE
    if not note.exists():
        write_json_atomic(note, settings)
    elif json.loads(note.read_text("utf-8")) != settings:
        raise UsageError(
            "holds a demonstration with another seed or difficulty",
            where=folder,
            remedy="Give the same as before, or -o another folder",
        )


def _draw(folder: Path, fields: int, difficulty: float, seed: int, progress: Progress) -> None:
    if folder.exists():
        return
    unfinished = folder.with_name(f".{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a drawing that was cut off
    write_phantom_study(
        unfinished,
        fields_per_class=fields,
        cells_per_field=_CELLS,
        difficulty=difficulty,
        seed=seed,
        progress=StepCounter(progress, "Drawing"),
    )
    unfinished.rename(folder)
