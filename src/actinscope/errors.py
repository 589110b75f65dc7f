"""The one tree of errors that actinscope raises on purpose.

Each error says what was wrong, where, and what to do about it::

    ActinscopeError                 anything below; exit code 1
    |-- UsageError                  the command line contradicts itself            exit code 2
    |-- SettingsError               a recipe has an unknown key or a bad value     exit code 2
    |-- ImageError                  one image cannot be used                       exit code 3
    |   |-- ImageUnreadable         not there, no permission, broken, no image
    |   |-- ImageTooLarge           more pixels than the limit (decompression bomb)
    |   |-- ImageEmpty              zero-sized, or no finite value at all
    |   `-- AmbiguousAxes           time, scene or unknown axis: the user must choose
    |-- StudyError                  labels, groups or split                        exit code 3
    |   |-- ManifestError           the CSV is broken or names what is not there
    |   `-- SplitError              too few images or groups for an honest split
    |-- WeightsError                pretrained weights                             exit code 4
    |   |-- WeightsUnavailable      not at hand and not to be downloaded
    |   `-- WeightsCorrupt          hash or shape is not what it must be
    |-- TrainingError               the training cannot start or go on             exit code 5
    |   |-- LossNotFinite           the loss is no longer a number
    |   `-- ResumeError             the checkpoint does not belong to this run
    |-- BundleError                 a delivered model is broken or foreign         exit code 6
    |   `-- GoldenMismatch          a bundle no longer gives its golden outputs
    `-- OutputError                 a result cannot be written                     exit code 7

Ctrl-C ends a command with exit code 130; a batch that went through but met bad
files ends with exit code 3 after everything else has been written.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ActinscopeError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: what was wrong, in one sentence without a full stop.
        where: the file, column, setting or class that it was wrong in.
        remedy: what the user can do, in one sentence without a full stop.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, what: str, *, where: str | Path | None = None, remedy: str | None = None
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.remedy}." if self.remedy else f"{head}."

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders in worker pools; keyword arguments do not by default.
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


def _rebuild(
    kind: type[ActinscopeError], what: str, where: str | None, remedy: str | None
) -> ActinscopeError:
    return kind(what, where=where, remedy=remedy)


class UsageError(ActinscopeError):
    """The command line contradicts itself or asks for something that does nothing."""

    exit_code = 2


class SettingsError(ActinscopeError):
    """A recipe file has an unknown key, a bad value or a contradiction."""

    exit_code = 2


class ImageError(ActinscopeError):
    """One image cannot be used; a batch reports it and goes on."""

    exit_code = 3


class ImageUnreadable(ImageError):
    """The file is missing, forbidden, broken, or no image of a known format."""


class ImageTooLarge(ImageError):
    """The header promises more pixels than the limit."""


class ImageEmpty(ImageError):
    """The image has no pixels, or no finite value."""


class AmbiguousAxes(ImageError):
    """The file has a time axis, several scenes or unknown axes and nobody chose."""


class StudyError(ActinscopeError):
    """Labels, groups or the split are not usable."""

    exit_code = 3


class ManifestError(StudyError):
    """A manifest CSV is broken or names something that is not there."""


class SplitError(StudyError):
    """A class has too few images or groups for an honest split."""


class WeightsError(ActinscopeError):
    """Pretrained weights cannot be used."""

    exit_code = 4


class WeightsUnavailable(WeightsError):
    """The weights are not at hand and cannot be downloaded."""


class WeightsCorrupt(WeightsError):
    """The weights file has the wrong hash, names or shapes."""


class TrainingError(ActinscopeError):
    """The training cannot start or cannot go on."""

    exit_code = 5


class LossNotFinite(TrainingError):
    """The loss is no longer a number."""


class ResumeError(TrainingError):
    """The checkpoint does not belong to this run, or is damaged."""


class BundleError(ActinscopeError):
    """A delivered model is broken, incomplete or from a foreign version."""

    exit_code = 6


class GoldenMismatch(BundleError):
    """A bundle no longer gives the outputs stored with it."""


class OutputError(ActinscopeError):
    """A result cannot be written."""

    exit_code = 7
