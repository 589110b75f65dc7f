"""Progress on a terminal as a live bar with time left; in a log file as plain lines."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from actinscope.wording import time_left

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_LOG_SECONDS = 30.0


class TerminalProgress:
    """A :class:`actinscope.progress.Progress` that people watch. Use as a context manager."""

    def __init__(self, *, quiet: bool = False, debug: bool = False) -> None:
        self._quiet = quiet
        self._debug = debug
        self._live = sys.stderr.isatty() and not quiet
        self._bar: RichProgress | None = None
        self._console: Console | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._total = 0
        self._done = 0
        self._spoken = 0.0
        self._began = 0.0

    def __enter__(self) -> TerminalProgress:
        if self._live:
            self._bar = _make_bar()
            self._console = self._bar.console
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def phase(self, name: str, total: int) -> None:
        """Begin a phase of ``total`` steps."""
        self._name, self._total, self._done = name, total, 0
        self._began = self._spoken = time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """So many more steps are done."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=steps, note=note)
        elif not self._quiet and time.monotonic() - self._spoken > _LOG_SECONDS:
            self._spoken = time.monotonic()
            done = f"{self._name}: {self._done} of {self._total}{self._left()}"
            _print(f"{done}  {note}".rstrip())

    def say(self, message: str) -> None:
        """Print a line that stays."""
        if self._quiet:
            return
        if self._console is not None:
            self._console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            _print(message)

    def detail(self, message: str) -> None:
        """Print a line that few want to see, with --debug."""
        if self._debug:
            self.say(message)

    def _left(self) -> str:
        if not self._done:
            return ""
        seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
        return f", {time_left(seconds)}"


def _print(line: str) -> None:
    with suppress(OSError):  # whoever listened has gone; the work goes on
        print(line, file=sys.stderr, flush=True)


def _make_bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=8),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
