"""The public names of actinscope: what the command line and a notebook call.

Everything is imported when it is first used, so that ``import actinscope.api`` is quick.

>>> from pathlib import Path
>>> from actinscope import api
>>> recipe = api.load_recipe("scratch")
>>> recipe.training.epochs > 1
True
>>> images = Path("images")
>>> source = api.StudySource(images, manifest=images / "study.csv", group="field")
>>> request = api.TrainRequest(source, recipe, output=Path("runs/first"))
>>> request.folds is None  # one split
True

``api.train(request)`` then does what ``actinscope train`` does; ``docs/api.md`` goes on from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actinscope.errors import ActinscopeError
from actinscope.progress import Progress, Silent
from actinscope.requests import (
    AuditRequest,
    CompareRequest,
    EvaluateRequest,
    ExplainRequest,
    PredictRequest,
    StudySource,
    TrainRequest,
)

if TYPE_CHECKING:
    from actinscope.bundle import load_bundle
    from actinscope.images import read_image
    from actinscope.training import Recipe, load_recipe
    from actinscope.workflows.audit import AuditOutcome
    from actinscope.workflows.compare import CompareOutcome
    from actinscope.workflows.evaluate import EvaluateOutcome
    from actinscope.workflows.explain_files import ExplainOutcome
    from actinscope.workflows.predict import PredictOutcome
    from actinscope.workflows.train import TrainOutcome

__all__ = [
    "ActinscopeError",
    "AuditRequest",
    "CompareRequest",
    "EvaluateRequest",
    "ExplainRequest",
    "PredictRequest",
    "Recipe",
    "StudySource",
    "TrainRequest",
    "audit",
    "compare",
    "evaluate",
    "explain",
    "load_bundle",
    "load_recipe",
    "predict",
    "read_image",
    "train",
]

#: Public names of rooms that are too heavy to be imported with this module.
_LATE = {
    "Recipe": "actinscope.training",
    "load_bundle": "actinscope.bundle",
    "load_recipe": "actinscope.training",
    "read_image": "actinscope.images",
}
_SILENT = Silent()


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return __all__


def train(request: TrainRequest, progress: Progress = _SILENT) -> TrainOutcome:
    """Train a network and test it: by folds, or on one split where that tests enough images.

    Returns:
        The verdict in words, the evaluation of each part, and where the results and the bundle
        are. All is written into ``request.output``.

    Raises:
        ActinscopeError: says what was wrong, where, and what to do; what was finished stays in
            the folder, and ``resume=True`` goes on with it.
    """
    from actinscope.workflows.crossvalidate import train as work

    return work(request, progress)


def evaluate(request: EvaluateRequest, progress: Progress = _SILENT) -> EvaluateOutcome:
    """Test a bundle on labelled images; images that trained it are left out.

    Raises:
        ActinscopeError: no image is left, or the bundle or the folder cannot be used.
    """
    from actinscope.workflows.evaluate import evaluate_bundle

    return evaluate_bundle(request, progress)


def predict(request: PredictRequest, progress: Progress = _SILENT) -> PredictOutcome:
    """Write a CSV with the class and every probability of new images, and of their levels.

    A broken image gets a row with its error.

    Raises:
        ActinscopeError: the bundle, the options or the output cannot be used.
    """
    from actinscope.workflows.predict import predict as work

    return work(request, progress)


def audit(request: AuditRequest, progress: Progress = _SILENT) -> AuditOutcome:
    """Look for copies, confounds, doubtful labels and bad images before training.

    Raises:
        ActinscopeError: the study or the folder cannot be used.
    """
    from actinscope.workflows.audit import audit_study

    return audit_study(request, progress)


def explain(request: ExplainRequest, progress: Progress = _SILENT) -> ExplainOutcome:
    """Draw where in images a bundle finds evidence for its answers.

    Raises:
        ActinscopeError: the bundle, the options or the folder cannot be used.
    """
    from actinscope.workflows.explain_files import explain_files

    return explain_files(request, progress)


def compare(request: CompareRequest, progress: Progress = _SILENT) -> CompareOutcome:
    """Compare runs image by image, or two cross-validations fold by fold.

    Raises:
        ActinscopeError: the runs have no images in common, or cannot be used.
    """
    from actinscope.workflows.compare import compare_runs

    return compare_runs(request, progress)
