"""The whole job of ``actinscope recipe tune``: a search that never touches the test part.

Of the test images only hashes are taken, and with ``split.keep_copies`` sketches to find copies
by, with those of all others, so that the split is the one that ``train`` makes. They are not
predicted or counted into any number.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.audit import with_copies_kept
from actinscope.cells import CropReader
from actinscope.errors import SettingsError, SplitError, TrainingError
from actinscope.files import make_folder
from actinscope.images import Image
from actinscope.names import SEARCH_FILE, RunFile
from actinscope.networks import build_network, freeze, freeze_points
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Progress, Silent
from actinscope.requests import TuneRequest
from actinscope.runs import (
    ChosenNetwork,
    choose_network,
    fingerprint_study,
    head_of,
    images_of,
    labels_of,
    network_input,
    read_study,
    recipe_as_used,
    records_of,
    require_buildable,
    require_same_images,
    require_same_settings,
    resumable,
    scaled_array,
    with_network_of_run,
)
from actinscope.study import (
    TEST,
    TRAIN,
    VALIDATION,
    Manifest,
    Record,
    Split,
    grouped_folds,
    split,
    write_manifest,
)
from actinscope.training import (
    FINISHED,
    FREEZE,
    ActivationCache,
    Fold,
    LabelledImages,
    Recipe,
    Search,
    SearchImages,
    SearchSpace,
    TrialResult,
    TrialRunner,
    import_optuna,
    is_hopeless,
    load_space,
    recipe_with,
    rung_of,
    write_recipe,
)
from actinscope.workflows.tune_result import TuneResult, write_trials


@dataclass(frozen=True, eq=False)
class TuneOutcome:
    """What a search found, in lines, the verdict first."""

    folder: Path
    lines: tuple[str, ...]
    problems: tuple[tuple[str, str], ...] = ()


@resumable(mark=SEARCH_FILE, what="search")
def tune_study(request: TuneRequest, progress: Progress) -> TuneOutcome:
    """Search, and write record, table and best recipe into the folder.

    Raises:
        ActinscopeError: what any room says; finished trials stay in the folder.
    """
    ends = math.inf if request.minutes is None else time.monotonic() + 60 * request.minutes
    _require_searchable(request.recipe)
    # A search that was cut off at its start has its record, and perhaps not yet its recipe.
    started = request.resume and (request.output / RunFile.RECIPE).exists()
    if started:
        recipe = with_network_of_run(request.recipe, request.output)
        request = replace(request, recipe=recipe)
    network = choose_network(request.recipe)
    recipe = recipe_as_used(request.recipe, network.entry)
    request = replace(request, recipe=recipe)
    _require_frozen(recipe, network)
    require_buildable(recipe, network.entry)
    space = load_space(
        request.space,
        recipe,
        check=lambda one: require_buildable(recipe_as_used(one, network.entry), network.entry),
    )
    if started:
        require_same_settings(request.output, recipe)
    for notice in network.notices:
        progress.say(notice)
    reader = CropReader(recipe.images, keep_in=request.output.parent)
    fingerprints = fingerprint_study(
        read_study(request.source, recipe),
        reader,
        progress,
        observing=recipe.split.keep_copies,
        training=recipe,
    )
    for name, message in fingerprints.unreadable:
        progress.say(f"left out: {name}: {message}")
    manifest = with_copies_kept(fingerprints, recipe, progress)
    shares = (recipe.split.train, recipe.split.validation, recipe.split.test)
    parts = split(manifest, seed=recipe.seed, fractions=shares)
    for note in parts.notes:
        progress.say(f"note: {note}")
    result = _search(
        request, network, parts, space=space, reader=reader, ends=ends, progress=progress
    )
    return TuneOutcome(request.output, tuple(result.lines()), fingerprints.unreadable)


def _search(
    request: TuneRequest,
    network: ChosenNetwork,
    parts: Split,
    *,
    space: SearchSpace,
    reader: CropReader,
    ends: float,
    progress: Progress,
) -> TuneResult:
    """Search on what ``parts`` leaves outside its test part, and write all results.

    The recipe of ``request`` is one as used. After ``ends`` (seconds on the monotonic clock) no
    trial but that of the base recipe is started or goes on.
    """
    recipe, folder = request.recipe, request.output
    if request.resume and (folder / RunFile.MANIFEST).exists():
        require_same_images(folder, parts.manifest)
    outside = tuple(record for record in parts.manifest.records if record.part != TEST)
    known = replace(parts.manifest, records=outside)
    folds = _folds(known, request)
    space = _with_freeze_points(space, _builder(network, known, 3), recipe)
    make_folder(folder)
    settings = {"space": space.described(), "folds": request.folds, "seed": recipe.seed}
    with Search(folder / SEARCH_FILE, space, recipe, seed=recipe.seed, settings=settings) as search:
        # Behind the record: --resume continues wherever there is one, also from here.
        write_recipe(recipe, folder / RunFile.RECIPE)
        write_manifest(parts.manifest, folder / RunFile.MANIFEST)
        images = _Images(known, network, reader, folder, progress)
        cache = ActivationCache(folder / "stored", recipe.training.storage_gb)
        runner = TrialRunner(
            _builder(network, known, images.of(recipe).preprocess.network_channels),
            folds,
            cache=cache,
            most_views=_most_views(space, recipe),
            classes=len(known.classes),
            folder=folder,
        )
        # The base recipe is tried in any case, or else there would be nothing to show.
        while len(rivals := search.results()) < request.trials and (
            not rivals or time.monotonic() < ends
        ):
            pruner = _Pruner(search, rivals, ends, len(folds), request, progress)
            _one_trial(search, runner, images, recipe, pruner=pruner, progress=progress)
            write_trials(folder, space, recipe, search.results())
        trials = search.results()
    cache.remove()
    return TuneResult(request, parts.manifest, known, trials)


def _require_searchable(recipe: Recipe) -> None:
    """Refuse what cannot be searched before images are read.

    Raises:
        SettingsError: the recipe stores no views, or trains no layers.
        UsageError: the package that proposes trials is not installed.
    """
    import_optuna()
    if recipe.training.head_model != "softmax":
        raise SettingsError(
            f"a search trains layers of the network, and {recipe.training.head_model} leaves it "
            "as it is",
            where=f"recipe {recipe.name}",
            remedy="Start from --recipe fine-tuned",
        )
    if not recipe.training.views:
        raise SettingsError(
            "a search trains on stored views, and training.views is 0",
            where=f"recipe {recipe.name}",
            remedy="Set training.views to 1 or more in the recipe that the search starts from",
        )


def _require_frozen(recipe: Recipe, network: ChosenNetwork) -> None:
    """Refuse a base recipe, as used, that stores nothing."""
    if recipe.network.frozen_layers:
        return
    entry = network.entry
    raise SettingsError(
        "a search trains on what the frozen layers make of the images, and no layer of "
        f"{entry.title} is frozen",
        where=f"recipe {recipe.name}, network.frozen_layers",
        remedy="Choose a pretrained network with --network; this one is trained from random numbers"
        if entry.from_scratch
        else f"Set it to 1 or more, or leave it out for {entry.frozen_layers}",
    )


def _folds(known: Manifest, request: TuneRequest) -> tuple[Fold, ...]:
    """Rows of ``known`` to train on and to hold out."""
    row_of = {record.key: row for row, record in enumerate(known.records)}

    def fold(manifest: Manifest, part: str) -> Fold:
        held = [row_of[record.key] for record in manifest.records if record.part == part]
        rest = [row_of[record.key] for record in manifest.records if record.part != part]
        return Fold(np.sort(np.array(rest, np.int64)), np.sort(np.array(held, np.int64)))

    if request.folds == 1:
        return (fold(known, VALIDATION),)
    try:
        folds = grouped_folds(known, folds=request.folds, seed=request.recipe.seed)
    except SplitError as error:
        raise SplitError(
            f"the images outside the test part: {error.what}",
            where=error.where,
            remedy="Ask for fewer folds with --folds; 1 evaluates on the validation part alone",
        ) from error
    return tuple(fold(one.manifest, TEST) for one in folds)


def _builder(network: ChosenNetwork, known: Manifest, channels: int) -> Callable[[Recipe], Any]:
    """Builds the network of a recipe with its first weights."""

    def build(recipe: Recipe) -> Any:
        return build_network(
            network.entry,
            classes=len(known.classes),
            weights=network.weights,
            input_size=network_input(network.entry, recipe).size,
            input_channels=channels,
            seed=recipe.seed,
            precision=recipe.training.precision,
            head=head_of(recipe, network.entry),
        )

    return build


def _with_freeze_points(
    space: SearchSpace, build: Callable[[Recipe], Any], recipe: Recipe
) -> SearchSpace:
    """The space with freeze points that the network has."""
    if not space.auto_freeze and FREEZE not in space.dimensions:
        return space
    model = build(recipe)
    if space.auto_freeze:
        assert recipe.network.frozen_layers is not None, "a recipe as used"
        return space.with_freeze_points(freeze_points(model, recipe.network.frozen_layers))
    for point in space.dimensions[FREEZE].ends:
        freeze(model, int(str(point)))
    return space


@dataclass
class _Images:
    """The images of the search as a recipe's preprocessing gives them; the last ones are kept.

    The preprocessing is fitted on the training part, as ``train`` will.
    """

    known: Manifest
    network: ChosenNetwork
    reader: CropReader
    folder: Path
    progress: Progress
    _key: str = ""
    _given: SearchImages | None = None

    def of(self, recipe: Recipe) -> SearchImages:
        known = self.known
        network = network_input(self.network.entry, recipe)
        key = json.dumps([recipe.preprocess.model_dump_json(), network.size])
        if self._given is None or key != self._key:
            self._given = None
            measured = self._read(records_of(known, TRAIN), "Measuring intensities")
            preprocess = fit_preprocess(measured, recipe.preprocess, network)
            loaded = self._read(known.records, "Loading images")
            array = scaled_array(loaded, len(known.records), preprocess, self.folder)
            images = LabelledImages(array, labels_of(known.records, known.classes))
            hashes = "".join(record.pixel_hash for record in known.records)
            identity = hashlib.sha256(f"{key} {hashes}".encode()).hexdigest()
            self._given = SearchImages(images, preprocess, identity)
            self._key = key
        return self._given

    def _read(self, records: Sequence[Record], phase: str) -> Iterator[Image]:
        return images_of(records, self.reader, self.progress, phase)


@dataclass
class _Pruner:
    """Reports how a trial does, and ends it where it is hopeless or out of time.

    Without rivals it is the base recipe, which everything is compared with: it is tried to its
    end, and after its second epoch is said how many trials fit into the time.
    """

    search: Search
    rivals: tuple[TrialResult, ...]
    ends: float
    folds: int
    request: TuneRequest
    progress: Progress
    _rung: int = 0
    _looks: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, fold: int, done: float, objective: float) -> str:
        rung = rung_of(fold, done)
        if rung > self._rung:
            self.search.report(rung, objective)
            self._rung = rung
            if fold == self.folds - 1 and done >= 1:
                return ""
            if is_hopeless(rung, objective, self.rivals):
                return "pruned"
        if self.rivals:
            return "stopped" if time.monotonic() >= self.ends else ""
        if len(self._looks) < 2 and self.request.minutes is not None:
            self._looks.append(((fold + done) / self.folds, time.monotonic()))
            if len(self._looks) == 2:
                self._say_how_many(self.request.trials, self.request.minutes)
        return ""

    def _say_how_many(self, trials: int, minutes: float) -> None:
        (first, then), (second, now) = self._looks
        # What the first epoch waits for is done once; a clock may stand still for a short while.
        each = max(1e-3, now - then) / (second - first)
        left = self.ends - then - each * (1 - first)  # once the base recipe is done
        fits = 1 + max(0, int(left / each))
        if fits < trials:
            enough = math.ceil(minutes + (each * (trials - 1) - left) / 60)
            self.progress.say(
                f"the time is enough for {fits} of the {trials} trials, the base recipe first; "
                f"for all of them give --minutes {enough}"
            )


def _one_trial(
    search: Search,
    runner: TrialRunner,
    images: _Images,
    base: Recipe,
    *,
    pruner: _Pruner,
    progress: Progress,
) -> None:
    number, values = search.propose()
    recipe = recipe_with(base, values)
    outcome = runner.run(recipe, images.of(recipe), pruner, _TrialProgress(progress))
    if outcome.state == "diverged" and number == 0:
        raise TrainingError(
            "the loss of the base recipe became no number",
            where=f"recipe {base.name}",
            remedy="Lower training.learning_rate in the recipe that the search starts from",
        )
    search.finish(outcome)
    if outcome.state not in FINISHED:
        progress.say(f"trial {number}: out of time, started again with --resume")
        return
    done = search.results()[-1]
    tried = ", ".join(f"{name} {value}" for name, value in done.values.items())
    loss = f"log loss {done.objective:.4f}" if math.isfinite(done.objective) else ""
    progress.say(
        f"trial {done.number}  {done.state}  {loss}  {outcome.seconds:.0f} s  "
        f"{'base recipe' if not done.number else tried}"
    )


class _TrialProgress(Silent):
    """Passes phases and steps on, but not the lines of every epoch."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def phase(self, name: str, total: int) -> None:
        self._progress.phase(name, total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.advance(steps, note)


def _most_views(space: SearchSpace, recipe: Recipe) -> int:
    """Views of an image that the longest trial of the space can show."""
    views, refresh, epochs = (
        space.most(f"training.{name}", recipe) for name in ("views", "refresh", "epochs")
    )
    return int((epochs - 1) * refresh + 1e-9) + int(views)
