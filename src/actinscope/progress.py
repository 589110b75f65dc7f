"""How long work tells a person, or nobody, how far it is.

The rooms that work call :class:`Progress`; the command line draws it. Phases do
not nest: a new phase ends the one before.
"""

from __future__ import annotations

import time
from typing import Protocol

from actinscope.wording import time_left


class Progress(Protocol):
    """What a worker calls."""

    def phase(self, name: str, total: int) -> None:
        """Begin a phase of ``total`` steps."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """So many more steps are done; ``note`` is a short live text such as the loss."""

    def say(self, message: str) -> None:
        """A line that stays on the screen."""

    def detail(self, message: str) -> None:
        """A line for those who follow closely, such as the losses of an epoch."""


class Silent:
    """A progress that nobody watches."""

    def phase(self, name: str, total: int) -> None:
        """Ignore."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Ignore."""

    def say(self, message: str) -> None:
        """Ignore."""

    def detail(self, message: str) -> None:
        """Ignore."""


class StepCounter:
    """Turns calls of (done, total) into the steps of one phase, which it begins."""

    def __init__(self, progress: Progress, phase: str) -> None:
        self._progress = progress
        self._phase = phase
        self._done = 0
        self._begun = False

    def __call__(self, done: int, total: int) -> None:
        """``done`` of ``total`` steps are finished."""
        if not self._begun:
            self._progress.phase(self._phase, total)
            self._begun = True
        self._progress.advance(done - self._done)
        self._done = done


class FoldProgress:
    """Progress of models trained one after the other: which one, and how long all will take.

    The time left is that of the last model for each one ahead. What the first model says, such as
    what was found in the images, the others would say again: of them it is a detail.

    Args:
        progress: of the whole command.
        models: to be trained or taken as they are.
    """

    def __init__(self, progress: Progress, models: int) -> None:
        self._progress = progress
        self._ahead = models
        self._title = ""
        self._began = 0.0
        self._seconds: float | None = None

    def begin(self, title: str) -> None:
        """The model ``title`` is trained now."""
        self._title, self._began = title, time.monotonic()

    def end(self, *, trained: bool) -> None:
        """One model less is ahead; it was ``trained``, or there already."""
        self._ahead -= 1
        if trained:
            self._seconds = time.monotonic() - self._began

    def phase(self, name: str, total: int) -> None:
        """Begin a phase, named with its model and the time left."""
        left = ""
        if self._seconds is not None:
            rest = max(0.0, self._began + self._seconds - time.monotonic())
            if seconds := rest + (self._ahead - 1) * self._seconds:
                left = f", {time_left(seconds)}"
        self._progress.phase(f"{self._title}{left}: {name}", total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """So many more steps are done."""
        self._progress.advance(steps, note)

    def say(self, message: str) -> None:
        """A line that stays, if it is the first model's."""
        if self._seconds is None:
            self._progress.say(message)
        else:
            self._progress.detail(message)

    def detail(self, message: str) -> None:
        """A line for those who follow closely."""
        self._progress.detail(message)
