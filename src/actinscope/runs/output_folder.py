"""Where results go: checked before hours of work, held by one command, never overwritten."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from actinscope.errors import OutputError, UsageError
from actinscope.files import lock_file, make_folder, remove_partial_files, require_table_name
from actinscope.progress import Progress
from actinscope.requests import StudySource

Work = TypeVar("Work", bound=Callable[..., Any])

# Hidden, so that a folder which holds nothing else counts as empty.
_LOCK = ".in-use"
_UNFINISHED = ".unfinished"
_FINISHED = ".finished"


@contextmanager
def whole_results(folder: Path, source: StudySource | None = None) -> Iterator[Path]:
    """Give a hidden folder to write to; in the end all that is in it is put into ``folder``.

    What a killed command left in it is dropped: the same command starts anew.

    Raises:
        UsageError: ``folder`` is a file, holds something, lies among the images of ``source``,
            or another command writes to it.
        OutputError: it cannot be written, or was removed meanwhile.
    """
    with _held(folder, source) as require_ours:
        _move_out(folder)  # of a command that was killed in its last moment
        _require_empty(folder)
        unfinished = folder / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)
        make_folder(unfinished)
        try:
            yield unfinished
            require_ours()
            unfinished.rename(folder / _FINISHED)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        _move_out(folder)


@contextmanager
def new_results(folder: Path) -> Iterator[None]:
    """Hold ``folder``, which must be new or empty, for a command that writes to it at once.

    Raises:
        UsageError, OutputError: as :func:`whole_results`.
    """
    with _held(folder, None) as require_ours:
        _require_empty(folder)
        yield
        require_ours()


@contextmanager
def resumable_results(
    folder: Path, source: StudySource | None = None, *, resume: bool, mark: str, what: str
) -> Iterator[None]:
    """Hold ``folder`` for a command that goes on, with ``resume``, with what it has written.

    The file ``mark`` is in every such folder once it was started; ``what`` is written into it,
    for messages.

    Raises:
        UsageError: there is nothing to go on with, or as :func:`whole_results`.
        OutputError: as :func:`whole_results`.
    """
    started = (folder / mark).exists()
    if resume and not started:
        raise UsageError(
            f"holds no {what} to continue",
            where=folder,
            remedy="Leave out --resume to start one",
        )
    with _held(folder, source) as require_ours:
        if started and not resume:
            raise UsageError(
                f"holds an earlier {what}",
                where=folder,
                remedy="Go on with it with --resume, or give -o another folder",
            )
        if resume:
            remove_partial_files(folder)
        else:
            _require_empty(folder)
        yield
        require_ours()


def whole(work: Work) -> Work:
    """Have a command write its results as :func:`whole_results` does."""

    @functools.wraps(work)
    def held(request: Any, progress: Progress) -> Any:
        with whole_results(request.output, getattr(request, "source", None)) as folder:
            outcome = work(replace(request, output=folder), progress)
        return replace(outcome, folder=request.output)

    return cast(Work, held)


def resumable(*, mark: str, what: str) -> Callable[[Work], Work]:
    """Have a command hold its folder as :func:`resumable_results` does."""

    def decorated(work: Work) -> Work:
        @functools.wraps(work)
        def held(request: Any, progress: Progress, *rest: Any) -> Any:
            folder, source, resume = request.output, request.source, request.resume
            with resumable_results(folder, source, resume=resume, mark=mark, what=what):
                return work(request, progress, *rest)

        return cast(Work, held)

    return decorated


@contextmanager
def _held(folder: Path, source: StudySource | None) -> Iterator[Callable[[], None]]:
    """Hold ``folder`` against other commands; one made for this and left empty is removed.

    Yields what raises OutputError where it is not the same folder any more.
    """
    # Without a manifest every folder below DATA is a class.
    images = source.data if source is not None and source.manifest is None else None
    if images is not None and folder.resolve().is_relative_to(images.resolve()):
        raise UsageError(
            "lies among the images, where the next scan would take it for a class",
            where=folder,
            remedy=f"Give -o a folder outside {images}",
        )
    if folder.is_file():
        raise UsageError("is a file", where=folder, remedy="Give -o the name of a new folder")
    made, path = not folder.exists(), folder / _LOCK
    make_folder(folder)
    try:
        stream = path.open("ab")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})",
            where=folder,
            remedy="Check that the folder is writable and has space left, or give -o another one",
        ) from error

    def is_ours() -> bool:
        try:
            return os.path.samestat(os.fstat(stream.fileno()), path.stat())
        except OSError:
            return False

    def require_ours() -> None:
        if not is_ours():
            raise OutputError(
                "was removed or replaced while results were written to it",
                where=folder,
                remedy="Start the command anew, and leave the folder alone while it works",
            )

    with stream:
        if not lock_file(stream) or not is_ours():
            raise UsageError(
                "another command is writing to this folder",
                where=folder,
                remedy="Wait until it is done, or give -o another folder",
            )
        try:
            yield require_ours
        finally:
            ours = is_ours()
            if sys.platform == "win32":
                stream.close()  # an open file cannot be removed
            if ours:
                path.unlink(missing_ok=True)
            if made:
                with suppress(OSError):  # there is something in it
                    folder.rmdir()


def _move_out(folder: Path) -> None:
    finished = folder / _FINISHED
    if finished.is_dir():
        for one in list(finished.iterdir()):
            one.rename(folder / one.name)
        finished.rmdir()


def _require_empty(folder: Path) -> None:
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise UsageError(
            "is not empty, and results never overwrite what is there",
            where=folder,
            remedy="Give -o the name of a new folder",
        )


def require_new_file(path: Path, *, use: str = "") -> None:
    """Refuse a file that is there already, or that could not be written.

    ``use`` says, for the message, what the file that is there is good for.

    Raises:
        UsageError: ``path`` exists, or is no name of a table.
        OutputError: its folder does not, or nothing can be written to it.
    """
    require_table_name(path)
    if path.exists():
        raise UsageError(
            "is there already, perhaps edited by hand",
            where=path,
            remedy=f"{use}Give -o another name, or delete it first",
        )
    if not path.parent.is_dir():
        raise OutputError("the folder does not exist", where=path.parent, remedy="Make it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(
            "the folder cannot be written to",
            where=path.parent,
            remedy="Give -o a name in a folder of your own",
        )
