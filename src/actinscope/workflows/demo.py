"""The demonstration: synthetic cells through the whole job, in a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actinscope.bundle import load_bundle, verify_bundle
from actinscope.names import RunFile
from actinscope.phantoms import write_phantom_study
from actinscope.predict import PredictOptions, predict_files
from actinscope.progress import Progress, StepCounter
from actinscope.requests import DemoRequest, StudySource, TrainRequest
from actinscope.runs import new_results
from actinscope.training import change_recipe, load_recipe
from actinscope.workflows.train import train_study

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

    Raises:
        UsageError: the folder holds something.
        ActinscopeError: as the rooms say.
    """
    with new_results(request.output):
        return _demonstrate(request, progress)


def _demonstrate(request: DemoRequest, progress: Progress) -> DemoOutcome:
    folder, seed, difficulty = request.output, request.seed, request.difficulty
    images, new, run = folder / "images", folder / "new_images", folder / "run"
    progress.say(f"Drawing SYNTHETIC cells into {folder}")
    _draw(images, _FIELDS, difficulty, seed, progress)
    _draw(new, 1, difficulty, seed + 1, progress)
    training = TrainRequest(
        source=StudySource(data=images, manifest=images / "fields.csv", group="field"),
        recipe=change_recipe(load_recipe("default"), {}, seed=seed),
        output=run,
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


def _draw(folder: Path, fields: int, difficulty: float, seed: int, progress: Progress) -> None:
    write_phantom_study(
        folder,
        fields_per_class=fields,
        cells_per_field=_CELLS,
        difficulty=difficulty,
        seed=seed,
        progress=StepCounter(progress, "Drawing"),
    )
