"""The whole experiment of ``actinscope paper``: copies, divisions, runs, report.

State is found from files: a run is finished when its answers about the held-out images are
written, and has started when it has a recipe.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from actinscope.audit import joined_copies, near_duplicates
from actinscope.bundle import load_bundle
from actinscope.cells import CropReader
from actinscope.errors import ResumeError, UsageError
from actinscope.files import make_folder, write_json_atomic
from actinscope.names import EXPERIMENT_FILE, RunFile
from actinscope.networks import import_in_background, one_of_many_networks
from actinscope.paper.copies import READ_COPIES, list_copies, write_copies
from actinscope.paper.networks import PlannedNetwork, plan_networks, weights_by_network
from actinscope.paper.protocols import Protocol, Repeat, chosen_protocols, plan_repeats
from actinscope.paper.report import Experiment, write_paper_report
from actinscope.paper.results import UNSEEN, run_folder
from actinscope.predict import Predictor
from actinscope.progress import Progress, StepCounter
from actinscope.requests import PaperRequest, StudySource, TrainRequest
from actinscope.runs import (
    ChosenNetwork,
    fingerprint_study,
    predict_and_evaluate,
    read_study,
    recipe_as_used,
    require_same_settings,
    resumable,
    write_evaluation,
)
from actinscope.study import Fingerprints, Manifest
from actinscope.training import Recipe, change_recipe
from actinscope.workflows.train import train_on_parts

COPIES_FOLDER = "copies"


@dataclass(frozen=True)
class PaperOutcome:
    """Where the results are, the sentence that sums them up, and what was left out."""

    folder: Path
    sentence: str
    untrained: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]


@resumable(mark=EXPERIMENT_FILE, what="experiment")
def run_paper(request: PaperRequest, progress: Progress) -> PaperOutcome:
    """Run the paper's experiment on a study and report it beside the published numbers.

    Raises:
        ActinscopeError: what any room says; what was finished stays in the folder.
    """
    if request.repeats < 1:
        raise UsageError(f"{request.repeats} repeats", remedy="Ask for at least 1")
    networks = plan_networks(
        request.networks,
        request.recipe,
        weights=weights_by_network(request.weights, request.networks),
        vgg_epochs=request.vgg_epochs,
    )
    for one in networks:
        if one.problem:
            progress.say(f"{one.title} is NOT trained: {one.problem}")
        for notice in one.network.notices if one.network else ():
            progress.say(notice)
    reader = CropReader(request.recipe.images)
    found = _fingerprints(request, reader, progress)
    import_in_background()
    protocols = chosen_protocols(request.protocol, grouped=found.manifest.group is not None)
    folder = request.output / COPIES_FOLDER
    # What cannot be divided must show before anything is written.
    _plan(request, list_copies(found.manifest, copies=request.copies, folder=folder), protocols)
    _claim(request, found)
    copies = write_copies(
        found,
        request.recipe.augmentation,
        copies=request.copies,
        seed=request.recipe.seed,
        reader=reader,
        folder=folder,
        progress=progress,
    )
    repeats = _plan(request, copies, protocols)
    runs = _runs(request.output, networks, protocols, repeats)
    _run_all(runs, copies, command=request.command, progress=progress)
    experiment = Experiment(request, found, networks, protocols, repeats)
    sentence = write_paper_report(experiment, progress)
    shutil.rmtree(folder)
    untrained = tuple((one.title, one.problem) for one in networks if one.problem)
    return PaperOutcome(request.output, sentence, untrained, found.unreadable)


def _fingerprints(request: PaperRequest, reader: CropReader, progress: Progress) -> Fingerprints:
    """The images as read, with near copies joined where the recipe says ``keep_copies``."""
    study = read_study(request.source, request.recipe)
    if any(record.part for record in study.records):
        progress.say(
            "note: the parts that the manifest gives are not used: every protocol divides the "
            "images itself"
        )
    keep = request.recipe.split.keep_copies
    found = fingerprint_study(study, reader, progress, observing=keep, training=request.recipe)
    if not keep:
        return found
    near = near_duplicates(
        [one.sketch for one in found.observations],
        seed=request.recipe.seed,
        progress=StepCounter(progress, "Comparing images"),
    )
    return replace(found, manifest=joined_copies(found.manifest, near), observations=())


def _plan(
    request: PaperRequest, copies: Manifest, protocols: tuple[Protocol, ...]
) -> tuple[Repeat, ...]:
    shares = request.recipe.split
    return plan_repeats(
        copies,
        protocols,
        repeats=request.repeats,
        seed=request.recipe.seed,
        fractions=(shares.train, shares.validation, shares.test),
    )


def _claim(request: PaperRequest, found: Fingerprints) -> None:
    """Write what every run rests on; or, going on, refuse another experiment's folder.

    Networks, protocols and repeats are not in it: more of them may be asked for later.
    """
    asked = {
        "seed": request.recipe.seed,
        "copies": request.copies,
        "augmentation": request.recipe.augmentation.model_dump(mode="json"),
        "split": request.recipe.split.model_dump(mode="json"),
        "group": found.manifest.group,
        "images": len(found.manifest.records),
        "study_sha256": _study_hash(found.manifest),
    }
    identity = json.loads(json.dumps(asked))  # as it is read back
    path = request.output / EXPERIMENT_FILE
    if path.exists():
        begun = _read_identity(path)
        changed = [name for name in identity if begun.get(name) != identity[name]]
        if changed:
            raise ResumeError(
                f"the experiment was started with other values of: {', '.join(changed)}",
                where=path,
                remedy="Repeat the command that began it and add --resume, or start anew in "
                "another folder",
            )
        return
    make_folder(request.output)
    write_json_atomic(path, identity)


def _read_identity(path: Path) -> dict[str, object]:
    try:
        begun = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ResumeError("cannot be read", where=path, remedy="Start anew elsewhere") from error
    return begun if isinstance(begun, dict) else {}


def _study_hash(manifest: Manifest) -> str:
    rows = sorted(
        (*record.key, record.label, manifest.group_of(record), record.pixel_hash)
        for record in manifest.records
    )
    return hashlib.sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class _Run:
    """One training: which network under which protocol in which repeat, and its folder."""

    network: ChosenNetwork
    recipe: Recipe
    protocol: Protocol
    repeat: Repeat
    folder: Path

    @property
    def begun(self) -> bool:
        return (self.folder / RunFile.RECIPE).exists()

    @property
    def finished(self) -> bool:
        return (self.folder / UNSEEN / RunFile.PREDICTIONS).exists()

    def check(self) -> None:
        """Refuse what was started with other settings."""
        require_same_settings(self.folder, recipe_as_used(self.recipe, self.network.entry))


def _runs(
    folder: Path,
    networks: tuple[PlannedNetwork, ...],
    protocols: tuple[Protocol, ...],
    repeats: tuple[Repeat, ...],
) -> list[_Run]:
    """All runs, repeat by repeat, so that an experiment that was broken off tells most."""
    return [
        _Run(
            network=planned.network,
            recipe=change_recipe(planned.recipe, {}, seed=repeat.seed),
            protocol=protocol,
            repeat=repeat,
            folder=run_folder(folder, planned.name, protocol.name, repeat.number),
        )
        for repeat in repeats
        for planned in networks
        if planned.network is not None
        for protocol in protocols
    ]


def _run_all(runs: list[_Run], copies: Manifest, *, command: str, progress: Progress) -> None:
    """Train what is not finished."""
    for run in runs:
        if run.begun:  # all of them before hours of work
            run.check()
    for number, run in enumerate(runs, start=1):
        if run.finished:
            continue
        progress.say(
            f"run {number} of {len(runs)}: {run.network.entry.title}, {run.protocol.title}, "
            f"repeat {run.repeat.number}"
        )
        with one_of_many_networks():
            _train(run, copies, command=command, progress=progress)


def _train(run: _Run, copies: Manifest, *, command: str, progress: Progress) -> None:
    """Train one network under one protocol, then ask it about the held-out images."""
    parts = run.repeat.parts[run.protocol.name]
    reader = CropReader(READ_COPIES)
    train_on_parts(
        TrainRequest(
            source=StudySource(copies.root),
            recipe=run.recipe,
            output=run.folder,
            resume=run.begun,
            command=command,
        ),
        run.network,
        Fingerprints(parts.manifest, (), ()),
        parts,
        reader=reader,
        progress=progress,
    )
    answers = predict_and_evaluate(
        Predictor(load_bundle(run.folder / RunFile.BUNDLE)),
        run.repeat.unseen(run.protocol),
        copies,
        images=reader,
        seed=run.recipe.seed,
        progress=progress,
    )
    make_folder(run.folder / UNSEEN)
    write_evaluation(run.folder / UNSEEN, {UNSEEN: answers}, copies)
