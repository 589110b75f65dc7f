"""Where results go: checked before hours of work; nothing is ever overwritten."""

from __future__ import annotations

from pathlib import Path

from actinscope.errors import OutputError, UsageError
from actinscope.files import require_table_name
from actinscope.names import RunFile
from actinscope.requests import StudySource


def require_new_folder(folder: Path, source: StudySource) -> None:
    """Refuse a folder for results that is in use, or that lies among the images.

    Raises:
        UsageError: ``folder`` is a file, holds something, or lies within the class folders.
    """
    if (folder / RunFile.RECIPE).exists():
        raise UsageError(
            "holds a training run already",
            where=folder,
            remedy="Give -o another folder (or, to continue the run, `train` with --resume)",
        )
    require_empty_folder(folder)
    # Without a manifest every folder below DATA is a class.
    if source.manifest is None and folder.resolve().is_relative_to(source.data.resolve()):
        raise UsageError(
            "lies among the images, where the next scan would take it for a class",
            where=folder,
            remedy=f"Give -o a folder outside {source.data}",
        )


def require_output(
    folder: Path, source: StudySource, *, resume: bool, mark: str, what: str
) -> None:
    """Refuse a new folder that is in use, or with ``resume`` one that holds nothing to resume.

    Args:
        folder: for the results.
        source: of the images.
        resume: continue with what is in ``folder``.
        mark: file that every such folder holds once it was started.
        what: is written into it, for the message.

    Raises:
        UsageError: there is nothing to continue, or as :func:`require_new_folder`.
    """
    if not resume:
        require_new_folder(folder, source)
    elif not (folder / mark).exists():
        raise UsageError(
            f"holds no {what} to continue",
            where=folder,
            remedy="Leave out --resume to start one",
        )


def require_empty_folder(folder: Path) -> None:
    """Refuse a folder that holds something (hidden files do not count).

    Raises:
        UsageError: it does, or ``folder`` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file", where=folder, remedy="Give -o the name of a new folder")
    if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise UsageError(
            "is not empty, and results never overwrite what is there",
            where=folder,
            remedy="Give -o the name of a new folder",
        )


def require_new_file(path: Path) -> None:
    """Refuse a file that is there already, or whose folder is not.

    Raises:
        UsageError: ``path`` exists, or is no name of a table.
        OutputError: its folder does not.
    """
    require_table_name(path)
    if path.exists():
        raise UsageError(
            "is there already, perhaps edited by hand",
            where=path,
            remedy="Give -o another name, or delete it first",
        )
    if not path.parent.is_dir():
        raise OutputError("the folder does not exist", where=path.parent, remedy="Make it first")
