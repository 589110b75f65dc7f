"""How long work tells a person, or nobody, how far it is.

The rooms that work call :class:`Progress`; the command line draws it. Phases do
not nest: a new phase ends the one before.
"""

from __future__ import annotations

from typing import Protocol


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
