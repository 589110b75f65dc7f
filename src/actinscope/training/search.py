"""The search itself: what to try next, what to break off, and its record on the disk.

Optuna proposes (tree-structured Parzen estimator: Bergstra et al., NeurIPS 2011) and keeps
the record, a SQLite file. What is proposed depends on the seed and on the finished trials
alone, so that a search that was killed and resumed tries what it would have tried.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actinscope.errors import ResumeError, UsageError
from actinscope.training.recipe import Recipe
from actinscope.training.search_space import Choices, Dimension, SearchSpace, Value
from actinscope.training.trial import FoldScores, TrialOutcome

FINISHED = ("complete", "pruned", "diverged")
#: In how many parts the epochs of a fold are divided; trials are compared where one ends.
RUNGS = 4
_FIRST_RUNG = 2  # before half of a fold's epochs the order of trials says little
_LEAST_RIVALS = 4  # finished trials at the same rung before any is broken off
_RANDOM_TRIALS = 8  # drawn from the space before the sampler learns from earlier trials
_NAME = "actinscope"
_RESTART = "Repeat the settings of that search, or start again in another folder"


@dataclass(frozen=True, eq=False)
class TrialResult(TrialOutcome):
    """A finished trial of the record; ``log_losses`` are empty unless it is complete."""

    number: int  # 0 is the base recipe
    values: Mapping[str, Value]  # of the dimensions searched
    rungs: Mapping[int, float]  # rung -> objective so far, see :func:`rung_of`

    @property
    def objective(self) -> float:
        """Mean log loss over the folds, of what was finished; NaN where nothing was."""
        if self.state == "complete":
            return statistics.fmean(fold.log_loss for fold in self.folds)
        return self.rungs[max(self.rungs)] if self.rungs else float("nan")


def rung_of(fold: int, done: float) -> int:
    """Number of the rung that ends where ``done`` of a fold's epochs are trained (0..1)."""
    return fold * RUNGS + int(done * RUNGS + 1e-9)


def is_hopeless(rung: int, value: float, rivals: Sequence[TrialResult]) -> bool:
    """Whether a trial is worse than the median of the complete ones at the same rung.

    The objective so far is a mean over the folds started, so it compares only with the same
    folds of others. A trial with twice the epochs is compared after twice as many.
    """
    if rung % RUNGS and rung % RUNGS < _FIRST_RUNG:
        return False
    others = [one.rungs[rung] for one in rivals if one.state == "complete" and rung in one.rungs]
    return len(others) >= _LEAST_RIVALS and value > statistics.median(others)


class Search:
    """A search on the disk. Use as a context manager.

    Args:
        path: of the SQLite file, which is made unless it is there.
        space: with its freeze points set.
        base: the recipe that trial 0 tries as it is.
        seed: of the proposals.
        settings: JSON-able; what a search to resume must have in common with this one.

    Raises:
        UsageError: Optuna is not installed.
        ResumeError: the file is damaged, or of a search with other settings.
    """

    def __init__(
        self, path: Path, space: SearchSpace, base: Recipe, *, seed: int, settings: Any
    ) -> None:
        self._optuna = import_optuna()
        self._space = space
        self._base = base
        self._seed = seed
        self._open: Any = None
        if path.exists():
            _require_sound(path)
        with _quiet():
            self._storage = self._optuna.storages.RDBStorage(
                "sqlite://", engine_kwargs={"creator": lambda: _connected(path)}
            )
            self._study = self._optuna.create_study(
                storage=self._storage, study_name=_NAME, direction="minimize", load_if_exists=True
            )
        self._claim(path, json.loads(json.dumps(settings)))

    def __enter__(self) -> Search:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with _quiet():
            self._storage.remove_session()
            self._storage.engine.dispose()

    def _claim(self, path: Path, settings: Any) -> None:
        """Note the settings, or see that they are the same; give up what a kill left open."""
        with _quiet():
            stored = self._study.user_attrs.get("settings")
            if stored is None:
                self._study.set_user_attr("settings", settings)
            elif stored != settings:
                self.close()
                changed = [key for key in settings if stored.get(key) != settings[key]]
                raise ResumeError(
                    f"the search was started with other settings: {', '.join(changed)}",
                    where=path,
                    remedy=_RESTART,
                )
            for trial in self._trials(self._optuna.trial.TrialState.RUNNING):
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    def _trials(self, *states: Any) -> list[Any]:
        return list(self._study.get_trials(deepcopy=False, states=states))

    def results(self) -> tuple[TrialResult, ...]:
        """The finished trials, in order; the first is the base recipe."""
        states = self._optuna.trial.TrialState
        with _quiet():
            trials = self._trials(states.COMPLETE, states.PRUNED)
        return tuple(self._result(number, trial) for number, trial in enumerate(trials))

    def _result(self, number: int, trial: Any) -> TrialResult:
        kept = trial.user_attrs["outcome"]
        losses = [np.nan if loss is None else loss for loss in kept["log_losses"]]
        return TrialResult(
            state=kept["state"],
            folds=tuple(FoldScores(**fold) for fold in kept["folds"]),
            log_losses=np.asarray(losses, np.float64),
            seconds=kept["seconds"],
            number=number,
            values=self._values(trial),
            rungs=dict(trial.intermediate_values),
        )

    def _values(self, trial: Any) -> dict[str, Value]:
        dimensions = self._space.dimensions
        return {name: _decoded(dimensions[name], value) for name, value in trial.params.items()}

    def propose(self) -> tuple[int, Mapping[str, Value]]:
        """Start the next trial, the base recipe first; its number and its values."""
        number = len(self.results())
        seed = int(np.random.SeedSequence([self._seed, 6, number]).generate_state(1)[0])
        samplers = self._optuna.samplers
        with _quiet():
            sampler = samplers.TPESampler(
                seed=seed, n_startup_trials=_RANDOM_TRIALS, constant_liar=False
            )
            dimensions = dict(self._space.dimensions)
            if number == 0:
                own = self._space.values_of(self._base)
                dimensions = {name: dimensions[name] for name in own}
                fixed = {name: _encoded(dimensions[name], value) for name, value in own.items()}
                sampler = samplers.PartialFixedSampler(fixed, sampler)
            self._study.sampler = sampler
            drawn = {name: _distribution(self._optuna, one) for name, one in dimensions.items()}
            self._open = self._study.ask(fixed_distributions=drawn)
        return number, self._values(self._open)

    def report(self, rung: int, value: float) -> None:
        """Note the objective so far of the trial that was started."""
        with _quiet():
            self._open.report(value, rung)

    def finish(self, outcome: TrialOutcome) -> None:
        """Note how the trial that was started went. One that was stopped will be started again."""
        states = self._optuna.trial.TrialState
        trial, self._open = self._open, None
        with _quiet():
            if outcome.state not in FINISHED:
                self._study.tell(trial, state=states.FAIL)
                return
            complete = outcome.state == "complete"
            losses = outcome.log_losses if complete else ()
            kept = {
                "state": outcome.state,
                "folds": [vars(fold) for fold in outcome.folds],
                "log_losses": [None if np.isnan(one) else round(float(one), 6) for one in losses],
                "seconds": round(outcome.seconds, 2),
            }
            trial.set_user_attr("outcome", kept)
            if complete:
                self._study.tell(trial, statistics.fmean(fold.log_loss for fold in outcome.folds))
            else:
                self._study.tell(trial, state=states.PRUNED)


def import_optuna() -> Any:
    """Optuna, silent; raises UsageError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "the search needs the package optuna, which is not installed",
            remedy="Install it with: pip install optuna",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna warns of parts whose interface may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _connected(path: Path) -> sqlite3.Connection:
    # A path is handed over as it is; in an address some of its characters would mean something.
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def _require_sound(path: Path) -> None:
    """Refuse a file that is no SQLite database, or a broken one."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
            tables = database.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        raise ResumeError(
            f"is not the record of a search ({error})", where=path, remedy=_RESTART
        ) from error
    if answer != "ok" or (tables and ("studies",) not in tables):
        raise ResumeError("is not the record of a search", where=path, remedy=_RESTART)


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    kinds = optuna.distributions
    if isinstance(dimension, Choices):
        return kinds.CategoricalDistribution([_encoded(dimension, one) for one in dimension.values])
    low, high, log = dimension.low, dimension.high, dimension.log
    if dimension.whole:
        return kinds.IntDistribution(int(low), int(high), log=log, step=int(dimension.step or 1))
    return kinds.FloatDistribution(low, high, log=log, step=dimension.step)


def _encoded(dimension: Dimension, value: Value) -> Any:
    # As text: choices may be lists, and Optuna takes 1 and True for one value.
    return json.dumps(value) if isinstance(dimension, Choices) else value


def _decoded(dimension: Dimension, stored: Any) -> Value:
    values = dimension.values if isinstance(dimension, Choices) else [stored]
    return next(value for value in values if _encoded(dimension, value) == stored)
